package keyset

import (
	"context"
	"slices"
	"sync"
)

// flights lets one call answer everybody who asks the same at the same time.
type flights struct {
	mu  sync.Mutex
	out map[[32]byte]*flight
}

type flight struct {
	done    chan struct{}
	waiting int
	seed    []byte
	err     error
}

// do runs call, or waits for the one that runs. Each caller gets a copy of its own; the last one wipes the original.
func (f *flights) do(ctx context.Context, what [32]byte, call func() ([]byte, error)) ([]byte, error) {
	f.mu.Lock()
	if f.out == nil {
		f.out = map[[32]byte]*flight{}
	}
	one, under := f.out[what]
	if !under {
		one = &flight{done: make(chan struct{})}
		f.out[what] = one
	}
	one.waiting++
	f.mu.Unlock()
	if !under {
		go func() {
			seed, err := call()
			f.mu.Lock()
			delete(f.out, what)
			one.seed, one.err = seed, err
			if one.waiting == 0 {
				clear(seed)
			}
			f.mu.Unlock()
			close(one.done)
		}()
	}
	var err error
	select {
	case <-one.done:
	case <-ctx.Done():
		err = ctx.Err()
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	one.waiting--
	var seed []byte
	if err == nil {
		seed, err = slices.Clone(one.seed), one.err
	}
	if one.waiting == 0 {
		clear(one.seed)
	}
	return seed, err
}
