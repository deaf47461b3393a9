package pkcs11

import (
	"bytes"
	"context"
	"encoding/hex"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/miekg/pkcs11"

	"github.com/k8senc/k8senc/kms-plugin/kek"
	"github.com/k8senc/k8senc/kms-plugin/kekconform"
)

const label = "kw1|cluster-a|0123456789abcdef|1"

func subject(config Config) kekconform.Subject {
	return kekconform.Subject{
		Open: func(t *testing.T) kek.Backend { return open(t, config) },
		Kind: kek.PKCS11, Identity: 3, Bound: true, Secrets: []string{userPIN},
	}
}

func TestConformance(t *testing.T) {
	fault(t)
	kekconform.Run(t, subject(config(t, newKey(t))))
}

func TestFailures(t *testing.T) {
	fault(t)
	line := func(lines ...string) func() { return func() { fault(t, lines...) } }
	crypto := []string{"wrap", "unwrap"}
	subject(config(t, newKey(t))).FaultsWith(t, func() { fault(t) }, []kekconform.Row{
		{Name: "a token that is broken says nothing of the wrap", Inject: line("C_Decrypt 5 0"), Ops: []string{"unwrap"}, Class: kek.Unavailable},
		{Name: "a token that is broken altogether", Inject: line("C_DecryptInit 5 0", "C_EncryptInit 5 0"), Ops: crypto, Class: kek.Unavailable},
		{Name: "a tag that does not fit, said plainly", Inject: line("C_Decrypt 40 0"), Ops: []string{"unwrap"}, Class: kek.Integrity},
		{Name: "a tag that does not fit, as of PKCS#11 3.0", Inject: line("C_Decrypt 42 0"), Ops: []string{"unwrap"}, Class: kek.Integrity},
		{Name: "the token is taken out", Inject: line("C_EncryptInit 32 0", "C_DecryptInit 32 0", "C_OpenSession e0 0"), Ops: crypto, Class: kek.Unavailable},
		{Name: "no memory on the token", Inject: line("C_Encrypt 31 0", "C_Decrypt 31 0"), Ops: crypto, Class: kek.Throttled},
		{Name: "the key may not", Inject: line("C_EncryptInit 68 0", "C_DecryptInit 68 0"), Ops: crypto, Class: kek.Misconfigured},
		{Name: "no such mechanism", Inject: line("C_EncryptInit 70 0", "C_DecryptInit 70 0"), Ops: crypto, Class: kek.Misconfigured},
		{Name: "the login is locked", Inject: line("C_EncryptInit 101 0", "C_DecryptInit 101 0", "C_Login a4 0"), Ops: crypto, Class: kek.Denied},
		{Name: "slow", Slow: true, Inject: line("C_Encrypt 0 2500", "C_Decrypt 0 2500"), Ops: crypto, Class: kek.Unavailable},
	})
}

// A session that was lost is replaced in the same call, with a login where it is needed.
func TestSessionsComeBack(t *testing.T) {
	fault(t)
	backend := open(t, config(t, newKey(t)))
	version, err := backend.Current(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	slot, err := backend.login.slot()
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if err := hsm.keep.CloseAllSessions(slot); err != nil {
			t.Fatal(err)
		}
		key := kekconform.Key(t)
		wrap, err := backend.Wrap(t.Context(), version, key, label)
		if err != nil {
			t.Fatalf("after all sessions were closed: %v", err)
		}
		if got, err := backend.Unwrap(t.Context(), wrap, label); err != nil || !bytes.Equal(got, key) {
			t.Fatal(err)
		}
	}
}

