package k8senc

// #include <k8senc.h>
import "C"

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"time"
	"unsafe"
)

// ChainOption is an option of Config.Chain.
type ChainOption func(*chainOptions)

type chainOptions struct {
	kms  map[string]Unwrapper
	deks *DEKTable
}

// WithKMS has the KMS provider `name` of the configuration ask unwrapper. Identical questions of several goroutines are asked
// once, and answers are remembered as long as the table of DEKs lives.
func WithKMS(name string, unwrapper Unwrapper) ChainOption {
	return func(o *chainOptions) {
		if o.kms == nil {
			o.kms = make(map[string]Unwrapper)
		}
		o.kms[name] = unwrapper
	}
}

// WithDEKTable shares a table of DEKs with other chains. The caller closes it.
func WithDEKTable(table *DEKTable) ChainOption {
	return func(o *chainOptions) { o.deks = table }
}

// Chain is the providers of one resource, in order: the first writes, all read.
type Chain struct {
	handle *handle
	deks   *DEKTable
	owns   bool
	asker  *asker
}

// Chain gives what kube-apiserver uses for a resource of storage, such as "secrets" or "deployments.apps". It does not need
// the configuration any more.
func (c *Config) Chain(resource string, options ...ChainOption) (*Chain, error) {
	var o chainOptions
	for _, option := range options {
		option(&o)
	}
	pointer, err := c.handle.use()
	if err != nil {
		return nil, err
	}
	defer c.handle.release()
	owns := o.deks == nil
	if owns {
		if o.deks, err = NewDEKTable(); err != nil {
			return nil, err
		}
	}
	var made *C.k8senc_chain
	var failure *C.k8senc_error
	namePointer, nameLen := inString(resource)
	if err := fail(C.k8senc_chain_new((*C.k8senc_config)(pointer), namePointer, nameLen, &made, &failure), failure); err != nil {
		if owns {
			err = errors.Join(err, o.deks.Close())
		}
		return nil, err
	}
	return &Chain{
		handle: own(unsafe.Pointer(made), func(p unsafe.Pointer) { C.k8senc_chain_free((*C.k8senc_chain)(p)) }),
		deks:   o.deks,
		owns:   owns,
		asker:  &asker{deks: o.deks, kms: o.kms, running: make(map[[32]byte]*asking)},
	}, nil
}

// Close wipes the keys, and the DEKs unless they are shared.
func (c *Chain) Close() error {
	err := c.handle.close()
	if c.owns {
		err = errors.Join(err, c.deks.Close())
	}
	return err
}

// DEKs is the table of DEKs that the chain uses.
func (c *Chain) DEKs() *DEKTable { return c.deks }

// Staleness is whether kube-apiserver would rewrite a value at a no-op update.
type Staleness uint32

const (
	// Fresh is it would not.
	Fresh Staleness = C.K8SENC_STALE_FRESH
	// Stale is it would.
	Stale Staleness = C.K8SENC_STALE_STALE
	// StaleUnknown is it depends on what the KMS v2 plugin reports, which nobody asked.
	StaleUnknown Staleness = C.K8SENC_STALE_UNKNOWN
)

// Reasons says why a value is stale: a sum of the constants that begin with Reason.
type Reasons uint32

const (
	ReasonNotFirstProvider Reasons = C.K8SENC_REASON_NOT_FIRST_PROVIDER
	ReasonNotFirstKey      Reasons = C.K8SENC_REASON_NOT_FIRST_KEY
	ReasonLegacyBody       Reasons = C.K8SENC_REASON_LEGACY_BODY
	ReasonKeyID            Reasons = C.K8SENC_REASON_KEY_ID
	ReasonSourceType       Reasons = C.K8SENC_REASON_SOURCE_TYPE
)

// NoKey is Opened.Key of a provider without static keys.
const NoKey = -1

// Opened is a value that opened.
type Opened struct {
	// Plaintext is the caller's.
	Plaintext []byte
	// Stale is kube-apiserver's stale flag, and Reasons why it is set.
	Stale   Staleness
	Reasons Reasons
	// Provider and Key count in the chain and in its provider; Key may be NoKey.
	Provider, Key int
	// Unauthenticated is true for aescbc and for KMS v1 with a CBC body: one wrong key in 256 "opens" such a value.
	Unauthenticated bool
}

