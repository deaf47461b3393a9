package k8senc_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"

	k8senc "github.com/k8senc/k8senc/bindings-c/go"
)

// Every format that writes without a plugin, and rows in which the value was written by another provider than the first.
const manyFormats = `apiVersion: apiserver.config.k8s.io/v1
kind: EncryptionConfiguration
resources:
- resources: [pods]
  providers: [{aescbc: {keys: [{name: key1, secret: AAECAwQFBgcICQoLDA0ODw==}]}}, {identity: {}}]
- resources: [secrets]
  providers: [{aesgcm: {keys: [{name: key1, secret: AAECAwQFBgcICQoLDA0ODw==}]}}, {aescbc: {keys: [{name: key1, secret: AAECAwQFBgcICQoLDA0ODw==}]}}, {identity: {}}]
- resources: [nodes]
  providers: [{secretbox: {keys: [{name: key1, secret: AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=}]}}]
- resources: [services]
  providers: [{identity: {}}, {aesgcm: {keys: [{name: key1, secret: AAECAwQFBgcICQoLDA0ODw==}]}}]
`

func formatChain(t *testing.T, resource string) *k8senc.Chain {
	t.Helper()
	config, err := k8senc.ParseConfig([]byte(manyFormats), k8senc.ConfigOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer config.Close()
	chain, err := config.Chain(resource)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { chain.Close() })
	return chain
}

// Lengths around blocks, around what crosses together, and above.
var awkward = []int{0, 1, 15, 16, 17, 1000, 4095, 4096, 4097, 24 << 10, 32<<10 - 7, 70_000, 300_000}

func TestBatchesOfAllSizes(t *testing.T) {
	for _, resource := range []string{"pods", "secrets", "nodes", "services"} {
		chain := formatChain(t, resource)
		var plains []k8senc.Plain
		for round := range 9 {
			for i, size := range awkward {
				plains = append(plains, k8senc.Plain{Plaintext: bytes.Repeat([]byte{byte(i + round)}, size), EtcdKey: fmt.Appendf(nil, "/registry/%s/%d", resource, i)})
			}
		}
		sealed, err := chain.SealBatch(nil, plains)
		if err != nil {
			t.Fatal(err)
		}
		values := make([]k8senc.Value, len(sealed))
		for i := range sealed {
			values[i] = k8senc.Value{Stored: sealed[i], EtcdKey: plains[i].EtcdKey}
		}
		answers, err := chain.OpenBatch(context.Background(), values)
		if err != nil {
			t.Fatal(err)
		}
		for i, answer := range answers {
			if answer.Err != nil || !bytes.Equal(answer.Plaintext, plains[i].Plaintext) {
				t.Fatalf("%s, value %d of %d bytes: %v", resource, i, len(plains[i].Plaintext), answer.Err)
			}
			if len(answer.Plaintext) != cap(answer.Plaintext) {
				t.Fatalf("%s, value %d: an append would write over its neighbour", resource, i)
			}
			alone, err := chain.Open(context.Background(), values[i].Stored, values[i].EtcdKey)
			if err != nil || !bytes.Equal(alone.Plaintext, plains[i].Plaintext) || alone.Stale != answer.Stale {
				t.Fatalf("%s, value %d alone: %v", resource, i, err)
			}
		}
	}
}

// A chain learns how much shorter plaintexts are; a value of another format must not suffer from it.
func TestFormatsTakeTurns(t *testing.T) {
	gcm, cbc := formatChain(t, "secrets"), formatChain(t, "pods")
	plaintext := bytes.Repeat([]byte("p"), 1000)
	var stored [][]byte
	for _, chain := range []*k8senc.Chain{gcm, cbc} {
		sealed, err := chain.Seal(nil, plaintext, etcdKey)
		if err != nil {
			t.Fatal(err)
		}
		stored = append(stored, sealed)
	}
	stored = append(stored, plaintext)
	for i := range 9 {
		opened, err := gcm.Open(context.Background(), stored[i%3], etcdKey)
		if err != nil || !bytes.Equal(opened.Plaintext, plaintext) {
			t.Fatalf("turn %d: %v", i, err)
		}
	}
	// Shorter than what values are longer by.
	if opened, err := gcm.Open(context.Background(), []byte("{}"), etcdKey); err != nil || string(opened.Plaintext) != "{}" {
		t.Fatal(err)
	}
}

