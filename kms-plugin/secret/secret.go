// Package secret keeps long-lived secret bytes outside the Go heap: locked into memory where the limits allow, left out of core
// dumps, and wiped when they are closed.
package secret

import (
	"errors"
	"fmt"
	"sync"

	"golang.org/x/sys/unix"
)

// ErrClosed is what a closed secret answers.
var ErrClosed = errors.New("the secret is closed")

// Bytes is a secret. Its methods may be called from several goroutines.
type Bytes struct {
	mu   sync.RWMutex
	room []byte
	size int
}

// Take copies from into memory of its own and clears from, also on failure.
func Take(from []byte) (*Bytes, error) {
	defer clear(from)
	if len(from) == 0 {
		return nil, errors.New("a secret has at least one byte")
	}
	room, err := unix.Mmap(-1, 0, len(from), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
	if err != nil {
		return nil, fmt.Errorf("memory for a secret: %w", err)
	}
	// Both are a second line: where RLIMIT_MEMLOCK forbids the first, the secret is still wiped.
	_ = unix.Mlock(room)
	_ = unix.Madvise(room, unix.MADV_DONTDUMP)
	copy(room, from)
	return &Bytes{room: room, size: len(from)}, nil
}

// Use lends the bytes for one call, which must keep no reference to them.
func (b *Bytes) Use(call func([]byte) error) error {
	b.mu.RLock()
	defer b.mu.RUnlock()
	if b.room == nil {
		return ErrClosed
	}
	return call(b.room[:b.size])
}

// Close wipes the secret. Closing again does nothing.
func (b *Bytes) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.room == nil {
		return nil
	}
	clear(b.room)
	room := b.room
	b.room = nil
	return unix.Munmap(room)
}

// Format says the size and nothing else, whatever the verb, so that no log can print a secret.
func (b *Bytes) Format(state fmt.State, _ rune) { fmt.Fprintf(state, "secret(%d bytes)", b.size) }
