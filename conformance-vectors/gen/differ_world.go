package main

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"sort"
	"time"
	"unicode/utf8"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apiserver/pkg/server/options/encryptionconfig"
	"k8s.io/apiserver/pkg/storage/value"
	"k8s.io/apiserver/pkg/storage/value/encrypt/envelope"
	kmsservice "k8s.io/kms/pkg/service"
	"sigs.k8s.io/yaml"
)

// differPlugin is the toy KMS plugin of a differential run. The peer plays the same one (toy.rs).
type differPlugin struct {
	world       *world
	name        string
	v1          bool
	never       bool
	keyID       string
	useKey      bool
	annotations map[string][]byte
	filler      int // bytes behind the DEK in what Encrypt answers; 0 is the short form

	secret, encrypted []byte // the last DEK or seed that was wrapped
	writes            uint64 // v2 key form: how many values were sealed
}

// differUnwrap is the toy KEK, see toy.rs.
func differUnwrap(ciphertext []byte) ([]byte, error) {
	if b, ok := cutPrefix(ciphertext, "kek:"); ok {
		return mask(b), nil
	}
	if b, ok := cutPrefix(ciphertext, "kel:"); ok && len(b) >= 2 {
		if n := int(b[0])<<8 | int(b[1]); n <= len(b)-2 {
			return mask(b[2 : 2+n]), nil
		}
	}
	if b, ok := cutPrefix(ciphertext, "no:"); ok {
		return nil, errors.New("toy: refused " + hex.EncodeToString(b))
	}
	return nil, errors.New("toy: not my ciphertext")
}

func cutPrefix(b []byte, prefix string) ([]byte, bool) {
	if len(b) < len(prefix) || string(b[:len(prefix)]) != prefix {
		return nil, false
	}
	return b[len(prefix):], true
}

func mask(b []byte) []byte {
	out := make([]byte, len(b))
	for i, c := range b {
		out[i] = c ^ 0x5a
	}
	return out
}

// differWrap wraps a DEK; with a filler the result is that many bytes longer.
func differWrap(dek []byte, filler int) []byte {
	if filler == 0 {
		return cat("kek:", mask(dek))
	}
	return cat("kel:", byte(len(dek)>>8), byte(len(dek)), mask(dek), make([]byte, filler))
}

func (p *differPlugin) decrypt(q question) ([]byte, error) {
	request := encodeRequest(p.name, p.v1, q)
	p.world.asked[request] = true
	dek, err := differUnwrap(q.ciphertext)
	if err == nil {
		p.world.learn(request)
	}
	return dek, err
}

func (p *differPlugin) encrypt(secret []byte) []byte {
	p.secret = append([]byte{}, secret...)
	p.encrypted = differWrap(secret, p.filler)
	q := question{ciphertext: p.encrypted}
	if !p.v1 {
		q.keyID, q.annotations = p.keyID, p.annotations
	}
	p.world.learn(encodeRequest(p.name, p.v1, q))
	return p.encrypted
}

func (w *world) learn(request string) {
	if _, old := w.known[request]; !old {
		w.known[request] = w.at
	}
}

// encodeRequest has the form in which the peer reports its requests.
func encodeRequest(provider string, v1 bool, q question) string {
	b := appendBytes(nil, provider)
	if v1 {
		b = append(b, 1)
	} else {
		b = append(b, 2)
	}
	b = appendBytes(b, q.ciphertext)
	b = appendBytes(b, q.keyID)
	return string(appendAnnotations(b, q.annotations))
}

func appendAnnotations(b []byte, annotations map[string][]byte) []byte {
	names := make([]string, 0, len(annotations))
	for n := range annotations {
		names = append(names, n)
	}
	sort.Strings(names)
	b = appendCount(b, len(names))
	for _, n := range names {
		b = appendBytes(appendBytes(b, n), annotations[n])
	}
	return b
}

type differV1 struct{ p *differPlugin }

func (s differV1) Decrypt(data []byte) ([]byte, error) {
	return s.p.decrypt(question{ciphertext: data})
}
func (s differV1) Encrypt(data []byte) ([]byte, error) { return s.p.encrypt(data), nil }

type differV2 struct{ p *differPlugin }

