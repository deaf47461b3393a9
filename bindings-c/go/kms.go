package k8senc

// #include <k8senc.h>
import "C"

import (
	"context"
	"crypto/sha256"
	"errors"
	"runtime"
	"slices"
	"sync"
	"unsafe"
)

// DEKRequest is one Decrypt call to a KMS plugin.
type DEKRequest struct {
	// API is 1 or 2: the version of the plugin API.
	API int
	// Provider is the name of the KMS block.
	Provider string
	// Ciphertext is the encrypted DEK or seed.
	Ciphertext []byte
	// KeyID and Annotations are empty for KMS v1.
	KeyID       string
	Annotations map[string][]byte
	// Live and History are how many values of a snapshot wait for the answer; 0 elsewhere.
	Live, History uint64

	packed []byte
}

func newRequest(from *C.k8senc_dek_request) *DEKRequest {
	made := &DEKRequest{
		API:      int(from.api),
		Provider: text(from.provider, from.provider_len),
		KeyID:    text(from.key_id, from.key_id_len),
		Live:     uint64(from.live),
		History:  uint64(from.history),
	}
	if from.ciphertext_len > 0 {
		made.Ciphertext = slices.Clone(unsafe.Slice((*byte)(from.ciphertext), int(from.ciphertext_len)))
	}
	if from.annotations_len > 0 {
		made.packed = slices.Clone(unsafe.Slice((*byte)(from.annotations), int(from.annotations_len)))
		parts := unpack(slices.Clone(made.packed))
		made.Annotations = make(map[string][]byte, len(parts)/2)
		for at := 0; at+1 < len(parts); at += 2 {
			made.Annotations[string(parts[at])] = parts[at+1]
		}
	}
	return made
}

func takeRequests(list *C.k8senc_requests) []*DEKRequest {
	defer C.k8senc_requests_free(list)
	made := make([]*DEKRequest, 0, int(list.len))
	for _, one := range unsafe.Slice(list.items, int(list.len)) {
		made = append(made, newRequest(one))
	}
	return made
}

// id tells requests apart: two with the same have the same answer.
func (r *DEKRequest) id() ([sha256.Size]byte, error) {
	annotations, err := r.annotations()
	if err != nil {
		return [sha256.Size]byte{}, err
	}
	packed, err := pack([]byte{byte(r.API)}, []byte(r.Provider), r.Ciphertext, []byte(r.KeyID), annotations)
	return sha256.Sum256(packed), err
}

func (r *DEKRequest) annotations() ([]byte, error) {
	if r.packed != nil {
		return r.packed, nil
	}
	return packAnnotations(r.Annotations)
}

// Unwrapper asks a KMS. An error is a refusal: its text goes into what kube-apiserver would say. The answer is cleared after
// it was handed over, so it must not be kept.
type Unwrapper interface {
	Unwrap(ctx context.Context, request *DEKRequest) ([]byte, error)
}

// UnwrapFunc is a function as an Unwrapper.
type UnwrapFunc func(ctx context.Context, request *DEKRequest) ([]byte, error)

// Unwrap calls f.
func (f UnwrapFunc) Unwrap(ctx context.Context, request *DEKRequest) ([]byte, error) {
	return f(ctx, request)
}

// DEKTable is what the KMS plugins answered. Any number of chains may share one.
type DEKTable struct{ handle *handle }

// NewDEKTable makes an empty table.
func NewDEKTable() (*DEKTable, error) {
	var made *C.k8senc_deks
	var failure *C.k8senc_error
	if err := fail(C.k8senc_deks_new(&made, &failure), failure); err != nil {
		return nil, err
	}
	return &DEKTable{own(unsafe.Pointer(made), func(p unsafe.Pointer) { C.k8senc_deks_free((*C.k8senc_deks)(p)) })}, nil
}

// Close wipes all answers.
func (t *DEKTable) Close() error { return t.handle.close() }

// Supply records what Decrypt answered. The caller may clear dek afterwards.
func (t *DEKTable) Supply(request *DEKRequest, dek []byte) error {
	return t.record(request, dek, func(deks *C.k8senc_deks, p parts, value *C.uint8_t, valueLen C.size_t, failure **C.k8senc_error) C.k8senc_status {
		return C.k8senc_deks_supply(deks, p.api, p.provider, p.providerLen, p.ciphertext, p.ciphertextLen, p.keyID, p.keyIDLen, p.annotations, p.annotationsLen, value, valueLen, failure)
	})
}

// Refuse records that Decrypt failed, with its text; opening then fails with ErrDEKRefused until Forget.
func (t *DEKTable) Refuse(request *DEKRequest, reason string) error {
	return t.record(request, []byte(reason), func(deks *C.k8senc_deks, p parts, value *C.uint8_t, valueLen C.size_t, failure **C.k8senc_error) C.k8senc_status {
		return C.k8senc_deks_refuse(deks, p.api, p.provider, p.providerLen, p.ciphertext, p.ciphertextLen, p.keyID, p.keyIDLen, p.annotations, p.annotationsLen, value, valueLen, failure)
	})
}

