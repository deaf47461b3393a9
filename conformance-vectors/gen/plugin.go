package main

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"sync"
	"time"
	_ "unsafe" // for go:linkname

	"k8s.io/apiserver/pkg/server/options/encryptionconfig"
	"k8s.io/apiserver/pkg/storage/value/encrypt/envelope"
	kmsservice "k8s.io/kms/pkg/service"
)

// envelopeServiceFactory is upstream's own hook for its tests: with it the real
// builder makes KMS v1 transformers on an in-process plugin.
//
//go:linkname envelopeServiceFactory k8s.io/apiserver/pkg/server/options/encryptionconfig.envelopeServiceFactory
var envelopeServiceFactory func(ctx context.Context, endpoint string, timeout time.Duration) (envelope.Service, error)

// question is one Decrypt call.
type question struct {
	ciphertext  []byte
	keyID       string
	annotations map[string][]byte
}

// plugin is a fake KMS plugin. Its zero value answers as the toy plugin does.
type plugin struct {
	v1     bool
	never  bool                           // v2: Status always fails, so no state ever exists
	keyID  string                         // v2: what Status reports
	useKey bool                           // v2: state holds an AES key, not a seed
	unwrap func(question) ([]byte, error) // nil: toy
	wrap   func([]byte) []byte            // nil: toy

	annotations map[string][]byte // v2: what Encrypt adds

	mu     sync.Mutex
	asked  []KMSAnswer
	sealed [][2][]byte // plaintext, ciphertext of each Encrypt
}

// toyWrap is the toy KEK: "kek:" and every byte XOR 0x5a.
func toyWrap(dek []byte) []byte {
	out := []byte("kek:")
	for _, b := range dek {
		out = append(out, b^0x5a)
	}
	return out
}

func toyUnwrap(ciphertext []byte) ([]byte, error) {
	rest, ok := bytes.CutPrefix(ciphertext, []byte("kek:"))
	if !ok {
		return nil, errors.New("toy: not my ciphertext")
	}
	out := make([]byte, 0, len(rest))
	for _, b := range rest {
		out = append(out, b^0x5a)
	}
	return out, nil
}

func (p *plugin) decrypt(q question) ([]byte, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	var dek []byte
	var err error
	if p.unwrap != nil {
		dek, err = p.unwrap(q)
	} else {
		dek, err = toyUnwrap(q.ciphertext)
	}
	a := KMSAnswer{Ciphertext: hex.EncodeToString(q.ciphertext)}
	if !p.v1 {
		id := q.keyID
		a.KeyID = &id
		for k, v := range q.annotations {
			if a.Annotations == nil {
				a.Annotations = map[string]string{}
			}
			a.Annotations[k] = hex.EncodeToString(v)
		}
	}
	if err != nil {
		text := err.Error()
		a.Error = &text
	} else {
		a.DEK = hexed(dek)
	}
	p.asked = append(p.asked, a)
	return dek, err
}

func (p *plugin) encrypt(plain []byte) []byte {
	w := toyWrap
	if p.wrap != nil {
		w = p.wrap
	}
	out := w(plain)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.sealed = append(p.sealed, [2][]byte{bytes.Clone(plain), bytes.Clone(out)})
	return out
}

// v1Service and v2Service are the two faces the real builders want.
type v1Service struct{ p *plugin }

func (s v1Service) Decrypt(data []byte) ([]byte, error) {
	return s.p.decrypt(question{ciphertext: data})
}
func (s v1Service) Encrypt(data []byte) ([]byte, error) { return s.p.encrypt(data), nil }

type v2Service struct{ p *plugin }

func (s v2Service) Decrypt(_ context.Context, _ string, r *kmsservice.DecryptRequest) ([]byte, error) {
	return s.p.decrypt(question{r.Ciphertext, r.KeyID, r.Annotations})
}

func (s v2Service) Encrypt(_ context.Context, _ string, data []byte) (*kmsservice.EncryptResponse, error) {
	return &kmsservice.EncryptResponse{Ciphertext: s.p.encrypt(data), KeyID: s.p.keyID, Annotations: s.p.annotations}, nil
}

func (s v2Service) Status(context.Context) (*kmsservice.StatusResponse, error) {
	if s.p.never {
		return nil, errors.New("toy: no answer yet")
	}
	return &kmsservice.StatusResponse{Version: "v2", Healthz: "ok", KeyID: s.p.keyID}, nil
}

// installPlugins points the real builders at the given plugins: v2 by provider
// name, v1 (whose hook is not told the name) in file order.
func installPlugins(v1 []*plugin, v2 map[string]*plugin) (undo func()) {
	var cleanups []func()
	next := 0
	envelopeServiceFactory = func(context.Context, string, time.Duration) (envelope.Service, error) {
		if next >= len(v1) {
			return nil, errors.New("gen: no v1 plugin installed")
		}
		next++
		return v1Service{v1[next-1]}, nil
	}
	encryptionconfig.EnvelopeKMSv2ServiceFactory = func(_ context.Context, _, name string, _ time.Duration) (kmsservice.Service, error) {
		p, ok := v2[name]
		if !ok {
			return nil, errors.New("gen: no v2 plugin installed for " + name)
		}
		return v2Service{p}, nil
	}
	for name, p := range v2 {
		if p.useKey {
			cleanups = append(cleanups, encryptionconfig.SetKDFForTests(name, false))
		}
	}
	return func() {
		for _, c := range cleanups {
			c()
		}
	}
}
