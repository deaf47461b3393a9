package azure

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/k8senc/k8senc/kms-plugin/connect"
	"github.com/k8senc/k8senc/kms-plugin/internal/faultproxy"
	"github.com/k8senc/k8senc/kms-plugin/internal/testtls"
)

// vault implements the part of Key Vault's REST API, and of Entra ID's, that the backend calls: real RSA-OAEP-256, versions and
// their states, the challenge, and errors by the service's documentation.
type vault struct {
	authority *testtls.Authority
	address   string

	mu       sync.Mutex
	versions []*version
	purgeAt  time.Time
	secret   string
	tokens   map[string]bool
	logins   int
	noList   bool
}

type version struct {
	id      string
	key     *rsa.PrivateKey
	enabled bool
	created time.Time
	expires time.Time
}

const (
	keyOfTests   = "kek"
	tenant       = "11111111-2222-3333-4444-555555555555"
	clientID     = "66666666-7777-8888-9999-000000000000"
	clientSecret = "made-up-client-secret"
)

// pairs are made once: a test rotates to the next.
var pairs = sync.OnceValue(func() []*rsa.PrivateKey {
	made := make([]*rsa.PrivateKey, 4)
	for i := range made {
		made[i], _ = rsa.GenerateKey(rand.Reader, 2048)
	}
	return made
})

func start(t *testing.T) *vault {
	t.Helper()
	v := &vault{authority: testtls.New(t), secret: clientSecret, tokens: map[string]bool{}}
	server := httptest.NewUnstartedServer(http.HandlerFunc(v.serve))
	server.TLS = v.authority.Server(t)
	server.StartTLS()
	t.Cleanup(server.Close)
	v.address = server.URL
	v.rotate()
	return v
}

func (v *vault) rotate() {
	v.mu.Lock()
	defer v.mu.Unlock()
	id := make([]byte, 16)
	_, _ = rand.Read(id)
	v.versions = append(v.versions, &version{
		id: hex.EncodeToString(id), key: pairs()[len(v.versions)], enabled: true, created: time.Now().Truncate(time.Second).Add(time.Duration(len(v.versions)) * time.Second),
	})
}

func refuse(w http.ResponseWriter, status int, code, inner, message string) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("X-Ms-Request-Id", "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(body(code, inner, message)))
}

func body(code, inner, message string) string {
	reason := map[string]any{"code": code, "message": message}
	if inner != "" {
		reason["innererror"] = map[string]string{"code": inner}
	}
	text, _ := json.Marshal(map[string]any{"error": reason})
	return string(text)
}

func (v *vault) serve(w http.ResponseWriter, r *http.Request) {
	v.mu.Lock()
	defer v.mu.Unlock()
	here := "https://" + r.Host
	switch {
	case strings.HasSuffix(r.URL.Path, "/.well-known/openid-configuration"):
		_ = json.NewEncoder(w).Encode(map[string]string{
			"issuer": here + "/" + tenant + "/v2.0", "authorization_endpoint": here + "/" + tenant + "/oauth2/v2.0/authorize",
			"token_endpoint": here + "/" + tenant + "/oauth2/v2.0/token",
		})
		return
	case strings.HasSuffix(r.URL.Path, "/oauth2/v2.0/token"):
		v.token(w, r)
		return
	}
	if !v.tokens[strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")] {
		w.Header().Set("WWW-Authenticate", fmt.Sprintf(`Bearer authorization="%s/%s", resource="https://vault.azure.net"`, here, tenant))
		refuse(w, http.StatusUnauthorized, "Unauthorized", "", "AKV10000: Request is missing a Bearer or PoP token.")
		return
	}
	parts := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	switch {
	case len(parts) < 2 || parts[1] != keyOfTests || !v.purgeAt.IsZero() && parts[0] == "keys":
		refuse(w, http.StatusNotFound, "KeyNotFound", "", "A key with (name/id) "+parts[len(parts)-1]+" was not found in this key vault.")
	case parts[0] == "deletedkeys":
		if v.purgeAt.IsZero() {
			refuse(w, http.StatusNotFound, "KeyNotFound", "", "")
			return
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"recoveryId": here + "/deletedkeys/kek", "scheduledPurgeDate": v.purgeAt.Unix(), "deletedDate": time.Now().Unix()})
	case r.Method == http.MethodGet && len(parts) == 3 && parts[2] == "versions":
		v.list(w, here)
	case r.Method == http.MethodGet:
		v.get(w, here, parts)
	case len(parts) == 4:
		v.compute(w, r, here, parts)
	default:
		refuse(w, http.StatusNotFound, "NotFound", "", "")
	}
}

