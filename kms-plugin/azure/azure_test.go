package azure

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/k8senc/k8senc/kms-plugin/internal/faultproxy"
	"github.com/k8senc/k8senc/kms-plugin/kek"
	"github.com/k8senc/k8senc/kms-plugin/kekconform"
)

const label = "kw1|cluster-a|0123456789abcdef|1"

func subject(v *vault, config Config) kekconform.Subject {
	return kekconform.Subject{
		Open: func(t *testing.T) kek.Backend { return open(t, config) },
		Kind: kek.Azure, Identity: 3, WrapsOld: true, Rotate: func(*testing.T) { v.rotate() }, Secrets: []string{clientSecret, "token-1"},
	}
}

func TestConformance(t *testing.T) {
	v := start(t)
	kekconform.Run(t, subject(v, v.config(t, v.address)))
}

func TestFailures(t *testing.T) {
	v := start(t)
	proxy := faultproxy.Start(t, v.authority, v.address)
	id := "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee"
	crypto := []string{"wrap", "unwrap"}
	throttled := said(429, "Throttled", "", "Request was not processed because too many requests were received.")
	throttled.Header.Set("Retry-After", "10")
	skewed := said(401, "Unauthorized", "", "AKV10022: Invalid audience.")
	skewed.Skew = 20 * time.Minute
	subject(v, v.config(t, proxy.URL)).Faults(t, proxy, []kekconform.Row{
		{Name: "cut", Fault: faultproxy.Fault{Cut: true}, Class: kek.Unavailable},
		{Name: "half an answer", Fault: faultproxy.Fault{CutBody: true, Match: faultproxy.Path("keys/")}, Class: kek.Unavailable},
		{Name: "slow", Slow: true, Fault: faultproxy.Fault{Delay: 30 * time.Second}, Class: kek.Unavailable},
		{Name: "internal", Fault: said(500, "InternalServerError", "", "Key Vault is not available."), Class: kek.Unavailable, RequestID: id},
		{Name: "a gateway", Fault: faultproxy.Fault{Status: 502, Body: "<html>"}, Class: kek.Unavailable},
		{Name: "throttled", Fault: throttled, Class: kek.Throttled, RetryAfter: 10 * time.Second, RequestID: id},
		{Name: "denied by policy", Fault: said(403, "Forbidden", "ForbiddenByPolicy", "The user does not have keys decrypt permission."), Class: kek.Denied, RequestID: id},
		{Name: "denied by RBAC", Fault: said(403, "Forbidden", "ForbiddenByRbac", "Caller is not authorized to perform action on resource."), Class: kek.Denied},
		{Name: "denied by firewall", Fault: said(403, "Forbidden", "ForbiddenByFirewall", "Client address is not authorized and caller is not a trusted service."), Class: kek.Denied},
		{Name: "no token is good enough", Fault: skewed, Class: kek.Denied, Skew: 20 * time.Minute},
		{Name: "disabled", Fault: said(403, "Forbidden", "KeyDisabled", "Operation decrypt is not allowed on a disabled key."), Ops: crypto, Class: kek.Disabled},
		{Name: "expired", Fault: said(403, "Forbidden", "", "Operation encrypt is not allowed on an expired key."), Ops: []string{"wrap"}, Class: kek.Disabled},
		{Name: "soft-deleted", Fault: said(409, "Conflict", "ObjectIsDeletedButRecoverable", "Key kek is currently in a deleted but recoverable state"), Class: kek.Disabled},
		{Name: "deleted", Fault: said(404, "KeyNotFound", "", "A key with (name/id) kek was not found in this key vault."), Class: kek.Deleted},
		{Name: "not a vault", Fault: faultproxy.Fault{Match: faultproxy.Path("keys/"), Status: 404, Body: "<html>"}, Class: kek.Misconfigured},
		{Name: "an operation that the key does not have", Fault: said(400, "BadParameter", "", "Operation is not permitted"), Ops: []string{"wrap"}, Class: kek.Misconfigured},
	})
}

func TestStates(t *testing.T) {
	v := start(t)
	config := v.config(t, v.address)
	backend := open(t, config)
	version, err := backend.Current(t.Context())
	if err != nil || version.WrapLen != 256 || version.Created.IsZero() {
		t.Fatalf("%+v, %v", version, err)
	}
	key := kekconform.Key(t)
	wrap, err := backend.Wrap(t.Context(), version, key, label)
	if err != nil {
		t.Fatal(err)
	}
	set := func(change func()) { v.mu.Lock(); defer v.mu.Unlock(); change() }
	set(func() { v.versions[0].enabled = false })
	if _, err := backend.Current(t.Context()); kek.ClassOf(err) != kek.Disabled {
		t.Errorf("disabled was due: %v", err)
	}
	// A wrap of a disabled version among others: the reason is told, and not that no version fits.
	v.rotate()
	if _, err := open(t, config).Unwrap(t.Context(), wrap, label); kek.ClassOf(err) != kek.Disabled {
		t.Errorf("disabled was due: %v", err)
	}
	set(func() { v.versions[0].enabled = true; v.versions[1].expires = time.Now().Add(-time.Hour) })
	if _, err := backend.Current(t.Context()); kek.ClassOf(err) != kek.Disabled {
		t.Errorf("disabled was due: %v", err)
	}
	set(func() { v.versions[1].expires = time.Time{}; v.purgeAt = time.Date(2030, 3, 17, 0, 0, 0, 0, time.UTC) })
	seen, err := backend.Current(t.Context())
	if kek.ClassOf(err) != kek.Disabled || !seen.DeletionDate.Equal(v.purgeAt) || !strings.Contains(err.Error(), "2030-03-17") {
		t.Errorf("purged at %s: %v", seen.DeletionDate, err)
	}
	set(func() { v.purgeAt = time.Time{} })
	if got, err := backend.Unwrap(t.Context(), wrap, label); err != nil || !bytes.Equal(got, key) {
		t.Errorf("after its recovery: %v", err)
	}
}

