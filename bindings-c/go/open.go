package k8senc

/*
#cgo noescape k8senc_go_open
#cgo nocallback k8senc_go_open
#cgo noescape k8senc_go_open_batch
#cgo nocallback k8senc_go_open_batch
#include "cross.h"
*/
import "C"

import (
	"context"
	"errors"
	"math"
	"slices"
	"unsafe"
)

// fill takes over what the library says of a value that opened into out.
func (o *Opened) fill(from *C.k8senc_opened, out []byte) {
	start, end := int(from.start), int(from.start+from.len)
	o.Plaintext = out[start:end:end]
	o.Stale = Staleness(from.stale)
	o.Reasons = Reasons(from.reasons)
	o.Provider = int(from.provider)
	o.Key = NoKey
	if from.key != C.K8SENC_NO_KEY {
		o.Key = int(from.key)
	}
	o.Unauthenticated = bool(from.unauthenticated)
}

// Open opens one stored value as kube-apiserver does. etcdKey is the whole key. Where the KMS has to be asked, the Unwrapper
// of WithKMS is; without one the error is ErrDEKNeeded. A refusal is not remembered.
func (c *Chain) Open(ctx context.Context, stored, etcdKey []byte) (opened Opened, err error) {
	if opened, err = c.openAlone(stored, etcdKey); err != nil {
		err = c.openAsking(ctx, err, stored, etcdKey, make([]byte, len(stored)), &opened)
	}
	return opened, err
}

// openAlone opens without asking, into memory as long as the plaintexts of such values were before: whole kilobytes then need
// no more memory than they have bytes.
func (c *Chain) openAlone(stored, etcdKey []byte) (opened Opened, err error) {
	if size := len(stored) - int(c.spare.Load()); size >= 0 {
		if err = c.open(stored, etcdKey, make([]byte, size), &opened); !errors.Is(err, ErrBufferTooSmall) {
			return opened, err
		}
	}
	if err = c.open(stored, etcdKey, make([]byte, len(stored)), &opened); err == nil {
		c.learn(len(stored), &opened)
	}
	return opened, err
}

// unlearned is longer than any value, so that the first one is opened with room for all of it.
const unlearned = math.MaxInt64 / 2

// learn remembers how much shorter than its stored value a plaintext is, at least. Chains read several formats.
func (c *Chain) learn(stored int, opened *Opened) {
	spare := int64(stored - len(opened.Plaintext))
	if opened.Unauthenticated {
		// Padding is decrypted too.
		spare = max(0, spare-16)
	}
	if spare < c.spare.Load() {
		c.spare.Store(spare)
	}
}

// OpenAppend is Open with the plaintext appended to dst, as with crypto/cipher.AEAD: Opened.Plaintext is the longer slice. With
// room for len(stored) bytes in dst nothing is allocated. dst must not overlap stored or etcdKey up to its capacity. The library
// decrypts right there: when the value is refused, what it wrote behind dst is zero.
func (c *Chain) OpenAppend(ctx context.Context, dst, stored, etcdKey []byte) (opened Opened, err error) {
	have := len(dst)
	dst = slices.Grow(dst, len(stored))
	out := dst[have : have+len(stored)]
	if err = c.open(stored, etcdKey, out, &opened); err != nil {
		err = c.openAsking(ctx, err, stored, etcdKey, out, &opened)
	}
	if err == nil {
		opened.Plaintext = dst[:have+len(opened.Plaintext)]
	}
	return opened, err
}

// openAsking goes on after err, as long as that is a question that somebody answers.
func (c *Chain) openAsking(ctx context.Context, err error, stored, etcdKey, out []byte, opened *Opened) error {
	var refused []*DEKRequest
	defer func() { c.forget(refused) }()
	for {
		var needed *Error
		if !errors.As(err, &needed) || needed.Status != StatusDEKNeeded || needed.Request == nil {
			return err
		}
		wasRefused, failed := c.asker.ask(ctx, needed.Request)
		if failed != nil {
			return failed
		}
		if wasRefused {
			refused = append(refused, needed.Request)
		}
		if err = c.open(stored, etcdKey, out, opened); err == nil {
			return nil
		}
	}
}

// forget takes refusals back. What cannot be taken back is gone with the table.
func (c *Chain) forget(refused []*DEKRequest) {
	for _, request := range refused {
		_ = c.deks.Forget(request)
	}
}

func (c *Chain) open(stored, etcdKey, out []byte, opened *Opened) error {
	chain, deks, err := c.use()
	if err != nil {
		return err
	}
	var a answer
	storedPointer, storedLen := in(stored)
	keyPointer, keyLen := in(etcdKey)
	outPointer, outLen := in(out)
	status := C.k8senc_go_open(chain, deks, storedPointer, storedLen, keyPointer, keyLen, outPointer, outLen, &a.c)
	c.release()
	if status != C.K8SENC_STATUS_OK {
		return a.fail(status)
	}
	opened.fill(&a.c.opened, out)
	return nil
}

