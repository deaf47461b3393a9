package keyset_test

import (
	"context"
	"sync"
	"time"

	"github.com/k8senc/k8senc/kms-plugin/kek"
	"github.com/k8senc/k8senc/kms-plugin/kektest"
)

// lagging answers every other look from a replica that does not have the newest version yet.
type lagging struct {
	*kektest.Fake
	mu    sync.Mutex
	from  time.Time
	first *kek.Version
	turn  int
}

func (l *lagging) flapFrom(at time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.from = at
}

func (l *lagging) Current(ctx context.Context) (kek.Version, error) {
	now, err := l.Fake.Current(ctx)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.first == nil {
		l.first = &now
	}
	if l.turn++; !l.from.IsZero() && l.turn%2 == 0 {
		return *l.first, err
	}
	return now, err
}
