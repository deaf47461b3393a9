package keyset

import (
	"errors"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/k8senc/k8senc/kms-plugin/kek"
)

const (
	inARow         = 5
	windowLen      = 30 * time.Second
	windowLeast    = 10
	windowMost     = 128
	firstPause     = 5 * time.Second
	longestPause   = time.Minute
	refusalPause   = time.Minute
	pauseJitterPct = 20
)

// breakerState is where a breaker stands.
type breakerState uint8

const (
	closed breakerState = iota
	halfOpen
	open
)

func (s breakerState) String() string {
	switch s {
	case closed:
		return "closed"
	case halfOpen:
		return "half-open"
	default:
		return "open"
	}
}

var errTrying = errors.New("one call tries whether it is back")

// breaker keeps calls of one operation away from a backend that does not answer: it opens after five failures in a row or more
// than half of ten in 30 s, lets one call try after 5 s, and doubles that up to a minute. A refusal opens it at once, for a
// minute: asking again sooner changes nothing.
type breaker struct {
	mu      sync.Mutex
	state   breakerState
	row     int
	recent  window
	pause   time.Duration
	until   time.Time
	trying  bool
	because error
}

// allow says whether a call may go out now; if not, because of what.
func (b *breaker) allow(now time.Time) (bool, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.state == closed {
		return true, nil
	}
	if b.trying || now.Before(b.until) {
		if b.because == nil {
			return false, errTrying
		}
		return false, b.because
	}
	b.state = halfOpen
	b.trying = true
	return true, nil
}

// record takes the outcome of a call that allow let out. class is zero for a success.
func (b *breaker) record(now time.Time, class kek.Class, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.trying = false
	switch {
	case class == kek.Unavailable || class == kek.Throttled:
		b.failed(now, err)
	case class.Authoritative() || class == kek.Misconfigured:
		b.because = err
		b.shut(now, refusalPause)
	default:
		// An answer, also one that says "not a wrap of this key": the KMS works.
		b.answered(now)
	}
}

// abandoned takes back a call that ended because the caller no longer wanted it.
func (b *breaker) abandoned() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.trying = false
}

func (b *breaker) answered(now time.Time) {
	b.row, b.pause, b.because = 0, 0, nil
	if b.state != closed {
		b.state = closed
		b.recent = window{}
	}
	b.recent.add(now, true)
}

func (b *breaker) failed(now time.Time, err error) {
	b.row++
	b.because = err
	b.recent.add(now, false)
	if b.state == halfOpen || b.row >= inARow || b.recent.mostlyFailing(now) {
		b.pause = min(max(b.pause*2, firstPause), longestPause)
		b.shut(now, b.pause)
	}
}

func (b *breaker) shut(now time.Time, pause time.Duration) {
	b.state = open
	jitter := time.Duration(rand.Int64N(int64(pause) * pauseJitterPct / 100))
	b.until = now.Add(pause - jitter)
}

func (b *breaker) now() breakerState {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.state
}

// ready says whether allow would let a call out, without letting one.
func (b *breaker) ready(now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.state == closed || (!b.trying && !now.Before(b.until))
}

// window is the outcome of the last calls, of which those count that are not older than 30 s.
type window struct {
	at    [windowMost]int64
	bad   [windowMost]bool
	count int
}

func (w *window) add(now time.Time, ok bool) {
	i := w.count % windowMost
	w.at[i], w.bad[i] = now.UnixNano(), !ok
	w.count++
}

func (w *window) mostlyFailing(now time.Time) bool {
	oldest, all, bad := now.Add(-windowLen).UnixNano(), 0, 0
	for i := range min(w.count, windowMost) {
		if w.at[i] >= oldest {
			all++
			if w.bad[i] {
				bad++
			}
		}
	}
	return all >= windowLeast && bad*2 > all
}
