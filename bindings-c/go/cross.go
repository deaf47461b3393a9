package k8senc

// #include "cross.h"
import "C"

import (
	"sync"
	"unsafe"
)

// answer is what one call wrote. Its zero value is what goes in.
type answer struct{ c C.k8senc_go_answer }

func (a *answer) fail(status C.k8senc_status) error {
	if status == C.K8SENC_STATUS_OK {
		return nil
	}
	return fail(status, C.k8senc_go_failure(a.c.failure))
}

// address is a handle as the functions above take it: nothing of Go's, so there is nothing to check or to keep.
func address(handle unsafe.Pointer) C.uintptr_t { return C.uintptr_t(uintptr(handle)) }

// use holds all handles of a call; release ends that.
func (c *Chain) use() (chain, deks C.uintptr_t, err error) {
	pointer, err := c.handle.use()
	if err != nil {
		return 0, 0, err
	}
	if !c.asksKMS {
		return address(pointer), 0, nil
	}
	table, err := c.deks.handle.use()
	if err != nil {
		c.handle.release()
		return 0, 0, err
	}
	return address(pointer), address(table), nil
}

func (c *Chain) release() {
	if c.asksKMS {
		c.deks.handle.release()
	}
	c.handle.release()
}

// joined is a batch laid end to end, as the library takes it.
type joined struct {
	bytes, keys   []byte
	ends, keyEnds []C.size_t
	opened        []C.k8senc_opened
	sealed        []C.size_t
}

// joins are used again: what a batch needs beside its outputs.
var joins = sync.Pool{New: func() any { return new(joined) }}

// done gives j back, unless it holds more than should be kept for nothing.
func (j *joined) done() {
	if cap(j.bytes) <= kept {
		joins.Put(j)
	}
}

func (j *joined) reset() {
	j.bytes, j.keys, j.ends, j.keyEnds = j.bytes[:0], j.keys[:0], j.ends[:0], j.keyEnds[:0]
}

func (j *joined) add(value, key []byte) {
	j.bytes, j.keys = append(j.bytes, value...), append(j.keys, key...)
	j.ends, j.keyEnds = append(j.ends, C.size_t(len(j.bytes))), append(j.keyEnds, C.size_t(len(j.keys)))
}

const (
	// alone is the size from which a value crosses by itself: copying it to the others costs more.
	alone = 4 << 10
	// together is about how many bytes cross together: what comes out stays below 32 KiB, where Go's allocator has its cheap sizes,
	// and in the CPU's cache.
	together = 24 << 10
	// kept is how much memory is kept for the next batch.
	kept = 1 << 20
)
