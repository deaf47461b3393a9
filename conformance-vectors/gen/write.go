package main

import (
	"context"
	"crypto/cipher"
	"encoding/hex"
	"fmt"
	"math"
	"strings"
	"sync/atomic"
	"time"
	_ "unsafe" // for go:linkname

	"k8s.io/apiserver/pkg/storage/value"
	envelopekmsv2 "k8s.io/apiserver/pkg/storage/value/encrypt/envelope/kmsv2"
)

func writeStatic(s *Suite) {
	identity := config("identity-only", secrets(identityProvider))
	for _, p := range plaintexts {
		s.write(write{id: "identity-" + p.name, why: "identity writes what it is given: " + p.why, config: identity, plain: p.bytes})
	}
	for _, p := range encryptedLooking {
		s.write(write{id: "identity-looks-" + p.name, why: "identity writes even what it would refuse to read: " + p.why, config: identity, plain: p.bytes})
	}
	s.write(write{id: "uncovered", why: "a resource without a rule is written as it is", config: config("aesgcm-only", secrets(keyed("aesgcm", key{"key1", seq(0, 32)}))), resource: "configmaps", plain: []byte("{}\n")})
	for _, p := range sealers {
		for _, size := range keySizes {
			if p.provider == "secretbox" && size != 32 {
				continue
			}
			file := fmt.Sprintf("%s-%d", p.provider, size*8)
			if p.provider == "secretbox" {
				file = p.provider
			}
			c := config(file, secrets(keyed(p.provider, key{"key1", seq(0, size)})))
			for _, n := range edgeLengths {
				s.write(write{id: fmt.Sprintf("%s-%d-plain-%d", p.provider, size*8, n), why: fmt.Sprintf("%s with a key of %d bits, plaintext of %d bytes", p.provider, size*8, n), config: c, plain: bytesOf("write", n)})
			}
			for i, k := range []string{"", "/", "/registry/secrets/other/b", "\xff\x00"} {
				s.write(write{id: fmt.Sprintf("%s-%d-etcd-key-%d", p.provider, size*8, i), why: fmt.Sprintf("%s with a key of %d bits at etcd key %q", p.provider, size*8, k), config: c, key: []byte(k), plain: []byte("{}\n")})
			}
		}
		for i, n := range oddNames {
			s.write(write{id: fmt.Sprintf("%s-odd-name-%d", p.provider, i), why: fmt.Sprintf("%s with key name %q", p.provider, n), config: config(fmt.Sprintf("%s-name-%d", p.provider, i), secrets(keyed(p.provider, key{n, seq(0, 32)}))), plain: []byte("{}\n")})
		}
		three := config("mux-"+p.provider+"-key-one", secrets(keyed(p.provider, key{"one", seq(1, 32)}, key{"two", seq(2, 32)}, key{"three", seq(3, 32)})))
		s.write(write{id: p.provider + "-first-key", why: p.provider + " with three keys: the first writes", config: three, plain: []byte("{}\n")})
		s.write(write{id: p.provider + "-identity-first", why: "identity before " + p.provider + ": written as it is", config: config("mux-"+p.provider+"-twice-identity", secrets(identityProvider, identityProvider, keyed(p.provider, key{"a", seq(1, 32)}))), plain: []byte("{}\n")})
	}
}