func TestPinnedVersion(t *testing.T) {
	v := start(t)
	config := v.config(t, v.address)
	config.Version = v.versions[0].id
	v.rotate()
	version, err := open(t, config).Current(t.Context())
	if err != nil || string(version.Identity[2]) != v.versions[0].id {
		t.Errorf("%q, %v", version.Identity, err)
	}
}

// Without leave to list, wraps of the current version open, and those of others say what is missing.
func TestWithoutLeaveToList(t *testing.T) {
	v := start(t)
	config := v.config(t, v.address)
	backend := open(t, config)
	version, err := backend.Current(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	wrap, err := backend.Wrap(t.Context(), version, kekconform.Key(t), label)
	if err != nil {
		t.Fatal(err)
	}
	v.rotate()
	v.mu.Lock()
	v.noList = true
	v.mu.Unlock()
	if _, err := backend.Unwrap(t.Context(), wrap, label); err != nil {
		t.Error(err)
	}
	other := open(t, config)
	if _, err := other.Current(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := other.Unwrap(t.Context(), wrap, label); kek.ClassOf(err) != kek.Denied {
		t.Errorf("denied was due: %v", err)
	}
}

func TestLogins(t *testing.T) {
	v := start(t)
	config := v.config(t, v.address)
	backend := open(t, config)
	for range 5 {
		if _, err := backend.Current(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if v.logins != 1 {
		t.Errorf("%d logins for 5 calls", v.logins)
	}
	if err := os.WriteFile(config.Auth.ClientSecret.File, []byte("another-secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	refused := open(t, config)
	if _, err := refused.Current(t.Context()); kek.ClassOf(err) != kek.Denied || strings.Contains(err.Error(), "another-secret") {
		t.Errorf("denied was due: %v", err)
	}
	v.mu.Lock()
	v.secret = "another-secret"
	v.mu.Unlock()
	if _, err := refused.Current(t.Context()); err != nil {
		t.Error(err)
	}
}

// A host that is not in the domain of the challenge gets no token.
func TestForeignDomain(t *testing.T) {
	v := start(t)
	config := v.config(t, v.address)
	config.AnyVaultDomain = false
	if _, err := open(t, config).Current(t.Context()); kek.ClassOf(err) != kek.Misconfigured {
		t.Errorf("misconfigured was due: %v", err)
	}
	if v.logins != 0 {
		t.Error("a token was fetched")
	}
}

// kubernetes-kms (v2) has the vault encrypt the seed's base64.
func TestCompat(t *testing.T) {
	var _ kek.Compat = (*Backend)(nil)
	v := start(t)
	text := []byte("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8")
	made, err := rsa.EncryptOAEP(sha256.New(), rand.Reader, &v.versions[0].key.PublicKey, text, nil)
	if err != nil {
		t.Fatal(err)
	}
	v.rotate()
	if got, err := open(t, v.config(t, v.address)).Decrypt(t.Context(), made, nil, nil); err != nil || !bytes.Equal(got, text) {
		t.Error(err)
	}
}

func TestValidate(t *testing.T) {
	good := func() Config { return Config{Vault: "https://made-up.vault.azure.net", Key: "kek"} }
	if config := good(); len(config.Validate()) > 0 {
		t.Errorf("%+v", config.Validate())
	}
	for field, change := range map[string]func(*Config){
		"vault":         func(c *Config) { c.Vault = "https://made-up.vault.azure.net/keys/kek" },
		"key":           func(c *Config) { c.Key = "kek/0123" },
		"version":       func(c *Config) { c.Version = "latest" },
		"authorityHost": func(c *Config) { c.AuthorityHost = "login.microsoftonline.us" },
		"auth": func(c *Config) {
			c.Auth = Auth{ManagedIdentity: &ManagedIdentity{}, WorkloadIdentity: &WorkloadIdentity{}}
		},
		"auth.clientSecret":               func(c *Config) { c.Auth.ClientSecret = &ClientSecret{TenantID: "a", ClientID: "b"} },
		"auth.workloadIdentity.tokenFile": func(c *Config) { c.Auth.WorkloadIdentity = &WorkloadIdentity{TokenFile: "token"} },
	} {
		config := good()
		change(&config)
		if problems := config.Validate(); len(problems) != 1 || problems[0].Field != field {
			t.Errorf("%s: %+v", field, problems)
		}
	}
}
