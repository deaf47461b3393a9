package keyset

import (
	"context"
	"errors"
	"sync"
)

// errBusy is what a call gets when as many as may wait do so already.
var errBusy = errors.New("too many calls wait for this KMS")

// limiter bounds the calls under way and those that wait. Throttling halves the bound, successes bring it back one by one.
type limiter struct {
	mu       sync.Mutex
	most     int // zero: no bound
	limit    int
	running  int
	queue    int
	waiting  []chan struct{}
	recovery int
}

// successesPerStep is how many calls must succeed before one more may run at a time after throttling.
const successesPerStep = 10

func newLimiter(most, queue int) *limiter { return &limiter{most: most, limit: most, queue: queue} }

func (l *limiter) acquire(ctx context.Context) error {
	l.mu.Lock()
	if l.most == 0 || (l.running < l.limit && len(l.waiting) == 0) {
		l.running++
		l.mu.Unlock()
		return nil
	}
	if len(l.waiting) >= l.queue {
		l.mu.Unlock()
		return errBusy
	}
	turn := make(chan struct{})
	l.waiting = append(l.waiting, turn)
	l.mu.Unlock()
	select {
	case <-turn:
		return nil
	case <-ctx.Done():
		l.leave(turn)
		return ctx.Err()
	}
}

// leave takes a waiter out of the queue, or gives back the turn it got in the meantime.
func (l *limiter) leave(turn chan struct{}) {
	l.mu.Lock()
	for i, other := range l.waiting {
		if other == turn {
			l.waiting = append(l.waiting[:i], l.waiting[i+1:]...)
			l.mu.Unlock()
			return
		}
	}
	l.mu.Unlock()
	l.release()
}

func (l *limiter) release() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.running--
	for len(l.waiting) > 0 && (l.most == 0 || l.running < l.limit) {
		close(l.waiting[0])
		l.waiting = l.waiting[1:]
		l.running++
	}
}

func (l *limiter) throttled() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.limit, l.recovery = max(1, l.limit/2), 0
}

func (l *limiter) succeeded() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.limit >= l.most {
		return
	}
	if l.recovery++; l.recovery >= successesPerStep {
		l.limit, l.recovery = l.limit+1, 0
	}
}

func (l *limiter) load() (running, waiting int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.running, len(l.waiting)
}
