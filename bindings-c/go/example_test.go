package k8senc_test

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"

	k8senc "github.com/k8senc/k8senc/bindings-c/go"
)

const exampleConfig = `apiVersion: apiserver.config.k8s.io/v1
kind: EncryptionConfiguration
resources:
- resources: [secrets]
  providers:
  - aescbc: {keys: [{name: key1, secret: AAECAwQFBgcICQoLDA0ODw==}]}
  - identity: {}
`

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

// Opening what kube-apiserver stored.
func Example() {
	config := must(k8senc.ParseConfig([]byte(exampleConfig), k8senc.ConfigOptions{}))
	defer config.Close()
	chain := must(config.Chain("secrets"))
	defer chain.Close()

	stored := must(hex.DecodeString("6b38733a656e633a6165736362633a76313a6b6579313a404142434445464748494a4b4c4d4e4f79b8158fc2278c7a6c282dcb369ef082"))
	opened := must(chain.Open(context.Background(), stored, []byte("/registry/secrets/default/a")))
	fmt.Printf("%x, stale: %v\n", opened.Plaintext, opened.Stale == k8senc.Stale)
	// Output: 34844f, stale: false
}

// A KMS is named once; the questions to it are asked behind the scenes, identical ones once.
func ExampleWithKMS() {
	config := must(k8senc.ParseConfig([]byte(`apiVersion: apiserver.config.k8s.io/v1
kind: EncryptionConfiguration
resources:
- resources: [secrets]
  providers:
  - kms: {apiVersion: v2, name: p, endpoint: "unix:///run/kms.sock"}
`), k8senc.ConfigOptions{}))
	defer config.Close()
	kms := k8senc.UnwrapFunc(func(_ context.Context, request *k8senc.DEKRequest) ([]byte, error) {
		fmt.Println("asked for key_id", request.KeyID)
		return hex.DecodeString("000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f")
	})
	chain := must(config.Chain("secrets", k8senc.WithKMS("p", kms)))
	defer chain.Close()
	stored := must(hex.DecodeString("6b38733a656e633a6b6d733a76323a703a0a1d606162636465666768696a6b786316bdd5c23ff9cd8569da85e45ed5cd1201311a246b656b3a5a5b58595e5f5c5d52535051565754554a4b48494e4f4c4d4243404146474445"))
	for range 2 {
		opened := must(chain.Open(context.Background(), stored, []byte("/registry/secrets/default/a")))
		fmt.Printf("%x\n", opened.Plaintext)
	}
	// Output:
	// asked for key_id 1
	// 92
	// 92
}

// Errors are told apart by errors.Is, and know what kube-apiserver would say.
func ExampleError() {
	config := must(k8senc.ParseConfig([]byte(exampleConfig), k8senc.ConfigOptions{}))
	defer config.Close()
	chain := must(config.Chain("secrets"))
	defer chain.Close()
	_, err := chain.Open(context.Background(), []byte("k8s:enc:aescbc:v1:key2:0123456789abcdef0123456789abcdef"), []byte("/registry/secrets/default/a"))
	fmt.Println(errors.Is(err, k8senc.ErrNoMatchingKey))
	var refused *k8senc.Error
	if errors.As(err, &refused) {
		fmt.Println(refused.Upstream)
	}
	// Output:
	// true
	// no matching key was found for the provided AES transformer
}

// What kube-apiserver would say of a configuration.
func ExampleValidate() {
	verdict := must(k8senc.Validate([]byte("kind: EncryptionConfiguration\napiVersion: apiserver.config.k8s.io/v1\nresources: []\n"), k8senc.ConfigOptions{}))
	fmt.Println(verdict.OK)
	// Output: false
}

// A plugin checks its own answers as kube-apiserver will.
func ExampleCheckEncrypt() {
	err := k8senc.CheckEncrypt(k8senc.EncryptAnswer{Ciphertext: []byte("..."), KeyID: "kek-1", Annotations: map[string][]byte{"note": nil}})
	fmt.Println(errors.Is(err, k8senc.ErrKMSV2Annotations))
	// Output: true
}

// One seed, wrapped by two KEKs: either opens it.
func ExampleKeyset() {
	kek := must(k8senc.NewKEK([]byte("an example KEK: 32 bytes of text")))
	defer kek.Close()
	other := must(k8senc.NewKEK([]byte("another example KEK, 32 bytes!!!")))
	defer other.Close()
	set := must(k8senc.NewKeyset("prod", 1, []k8senc.Member{{Slot: 1, KEK: kek}, {Slot: 2, KEK: other}}, nil))
	defer set.Close()

	key := must(k8senc.NewWrapKey())
	defer key.Close()
	wraps := map[uint8][]byte{}
	for i, one := range []*k8senc.KEK{kek, other} {
		wraps[set.Members[i].Slot] = must(one.Wrap(key, set.Members[i].Context))
	}
	seed := []byte("a seed is 32 random bytes really")
	record := must(set.Seal(key, seed, wraps))

	found := must(k8senc.InspectRecord(record, "prod"))
	second := found.Wraps[1]
	unwrapped := must(other.Unwrap(second.Wrap, second.Context))
	defer unwrapped.Close()
	opened := must(k8senc.OpenRecord(record, second.Slot, unwrapped, set.KeyID, "prod", nil))
	fmt.Println(string(opened) == string(seed))
	// Output: true
}
