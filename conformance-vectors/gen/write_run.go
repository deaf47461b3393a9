package main

import (
	"bytes"
	"context"
	"encoding/hex"
	"fmt"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apiserver/pkg/server/options/encryptionconfig"
	"k8s.io/apiserver/pkg/storage/value"
)

// WriteCase asks what one plaintext is sealed to, given the random bytes drawn.
type WriteCase struct {
	ID         string              `json:"id"`
	Why        string              `json:"why"`
	Config     string              `json:"config"`
	Resource   string              `json:"resource"`
	EtcdKey    *string             `json:"etcdKey,omitempty"`
	EtcdKeyHex *string             `json:"etcdKeyHex,omitempty"`
	Plaintext  string              `json:"plaintext"`
	Random     string              `json:"random"`
	KMS        map[string]WriteKMS `json:"kms,omitempty"`
	Expect     WriteExpect         `json:"expect"`
}

// WriteKMS is the state a KMS provider writes with, and for v1 what Encrypt answers.
type WriteKMS struct {
	APIVersion   string            `json:"apiVersion"`
	Seed         *string           `json:"seed,omitempty"`
	DEK          *string           `json:"dek,omitempty"`
	EncryptedDEK *string           `json:"encryptedDek,omitempty"`
	KeyID        *string           `json:"keyId,omitempty"`
	Annotations  map[string]string `json:"annotations,omitempty"`
	Counter      *uint64           `json:"counter,omitempty"`
	Never        bool              `json:"neverHealthy,omitempty"`
}

// WriteExpect is what the real writer did.
type WriteExpect struct {
	Result   string  `json:"result"`
	Stored   *string `json:"stored,omitempty"`
	Upstream string  `json:"upstream,omitempty"`
	Compare  string  `json:"compare"`
}

// write is the question of a writing case.
type write struct {
	id, why, config string
	resource        string // default secrets
	key             []byte // default defaultKey
	noKey           bool
	plain           []byte
	before          int // how many writes the state has already made
	v1              *plugin
	v1name          string
	v2              map[string]*plugin
}

func (w *write) run() (WriteExpect, string, map[string]WriteKMS) {
	var v1 []*plugin
	if w.v1 != nil {
		w.v1.v1 = true
		v1 = []*plugin{w.v1}
	}
	undo := installPlugins(v1, w.v2)
	defer undo()
	for _, p := range w.v2 {
		p.sealed = nil
	}
	randomTape.rewind("load:" + w.id)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	c, _, err := load(ctx, configTexts[w.config], false)
	if err != nil {
		fatal("%s: configuration %s does not load: %v", w.id, w.config, err)
	}
	t := encryptionconfig.StaticTransformers(c.Transformers).TransformerForResource(schema.ParseGroupResource(w.resource))
	for range w.before {
		if _, err := t.TransformToStorage(ctx, []byte("x"), value.DefaultContext(w.key)); err != nil {
			fatal("%s: %v", w.id, err)
		}
	}
	sides := map[string]WriteKMS{}
	for name, p := range w.v2 {
		if p.never {
			sides[name] = WriteKMS{APIVersion: "v2", Never: true}
			continue
		}
		id := p.keyID
		side := WriteKMS{APIVersion: "v2", KeyID: &id, EncryptedDEK: hexed(p.sealed[0][1]), Annotations: hexMap(p.annotations)}
		if p.useKey {
			side.DEK = hexed(p.sealed[0][0])
			n := 1_000_000_000 + uint64(w.before)
			side.Counter = &n
		} else {
			side.Seed = hexed(p.sealed[0][0])
		}
		sides[name] = side
	}
	if w.v1 != nil {
		w.v1.sealed = nil
	}
	randomTape.rewind("write:" + w.id)
	e := sealed(w.id, ctx, t, w.plain, w.key)
	random := hex.EncodeToString(randomTape.take())
	if w.v1 != nil {
		side := WriteKMS{APIVersion: "v1"}
		if len(w.v1.sealed) > 0 {
			side.DEK, side.EncryptedDEK = hexed(w.v1.sealed[0][0]), hexed(w.v1.sealed[0][1])
		}
		sides[w.v1name] = side
	}
	if len(sides) == 0 {
		sides = nil
	}
	return e, random, sides
}

func hexMap(m map[string][]byte) map[string]string {
	if len(m) == 0 {
		return nil
	}
	out := map[string]string{}
	for k, v := range m {
		out[k] = hex.EncodeToString(v)
	}
	return out
}

func sealed(id string, ctx context.Context, t value.Transformer, plain, key []byte) (e WriteExpect) {
	defer func() {
		if p := recover(); p != nil {
			text := fmt.Sprint(p)
			e = WriteExpect{Result: "upstream-panics:" + writePanicCode(id, text), Upstream: text, Compare: "exact"}
		}
	}()
	out, err := t.TransformToStorage(ctx, bytes.Clone(plain), value.DefaultContext(key))
	if err != nil {
		return WriteExpect{Result: "refused:" + writeCode(id, err), Upstream: err.Error(), Compare: "exact"}
	}
	return WriteExpect{Result: "sealed", Stored: hexed(out), Compare: "exact"}
}

// counterWorn is what upstream says, and dies, when the counter of a key has wrapped.
const counterWorn = "aes-gcm detected nonce overflow - cryptographic wear out has occurred"

func writePanicCode(id, text string) string {
	if text == counterWorn {
		return "counter-overflow"
	}
	return panicCode(id, text)
}

func writeCode(id string, err error) string {
	switch text := err.Error(); text {
	case "got unexpected nil transformer":
		return "kms-never-healthy"
	case "cryptobyte: pending child length 65536 exceeds 2-byte length prefix":
		return "kmsv1-length"
	default:
		fatal("%s: write error without a code: %s", id, text)
		return ""
	}
}

// write runs the question on the real code and records the answer.
func (s *Suite) write(w write) {
	if w.resource == "" {
		w.resource = "secrets"
	}
	if w.key == nil && !w.noKey {
		w.key = []byte(defaultKey)
	}
	e, random, sides := w.run()
	runs := 1
	for _, p := range w.v2 {
		if len(p.annotations) > 1 {
			// Go writes a map in random order: keep the smallest of many runs.
			e.Compare, runs = "decoded", 300
		}
	}
	for range runs {
		again, r, _ := w.run()
		again.Compare = e.Compare
		if r != random || runs == 1 && *encoded(again) != *encoded(e) {
			fatal("%s/%s: two runs differ", s.name, w.id)
		}
		if e.Stored != nil && *again.Stored < *e.Stored {
			e = again
		}
	}
	s.addWrite(w, e, random, sides)
}

func (s *Suite) addWrite(w write, e WriteExpect, random string, sides map[string]WriteKMS) {
	c := WriteCase{ID: w.id, Why: w.why, Config: w.config, Resource: w.resource, Plaintext: hex.EncodeToString(w.plain), Random: random, KMS: sides, Expect: e}
	c.EtcdKey, c.EtcdKeyHex = keyFields(w.key)
	s.add(w.id, c)
}

func encoded(v any) *string {
	b, err := encode(v)
	must(err)
	s := string(b)
	return &s
}
