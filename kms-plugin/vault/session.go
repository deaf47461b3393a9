package vault

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/k8senc/k8senc/kms-plugin/kek"
)

// Between two logins that refusals ask for, so that a revoked policy makes no storm of them.
const refreshPause = 5 * time.Second

// Pauses of the background renewal.
const (
	firstRetry  = 5 * time.Second
	longestWait = 60 * time.Second
)

// sessions holds the current one. A login that fails leaves the old token in use as long as it is valid.
type sessions struct {
	mu   sync.RWMutex
	held *session
	// turn is taken by the one goroutine that logs in.
	turn      chan struct{}
	refreshed time.Time
	refusal   error

	stop context.CancelFunc
	done chan struct{}
}

func newSessions() *sessions {
	return &sessions{turn: make(chan struct{}, 1), done: make(chan struct{})}
}

func (s *sessions) current() *session {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.held
}

func (s *sessions) keep(held *session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.held = held
}

func (s *sessions) take(ctx context.Context) error {
	select {
	case s.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// session answers the current session and logs in where there is none that is valid.
func (b *Backend) session(ctx context.Context) (*session, error) {
	if held := b.sessions.current(); held != nil && !held.ended() {
		return held, nil
	}
	if err := b.sessions.take(ctx); err != nil {
		return nil, err
	}
	defer func() { <-b.sessions.turn }()
	if held := b.sessions.current(); held != nil && !held.ended() {
		return held, nil
	}
	made, err := b.login(ctx)
	if err != nil {
		return nil, err
	}
	b.sessions.keep(made)
	return made, nil
}

// refresh logs in again because refused was refused, and answers nil where that was done a moment ago.
func (b *Backend) refresh(ctx context.Context, refused *session) (*session, error) {
	if err := b.sessions.take(ctx); err != nil {
		return nil, err
	}
	defer func() { <-b.sessions.turn }()
	if held := b.sessions.current(); held != nil && held.client != refused.client {
		return held, nil
	}
	if time.Since(b.sessions.refreshed) < refreshPause {
		return nil, b.sessions.refusal
	}
	made, err := b.login(ctx)
	b.sessions.refreshed, b.sessions.refusal = time.Now(), err
	if err != nil {
		return nil, err
	}
	b.sessions.keep(made)
	return made, nil
}

// renewing keeps the token alive until the backend is closed: at half of its life it is renewed, or replaced by a login where
// renewal is not possible. Neither needs the cluster that the plugin serves, unless the login is the one of Kubernetes.
func (b *Backend) renewing(ctx context.Context) {
	defer close(b.sessions.done)
	failures := 0
	for {
		wait := b.due(failures)
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
		}
		limited, cancel := context.WithTimeout(ctx, b.config.Connect.Limit())
		if b.renewNow(limited) == nil {
			failures = 0
		} else {
			failures++
		}
		cancel()
	}
}

// due is how long to wait before the next look at the token.
func (b *Backend) due(failures int) time.Duration {
	if failures > 0 {
		wait := min(firstRetry<<min(failures-1, 4), longestWait)
		if held := b.sessions.current(); held != nil && held.lease > 0 {
			// A token that lives for seconds is retried within them.
			wait = min(wait, max(held.lease/8, 100*time.Millisecond))
		}
		return wait/2 + rand.N(wait/2+1)
	}
	held := b.sessions.current()
	if held == nil || !held.looked {
		return 0
	}
	if held.lease == 0 {
		return longestWait
	}
	return max(0, time.Until(held.began.Add(held.lease/2)))
}

func (b *Backend) renewNow(ctx context.Context) error {
	held, err := b.session(ctx)
	if err != nil {
		return err
	}
	if err := b.sessions.take(ctx); err != nil {
		return err
	}
	defer func() { <-b.sessions.turn }()
	if current := b.sessions.current(); current != held {
		return nil
	}
	if token := b.config.Auth.Token; token != nil {
		// An agent may have written another token.
		if text, err := token.read(); err == nil && text != held.client.Token() {
			client, err := b.withToken(text)
			if err != nil {
				return err
			}
			held = &session{client: client, began: time.Now()}
			b.sessions.keep(held)
		}
	}
	if !held.looked {
		looked, err := held.look(ctx)
		if err != nil {
			// Without leave to look itself up a token is used until it is refused.
			if failure := fail("login", nothingSeen, err); failure.Class == kek.Denied {
				b.sessions.keep(&session{client: held.client, began: held.began, looked: true})
				return nil
			}
			return err
		}
		b.sessions.keep(looked)
		return nil
	}
	if held.lease == 0 {
		return nil
	}
	if held.renewable {
		renewed, err := held.renew(ctx)
		if err == nil {
			b.sessions.keep(renewed)
			return nil
		}
		// A cut connection is no refusal: the token is tried again while it lives, and a login, whose secret may be good for
		// a few only, is not spent on it.
		if class := fail("login", nothingSeen, err).Class; !errors.Is(err, errLongest) && (class == kek.Unavailable || class == kek.Throttled) {
			return err
		}
	}
	if b.config.Auth.Token != nil {
		return errEnding
	}
	made, err := b.login(ctx)
	if err != nil {
		return err
	}
	b.sessions.keep(made)
	return nil
}