func newOpened(from *C.k8senc_opened, out []byte) Opened {
	key := NoKey
	if from.key != C.K8SENC_NO_KEY {
		key = int(from.key)
	}
	start, end := int(from.start), int(from.start+from.len)
	return Opened{
		Plaintext:       out[start:end:end],
		Stale:           Staleness(from.stale),
		Reasons:         Reasons(from.reasons),
		Provider:        int(from.provider),
		Key:             key,
		Unauthenticated: bool(from.unauthenticated),
	}
}

// results are reused: an output parameter on the stack would be allocated for every call.
var results = sync.Pool{New: func() any { return new(result) }}

type result struct {
	opened  C.k8senc_opened
	failure *C.k8senc_error
	written C.size_t
}

// Open opens one stored value as kube-apiserver does. etcdKey is the whole key. Where the KMS has to be asked, the Unwrapper
// of WithKMS is; without one the error is ErrDEKNeeded. A refusal is not remembered.
func (c *Chain) Open(ctx context.Context, stored, etcdKey []byte) (Opened, error) {
	var refused []*DEKRequest
	defer func() {
		for _, request := range refused {
			// What cannot be taken back is gone with the table.
			_ = c.deks.Forget(request)
		}
	}()
	out := make([]byte, len(stored))
	for {
		opened, err := c.open(stored, etcdKey, out)
		var needed *Error
		if !errors.As(err, &needed) || needed.Status != StatusDEKNeeded || needed.Request == nil {
			return opened, err
		}
		wasRefused, err := c.asker.ask(ctx, needed.Request)
		if err != nil {
			return Opened{}, err
		}
		if wasRefused {
			refused = append(refused, needed.Request)
		}
	}
}

func (c *Chain) open(stored, etcdKey, out []byte) (Opened, error) {
	chain, err := c.handle.use()
	if err != nil {
		return Opened{}, err
	}
	defer c.handle.release()
	deks, err := c.deks.handle.use()
	if err != nil {
		return Opened{}, err
	}
	defer c.deks.handle.release()
	r := results.Get().(*result)
	defer results.Put(r)
	r.failure = nil
	storedPointer, storedLen := in(stored)
	keyPointer, keyLen := in(etcdKey)
	outPointer, outLen := in(out)
	status := C.k8senc_chain_open((*C.k8senc_chain)(chain), (*C.k8senc_deks)(deks), storedPointer, storedLen, keyPointer, keyLen, outPointer, outLen, &r.opened, &r.failure)
	if err := fail(status, r.failure); err != nil {
		return Opened{}, err
	}
	return newOpened(&r.opened, out), nil
}

// Value is a stored value and its whole etcd key.
type Value struct{ Stored, EtcdKey []byte }

// Answer is what became of one value of a batch: Opened, or Err.
type Answer struct {
	Opened
	Err error
}

// OpenBatch opens values in one crossing, which is faster for small ones. What the KMS has to be asked is asked first, each
// distinct question once. The error of the call is nil unless the call itself cannot be made; single values fail in their
// Answer, which knows the status alone: Open says more.
func (c *Chain) OpenBatch(ctx context.Context, values []Value) ([]Answer, error) {
	if len(values) == 0 {
		return nil, nil
	}
	stored, storedEnds := join(values, func(v Value) []byte { return v.Stored })
	keys, keyEnds := join(values, func(v Value) []byte { return v.EtcdKey })
	var refused []*DEKRequest
	defer func() {
		for _, request := range refused {
			_ = c.deks.Forget(request)
		}
	}()
	if len(c.asker.kms) > 0 {
		needs, err := c.needs(len(values), stored, storedEnds)
		if err != nil {
			return nil, err
		}
		for _, request := range needs {
			if _, known := c.asker.kms[request.Provider]; !known {
				continue
			}
			wasRefused, err := c.asker.ask(ctx, request)
			if err != nil {
				return nil, err
			}
			if wasRefused {
				refused = append(refused, request)
			}
		}
	}
	out := make([]byte, len(stored))
	opened := make([]C.k8senc_opened, len(values))
	if err := c.openAll(stored, storedEnds, keys, keyEnds, out, opened); err != nil {
		return nil, err
	}
	answers := make([]Answer, len(values))
	for i := range opened {
		if status := Status(opened[i].status); status != StatusOK {
			answers[i].Err = &Error{Status: status, Code: "batch", Text: status.String()}
			continue
		}
		answers[i].Opened = newOpened(&opened[i], out)
	}
	return answers, nil
}