func (s differV2) Decrypt(_ context.Context, _ string, r *kmsservice.DecryptRequest) ([]byte, error) {
	return s.p.decrypt(question{r.Ciphertext, r.KeyID, r.Annotations})
}

func (s differV2) Encrypt(_ context.Context, _ string, data []byte) (*kmsservice.EncryptResponse, error) {
	return &kmsservice.EncryptResponse{Ciphertext: s.p.encrypt(data), KeyID: s.p.keyID, Annotations: s.p.annotations}, nil
}

func (s differV2) Status(context.Context) (*kmsservice.StatusResponse, error) {
	if s.p.never {
		return nil, errors.New("toy: no answer yet")
	}
	return &kmsservice.StatusResponse{Version: "v2", Healthz: "ok", KeyID: s.p.keyID}, nil
}

// world is one configuration, loaded by both sides, with its plugins.
type world struct {
	text, resource string
	native         bool // the peer's backend
	v1             []*differPlugin
	v2             map[string]*differPlugin
	known          map[string]int  // requests that were answered, since which question: Go keeps those DEKs
	asked          map[string]bool // requests of the value being read
	at             int             // number of the question

	ctx       context.Context
	stop      context.CancelFunc
	chain     value.Transformer
	question0 []byte  // what the peer has to know before the first question
	refusal   string  // why Go does not load it
	providers []shape // of the resource; none for bare identity
}

// shape is what a provider of the chain needs to be written for.
type shape struct {
	kind   string
	keys   []key
	name   string
	plugin *differPlugin
}

type looseKeys struct {
	Keys []struct {
		Name   string
		Secret []byte
	}
}

type looseConfig struct {
	Resources []struct {
		Resources []string
		Providers []struct {
			AESCBC, AESGCM, Secretbox *looseKeys
			Identity                  *struct{}
			KMS                       *struct{ Name, APIVersion string }
		}
	}
}

// newWorld loads text on the Go side. KMS v1 plugins are named in file order, as the real builder makes them.
func newWorld(text, resource string, r *rand.Rand) *world {
	w := &world{text: text, resource: resource, native: r.IntN(2) == 0, v2: map[string]*differPlugin{}, known: map[string]int{}, asked: map[string]bool{}}
	var loose looseConfig
	_ = yaml.Unmarshal([]byte(text), &loose)
	byRule := map[schema.GroupResource][]shape{}
	for _, entry := range loose.Resources {
		var shapes []shape
		for _, p := range entry.Providers {
			switch {
			case p.Identity != nil:
				shapes = append(shapes, shape{kind: "identity"})
			case p.KMS != nil:
				shapes = append(shapes, w.kmsShape(p.KMS.Name, p.KMS.APIVersion, r))
			case p.AESCBC != nil:
				shapes = append(shapes, p.AESCBC.shape("aescbc"))
			case p.AESGCM != nil:
				shapes = append(shapes, p.AESGCM.shape("aesgcm"))
			case p.Secretbox != nil:
				shapes = append(shapes, p.Secretbox.shape("secretbox"))
			}
		}
		for _, name := range entry.Resources {
			gr := schema.ParseGroupResource(name)
			byRule[gr] = append(byRule[gr], shapes...)
		}
	}
	gr := schema.ParseGroupResource(resource)
	for _, rule := range []schema.GroupResource{gr, {Group: gr.Group, Resource: "*"}, {Group: "*", Resource: "*"}} {
		if w.providers = byRule[rule]; w.providers != nil {
			break
		}
	}
	w.load()
	return w
}

func (k *looseKeys) shape(kind string) shape {
	s := shape{kind: kind}
	for _, one := range k.Keys {
		s.keys = append(s.keys, key{one.Name, one.Secret})
	}
	return s
}

func (w *world) kmsShape(name, version string, r *rand.Rand) shape {
	p := randomPlugin(r, version != "v2")
	p.world, p.name = w, name
	if p.v1 {
		w.v1 = append(w.v1, p)
		return shape{kind: "kms-v1", name: name, plugin: p}
	}
	if w.v2[name] == nil {
		w.v2[name] = p
	}
	return shape{kind: "kms-v2", name: name, plugin: w.v2[name]}
}

