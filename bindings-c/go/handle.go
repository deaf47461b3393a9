package k8senc

import (
	"runtime"
	"sync"
	"unsafe"
)

// handle owns one object of the library: freed once, by Close or when it is collected.
type handle struct {
	mu      sync.RWMutex
	pointer unsafe.Pointer
	free    func(unsafe.Pointer)
	cleanup runtime.Cleanup
}

func own(pointer unsafe.Pointer, free func(unsafe.Pointer)) *handle {
	h := &handle{pointer: pointer, free: free}
	h.cleanup = runtime.AddCleanup(h, free, pointer)
	return h
}

// use holds the object for a call; release ends that. While it is held it is neither freed nor collected.
func (h *handle) use() (unsafe.Pointer, error) {
	h.mu.RLock()
	if h.pointer == nil {
		h.mu.RUnlock()
		return nil, ErrClosed
	}
	return h.pointer, nil
}

func (h *handle) release() { h.mu.RUnlock() }

// Close wipes and frees the object. Closing again does nothing.
func (h *handle) close() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.pointer != nil {
		h.cleanup.Stop()
		h.free(h.pointer)
		h.pointer = nil
	}
	return nil
}