func (c *Chain) openAll(stored []byte, storedEnds []C.size_t, keys []byte, keyEnds []C.size_t, out []byte, opened []C.k8senc_opened) error {
	chain, err := c.handle.use()
	if err != nil {
		return err
	}
	defer c.handle.release()
	deks, err := c.deks.handle.use()
	if err != nil {
		return err
	}
	defer c.deks.handle.release()
	var failure *C.k8senc_error
	storedPointer, storedLen := in(stored)
	keysPointer, keysLen := in(keys)
	outPointer, outLen := in(out)
	status := C.k8senc_chain_open_batch((*C.k8senc_chain)(chain), (*C.k8senc_deks)(deks), C.size_t(len(opened)),
		storedPointer, storedLen, unsafe.SliceData(storedEnds), keysPointer, keysLen, unsafe.SliceData(keyEnds), outPointer, outLen, unsafe.SliceData(opened), &failure)
	return fail(status, failure)
}

// Needs lists the distinct questions to the KMS that these values need and that have no answer yet.
func (c *Chain) Needs(values []Value) ([]*DEKRequest, error) {
	stored, ends := join(values, func(v Value) []byte { return v.Stored })
	return c.needs(len(values), stored, ends)
}

func (c *Chain) needs(count int, stored []byte, ends []C.size_t) ([]*DEKRequest, error) {
	chain, err := c.handle.use()
	if err != nil {
		return nil, err
	}
	defer c.handle.release()
	deks, err := c.deks.handle.use()
	if err != nil {
		return nil, err
	}
	defer c.deks.handle.release()
	var list *C.k8senc_requests
	var failure *C.k8senc_error
	storedPointer, storedLen := in(stored)
	status := C.k8senc_chain_needs((*C.k8senc_chain)(chain), (*C.k8senc_deks)(deks), C.size_t(count), storedPointer, storedLen, unsafe.SliceData(ends), &list, &failure)
	if err := fail(status, failure); err != nil {
		return nil, err
	}
	return takeRequests(list), nil
}

func join(values []Value, part func(Value) []byte) ([]byte, []C.size_t) {
	size := 0
	for _, value := range values {
		size += len(part(value))
	}
	joined := make([]byte, 0, size)
	ends := make([]C.size_t, len(values))
	for i, value := range values {
		joined = append(joined, part(value)...)
		ends[i] = C.size_t(len(joined))
	}
	return joined, ends
}

// Seal writes a value as kube-apiserver would, with randomness of the operating system. key is nil unless the first provider
// is a KMS.
func (c *Chain) Seal(key *WriteKey, plaintext, etcdKey []byte) ([]byte, error) {
	return c.seal(key, time.Now(), plaintext, etcdKey, nil)
}

// SealWithRandom is Seal at a given time with given random bytes, for tests: fresh bytes of a cryptographic source, used for
// this value only.
func (c *Chain) SealWithRandom(key *WriteKey, now time.Time, plaintext, etcdKey, random []byte) ([]byte, error) {
	if random == nil {
		random = []byte{}
	}
	return c.seal(key, now, plaintext, etcdKey, random)
}

