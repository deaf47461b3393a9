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

// do runs call, or waits for the one that runs. Each caller gets a copy of its own; the last one wipes the original. call must end by
// itself: whoever runs it does not leave before.
func (f *flights) do(ctx context.Context, what [32]byte, call func() ([]byte, error)) ([]byte, error) {
	f.mu.Lock()
	if f.out == nil {
		f.out = map[[32]byte]*flight{}
	}
	if one, under := f.out[what]; under {
		one.waiting++
		f.mu.Unlock()
		return f.wait(ctx, one)
	}
	one := &flight{done: make(chan struct{})}
	f.out[what] = one
	f.mu.Unlock()
	seed, err := call()
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.out, what)
	if one.waiting > 0 {
		one.seed, one.err = slices.Clone(seed), err
	}
	close(one.done)
	return seed, err
}

func (f *flights) wait(ctx context.Context, one *flight) (seed []byte, err error) {
	select {
	case <-one.done:
	case <-ctx.Done():
		err = ctx.Err()
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if err == nil {
		seed, err = slices.Clone(one.seed), one.err
	}
	if one.waiting--; one.waiting == 0 {
		clear(one.seed)
	}
	return seed, err
}
