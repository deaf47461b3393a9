package vault

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"net/http"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/openbao/openbao/api/v2"

	"github.com/k8senc/k8senc/kms-plugin/internal/faultproxy"
	"github.com/k8senc/k8senc/kms-plugin/kek"
	"github.com/k8senc/k8senc/kms-plugin/kekconform"
)

var enabled sync.Map

func (s *server) enable(t *testing.T, path, kind string) {
	t.Helper()
	if _, before := enabled.LoadOrStore(path, true); before {
		return
	}
	if err := s.root.Sys().EnableAuthWithOptions(path, &api.MountInput{Type: kind}); err != nil {
		t.Fatal(err)
	}
}

// works wraps and unwraps once.
func works(t *testing.T, backend *Backend) {
	t.Helper()
	version, err := backend.Current(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	plain := kekconform.Key(t)
	wrap, err := backend.Wrap(t.Context(), version, plain, label)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := backend.Unwrap(t.Context(), wrap, label); err != nil || string(got) != string(plain) {
		t.Fatalf("unwrap: %v", err)
	}
}

func (s *server) appRole(t *testing.T, key string, data map[string]any) *AppRole {
	t.Helper()
	s.enable(t, "approle", "approle")
	role := map[string]any{"token_policies": s.policy(t, key)}
	for name, value := range data {
		role[name] = value
	}
	s.write(t, "auth/approle/role/"+key, role)
	answer, err := s.root.Logical().ReadWithContext(t.Context(), "auth/approle/role/"+key+"/role-id")
	if err != nil {
		t.Fatal(err)
	}
	id, _ := answer.Data["role_id"].(string)
	secret, _ := s.write(t, "auth/approle/role/"+key+"/secret-id", nil).Data["secret_id"].(string)
	return &AppRole{RoleID: id, SecretIDFile: secretFile(t, secret)}
}

func TestAppRole(t *testing.T) {
	key := shared.key(t)
	auth := shared.appRole(t, key, nil)
	works(t, open(t, shared.config(shared.Address, key, Auth{AppRole: auth})))

	wrong := *auth
	wrong.SecretIDFile = secretFile(t, "00000000-0000-0000-0000-000000000000")
	backend := open(t, shared.config(shared.Address, key, Auth{AppRole: &wrong}))
	if _, err := backend.Current(t.Context()); kek.ClassOf(err) != kek.Denied {
		t.Errorf("denied was due: %v", err)
	}
	// Somebody puts the right one there.
	good, err := os.ReadFile(auth.SecretIDFile)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(wrong.SecretIDFile, good, 0o600); err != nil {
		t.Fatal(err)
	}
	works(t, backend)
}

func signed(t *testing.T, key *ecdsa.PrivateKey, audience string) string {
	t.Helper()
	claims, err := json.Marshal(map[string]any{
		"iss": "test", "sub": "system:serviceaccount:kube-system:kms", "aud": audience,
		"iat": time.Now().Unix(), "nbf": time.Now().Unix() - 5, "exp": time.Now().Add(time.Hour).Unix(),
	})
	if err != nil {
		t.Fatal(err)
	}
	text := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"ES256","typ":"JWT"}`)) + "." + base64.RawURLEncoding.EncodeToString(claims)
	digest := sha256.Sum256([]byte(text))
	r, s, err := ecdsa.Sign(rand.Reader, key, digest[:])
	if err != nil {
		t.Fatal(err)
	}
	return text + "." + base64.RawURLEncoding.EncodeToString(append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...))
}

// The login of Kubernetes has the same request and another check behind it: here both mounts check the signature.
func TestJWTAndKubernetes(t *testing.T) {
	signer, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	public, err := x509.MarshalPKIXPublicKey(signer.Public())
	if err != nil {
		t.Fatal(err)
	}
	key := shared.key(t)
	for _, mount := range []string{"jwt", "kubernetes"} {
		shared.enable(t, mount, "jwt")
		shared.write(t, "auth/"+mount+"/config", map[string]any{
			"jwt_validation_pubkeys": string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public})),
		})
		shared.write(t, "auth/"+mount+"/role/kms", map[string]any{
			"role_type": "jwt", "bound_audiences": "vault", "user_claim": "sub", "token_policies": shared.policy(t, key),
		})
		for audience, class := range map[string]kek.Class{"vault": 0, "somebody else": kek.Denied} {
			auth := Auth{JWT: &JWT{Role: "kms", TokenFile: secretFile(t, signed(t, signer, audience))}}
			if mount == "kubernetes" {
				auth = Auth{Kubernetes: auth.JWT}
			}
			backend := open(t, shared.config(shared.Address, key, auth))
			if class == 0 {
				works(t, backend)
			} else if _, err := backend.Current(t.Context()); kek.ClassOf(err) != class {
				t.Errorf("%s: %s was due: %v", mount, class, err)
			}
		}
	}
}

func TestCert(t *testing.T) {
	key := shared.key(t)
	shared.enable(t, "cert", "cert")
	authority, err := os.ReadFile(shared.authority.File)
	if err != nil {
		t.Fatal(err)
	}
	shared.write(t, "auth/cert/certs/kms", map[string]any{
		"certificate": string(authority), "allowed_common_names": "kms-plugin", "token_policies": shared.policy(t, key),
	})
	for name, class := range map[string]kek.Class{"kms-plugin": 0, "another-client": kek.Denied} {
		pair := shared.authority.Issue(t, name)
		config := shared.config(shared.Address, key, Auth{Cert: &Cert{Role: "kms"}})
		config.Connect.CertFile, config.Connect.KeyFile = pair.CertFile, pair.KeyFile
		backend := open(t, config)
		if class == 0 {
			works(t, backend)
		} else if _, err := backend.Current(t.Context()); kek.ClassOf(err) != class {
			t.Errorf("%s: %s was due: %v", name, class, err)
		}
	}
}

// eventually polls until the check holds.
func eventually(t *testing.T, what string, check func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !check(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal(what)
		}
	}
}

func TestRenewsAndKeepsTheTokenOverAnOutage(t *testing.T) {
	proxy := faultproxy.Start(t, shared.authority, shared.Address)
	key := shared.key(t)
	auth := shared.appRole(t, key, map[string]any{"token_ttl": "4s", "token_max_ttl": "1h"})
	backend := open(t, shared.config(proxy.URL, key, Auth{AppRole: auth}))
	works(t, backend)
	before := backend.sessions.current()
	eventually(t, "the token was not renewed", func() bool {
		now := backend.sessions.current()
		renewed := now.began.After(before.began) && now.client == before.client
		before = now
		return renewed
	})
	// Neither renewals nor logins get through: the token works as long as it is valid. A machine that stands still for longer than
	// that proves nothing, so that it is tried again with the next token.
	held := before
	for attempt := 0; ; attempt++ {
		proxy.Set(faultproxy.Fault{Match: faultproxy.Path("/auth/"), Status: 503, Body: `{"errors":["outage"]}`})
		held = backend.sessions.current()
		eventually(t, "no renewal was tried", func() bool { return proxy.Calls() > 0 })
		_, err := backend.Current(t.Context())
		if err == nil {
			break
		}
		if !held.ended() || attempt == 20 {
			t.Fatalf("the token was dropped before its end: %v", err)
		}
		proxy.Set()
		works(t, backend)
	}
	// It ends, and what comes out is the outage and no refusal.
	eventually(t, "the token did not end", held.ended)
	if _, err := backend.Current(t.Context()); kek.ClassOf(err) != kek.Unavailable {
		t.Errorf("unavailable was due: %v", err)
	}
	proxy.Set()
	works(t, backend)
}

func TestLogsInAnewAtTheEndOfTheLongestLife(t *testing.T) {
	key := shared.key(t)
	auth := shared.appRole(t, key, map[string]any{"token_ttl": "2s", "token_max_ttl": "3s"})
	backend := open(t, shared.config(shared.Address, key, Auth{AppRole: auth}))
	works(t, backend)
	first := backend.sessions.current()
	eventually(t, "no new login", func() bool { return backend.sessions.current().client != first.client })
	works(t, backend)
}

// A token that somebody revoked costs one login, and a policy that is gone costs one in five seconds.
func TestOneRefreshWhenRefused(t *testing.T) {
	proxy := faultproxy.Start(t, shared.authority, shared.Address)
	key := shared.key(t)
	backend := open(t, shared.config(proxy.URL, key, Auth{AppRole: shared.appRole(t, key, nil)}))
	works(t, backend)
	shared.write(t, "auth/token/revoke", map[string]any{"token": backend.sessions.current().client.Token()})
	works(t, backend)

	if err := shared.root.Sys().PutPolicy("policy-"+key, `path "transit/none" { capabilities = ["read"] }`); err != nil {
		t.Fatal(err)
	}
	var logins int
	var mu sync.Mutex
	proxy.Set(faultproxy.Fault{Match: func(r *http.Request) bool {
		mu.Lock()
		defer mu.Unlock()
		if faultproxy.Path("/login")(r) {
			logins++
		}
		return false
	}})
	for range 30 {
		_, err := backend.Current(t.Context())
		var failure *kek.Error
		if !errors.As(err, &failure) || failure.Class != kek.Denied || failure.ServerTime.IsZero() {
			t.Fatalf("denied was due, with the server's time: %v", err)
		}
	}
	mu.Lock()
	defer mu.Unlock()
	if logins > 2 {
		t.Errorf("30 refused calls logged in %d times", logins)
	}
}

func TestTokenFileIsReadAgain(t *testing.T) {
	key := shared.key(t)
	file, token := shared.token(t, key, nil)
	backend := open(t, shared.config(shared.Address, key, Auth{Token: &Token{File: file}}))
	works(t, backend)
	_, other := shared.token(t, key, nil)
	if err := os.WriteFile(file, []byte(other), 0o600); err != nil {
		t.Fatal(err)
	}
	shared.write(t, "auth/token/revoke", map[string]any{"token": token})
	works(t, backend)
}

func TestTokenFromTheEnvironmentAndNotFromALooseFile(t *testing.T) {
	key := shared.key(t)
	file, token := shared.token(t, key, nil)
	t.Setenv("TEST_VAULT_TOKEN", token)
	works(t, open(t, shared.config(shared.Address, key, Auth{Token: &Token{Env: "TEST_VAULT_TOKEN"}})))
	if err := os.Chmod(file, 0o644); err != nil {
		t.Fatal(err)
	}
	backend := open(t, shared.config(shared.Address, key, Auth{Token: &Token{File: file}}))
	if _, err := backend.Current(t.Context()); kek.ClassOf(err) != kek.Misconfigured {
		t.Errorf("misconfigured was due: %v", err)
	}
}
