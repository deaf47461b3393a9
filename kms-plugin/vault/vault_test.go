package vault

import (
	"bytes"
	"encoding/base64"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/k8senc/k8senc/kms-plugin/internal/faultproxy"
	"github.com/k8senc/k8senc/kms-plugin/kek"
	"github.com/k8senc/k8senc/kms-plugin/kekconform"
)

const label = "kw1|cluster-a|0123456789abcdef|1"

func subject(t *testing.T, address string) (kekconform.Subject, string) {
	key := shared.key(t)
	file, token := shared.token(t, key, nil)
	return kekconform.Subject{
		Open: func(t *testing.T) kek.Backend {
			return open(t, shared.config(address, key, Auth{Token: &Token{File: file}}))
		},
		Kind: kek.Transit, Identity: 5, Bound: true, WrapsOld: true, Secrets: []string{token},
		Rotate: func(t *testing.T) { shared.write(t, "transit/keys/"+key+"/rotate", nil) },
	}, key
}

func TestConformance(t *testing.T) {
	made, _ := subject(t, shared.Address)
	kekconform.Run(t, made)
}

func said(status int, text string) faultproxy.Fault {
	return faultproxy.Fault{
		Status: status, Header: http.Header{"Content-Type": {"application/json"}}, Body: `{"errors":["` + text + `"]}`,
	}
}

func TestFailures(t *testing.T) {
	proxy := faultproxy.Start(t, shared.authority, shared.Address)
	made, _ := subject(t, proxy.URL)
	transit := faultproxy.Path("/v1/transit/")
	limited := said(429, "request path \\\"transit/\\\": rate limit quota exceeded")
	limited.Header.Set("Retry-After", "7")
	skewed := said(403, "permission denied")
	skewed.Skew = 20 * time.Minute
	only := func(fault faultproxy.Fault) faultproxy.Fault { fault.Match = transit; return fault }
	made.Faults(t, proxy, []kekconform.Row{
		{Name: "cut", Fault: faultproxy.Fault{Cut: true}, Class: kek.Unavailable},
		{Name: "half an answer", Fault: only(faultproxy.Fault{CutBody: true}), Class: kek.Unavailable},
		{Name: "slow", Slow: true, Fault: faultproxy.Fault{Delay: 30 * time.Second}, Class: kek.Unavailable},
		{Name: "sealed", Fault: only(said(503, "Vault is sealed")), Class: kek.Unavailable},
		{Name: "a proxy's own error", Fault: only(faultproxy.Fault{Status: 502, Body: "<html>bad gateway</html>"}), Class: kek.Unavailable},
		{Name: "internal", Fault: only(said(500, "1 error occurred: internal error")), Class: kek.Unavailable},
		{Name: "a replica that is behind", Fault: only(said(412, "required index state not present")), Class: kek.Unavailable},
		{Name: "throttled", Fault: only(limited), Class: kek.Throttled, RetryAfter: 7 * time.Second},
		{Name: "denied", Fault: only(said(403, "1 error occurred:\\n\\t* permission denied\\n\\n")), Class: kek.Denied},
		{Name: "denied by a server with another clock", Fault: only(skewed), Class: kek.Denied, Skew: 20 * time.Minute},
		{Name: "no such mount", Fault: only(said(404, "no handler for route \\\"transit/keys/kek\\\". route entry not found.")), Class: kek.Misconfigured},
		{Name: "not Vault", Fault: only(faultproxy.Fault{Status: 404, Body: "<html>nothing here</html>"}), Ops: []string{"wrap", "unwrap"}, Class: kek.Misconfigured},
	})
}

