package keyset_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"os"
	"path/filepath"
	"testing"

	"github.com/k8senc/k8senc/kms-plugin/keyset"
	"github.com/k8senc/k8senc/kms-plugin/local"
)

func localEngine(b *testing.B) *keyset.Engine {
	b.Helper()
	path := filepath.Join(b.TempDir(), "kek")
	if err := os.WriteFile(path, []byte(base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{3}, 32))), 0o600); err != nil {
		b.Fatal(err)
	}
	backend, err := local.New(b.Context(), local.Config{File: path})
	if err != nil {
		b.Fatal(err)
	}
	engine, err := keyset.New(keyset.Options{Cluster: "c", Generation: 1, Store: &memory{}}, []keyset.Key{{Name: "local", Slot: 1, Backend: backend}})
	if err != nil {
		b.Fatal(err)
	}
	return engine
}

func BenchmarkEncrypt(b *testing.B) {
	engine, seed := localEngine(b), make([]byte, 32)
	for b.Loop() {
		if _, err := engine.Encrypt(context.Background(), seed); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDecrypt(b *testing.B) {
	engine := localEngine(b)
	sealed, err := engine.Encrypt(context.Background(), make([]byte, 32))
	if err != nil {
		b.Fatal(err)
	}
	request := keyset.Request{Record: sealed.Record, KeyID: sealed.KeyID}
	for b.Loop() {
		if _, err := engine.Decrypt(context.Background(), request); err != nil {
			b.Fatal(err)
		}
	}
}