func writeKMS(s *Suite) {
	v1conf, v2conf := config("kmsv1", secrets(kms("v1", "p"))), config("kmsv2", secrets(kms("v2", "p")))
	v1 := func(id, why string, w write) {
		w.id, w.why, w.config, w.v1name = "v1-"+id, "KMS v1: "+why, v1conf, "p"
		if w.v1 == nil {
			w.v1 = &plugin{}
		}
		s.write(w)
	}
	v2 := func(id, why string, p *plugin, w write) {
		w.id, w.why, w.config, w.v2 = "v2-"+id, "KMS v2: "+why, v2conf, map[string]*plugin{"p": p}
		s.write(w)
	}
	for _, n := range edgeLengths {
		v1(fmt.Sprintf("plain-%d", n), fmt.Sprintf("plaintext of %d bytes", n), write{plain: bytesOf("write", n)})
		v2(fmt.Sprintf("seed-plain-%d", n), fmt.Sprintf("seed form, plaintext of %d bytes", n), &plugin{keyID: "1"}, write{plain: bytesOf("write", n)})
		v2(fmt.Sprintf("key-plain-%d", n), fmt.Sprintf("key form, plaintext of %d bytes", n), &plugin{keyID: "1", useKey: true}, write{plain: bytesOf("write", n)})
	}
	for _, n := range []int{0, 1, 255, 256, 1024, 1025, 65535, 65536} {
		v1(fmt.Sprintf("edek-%d", n), fmt.Sprintf("the plugin answers %d bytes; 65,535 is the most", n), write{plain: []byte("{}\n"), v1: &plugin{wrap: func([]byte) []byte { return bytesOf("write-edek", n) }}})
	}
	for _, n := range []int{1, 36, 127, 128, 1023, 1024} {
		v2(fmt.Sprintf("edek-%d", n), fmt.Sprintf("an encrypted seed of %d bytes", n), &plugin{keyID: "1", wrap: func([]byte) []byte { return bytesOf("write-edek", n) }}, write{plain: []byte("{}\n")})
		v2(fmt.Sprintf("key-id-%d", n), fmt.Sprintf("a key_id of %d bytes", n), &plugin{keyID: strings.Repeat("k", n)}, write{plain: []byte("{}\n")})
		v2(fmt.Sprintf("annotation-%d", n), fmt.Sprintf("an annotation of %d bytes", n), &plugin{keyID: "1", annotations: map[string][]byte{"a.b": bytesOf("write-annotation", n)}}, write{plain: []byte("{}\n")})
	}
	for i, a := range []map[string][]byte{
		{"a.b": nil}, {"a.b": []byte("x")}, {"a.b.": []byte("x")}, {"a.example.com": {0, 255}},
		{"a.b": []byte("x"), "a.c": []byte("y")}, {"a.b": nil, "z.example.com": []byte("y"), "m.example.com": []byte("z")}, {"aa.b": []byte("1"), "a.bb": []byte("2")},
	} {
		for _, useKey := range []bool{false, true} {
			v2(fmt.Sprintf("annotations-%d-%s", i, form(!useKey)), fmt.Sprintf("%d annotations, %s form; two or more come in random order from Go", len(a), form(!useKey)), &plugin{keyID: "1", useKey: useKey, annotations: a}, write{plain: []byte("{}\n")})
		}
	}
	v2("key-id-unicode", "a key_id outside ASCII", &plugin{keyID: "schlüssel-鍵"}, write{plain: []byte("{}\n")})
	for i, k := range []string{"/", "/registry/secrets/other/b", "\xff\x00"} {
		v1(fmt.Sprintf("etcd-key-%d", i), fmt.Sprintf("at etcd key %q", k), write{key: []byte(k), plain: []byte("{}\n")})
		v2(fmt.Sprintf("seed-etcd-key-%d", i), fmt.Sprintf("seed form at etcd key %q", k), &plugin{keyID: "1"}, write{key: []byte(k), plain: []byte("{}\n")})
		v2(fmt.Sprintf("key-etcd-key-%d", i), fmt.Sprintf("key form at etcd key %q", k), &plugin{keyID: "1", useKey: true}, write{key: []byte(k), plain: []byte("{}\n")})
	}
	v1("empty-etcd-key", "an empty etcd key is legal", write{noKey: true, plain: []byte("{}\n")})
	v2("seed-empty-etcd-key", "the seed form panics on an empty etcd key", &plugin{keyID: "1"}, write{noKey: true, plain: []byte("{}\n")})
	v2("key-empty-etcd-key", "an empty etcd key is legal in the key form", &plugin{keyID: "1", useKey: true}, write{noKey: true, plain: []byte("{}\n")})
	for _, n := range []int{1, 2, 255, 256, 1000} {
		v2(fmt.Sprintf("counter-after-%d", n), fmt.Sprintf("key form after %d earlier writes", n), &plugin{keyID: "1", useKey: true}, write{before: n, plain: []byte("{}\n")})
	}
	v2("never-healthy", "a plugin that was never healthy cannot write", &plugin{never: true}, write{plain: []byte("{}\n")})
	two := config("mux-kmsv2-two", secrets(kms("v2", "new"), kms("v2", "old"), identityProvider))
	s.write(write{id: "v2-two-first", why: "two KMS v2 providers: the first writes", config: two, plain: []byte("{}\n"), v2: map[string]*plugin{"new": {keyID: "n1"}, "old": {keyID: "o1"}}})
	s.write(write{id: "v2-two-first-never", why: "two KMS v2 providers, the first never healthy: no other one steps in", config: two, plain: []byte("{}\n"), v2: map[string]*plugin{"new": {never: true}, "old": {keyID: "o1"}}})
	colon := config("kmsv1-colon", secrets(kms("v1", "a:b")))
	s.write(write{id: "v1-name-with-colon", why: "a KMS v1 provider name with a colon", config: colon, plain: []byte("{}\n"), v1: &plugin{}, v1name: "a:b"})
	writeCounter(s, v2conf)
}