func (v *vault) token(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	if r.FormValue("client_secret") != v.secret || r.FormValue("client_id") != clientID {
		w.WriteHeader(http.StatusUnauthorized)
		_, _ = w.Write([]byte(`{"error":"invalid_client","error_description":"AADSTS7000215: Invalid client secret provided."}`))
		return
	}
	v.logins++
	token := fmt.Sprintf("token-%d", v.logins)
	v.tokens[token] = true
	_ = json.NewEncoder(w).Encode(map[string]any{"token_type": "Bearer", "expires_in": 3600, "ext_expires_in": 3600, "access_token": token})
}

func (v *vault) find(parts []string) *version {
	if len(parts) < 3 || parts[2] == "" {
		return v.versions[len(v.versions)-1]
	}
	for _, one := range v.versions {
		if one.id == parts[2] {
			return one
		}
	}
	return nil
}

func (one *version) attributes() map[string]any {
	about := map[string]any{"enabled": one.enabled, "created": one.created.Unix(), "updated": one.created.Unix(), "recoveryLevel": "Recoverable+Purgeable"}
	if !one.expires.IsZero() {
		about["exp"] = one.expires.Unix()
	}
	return about
}

func (v *vault) get(w http.ResponseWriter, here string, parts []string) {
	one := v.find(parts)
	if one == nil {
		refuse(w, http.StatusNotFound, "KeyNotFound", "", "")
		return
	}
	_ = json.NewEncoder(w).Encode(map[string]any{
		"key": map[string]any{
			"kid": here + "/keys/" + keyOfTests + "/" + one.id, "kty": "RSA", "key_ops": []string{"encrypt", "decrypt"},
			"n": base64.RawURLEncoding.EncodeToString(one.key.N.Bytes()), "e": base64.RawURLEncoding.EncodeToString(big.NewInt(int64(one.key.E)).Bytes()),
		},
		"attributes": one.attributes(),
	})
}

// list has one version on each page.
func (v *vault) list(w http.ResponseWriter, here string) {
	if v.noList {
		refuse(w, http.StatusForbidden, "Forbidden", "AccessDenied", "The user does not have keys list permission.")
		return
	}
	var entries []any
	for _, one := range v.versions {
		entries = append(entries, map[string]any{"kid": here + "/keys/" + keyOfTests + "/" + one.id, "attributes": one.attributes()})
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"value": entries, "nextLink": nil})
}

func (v *vault) compute(w http.ResponseWriter, r *http.Request, here string, parts []string) {
	one := v.find(parts)
	var request struct{ Alg, Value string }
	if err := json.NewDecoder(r.Body).Decode(&request); err != nil || request.Alg != "RSA-OAEP-256" || one == nil {
		refuse(w, http.StatusBadRequest, "BadParameter", "", "Property  has invalid value")
		return
	}
	if !one.enabled {
		refuse(w, http.StatusForbidden, "Forbidden", "KeyDisabled", "Operation "+parts[3]+" is not allowed on a disabled key.")
		return
	}
	v.mu.Unlock()
	defer v.mu.Lock()
	value, err := base64.RawURLEncoding.DecodeString(request.Value)
	var result []byte
	if err == nil && parts[3] == "encrypt" {
		result, err = rsa.EncryptOAEP(sha256.New(), rand.Reader, &one.key.PublicKey, value, nil)
	} else if err == nil {
		result, err = rsa.DecryptOAEP(sha256.New(), nil, one.key, value, nil)
	}
	if err != nil {
		refuse(w, http.StatusBadRequest, "BadParameter", "", "The parameter is incorrect.\r\n")
		return
	}
	_ = json.NewEncoder(w).Encode(map[string]string{"kid": here + "/keys/" + keyOfTests + "/" + one.id, "value": base64.RawURLEncoding.EncodeToString(result)})
}

func (v *vault) config(t *testing.T, address string) Config {
	t.Helper()
	file := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(file, []byte(clientSecret+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return Config{
		Vault: address, Key: keyOfTests, AuthorityHost: v.address, AnyVaultDomain: true,
		Auth:    Auth{ClientSecret: &ClientSecret{TenantID: tenant, ClientID: clientID, File: file}},
		Connect: connect.Config{CAFile: v.authority.File, Proxy: "none", Timeout: 30 * time.Second},
	}
}

func open(t *testing.T, config Config) *Backend {
	t.Helper()
	if problems := config.Validate(); len(problems) > 0 {
		t.Fatalf("the configuration is refused: %+v", problems)
	}
	backend, err := New(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = backend.Close() })
	return backend
}

func said(status int, code, inner, message string) faultproxy.Fault {
	return faultproxy.Fault{Match: faultproxy.Path("keys/"), Status: status, Body: body(code, inner, message), Header: http.Header{
		"Content-Type": {"application/json; charset=utf-8"}, "X-Ms-Request-Id": {"aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee"},
	}}
}
