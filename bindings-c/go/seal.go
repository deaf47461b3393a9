package k8senc

/*
#cgo noescape k8senc_go_seal
#cgo nocallback k8senc_go_seal
#cgo noescape k8senc_go_seal_batch
#cgo nocallback k8senc_go_seal_batch
#cgo noescape k8senc_go_overhead
#cgo nocallback k8senc_go_overhead
#include "cross.h"
*/
import "C"

import (
	"crypto/rand"
	"slices"
	"time"
	"unsafe"
)

// mostRandom is as many random bytes as any format draws.
const mostRandom = 44

// Seal writes a value as kube-apiserver would, with randomness of crypto/rand. key is nil unless the first provider is a KMS.
func (c *Chain) Seal(key *WriteKey, plaintext, etcdKey []byte) ([]byte, error) {
	var random [mostRandom]byte
	if _, err := rand.Read(random[:]); err != nil {
		return nil, err
	}
	return c.seal(key, key.now(), plaintext, etcdKey, random[:])
}

// SealWithRandom is Seal at a given time with given random bytes, for tests: fresh bytes of a cryptographic source, used for
// this value only.
func (c *Chain) SealWithRandom(key *WriteKey, now time.Time, plaintext, etcdKey, random []byte) ([]byte, error) {
	return c.seal(key, C.uint64_t(now.UnixNano()), plaintext, etcdKey, random)
}

func (c *Chain) seal(key *WriteKey, now C.uint64_t, plaintext, etcdKey, random []byte) ([]byte, error) {
	chain, keyAddress, err := c.useToSeal(key)
	if err != nil {
		return nil, err
	}
	defer c.releaseSealed(key)
	var a answer
	plainPointer, plainLen := in(plaintext)
	etcdPointer, etcdLen := in(etcdKey)
	randomPointer, randomLen := in(random)
	for {
		out := make([]byte, len(plaintext)+int(c.overhead.Load()))
		outPointer, outLen := in(out)
		status := C.k8senc_go_seal(chain, keyAddress, now, plainPointer, plainLen, etcdPointer, etcdLen, randomPointer, randomLen, outPointer, outLen, &a.c)
		if status == C.K8SENC_STATUS_OK {
			return out[:a.c.written:a.c.written], nil
		}
		if err := c.moreRoom(status, &a, chain, keyAddress, now); err != nil {
			return nil, err
		}
	}
}

// moreRoom learns the overhead after a call that lacked room; nothing was used up by it. It changes with the key, and when a
// plugin answers with another key_id.
func (c *Chain) moreRoom(status C.k8senc_status, a *answer, chain, key C.uintptr_t, now C.uint64_t) error {
	if err := a.fail(status); status != C.K8SENC_STATUS_BUFFER_TOO_SMALL {
		return err
	}
	if err := a.fail(C.k8senc_go_overhead(chain, key, now, &a.c)); err != nil {
		return err
	}
	c.overhead.Store(int64(a.c.written))
	return nil
}

func (c *Chain) useToSeal(key *WriteKey) (chain, keyAddress C.uintptr_t, err error) {
	pointer, err := c.handle.use()
	if err != nil {
		return 0, 0, err
	}
	if key == nil {
		return address(pointer), 0, nil
	}
	used, err := key.handle.use()
	if err != nil {
		c.handle.release()
		return 0, 0, err
	}
	return address(pointer), address(used), nil
}

func (c *Chain) releaseSealed(key *WriteKey) {
	if key != nil {
		key.handle.release()
	}
	c.handle.release()
}

// Plain is a plaintext and the whole etcd key it is to be stored under.
type Plain struct{ Plaintext, EtcdKey []byte }

// SealBatch writes values with few crossings, aescbc several times as fast as one by one. Small values share memory, some 24 KiB
// together. Not for KMS v1, which needs a DEK for each value.
func (c *Chain) SealBatch(key *WriteKey, values []Plain) ([][]byte, error) {
	if len(values) == 0 {
		return nil, nil
	}
	j := joins.Get().(*joined)
	defer j.done()
	now := key.now()
	sealed := make([][]byte, len(values))
	for at := 0; at < len(values); {
		j.reset()
		end := at
		for end < len(values) && c.crosses(key, len(values[end].Plaintext)) && (len(j.bytes) < together || c.lockstep && end < at+lanes) {
			j.add(values[end].Plaintext, values[end].EtcdKey)
			end++
		}
		var err error
		if end > at {
			err = c.sealTogether(key, now, j, sealed[at:end])
			clear(j.bytes)
		} else {
			end = at + 1
			sealed[at], err = c.Seal(key, values[at].Plaintext, values[at].EtcdKey)
		}
		if err != nil {
			return nil, err
		}
		at = end
	}
	return sealed, nil
}

const (
	// lanes is how many aescbc values are sealed side by side.
	lanes = 8
	// widest is the size from which they are not: eight of them would be copied through all caches first.
	widest = 256 << 10
)

// crosses is whether a plaintext of this size crosses with others.
func (c *Chain) crosses(key *WriteKey, size int) bool {
	if key != nil && key.once {
		// The library says why not.
		return true
	}
	return size < alone || c.lockstep && size < widest
}

func (c *Chain) sealTogether(key *WriteKey, now C.uint64_t, j *joined, sealed [][]byte) error {
	chain, keyAddress, err := c.useToSeal(key)
	if err != nil {
		return err
	}
	defer c.releaseSealed(key)
	var a answer
	j.sealed = slices.Grow(j.sealed[:0], len(sealed))[:len(sealed)]
	plainPointer, plainLen := in(j.bytes)
	keysPointer, keysLen := in(j.keys)
	for {
		out := make([]byte, len(j.bytes)+len(sealed)*int(c.overhead.Load()))
		outPointer, outLen := in(out)
		status := C.k8senc_go_seal_batch(chain, keyAddress, now, C.size_t(len(sealed)), plainPointer, plainLen, unsafe.SliceData(j.ends),
			keysPointer, keysLen, unsafe.SliceData(j.keyEnds), outPointer, outLen, unsafe.SliceData(j.sealed), &a.c)
		if status == C.K8SENC_STATUS_OK {
			start := 0
			for i, end := range j.sealed {
				sealed[i] = out[start:int(end):int(end)]
				start = int(end)
			}
			return nil
		}
		if err := c.moreRoom(status, &a, chain, keyAddress, now); err != nil {
			return err
		}
	}
}