func randomPlugin(r *rand.Rand, v1 bool) *differPlugin {
	p := &differPlugin{v1: v1, keyID: "1"}
	if r.IntN(4) == 0 {
		p.filler = pick(r, []int{1, 60, 980, 986})
		if v1 {
			p.filler = pick(r, []int{1, 255, 65497, 65498})
		}
	}
	if v1 {
		return p
	}
	p.never = r.IntN(12) == 0
	p.useKey = r.IntN(3) == 0
	if r.IntN(3) == 0 {
		p.keyID = string(pick(r, keyIDs))
	}
	// Anything else cannot come out of a healthy plugin's Status.
	if len(p.keyID) == 0 || len(p.keyID) > 1024 || !utf8.ValidString(p.keyID) {
		p.keyID = "1"
	}
	for range r.IntN(3) {
		if p.annotations == nil {
			p.annotations = map[string][]byte{}
		}
		p.annotations[pick(r, goodAnnotations)] = randomBytes(r, r.IntN(20))
	}
	return p
}

// load runs the real loader.
func (w *world) load() {
	randomTape.rewind("differ")
	next := 0
	envelopeServiceFactory = func(context.Context, string, time.Duration) (envelope.Service, error) {
		if next >= len(w.v1) {
			return nil, errors.New("differ: more KMS v1 blocks than expected")
		}
		next++
		return differV1{w.v1[next-1]}, nil
	}
	encryptionconfig.EnvelopeKMSv2ServiceFactory = func(_ context.Context, _, name string, _ time.Duration) (kmsservice.Service, error) {
		p := w.v2[name]
		if p == nil {
			return nil, errors.New("differ: no KMS v2 plugin " + name)
		}
		return differV2{p}, nil
	}
	var undo []func()
	for name, p := range w.v2 {
		if p.useKey {
			undo = append(undo, encryptionconfig.SetKDFForTests(name, false))
		}
	}
	w.ctx, w.stop = context.WithCancel(context.Background())
	c, path, err := load(w.ctx, w.text, false)
	// The form is decided while loading; the next minute's poll finds the world gone.
	for _, u := range undo {
		u()
	}
	if err != nil {
		w.refusal = withoutPath(err.Error(), path)
		return
	}
	w.chain = encryptionconfig.StaticTransformers(c.Transformers).TransformerForResource(schema.ParseGroupResource(w.resource))
}

// question is what the peer has to know of this world.
func (w *world) question() []byte {
	b := appendBytes(nil, w.text)
	b = appendBytes(b, w.resource)
	b = appendFlag(b, w.native)
	names := make([]string, 0, len(w.v2))
	for n := range w.v2 {
		names = append(names, n)
	}
	sort.Strings(names)
	b = appendCount(b, len(names))
	for _, n := range names {
		p := w.v2[n]
		b = appendBytes(b, n)
		b = appendFlag(b, !p.never)
		b = appendBytes(b, p.keyID)
		b = appendFlag(b, !p.useKey)
		b = appendBytes(b, p.secret)
		b = appendBytes(b, p.encrypted)
		for i := range 8 {
			b = append(b, byte(uint64(1_000_000_000+p.writes)>>(8*i)))
		}
		b = appendAnnotations(b, p.annotations)
	}
	return b
}

// open reads one value on the Go side; requests are what the plugins were asked.
func (w *world) open(stored, key []byte) (o outcome, requests map[string]bool) {
	w.at++
	clear(w.asked)
	o = open(w.ctx, w.chain, stored, key)
	if len(w.asked) > 0 {
		requests, w.asked = w.asked, map[string]bool{}
	}
	return o, requests
}

// seal writes one value on the Go side, with the random bytes it drew.
func (w *world) seal(plain, key []byte, label string) (o outcome, random []byte) {
	w.at++
	randomTape.rewind(label)
	func() {
		defer func() {
			if p := recover(); p != nil {
				o = outcome{panic: fmt.Sprint(p)}
			}
		}()
		o.out, o.err = w.chain.TransformToStorage(w.ctx, append([]byte{}, plain...), value.DefaultContext(key))
	}()
	return o, append([]byte{}, randomTape.take()...)
}
