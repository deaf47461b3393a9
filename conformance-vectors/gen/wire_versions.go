package main

import (
	"bytes"
	"context"
	"crypto/aes"
	_ "embed"
	"encoding/hex"
	"encoding/json"

	"k8s.io/apiserver/pkg/server/options/encryptionconfig"
	"k8s.io/apiserver/pkg/storage/value"
	aestransformer "k8s.io/apiserver/pkg/storage/value/encrypt/aes"

	"k8s.io/apimachinery/pkg/runtime/schema"
)

// examplesJSON holds values that an independent writer made.
//
//go:embed inputs/examples.json
var examplesJSON []byte

func wireExamples(s *Suite) {
	var in struct {
		Examples []struct{ ID, Provider, EtcdKey, Plaintext, Stored, Name, Key, KeyID, Form string }
	}
	must(json.Unmarshal(examplesJSON, &in))
	unhex := func(t string) []byte {
		b, err := hex.DecodeString(t)
		must(err)
		return b
	}
	for _, e := range in.Examples {
		r := read{id: e.ID, why: "a value of an independent writer: " + e.ID, key: []byte(e.EtcdKey), stored: unhex(e.Stored)}
		switch e.Provider {
		case "identity":
			r.config = config("identity-only", secrets(identityProvider))
		case "kmsv1":
			r.config = config("example-kmsv1-"+e.Name, secrets(kms("v1", e.Name)))
			r.v1, r.v1names = []*plugin{{}}, []string{e.Name}
		case "kmsv2":
			r.config = config("example-kmsv2-"+e.Name, secrets(kms("v2", e.Name)))
			r.v2 = map[string]*plugin{e.Name: {keyID: e.KeyID, useKey: e.Form == "key"}}
		default:
			r.config = config("example-"+e.ID, secrets(keyed(e.Provider, key{e.Name, unhex(e.Key)})))
		}
		o := r
		o.resource = "secrets"
		if got := o.run(); got.err != nil || !bytes.Equal(got.out, unhex(e.Plaintext)) {
			fatal("example %s does not open to its plaintext: %v", e.ID, got.err)
		}
		s.read(r)
	}
}

// realWrite seals plain with the real chain of a configuration.
func realWrite(label, text string, v1 []*plugin, v2 map[string]*plugin, etcdKey string, plain []byte) []byte {
	for _, p := range v1 {
		p.v1 = true
	}
	undo := installPlugins(v1, v2)
	defer undo()
	randomTape.rewind("versions:" + label)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	c, _, err := load(ctx, text, false)
	must(err)
	t := encryptionconfig.StaticTransformers(c.Transformers).TransformerForResource(schema.GroupResource{Resource: "secrets"})
	out, err := t.TransformToStorage(ctx, plain, value.DefaultContext(etcdKey))
	must(err)
	return out
}