func TestKeyThatGoesAndOneInItsPlace(t *testing.T) {
	fault(t)
	id := newKey(t)
	backend := open(t, config(t, id))
	version, err := backend.Current(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	key := kekconform.Key(t)
	wrap, err := backend.Wrap(t.Context(), version, key, label)
	if err != nil {
		t.Fatal(err)
	}
	destroyKey(t, id)
	if _, err := backend.Unwrap(t.Context(), wrap, label); kek.ClassOf(err) != kek.Deleted {
		t.Errorf("deleted was due: %v", err)
	}
	raw, err := hex.DecodeString(id)
	if err != nil {
		t.Fatal(err)
	}
	makeKey(t, raw)
	if _, err := backend.Wrap(t.Context(), version, key, label); kek.ClassOf(err) != kek.Changed {
		t.Errorf("changed was due: %v", err)
	}
	if _, err := backend.Unwrap(t.Context(), wrap, label); kek.ClassOf(err) != kek.Integrity {
		t.Errorf("integrity was due: %v", err)
	}
	makeKey(t, raw)
	if _, err := open(t, config(t, id)).Current(t.Context()); kek.ClassOf(err) != kek.Misconfigured {
		t.Errorf("two keys of one id: misconfigured was due: %v", err)
	}
}

func TestTokens(t *testing.T) {
	fault(t)
	id := newKey(t)
	for name, class := range map[string]kek.Class{"twice": kek.Misconfigured, "nowhere": kek.Unavailable} {
		wrong := config(t, id)
		wrong.TokenLabel = name
		if _, err := open(t, wrong).Current(t.Context()); kek.ClassOf(err) != class {
			t.Errorf("%s: %s was due: %v", name, class, err)
		}
	}
	wrong := config(t, id)
	wrong.Module = "/usr/lib/none.so"
	if _, err := New(t.Context(), wrong); kek.ClassOf(err) != kek.Misconfigured {
		t.Errorf("misconfigured was due: %v", err)
	}
}

// Tokens lock after a few wrong PINs: one that was refused is not tried again until the file has another.
func TestWrongPINIsTriedOnce(t *testing.T) {
	fault(t)
	id := newKey(t)
	backend := open(t, config(t, id))
	slot, err := backend.login.slot()
	if err != nil {
		t.Fatal(err)
	}
	if err := hsm.keep.CloseAllSessions(slot); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(backend.config.PINFile, []byte("a-wrong-pin\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = backend.Current(t.Context())
	if kek.ClassOf(err) != kek.Denied || strings.Contains(err.Error(), "a-wrong-pin") {
		t.Fatalf("denied was due: %v", err)
	}
	// From here a login would hang for a minute.
	fault(t, "C_Login a0 60000")
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	if _, err := backend.Current(ctx); kek.ClassOf(err) != kek.Denied {
		t.Errorf("denied was due: %v", err)
	}
	fault(t)
	if err := os.WriteFile(backend.config.PINFile, []byte(userPIN), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := backend.Current(t.Context()); err != nil {
		t.Error(err)
	}
	if err := os.Chmod(backend.config.PINFile, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := open(t, backend.config).Current(t.Context()); kek.ClassOf(err) != kek.Misconfigured {
		t.Errorf("a PIN that all may read: misconfigured was due: %v", err)
	}
}

// kleidi: a nonce of 16 bytes, and the key_id as associated data.
func TestCompat(t *testing.T) {
	var _ kek.Compat = (*Backend)(nil)
	fault(t)
	backend := open(t, config(t, newKey(t)))
	seed, nonce, keyID := kekconform.Key(t), bytes.Repeat([]byte{7}, 16), []byte("kleidi-kms-plugin")
	in, err := backend.login.open()
	if err != nil {
		t.Fatal(err)
	}
	parameters := pkcs11.NewGCMParams(nonce, keyID, 128)
	defer parameters.Free()
	if err := hsm.keep.EncryptInit(in.session, []*pkcs11.Mechanism{pkcs11.NewMechanism(pkcs11.CKM_AES_GCM, parameters)}, in.key); err != nil {
		t.Fatal(err)
	}
	sealed, err := hsm.keep.Encrypt(in.session, seed)
	if err != nil {
		t.Fatal(err)
	}
	backend.back(in)
	record := append(bytes.Clone(nonce), sealed...)
	if got, err := backend.Decrypt(t.Context(), record, keyID, nil); err != nil || !bytes.Equal(got, seed) {
		t.Error(err)
	}
	if _, err := backend.Decrypt(t.Context(), record, []byte("another"), nil); kek.ClassOf(err) != kek.Integrity {
		t.Errorf("integrity was due: %v", err)
	}
}

func TestValidate(t *testing.T) {
	good := Config{Module: "/usr/lib/softhsm/libsofthsm2.so", TokenLabel: "kek", KeyID: "a001", PINFile: "/etc/pin"}
	if problems := good.Validate(); len(problems) > 0 {
		t.Errorf("%+v", problems)
	}
	for field, change := range map[string]func(*Config){
		"module": func(c *Config) { c.Module = "libsofthsm2.so" }, "tokenLabel": func(c *Config) { c.TokenLabel = "" },
		"keyID": func(c *Config) { c.KeyID = "kek" }, "pinFile": func(c *Config) { c.PINCredential = "pin" }, "sessions": func(c *Config) { c.Sessions = 1000 },
	} {
		wrong := good
		change(&wrong)
		if problems := wrong.Validate(); len(problems) != 1 || problems[0].Field != field {
			t.Errorf("%s: %+v", field, problems)
		}
	}
}
