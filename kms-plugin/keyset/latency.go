package keyset

import (
	"slices"
	"sync"
	"time"
)

const remembered = 64

// latency remembers how long the last calls took.
type latency struct {
	mu      sync.Mutex
	last    [remembered]time.Duration
	count   int
	average time.Duration
}

func (l *latency) add(took time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.last[l.count%remembered] = took
	l.count++
	if l.count == 1 {
		l.average = took
	}
	l.average += (took - l.average) / 8
}

func (l *latency) mean() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.average
}

// p95 is zero as long as there are few calls to tell from.
func (l *latency) p95() time.Duration {
	l.mu.Lock()
	known := slices.Clone(l.last[:min(l.count, remembered)])
	l.mu.Unlock()
	if len(known) < 20 {
		return 0
	}
	slices.Sort(known)
	return known[len(known)*95/100]
}