// wireVersions reads what the API servers of each version wrote, with the reader of today.
func wireVersions(s *Suite) {
	k := seq(0, 32)
	objects := map[string][]byte{"json": plaintexts[0].bytes, "protobuf": plaintexts[1].bytes}
	for _, p := range []string{"aescbc", "aesgcm", "secretbox"} {
		file := p + "-256"
		if p == "secretbox" {
			file = p
		}
		text := secrets(keyed(p, key{"key1", k}))
		for _, name := range []string{"json", "protobuf"} {
			plain := objects[name]
			s.read(read{id: "1.7-" + p + "-" + name, why: p + " as every version since 1.7 writes it, a " + name + " object", config: config(file, text), stored: realWrite(p+name, text, nil, nil, defaultKey, plain)})
		}
		legacy := "apiVersion: v1\nkind: EncryptionConfig\nresources:\n" + entry([]string{"secrets"}, keyed(p, key{"key1", k}))
		s.read(read{id: "1.12-kind-" + p, why: p + " under the kind that 1.7 to 1.12 used", config: config("versions-legacy-"+p, legacy), stored: realWrite(p+"legacy", legacy, nil, nil, defaultKey, objects["json"])})
	}
	v1text, v2text := secrets(kms("v1", "p")), secrets(kms("v2", "p"))
	for _, name := range []string{"json", "protobuf"} {
		plain := objects[name]
		old := oldEnvelope(&plugin{})
		randomTape.rewind("versions:cbc" + name)
		body, err := old.TransformToStorage(context.Background(), plain, value.DefaultContext(defaultKey))
		must(err)
		ask := func(id, why string, key []byte, stored []byte) {
			s.read(read{id: id + "-" + name, why: why + ", a " + name + " object", config: config("kmsv1", v1text), key: key, stored: stored, v1: []*plugin{{}}, v1names: []string{"p"}})
		}
		ask("1.8-kmsv1-cbc", "KMS v1 as 1.8 to 1.24 wrote it: a CBC body, stale", nil, cat(prefixV1, "p:", body))
		ask("1.8-kmsv1-cbc-moved", "the same at another etcd key: nothing binds it", []byte("/registry/secrets/default/b"), cat(prefixV1, "p:", body))
		gcmValue := realWrite("v1gcm"+name, v1text, []*plugin{{}}, nil, defaultKey, plain)
		ask("1.25-kmsv1-gcm", "KMS v1 as 1.25 and later write it: a GCM body", nil, gcmValue)
		ask("1.25-kmsv1-gcm-moved", "the same at another etcd key", []byte("/registry/secrets/default/b"), gcmValue)

		// KMS v2, alpha: a DEK per write, a random nonce, no field 5.
		dek := bytesOf("versions-alpha-dek", 32)
		b, err := aes.NewCipher(dek)
		must(err)
		g, err := aestransformer.NewGCMTransformer(b)
		must(err)
		randomTape.rewind("versions:alpha" + name)
		data, err := g.TransformToStorage(context.Background(), plain, value.DefaultContext(defaultKey))
		must(err)
		alpha := cat(prefixV2, "p:", object{data: data, keyID: "1", edek: toyWrap(dek)}.marshal())
		counter := realWrite("counter"+name, v2text, nil, map[string]*plugin{"p": {keyID: "1", useKey: true}}, defaultKey, plain)
		seed := realWrite("seed"+name, v2text, nil, map[string]*plugin{"p": {keyID: "1"}}, defaultKey, plain)
		noted := realWrite("noted"+name, v2text, nil, map[string]*plugin{"p": {keyID: "1", annotations: map[string][]byte{"version.example.com": []byte("3")}}}, defaultKey, plain)
		for _, v := range []struct {
			id, why string
			stored  []byte
		}{
			{"1.25-kmsv2-alpha", "KMS v2 as 1.25 and 1.26 wrote it: a DEK per value, random nonce, no type", alpha},
			{"1.27-kmsv2-counter", "KMS v2 as 1.27, and 1.28 without its gate, wrote it: one key per server, counter nonce, no type", counter},
			{"1.28-kmsv2-seed", "KMS v2 as 1.28 with its gate and every later version write it: a seed", seed},
			{"1.29-kmsv2-annotated", "the same with an annotation of the plugin", noted},
		} {
			for _, state := range []struct {
				name, keyID string
				useKey      bool
			}{{"now", "1", false}, {"rotated", "2", false}, {"1.27", "1", true}} {
				s.read(read{id: v.id + "-state-" + state.name + "-" + name, why: v.why + "; state: " + state.name + ", a " + name + " object", config: config("kmsv2", v2text), stored: v.stored,
					v2: map[string]*plugin{"p": {keyID: state.keyID, useKey: state.useKey}}})
			}
		}
	}
	prefixed := "/43da-prefix/registry/secrets/default/a"
	s.read(read{id: "other-etcd-prefix", why: "with --etcd-prefix the AAD is the whole key, prefix included", config: config("kmsv2", v2text), key: []byte(prefixed), stored: realWrite("prefix", v2text, nil, map[string]*plugin{"p": {keyID: "1"}}, prefixed, objects["json"]), v2: map[string]*plugin{"p": {keyID: "1"}}})
	s.read(read{id: "other-etcd-prefix-stripped", why: "the same value after a backup dropped the prefix", config: config("kmsv2", v2text), stored: realWrite("prefix", v2text, nil, map[string]*plugin{"p": {keyID: "1"}}, prefixed, objects["json"]), v2: map[string]*plugin{"p": {keyID: "1"}}})
}
