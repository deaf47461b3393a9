package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"k8senc.dev/e2e/internal/stage"
)

// transit is a Vault in a process of its own, with a Transit engine: all in memory, so what it held is gone when it ends.
type transit struct {
	name    string
	process *stage.Process
	address string
	token   string
	// share unseals it.
	share string
	// tokenFile is what the plugin logs in with: it may encrypt, decrypt and look at one key.
	tokenFile string
	http      *http.Client
}

// policyOfPlugin is the one of docs/kms-backends.md.
const policyOfPlugin = `path "transit/encrypt/kek" { capabilities = ["update"] }
path "transit/decrypt/kek" { capabilities = ["update"] }
path "transit/keys/kek" { capabilities = ["read"] }`

func (r *run) startTransit(ctx context.Context, name string) (*transit, error) {
	crt, key, ca := r.ServerCert()
	t := &transit{name: name, tokenFile: r.Path(name + ".token")}
	var err error
	if t.process, err = r.StartTied("vault-"+name, r.tools.vault, crt, key); err != nil {
		return nil, err
	}
	err = eventually(ctx, 30*time.Second, func() error {
		if t.process.Ended() {
			return &stage.Refused{Process: t.process}
		}
		line, _, whole := strings.Cut(t.process.Text(), "\n")
		var said struct{ Address, Token, Share string }
		if err := json.Unmarshal([]byte(line), &said); err != nil || !whole {
			return fmt.Errorf("Vault %s does not say where it listens: %q", name, line)
		}
		t.address, t.token, t.share = said.Address, said.Token, said.Share
		return nil
	})
	if err != nil {
		return nil, err
	}
	pem, err := os.ReadFile(ca)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	t.http = &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}, Timeout: 10 * time.Second}
	if _, err := t.post(ctx, "sys/mounts/transit", map[string]any{"type": "transit"}); err != nil {
		return nil, err
	}
	if _, err := t.post(ctx, "transit/keys/kek", map[string]any{"type": "aes256-gcm96"}); err != nil {
		return nil, err
	}
	if _, err := t.post(ctx, "sys/policies/acl/k8senc", map[string]any{"policy": policyOfPlugin}); err != nil {
		return nil, err
	}
	made, err := t.post(ctx, "auth/token/create", map[string]any{"policies": []string{"k8senc"}, "ttl": "2h"})
	if err != nil {
		return nil, err
	}
	return t, os.WriteFile(t.tokenFile, []byte(made.Auth.ClientToken+"\n"), 0o600)
}

type transitAnswer struct {
	Auth struct {
		ClientToken string `json:"client_token"`
	}
}

// post makes a call as root.
func (t *transit) post(ctx context.Context, path string, body map[string]any) (transitAnswer, error) {
	var made transitAnswer
	text, err := json.Marshal(body)
	if err != nil {
		return made, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, t.address+"/v1/"+path, bytes.NewReader(text))
	if err != nil {
		return made, err
	}
	request.Header.Set("X-Vault-Token", t.token)
	response, err := t.http.Do(request)
	if err != nil {
		return made, fmt.Errorf("Vault %s: %w", t.name, err)
	}
	defer response.Body.Close()
	said, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode/100 != 2 {
		return made, fmt.Errorf("Vault %s answers %s to %s: %s, %w", t.name, response.Status, path, said, err)
	}
	if len(said) > 0 {
		err = json.Unmarshal(said, &made)
	}
	return made, err
}

// seal has it refuse everything; unseal ends that.
func (t *transit) seal(ctx context.Context) error {
	_, err := t.post(ctx, "sys/seal", nil)
	return err
}

func (t *transit) unseal(ctx context.Context) error {
	_, err := t.post(ctx, "sys/unseal", map[string]any{"key": t.share})
	return err
}

// yaml is its key in the plugin's configuration.
func (t *transit) yaml(slot int, retired bool, ca string) string {
	return fmt.Sprintf(`  - name: %[1]s
    slot: %[2]d
    retired: %[3]t
    vault:
      address: %[4]s
      key: kek
      instance: %[1]s
      caFile: %[5]s
      auth:
        token:
          file: %[6]s
`, t.name, slot, retired, t.address, ca, t.tokenFile)
}