// nonceGenerator has the layout of upstream's type of this name, whose counter
// cannot be brought to its end by writing.
type nonceGenerator struct {
	nonce atomic.Uint64
	zero  uint64
	fatal func(msg string)
}

//go:linkname newGCMTransformerWithUniqueKeyUnsafe k8s.io/apiserver/pkg/storage/value/encrypt/aes.newGCMTransformerWithUniqueKeyUnsafe
func newGCMTransformerWithUniqueKeyUnsafe(block cipher.Block, nonceGen *nonceGenerator) (value.Transformer, error)

// writeCounter asks about counters that no test could reach by writing.
func writeCounter(s *Suite, conf string) {
	dek := seq(0, 32)
	for _, at := range []uint64{1_000_000_000, 1_000_000_254, 0x00ff_ffff, 0xffff_ffff, math.MaxUint64 - 2, math.MaxUint64 - 1, math.MaxUint64, 0, 999_999_998, 999_999_999} {
		w := write{id: fmt.Sprintf("v2-counter-%d", at), why: fmt.Sprintf("KMS v2: key form while the counter stands at %d; upstream dies when the next is not above 1,000,000,000", at), config: conf, resource: "secrets", key: []byte(defaultKey), plain: []byte("{}\n")}
		g := &nonceGenerator{zero: 1_000_000_000, fatal: func(msg string) { panic(msg) }}
		g.nonce.Store(at)
		t, err := newGCMTransformerWithUniqueKeyUnsafe(block(dek), g)
		must(err)
		state := envelopekmsv2.State{Transformer: t, EncryptedObjectKeyID: "1", EncryptedObjectEncryptedDEKSource: toyWrap(dek), ExpirationTimestamp: time.Now().Add(time.Hour), CacheKey: []byte("gen")}
		envelope := envelopekmsv2.NewEnvelopeTransformer(v2Service{&plugin{keyID: "1"}}, "p", func() (envelopekmsv2.State, error) { return state, nil }, "gen")
		chain := value.NewPrefixTransformers(nil, value.PrefixTransformer{Prefix: []byte(prefixV2 + "p:"), Transformer: envelope})
		randomTape.rewind("write:" + w.id)
		e := sealed(w.id, context.Background(), chain, w.plain, w.key)
		id, n := "1", at
		s.addWrite(w, e, hex.EncodeToString(randomTape.take()), map[string]WriteKMS{"p": {APIVersion: "v2", DEK: hexed(dek), EncryptedDEK: hexed(toyWrap(dek)), KeyID: &id, Counter: &n}})
	}
}