func (c *Chain) seal(key *WriteKey, now time.Time, plaintext, etcdKey, random []byte) ([]byte, error) {
	chain, err := c.handle.use()
	if err != nil {
		return nil, err
	}
	defer c.handle.release()
	var keyPointer *C.k8senc_write_key
	if key != nil {
		used, err := key.handle.use()
		if err != nil {
			return nil, err
		}
		defer key.handle.release()
		keyPointer = (*C.k8senc_write_key)(used)
	}
	nanoseconds := C.uint64_t(now.UnixNano())
	r := results.Get().(*result)
	defer results.Put(r)
	plainPointer, plainLen := in(plaintext)
	etcdPointer, etcdLen := in(etcdKey)
	randomPointer, randomLen := in(random)
	// The overhead changes when a plugin answers with another key_id between the two calls.
	for {
		r.failure = nil
		if err := fail(C.k8senc_chain_seal_overhead((*C.k8senc_chain)(chain), keyPointer, nanoseconds, &r.written, &r.failure), r.failure); err != nil {
			return nil, err
		}
		out := make([]byte, len(plaintext)+int(r.written))
		outPointer, outLen := in(out)
		var status C.k8senc_status
		if random == nil {
			status = C.k8senc_chain_seal((*C.k8senc_chain)(chain), keyPointer, nanoseconds, plainPointer, plainLen, etcdPointer, etcdLen, outPointer, outLen, &r.written, &r.failure)
		} else {
			status = C.k8senc_chain_seal_with_random((*C.k8senc_chain)(chain), keyPointer, nanoseconds, plainPointer, plainLen, etcdPointer, etcdLen, randomPointer, randomLen, outPointer, outLen, &r.written, &r.failure)
		}
		err := fail(status, r.failure)
		runtime.KeepAlive(plaintext)
		runtime.KeepAlive(etcdKey)
		runtime.KeepAlive(random)
		if errors.Is(err, ErrBufferTooSmall) {
			continue
		}
		if err != nil {
			return nil, err
		}
		return out[:r.written:r.written], nil
	}
}

// Plain is a plaintext and the whole etcd key it is to be stored under.
type Plain struct{ Plaintext, EtcdKey []byte }

// SealBatch writes values in one crossing. Not for KMS v1, which needs a DEK for each value.
func (c *Chain) SealBatch(key *WriteKey, values []Plain) ([][]byte, error) {
	if len(values) == 0 {
		return nil, nil
	}
	chain, err := c.handle.use()
	if err != nil {
		return nil, err
	}
	defer c.handle.release()
	var keyPointer *C.k8senc_write_key
	if key != nil {
		used, err := key.handle.use()
		if err != nil {
			return nil, err
		}
		defer key.handle.release()
		keyPointer = (*C.k8senc_write_key)(used)
	}
	as := make([]Value, len(values))
	for i, value := range values {
		as[i] = Value{value.Plaintext, value.EtcdKey}
	}
	plain, plainEnds := join(as, func(v Value) []byte { return v.Stored })
	defer clear(plain)
	keys, keyEnds := join(as, func(v Value) []byte { return v.EtcdKey })
	now := C.uint64_t(time.Now().UnixNano())
	ends := make([]C.size_t, len(values))
	for {
		var overhead C.size_t
		var failure *C.k8senc_error
		if err := fail(C.k8senc_chain_seal_overhead((*C.k8senc_chain)(chain), keyPointer, now, &overhead, &failure), failure); err != nil {
			return nil, err
		}
		out := make([]byte, len(plain)+len(values)*int(overhead))
		plainPointer, plainLen := in(plain)
		keysPointer, keysLen := in(keys)
		outPointer, outLen := in(out)
		err := fail(C.k8senc_chain_seal_batch((*C.k8senc_chain)(chain), keyPointer, now, C.size_t(len(values)), plainPointer, plainLen, unsafe.SliceData(plainEnds),
			keysPointer, keysLen, unsafe.SliceData(keyEnds), outPointer, outLen, unsafe.SliceData(ends), &failure), failure)
		if errors.Is(err, ErrBufferTooSmall) {
			continue
		}
		if err != nil {
			return nil, err
		}
		sealed := make([][]byte, len(values))
		start := 0
		for i, end := range ends {
			sealed[i] = out[start:int(end):int(end)]
			start = int(end)
		}
		return sealed, nil
	}
}