func TestOpenAppend(t *testing.T) {
	for _, resource := range []string{"pods", "secrets", "nodes", "services"} {
		chain := formatChain(t, resource)
		stored, err := chain.Seal(nil, []byte("plaintext"), etcdKey)
		if err != nil {
			t.Fatal(err)
		}
		room := append(make([]byte, 0, 500), "head "...)
		opened, err := chain.OpenAppend(context.Background(), room, stored, etcdKey)
		if err != nil || string(opened.Plaintext) != "head plaintext" || &opened.Plaintext[0] != &room[0] {
			t.Fatalf("%s: %q, %v", resource, opened.Plaintext, err)
		}
		// Behind the plaintext is no padding and no rest of the value.
		if behind := room[len(opened.Plaintext):cap(room)]; !bytes.Equal(behind, make([]byte, len(behind))) {
			t.Fatalf("%s: %x behind the plaintext", resource, behind)
		}
		grown, err := chain.OpenAppend(context.Background(), nil, stored, etcdKey)
		if err != nil || string(grown.Plaintext) != "plaintext" {
			t.Fatalf("%s: %q, %v", resource, grown.Plaintext, err)
		}
		if _, err := chain.OpenAppend(context.Background(), stored[:0], stored, etcdKey); !errors.Is(err, k8senc.ErrBadArgument) {
			t.Fatalf("%s: over its own input: %v", resource, err)
		}
		if allocations := testing.AllocsPerRun(100, func() {
			if _, err := chain.OpenAppend(context.Background(), room, stored, etcdKey); err != nil {
				t.Fatal(err)
			}
		}); allocations != 0 {
			t.Errorf("%s: %v allocations", resource, allocations)
		}
	}
	chain := formatChain(t, "nodes")
	stored, err := chain.Seal(nil, bytes.Repeat([]byte("secret"), 50), etcdKey)
	if err != nil {
		t.Fatal(err)
	}
	stored[len(stored)-1] ^= 1
	room := make([]byte, 500)
	if _, err := chain.OpenAppend(context.Background(), room[:0], stored, etcdKey); !errors.Is(err, k8senc.ErrAuthentication) {
		t.Fatal(err)
	}
	if !bytes.Equal(room, make([]byte, len(room))) {
		t.Fatal("a refused value left something behind")
	}
}

// A batch asks what it needs once for each distinct question, and only if something is missing.
func TestABatchAsksOnce(t *testing.T) {
	var asked atomic.Int32
	refuse := false
	kms := k8senc.UnwrapFunc(func(context.Context, *k8senc.DEKRequest) ([]byte, error) {
		asked.Add(1)
		if refuse {
			return nil, errors.New("out of order")
		}
		return bytes.Repeat([]byte{7}, 32), nil
	})
	chain, key := secretsChain(t, k8senc.WithKMS("p", kms)), seedKey(t)
	values := make([]k8senc.Value, 100)
	for i := range values {
		stored, err := chain.Seal(key, bytes.Repeat([]byte{byte(i)}, i*100), etcdKey)
		if err != nil {
			t.Fatal(err)
		}
		values[i] = k8senc.Value{Stored: stored, EtcdKey: etcdKey}
	}
	refuse = true
	answers, err := chain.OpenBatch(context.Background(), values)
	if err != nil {
		t.Fatal(err)
	}
	for _, answer := range answers {
		if !errors.Is(answer.Err, k8senc.ErrDEKRefused) {
			t.Fatal(answer.Err)
		}
	}
	refuse = false
	for range 2 {
		answers, err := chain.OpenBatch(context.Background(), values)
		if err != nil {
			t.Fatal(err)
		}
		for i, answer := range answers {
			if answer.Err != nil || len(answer.Plaintext) != i*100 {
				t.Fatalf("value %d: %v", i, answer.Err)
			}
		}
	}
	if asked.Load() != 2 {
		t.Errorf("asked %d times: once refused, once answered, never again", asked.Load())
	}
}

func TestKMSv1HasNoBatch(t *testing.T) {
	key, err := k8senc.NewKMSv1Key(make([]byte, 32), []byte("wrapped"))
	if err != nil {
		t.Fatal(err)
	}
	defer key.Close()
	chain, err := configOf(t, "configs/kmsv1.yaml").Chain("secrets")
	if err != nil {
		t.Fatal(err)
	}
	defer chain.Close()
	for _, size := range []int{2, 10_000} {
		if _, err := chain.SealBatch(key, []k8senc.Plain{{Plaintext: make([]byte, size), EtcdKey: etcdKey}}); !errors.Is(err, k8senc.ErrBadArgument) {
			t.Error(err)
		}
	}
	// Nothing was used up.
	if _, err := chain.Seal(key, []byte("{}"), etcdKey); err != nil {
		t.Error(err)
	}
}