// What the server itself does with a key in each state.
func TestKeyStates(t *testing.T) {
	made, key := subject(t, shared.Address)
	backend := made.Open(t)
	version, err := backend.Current(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	plain := kekconform.Key(t)
	wrap, err := backend.Wrap(t.Context(), version, plain, label)
	if err != nil {
		t.Fatal(err)
	}
	unwraps := func(class kek.Class) {
		t.Helper()
		got, err := backend.Unwrap(t.Context(), wrap, label)
		if class == 0 {
			if err != nil || !bytes.Equal(got, plain) {
				t.Fatalf("unwrap: %v", err)
			}
		} else if err == nil || kek.ClassOf(err) != class {
			t.Fatalf("%s was due: %v", class, err)
		}
	}
	unwraps(0)

	// A version above the minimum is refused and comes back.
	shared.write(t, "transit/keys/"+key+"/rotate", nil)
	shared.write(t, "transit/keys/"+key+"/config", map[string]any{"min_decryption_version": 2})
	unwraps(kek.Disabled)
	shared.write(t, "transit/keys/"+key+"/config", map[string]any{"min_decryption_version": 1})
	unwraps(0)

	// Encryption with a version below the minimum.
	shared.write(t, "transit/keys/"+key+"/config", map[string]any{"min_encryption_version": 2})
	if _, err := backend.Wrap(t.Context(), version, plain, label); kek.ClassOf(err) != kek.Changed {
		t.Fatalf("changed was due: %v", err)
	}

	// The key is deleted, and made anew under its name with the same version number.
	shared.write(t, "transit/keys/"+key+"/config", map[string]any{"deletion_allowed": true})
	if _, err := shared.root.Logical().DeleteWithContext(t.Context(), "transit/keys/"+key); err != nil {
		t.Fatal(err)
	}
	unwraps(kek.Deleted)
	if _, err := backend.Current(t.Context()); kek.ClassOf(err) != kek.Deleted {
		t.Fatalf("deleted was due: %v", err)
	}
	if _, err := backend.Wrap(t.Context(), version, plain, label); err == nil {
		t.Fatal("a deleted key encrypted: the policy let it be made anew")
	}
	time.Sleep(time.Until(version.Created.Add(1100 * time.Millisecond)))
	shared.write(t, "transit/keys/"+key, map[string]any{"type": "aes256-gcm96"})
	unwraps(kek.Integrity)
	if _, err := backend.Wrap(t.Context(), version, plain, label); kek.ClassOf(err) != kek.Changed {
		t.Fatalf("changed was due: %v", err)
	}
	again, err := backend.Current(t.Context())
	if err != nil || bytes.Equal(bytes.Join(again.Identity, nil), bytes.Join(version.Identity, nil)) {
		t.Fatalf("the new key has the identity of the old one: %v", err)
	}
}

func TestSealed(t *testing.T) {
	made, _ := subject(t, shared.Address)
	backend := made.Open(t)
	version, err := backend.Current(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := shared.root.Sys().Seal(); err != nil {
		t.Fatal(err)
	}
	_, err = backend.Wrap(t.Context(), version, kekconform.Key(t), label)
	if _, failed := shared.root.Sys().Unseal(shared.Share); failed != nil {
		t.Fatal(failed)
	}
	if kek.ClassOf(err) != kek.Unavailable || !strings.Contains(err.Error(), "sealed") {
		t.Errorf("unavailable was due: %v", err)
	}
	deadline := time.Now().Add(20 * time.Second)
	for {
		_, err = backend.Wrap(t.Context(), version, kekconform.Key(t), label)
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("after unsealing: %v", err)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// Keys that cannot hold a wrap of this form are refused before anything is written with them.
func TestUnfitKeys(t *testing.T) {
	for name, data := range map[string]map[string]any{
		"unfit-rsa": {"type": "rsa-2048"}, "unfit-derived": {"type": "aes256-gcm96", "derived": true}, "unfit-hmac": {"type": "hmac", "key_size": 32},
	} {
		shared.write(t, "transit/keys/"+name, data)
		file, _ := shared.token(t, name, nil)
		backend := open(t, shared.config(shared.Address, name, Auth{Token: &Token{File: file}}))
		if _, err := backend.Current(t.Context()); kek.ClassOf(err) != kek.Misconfigured {
			t.Errorf("%s: misconfigured was due: %v", name, err)
		}
	}
}

// The text and the associated data of openbao-kubernetes-kms and of the plugins that bind nothing.
func TestCompat(t *testing.T) {
	made, key := subject(t, shared.Address)
	var _ kek.Compat = (*Backend)(nil)
	backend := made.Open(t).(*Backend)
	seed := kekconform.Key(t)
	for _, associated := range [][]byte{nil, []byte(`{"aad_version":"v1"}`)} {
		data := map[string]any{"plaintext": base64.StdEncoding.EncodeToString(seed)}
		if associated != nil {
			data["associated_data"] = base64.StdEncoding.EncodeToString(associated)
		}
		text, _ := shared.write(t, "transit/encrypt/"+key, data).Data["ciphertext"].(string)
		got, err := backend.Decrypt(t.Context(), []byte(text), associated, nil)
		if err != nil || !bytes.Equal(got, seed) {
			t.Errorf("%v", err)
		}
		if _, err := backend.Decrypt(t.Context(), []byte(text), []byte("another"), nil); kek.ClassOf(err) != kek.Integrity {
			t.Errorf("integrity was due: %v", err)
		}
	}
	if _, err := backend.Decrypt(t.Context(), []byte("no ciphertext"), nil, nil); kek.ClassOf(err) != kek.Integrity {
		t.Errorf("integrity was due: %v", err)
	}
}

func TestNeverPrintsTheToken(t *testing.T) {
	made, key := subject(t, shared.Address)
	backend := made.Open(t).(*Backend)
	if _, err := backend.Current(t.Context()); err != nil {
		t.Fatal(err)
	}
	_ = os.Remove(backend.config.Auth.Token.File)
	if _, err := shared.root.Logical().WriteWithContext(t.Context(), "auth/token/revoke", map[string]any{"token": made.Secrets[0]}); err != nil {
		t.Fatal(err)
	}
	_, err := backend.Current(t.Context())
	if err == nil || strings.Contains(err.Error(), made.Secrets[0]) {
		t.Errorf("key %s: %v", key, err)
	}
}