// Value is a stored value and its whole etcd key.
type Value struct{ Stored, EtcdKey []byte }

// Answer is what became of one value of a batch: Opened, or Err.
type Answer struct {
	Opened
	Err error
}

// OpenBatch opens values with few crossings, which is faster for small ones. The distinct questions to the KMS are asked once
// each. The error of the call is nil unless the call itself cannot be made, or asking ends with the context; single values fail
// in their Answer, which may know the status alone: Open says more. Small plaintexts share memory, some 24 KiB together.
func (c *Chain) OpenBatch(ctx context.Context, values []Value) ([]Answer, error) {
	if len(values) == 0 {
		return nil, nil
	}
	answers := make([]Answer, len(values))
	if err := c.openAll(values, answers); err != nil {
		return nil, err
	}
	if len(c.asker.kms) > 0 {
		if err := c.askForAll(ctx, values, answers); err != nil {
			return nil, err
		}
	}
	return answers, nil
}

// askForAll asks what the answers still need, and opens those values again.
func (c *Chain) askForAll(ctx context.Context, values []Value, answers []Answer) error {
	var waiting []Value
	var places []int
	for i := range answers {
		if errors.Is(answers[i].Err, ErrDEKNeeded) {
			waiting, places = append(waiting, values[i]), append(places, i)
		}
	}
	if len(waiting) == 0 {
		return nil
	}
	needs, err := c.Needs(waiting)
	if err != nil {
		return err
	}
	var refused []*DEKRequest
	defer func() { c.forget(refused) }()
	for _, request := range needs {
		if _, known := c.asker.kms[request.Provider]; !known {
			continue
		}
		wasRefused, err := c.asker.ask(ctx, request)
		if err != nil {
			return err
		}
		if wasRefused {
			refused = append(refused, request)
		}
	}
	again := make([]Answer, len(waiting))
	if err := c.openAll(waiting, again); err != nil {
		return err
	}
	for i, place := range places {
		answers[place] = again[i]
	}
	return nil
}

func (c *Chain) openAll(values []Value, answers []Answer) error {
	j := joins.Get().(*joined)
	defer j.done()
	for at := 0; at < len(values); {
		j.reset()
		end := at
		for end < len(values) && len(values[end].Stored) < alone && len(j.bytes) < together {
			j.add(values[end].Stored, values[end].EtcdKey)
			end++
		}
		if end > at {
			if err := c.openTogether(j, answers[at:end]); err != nil {
				return err
			}
			at = end
			continue
		}
		value := &values[at]
		answers[at].Opened, answers[at].Err = c.openAlone(value.Stored, value.EtcdKey)
		if errors.Is(answers[at].Err, ErrClosed) {
			return answers[at].Err
		}
		at++
	}
	return nil
}

func (c *Chain) openTogether(j *joined, answers []Answer) error {
	chain, deks, err := c.use()
	if err != nil {
		return err
	}
	var a answer
	out := make([]byte, len(j.bytes))
	j.opened = slices.Grow(j.opened[:0], len(answers))[:len(answers)]
	storedPointer, storedLen := in(j.bytes)
	keysPointer, keysLen := in(j.keys)
	outPointer, outLen := in(out)
	status := C.k8senc_go_open_batch(chain, deks, C.size_t(len(answers)), storedPointer, storedLen, unsafe.SliceData(j.ends),
		keysPointer, keysLen, unsafe.SliceData(j.keyEnds), outPointer, outLen, unsafe.SliceData(j.opened), &a.c)
	c.release()
	if err := a.fail(status); err != nil {
		return err
	}
	for i := range j.opened {
		if status := Status(j.opened[i].status); status != StatusOK {
			answers[i].Err = &Error{Status: status, Code: "batch", Text: status.String()}
			continue
		}
		answers[i].fill(&j.opened[i], out)
	}
	return nil
}

// Needs lists the distinct questions to the KMS that these values need and that have no answer yet.
func (c *Chain) Needs(values []Value) ([]*DEKRequest, error) {
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
	var j joined
	for _, value := range values {
		j.add(value.Stored, nil)
	}
	var list *C.k8senc_requests
	var failure *C.k8senc_error
	storedPointer, storedLen := in(j.bytes)
	status := C.k8senc_chain_needs((*C.k8senc_chain)(chain), (*C.k8senc_deks)(deks), C.size_t(len(values)), storedPointer, storedLen, unsafe.SliceData(j.ends), &list, &failure)
	if err := fail(status, failure); err != nil {
		return nil, err
	}
	return takeRequests(list), nil
}
