package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	kmsapi "k8s.io/kms/apis/v2"

	"github.com/k8senc/k8senc/kms-plugin/config"
	"github.com/k8senc/k8senc/kms-plugin/kek"
)

// Somebody overwrites the file of the KEK. Nothing that is stored would open any more, so that neither a reload nor a start takes it, and the
// old one in its place mends everything.
func TestAnotherKEKInTheSameFile(t *testing.T) {
	room, file, socket := made(t)
	p := spawn(t, plugin(os.Args[0], "serve", "--config", file))
	c := client(t, socket)
	sealed := works(t, c)
	kekFile := filepath.Join(room, "kek")
	old, err := os.ReadFile(kekFile)
	if err != nil {
		t.Fatal(err)
	}
	put := func(key []byte) {
		t.Helper()
		if err := os.WriteFile(kekFile, key, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	put(bytes.Repeat([]byte{7}, 32))
	if code, out, errs := call(t, "set-plan", "--config", file); code != 1 || !strings.Contains(errs, "slot 1 had another key") {
		t.Fatalf("%d %s %s", code, out, errs)
	}
	if err := p.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(20 * time.Second); !strings.Contains(p.log.String(), "stays in force"); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("it is not refused\n%s", p.log.String())
		}
	}
	if now := works(t, c); now.KeyId != sealed.KeyId {
		t.Fatalf("%s, %s is right", now.KeyId, sealed.KeyId)
	}
	_ = p.Process.Signal(syscall.SIGTERM)
	_ = p.ends(t, 20*time.Second)

	p = spawn(t, plugin(os.Args[0], "serve", "--config", file))
	c = client(t, socket)
	said, err := c.Status(t.Context(), &kmsapi.StatusRequest{})
	if err != nil || said.KeyId != "" || !strings.Contains(said.Healthz, "slot 1 had another key (local) before") {
		t.Fatalf("%v, %v", said, err)
	}
	if _, err := c.Encrypt(t.Context(), &kmsapi.EncryptRequest{Plaintext: make([]byte, 32)}); status.Code(err) != codes.FailedPrecondition {
		t.Fatal(err)
	}
	put(old)
	if err := p.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(20 * time.Second); !strings.Contains(p.log.String(), "is in force"); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("it is not taken\n%s", p.log.String())
		}
	}
	opens(t, c, sealed)
	if now := works(t, c); now.KeyId != sealed.KeyId {
		t.Fatalf("%s, %s is right", now.KeyId, sealed.KeyId)
	}
}

// Each configuration knows its key by its identity.
func TestOwns(t *testing.T) {
	parts := func(texts ...string) (identity [][]byte) {
		for _, text := range texts {
			identity = append(identity, []byte(text))
		}
		return identity
	}
	const id, former = "1234abcd-12ab-34cd-56ef-1234567890ab", "00000000-12ab-34cd-56ef-1234567890ab"
	arn := "arn:aws:kms:eu-central-1:111122223333:key/"
	google := "projects/p/locations/europe-west3/keyRings/r/cryptoKeys/kek"
	vault := "vault: {address: 'https://v.example', key: kek, instance: prod, auth: {token: {env: T}}}"
	azure := "azure: {vault: 'https://Made-up.vault.azure.net', key: kek}"
	pkcs11 := "pkcs11: {module: /m.so, tokenLabel: tok, keyID: a001, pinFile: /pin}"
	for _, one := range []struct {
		block    string
		identity [][]byte
		owns     bool
	}{
		{vault, parts("prod", "transit", "kek", "3", "1700000000"), true},
		{vault, parts("prod", "transit", "other", "3", "1700000000"), false},
		{vault, parts("dev", "transit", "kek", "3", "1700000000"), false},
		{"gcp: {key: " + google + "}", parts(google + "/cryptoKeyVersions/2"), true},
		{"gcp: {key: " + google + "}", parts(google + "2/cryptoKeyVersions/2"), false},
		{azure, parts("made-up.vault.azure.net", "kek", "0123456789abcdef0123456789abcdef"), true},
		{azure, parts("another.vault.azure.net", "kek", "0123456789abcdef0123456789abcdef"), false},
		{pkcs11, parts("tok", "\xa0\x01", "abc"), true},
		{pkcs11, parts("tok", "\xa0\x02", "abc"), false},
		{"aws: {key: '" + arn + id + "'}", parts("aws", "111122223333", id, "m"), true},
		{"aws: {key: '" + arn + id + "'}", parts("aws", "111122223333", former, "m"), false},
		{"aws: {key: '" + arn + id + "', formerKeys: ['" + arn + former + "']}", parts("aws", "111122223333", former, "m"), true},
		{"aws: {key: " + id + ", region: eu-central-1}", parts("aws", "111122223333", id, "m"), true},
		{"aws: {key: " + id + ", region: eu-central-1}", parts("aws", "111122223333", former, "m"), false},
		{"aws: {key: alias/kek, region: eu-central-1}", parts("aws", "111122223333", former, "m"), true},
		{"aws: {key: alias/kek, region: eu-central-1}", parts("aws", "111122223333"), false},
	} {
		parsed, err := config.Parse("test.yaml", fmt.Appendf(nil, "cluster: c\nkeys:\n- slot: 1\n  %s\n", one.block), backends().Kinds())
		if err != nil {
			t.Fatal(err)
		}
		owner, ok := parsed.Keys[0].Block.(kek.Owner)
		if !ok || owner.Owns(one.identity) != one.owns {
			t.Errorf("%s: %q: %v is right", one.block, one.identity, one.owns)
		}
	}
}
