package main

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"sync"
)

// tape replaces crypto/rand.Reader: the same label gives the same bytes, and
// what was drawn is kept. It is SHA-256 of label and block number.
type tape struct {
	mu    sync.Mutex
	label string
	block uint64
	rest  []byte
	drawn []byte
}

var randomTape = &tape{}

func init() { rand.Reader = randomTape }

func (t *tape) rewind(label string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.label, t.block, t.rest, t.drawn = label, 0, nil, nil
}

// take returns what was drawn since the last take.
func (t *tape) take() []byte {
	t.mu.Lock()
	defer t.mu.Unlock()
	d := t.drawn
	t.drawn = nil
	return d
}

func (t *tape) Read(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for len(t.rest) < len(b) {
		var n [8]byte
		binary.BigEndian.PutUint64(n[:], t.block)
		t.block++
		sum := sha256.Sum256(append([]byte(t.label), n[:]...))
		t.rest = append(t.rest, sum[:]...)
	}
	n := copy(b, t.rest)
	t.rest = t.rest[n:]
	t.drawn = append(t.drawn, b[:n]...)
	return n, nil
}

// bytesOf is a fixed stream of n bytes for inputs, named by label.
func bytesOf(label string, n int) []byte {
	t := tape{label: "input:" + label}
	out := make([]byte, n)
	_, _ = t.Read(out)
	return out
}

// seq is n bytes counting up from first.
func seq(first byte, n int) []byte {
	out := make([]byte, n)
	for i := range out {
		out[i] = first + byte(i)
	}
	return out
}
