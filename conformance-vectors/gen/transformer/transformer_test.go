// Package transformer holds our Go package against k8s.io/apiserver: the types fit, and values go both ways.
package transformer

import (
	"bytes"
	"context"
	"crypto/aes"
	"errors"
	"testing"

	k8senc "github.com/k8senc/k8senc/bindings-c/go"
	"k8s.io/apiserver/pkg/storage/value"
	aestransformer "k8s.io/apiserver/pkg/storage/value/encrypt/aes"
	"k8s.io/apiserver/pkg/storage/value/encrypt/identity"
	"k8s.io/apiserver/pkg/storage/value/encrypt/secretbox"
)

// Ours is what kube-apiserver takes.
var _ value.Transformer = k8senc.Transformer[value.Context]{}

var dataCtx = value.DefaultContext("/registry/secrets/default/a")

func key(length int) []byte {
	out := make([]byte, length)
	for i := range out {
		out[i] = byte(i)
	}
	return out
}

func ours(t *testing.T, provider string) k8senc.Transformer[value.Context] {
	t.Helper()
	config, err := k8senc.ParseConfig([]byte(`apiVersion: apiserver.config.k8s.io/v1
kind: EncryptionConfiguration
resources:
- resources: [secrets]
  providers:
  - `+provider+`: {keys: [{name: key1, secret: AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=}]}
  - identity: {}
`), k8senc.ConfigOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { config.Close() })
	chain, err := config.Chain("secrets")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { chain.Close() })
	return k8senc.Transformer[value.Context]{Chain: chain}
}

func theirs(t *testing.T, provider string) value.Transformer {
	t.Helper()
	block, err := aes.NewCipher(key(32))
	if err != nil {
		t.Fatal(err)
	}
	var inner value.Transformer
	switch provider {
	case "aescbc":
		inner = aestransformer.NewCBCTransformer(block)
	case "aesgcm":
		if inner, err = aestransformer.NewGCMTransformer(block); err != nil {
			t.Fatal(err)
		}
	case "secretbox":
		inner = secretbox.NewSecretboxTransformer([32]byte(key(32)))
	}
	named := value.NewPrefixTransformers(errors.New("no matching key was found"), value.PrefixTransformer{Prefix: []byte("key1:"), Transformer: inner})
	return value.NewPrefixTransformers(errors.New("no matching prefix found"),
		value.PrefixTransformer{Prefix: []byte("k8s:enc:" + provider + ":v1:"), Transformer: named},
		value.PrefixTransformer{Prefix: nil, Transformer: identity.NewEncryptCheckTransformer()})
}

func TestValuesGoBothWays(t *testing.T) {
	ctx := context.Background()
	for _, provider := range []string{"aescbc", "aesgcm", "secretbox"} {
		mine, real := ours(t, provider), theirs(t, provider)
		for _, length := range []int{0, 1, 15, 16, 17, 1000, 100_000} {
			plain := bytes.Repeat([]byte{byte(length)}, length)
			for _, way := range []struct {
				name        string
				write, read value.Transformer
			}{{"ours to theirs", mine, real}, {"theirs to ours", real, mine}} {
				stored, err := way.write.TransformToStorage(ctx, plain, dataCtx)
				if err != nil {
					t.Fatal(provider, way.name, err)
				}
				opened, stale, err := way.read.TransformFromStorage(ctx, stored, dataCtx)
				if err != nil || stale || !bytes.Equal(opened, plain) {
					t.Errorf("%s, %s, %d bytes: stale %v, %v", provider, way.name, length, stale, err)
				}
			}
		}
		_, stale, err := mine.TransformFromStorage(ctx, []byte("{}"), dataCtx)
		if _, realStale, realErr := real.TransformFromStorage(ctx, []byte("{}"), dataCtx); stale != realStale || err != nil || realErr != nil {
			t.Errorf("%s: plaintext: stale %v and %v, %v and %v", provider, stale, realStale, err, realErr)
		}
		_, _, err = mine.TransformFromStorage(ctx, []byte("k8s:enc:other:v1:key1:x"), dataCtx)
		_, _, realErr := real.TransformFromStorage(ctx, []byte("k8s:enc:other:v1:key1:x"), dataCtx)
		if err == nil || realErr == nil || err.Error() != realErr.Error() || !errors.Is(err, k8senc.ErrNoMatchingPrefix) {
			t.Errorf("%s: %v, kube-apiserver says %v", provider, err, realErr)
		}
	}
}
