package vault

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strconv"
	"time"

	"github.com/openbao/openbao/api/v2"

	"github.com/k8senc/k8senc/kms-plugin/connect"
	"github.com/k8senc/k8senc/kms-plugin/kek"
	"github.com/k8senc/k8senc/kms-plugin/secret"
)

// serviceAccountToken is where the kubelet puts a pod's token.
const serviceAccountToken = "/var/run/secrets/kubernetes.io/serviceaccount/token"

// longestToken bounds a file with a token, in bytes.
const longestToken = 64 << 10

// session is a client with one token.
type session struct {
	client *api.Client
	began  time.Time
	// lease is how long the token lives from began, and zero where it does not end.
	lease     time.Duration
	renewable bool
	// looked says that lease and renewable are Vault's own words.
	looked bool
}

func (s *session) ended() bool { return s.lease > 0 && time.Since(s.began) >= s.lease }

// login makes a session in the one way that is configured.
func (b *Backend) login(ctx context.Context) (*session, error) {
	auth := &b.config.Auth
	switch {
	case auth.Token != nil:
		token, err := auth.Token.read()
		if err != nil {
			return nil, &kek.Error{Class: kek.Misconfigured, Op: "login", Err: err}
		}
		client, err := b.withToken(token)
		return &session{client: client, began: time.Now()}, err
	case auth.AppRole != nil:
		id, err := readEither(auth.AppRole.SecretIDFile, auth.AppRole.SecretIDCredential)
		if err != nil {
			return nil, &kek.Error{Class: kek.Misconfigured, Op: "login", Err: fmt.Errorf("secret id: %w", err)}
		}
		return b.exchange(ctx, orElse(auth.AppRole.Mount, "approle"), map[string]any{"role_id": auth.AppRole.RoleID, "secret_id": id})
	case auth.Kubernetes != nil:
		return b.present(ctx, auth.Kubernetes, "kubernetes")
	case auth.JWT != nil:
		return b.present(ctx, auth.JWT, "jwt")
	case auth.Cert != nil:
		return b.exchange(ctx, orElse(auth.Cert.Mount, "cert"), map[string]any{"name": auth.Cert.Role})
	}
	return nil, &kek.Error{Class: kek.Misconfigured, Op: "login", Err: errors.New("no way to log in")}
}

func (b *Backend) present(ctx context.Context, jwt *JWT, mount string) (*session, error) {
	// A projected token is a symbolic link, replaced by the kubelet before it ends.
	token, err := os.ReadFile(orElse(jwt.TokenFile, serviceAccountToken))
	if err != nil {
		return nil, &kek.Error{Class: kek.Misconfigured, Op: "login", Err: err}
	}
	return b.exchange(ctx, orElse(jwt.Mount, mount), map[string]any{"role": jwt.Role, "jwt": string(bytes.TrimSpace(token))})
}

// exchange posts to a login path. A refusal there, which has status 400 for a wrong role or secret id, is Denied.
func (b *Backend) exchange(ctx context.Context, mount string, data map[string]any) (*session, error) {
	client, err := b.withToken("")
	if err != nil {
		return nil, err
	}
	began := time.Now()
	ctx, seen := connect.WatchOnce(ctx)
	answer, err := client.Logical().WriteWithContext(ctx, "auth/"+mount+"/login", data)
	if err != nil {
		failure := fail("login", seen, err)
		if failure.Class == kek.Misconfigured && seen.Status() == 400 {
			failure.Class = kek.Denied
		}
		return nil, failure
	}
	if answer == nil || answer.Auth == nil || answer.Auth.ClientToken == "" {
		return nil, seen.Fail(kek.Misconfigured, "login", "", errors.New("the login gave no token: second factors are not supported"))
	}
	made, err := b.withToken(answer.Auth.ClientToken)
	return &session{
		client: made, began: began, lease: time.Duration(answer.Auth.LeaseDuration) * time.Second,
		renewable: answer.Auth.Renewable, looked: true,
	}, err
}

// withToken is a client of its own that shares the connections.
func (b *Backend) withToken(token string) (*api.Client, error) {
	client, err := api.NewClient(&api.Config{
		Address: b.config.Address, HttpClient: b.http, MaxRetries: 0, Timeout: b.config.Connect.Limit(), DisableEnvironment: true,
	})
	if err != nil {
		return nil, &kek.Error{Class: kek.Misconfigured, Op: "login", Err: err}
	}
	client.SetToken(token)
	if b.config.Namespace != "" {
		client.SetNamespace(b.config.Namespace)
	}
	return client, nil
}

// look asks how long a ready token lives.
func (s *session) look(ctx context.Context) (*session, error) {
	began := time.Now()
	answer, err := s.client.Auth().Token().LookupSelfWithContext(ctx)
	if err != nil {
		return nil, err
	}
	if answer == nil {
		return nil, errors.New("the token's lookup answered nothing")
	}
	ttl, _ := seconds(answer.Data["ttl"])
	renewable, _ := answer.Data["renewable"].(bool)
	return &session{client: s.client, began: began, lease: time.Duration(ttl) * time.Second, renewable: renewable && ttl > 0, looked: true}, nil
}

// renew asks for another lease of the same token. An answer that adds nothing is one at the end of the token's longest life.
func (s *session) renew(ctx context.Context) (*session, error) {
	began := time.Now()
	answer, err := s.client.Auth().Token().RenewSelfWithContext(ctx, 0)
	if err != nil {
		return nil, err
	}
	if answer == nil || answer.Auth == nil {
		return nil, errors.New("the renewal answered no lease")
	}
	lease := time.Duration(answer.Auth.LeaseDuration) * time.Second
	if began.Add(lease).Sub(s.began.Add(s.lease)) < s.lease/10 {
		return nil, errLongest
	}
	return &session{client: s.client, began: began, lease: lease, renewable: answer.Auth.Renewable, looked: true}, nil
}

func (t *Token) read() (string, error) {
	if t.Env != "" {
		token := os.Getenv(t.Env)
		if token == "" {
			return "", fmt.Errorf("environment variable %s is empty", t.Env)
		}
		return token, nil
	}
	return readEither(t.File, t.Credential)
}

func readEither(file, credential string) (string, error) {
	read, name := secret.ReadFile, file
	if credential != "" {
		read, name = secret.ReadCredential, credential
	}
	text, err := read(name)
	if err != nil {
		return "", err
	}
	defer clear(text)
	word := string(bytes.TrimSpace(text))
	if word == "" || len(word) > longestToken {
		return "", fmt.Errorf("%s has no token", name)
	}
	return word, nil
}

func seconds(value any) (int64, error) {
	switch n := value.(type) {
	case json.Number:
		return n.Int64()
	case float64:
		return int64(n), nil
	case string:
		return strconv.ParseInt(n, 10, 64)
	}
	return 0, fmt.Errorf("%T is no number", value)
}