// Forget takes an answer or refusal back, so that the KMS is asked again.
func (t *DEKTable) Forget(request *DEKRequest) error {
	return t.record(request, nil, func(deks *C.k8senc_deks, p parts, _ *C.uint8_t, _ C.size_t, failure **C.k8senc_error) C.k8senc_status {
		return C.k8senc_deks_forget(deks, p.api, p.provider, p.providerLen, p.ciphertext, p.ciphertextLen, p.keyID, p.keyIDLen, p.annotations, p.annotationsLen, failure)
	})
}

// PluginState is what is known of a KMS v2 plugin, which decides what is stale.
type PluginState uint32

const (
	// PluginUnknown is nobody asked: whether a value is stale cannot be told.
	PluginUnknown PluginState = C.K8SENC_PLUGIN_STATE_UNKNOWN
	// PluginNeverHealthy is never healthy since the start: kube-apiserver then reads nothing.
	PluginNeverHealthy PluginState = C.K8SENC_PLUGIN_STATE_NEVER_HEALTHY
	// PluginKeyForm is a known key_id, written in key form, as before Kubernetes 1.29.
	PluginKeyForm PluginState = C.K8SENC_PLUGIN_STATE_KEY_FORM
	// PluginSeedForm is a known key_id, written in seed form.
	PluginSeedForm PluginState = C.K8SENC_PLUGIN_STATE_SEED_FORM
)

// SetState says what is known of a provider's plugin; keyID is empty for the first two states.
func (t *DEKTable) SetState(provider string, state PluginState, keyID string) error {
	deks, err := t.handle.use()
	if err != nil {
		return err
	}
	defer t.handle.release()
	var failure *C.k8senc_error
	providerPointer, providerLen := inString(provider)
	keyPointer, keyLen := inString(keyID)
	status := C.k8senc_deks_set_state((*C.k8senc_deks)(deks), providerPointer, providerLen, C.uint32_t(state), keyPointer, keyLen, &failure)
	return fail(status, failure)
}

// parts of a request, as the library takes them.
type parts struct {
	api                                                  C.uint32_t
	provider, ciphertext, keyID, annotations             *C.uint8_t
	providerLen, ciphertextLen, keyIDLen, annotationsLen C.size_t
}

type recording func(deks *C.k8senc_deks, p parts, value *C.uint8_t, valueLen C.size_t, failure **C.k8senc_error) C.k8senc_status

func (t *DEKTable) record(request *DEKRequest, value []byte, call recording) error {
	annotations, err := request.annotations()
	if err != nil {
		return err
	}
	deks, err := t.handle.use()
	if err != nil {
		return err
	}
	defer t.handle.release()
	var p parts
	p.api = C.uint32_t(request.API)
	p.provider, p.providerLen = inString(request.Provider)
	p.ciphertext, p.ciphertextLen = in(request.Ciphertext)
	p.keyID, p.keyIDLen = inString(request.KeyID)
	p.annotations, p.annotationsLen = in(annotations)
	valuePointer, valueLen := in(value)
	var failure *C.k8senc_error
	status := call((*C.k8senc_deks)(deks), p, valuePointer, valueLen, &failure)
	runtime.KeepAlive(request)
	runtime.KeepAlive(annotations)
	runtime.KeepAlive(value)
	return fail(status, failure)
}

// asker asks KMS plugins, each question once at a time: callers that need the same answer wait for one call.
type asker struct {
	deks    *DEKTable
	kms     map[string]Unwrapper
	mu      sync.Mutex
	running map[[sha256.Size]byte]*asking
}

type asking struct {
	done chan struct{}
	err  error
}

// ask gets the answer into the table. A refusal is recorded and no error; forget takes it back after the call that needed it.
func (a *asker) ask(ctx context.Context, request *DEKRequest) (refused bool, err error) {
	unwrapper, known := a.kms[request.Provider]
	if !known {
		return false, &Error{Status: StatusDEKNeeded, Code: "dek-needed", Text: "no KMS was named for the provider " + request.Provider, Request: request}
	}
	id, err := request.id()
	if err != nil {
		return false, err
	}
	for {
		a.mu.Lock()
		if other := a.running[id]; other != nil {
			a.mu.Unlock()
			select {
			case <-other.done:
			case <-ctx.Done():
				return false, ctx.Err()
			}
			// The one that asked may have given up for reasons of its own.
			if other.err != nil && (errors.Is(other.err, context.Canceled) || errors.Is(other.err, context.DeadlineExceeded)) && ctx.Err() == nil {
				continue
			}
			return a.settle(request, other.err)
		}
		mine := &asking{done: make(chan struct{})}
		a.running[id] = mine
		a.mu.Unlock()

		dek, err := unwrapper.Unwrap(ctx, request)
		if err == nil {
			err = a.deks.Supply(request, dek)
			clear(dek)
			if err != nil {
				err = &handingOver{err}
			}
		}
		mine.err = err
		a.mu.Lock()
		delete(a.running, id)
		a.mu.Unlock()
		close(mine.done)
		return a.settle(request, err)
	}
}

// handingOver is a fault of the call, not a refusal of the KMS.
type handingOver struct{ error }

func (h *handingOver) Unwrap() error { return h.error }

func (a *asker) settle(request *DEKRequest, err error) (refused bool, _ error) {
	var fault *handingOver
	switch {
	case err == nil:
		return false, nil
	case errors.As(err, &fault):
		return false, fault.error
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return false, err
	}
	return true, a.deks.Refuse(request, err.Error())
}
