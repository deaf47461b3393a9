package keyset

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"strings"
	"sync"
	"time"

	"github.com/k8senc/k8senc/kms-plugin/kek"
)

const (
	probeEvery      = 5 * time.Minute
	probeJitterPct  = 10
	youngFor        = 10 * time.Minute
	probeYoungEvery = time.Minute
	retryFirst      = 10 * time.Second
	retryMost       = time.Minute
	probeBudget     = 5 * time.Second
	tickEvery       = time.Second
)

// Run looks after the keys until ctx ends: versions, probes, activation. It returns when all of that has ended.
func (e *Engine) Run(ctx context.Context) {
	var group sync.WaitGroup
	for _, m := range e.members {
		if m.Retired {
			continue
		}
		if _, here := m.Backend.(holder); !here {
			group.Go(func() { e.lookLoop(ctx, m) })
		}
		group.Go(func() { e.probeLoop(ctx, m) })
	}
	group.Go(func() { e.tickLoop(ctx) })
	group.Wait()
}

func (e *Engine) wait(ctx context.Context, d time.Duration, soon <-chan struct{}) bool {
	select {
	case <-ctx.Done():
		return false
	case <-e.Clock.After(d):
	case <-soon:
	}
	return ctx.Err() == nil
}

// lookLoop asks which version is current, every minute, and sooner after an answer that says it changed.
func (e *Engine) lookLoop(ctx context.Context, m *member) {
	for failed := 0; ; {
		if e.look(ctx, m) == nil {
			failed = 0
		} else {
			failed++
		}
		pause := time.Duration(lookEvery)
		if failed > 0 && m.lastObserved().Name == "" {
			pause = min(time.Second<<min(failed-1, 6), lookEvery)
		}
		if !e.wait(ctx, pause, e.looks[m.Slot]) {
			return
		}
	}
}

func (e *Engine) lookSoon(m *member) {
	select {
	case e.looks[m.Slot] <- struct{}{}:
	default:
	}
}

func (e *Engine) look(ctx context.Context, m *member) error {
	ctx, cancel := context.WithTimeout(ctx, probeBudget)
	defer cancel()
	began := e.Clock.Now()
	version, err := m.Backend.Current(ctx)
	if err != nil {
		class := kek.ClassOf(err)
		m.recorder.Call(m.Name, opCurrent, class.String(), e.Clock.Now().Sub(began))
		e.Log.Warn("the current version cannot be seen", "key", m.Name, "class", class.String(), "error", err.Error())
		return err
	}
	m.recorder.Call(m.Name, opCurrent, "ok", e.Clock.Now().Sub(began))
	before := m.lastObserved()
	m.observed(version)
	if !version.DeletionDate.IsZero() && before.DeletionDate != version.DeletionDate {
		e.Log.Error("the KMS is going to destroy a key", "key", m.Name, "version", version.Name, "at", version.DeletionDate)
	}
	e.mu.Lock()
	t := e.trackers[m.Slot]
	first, seen, refused := t.active == nil, !t.confirmed.IsZero(), t.refused
	t.observe(version, e.Clock.Now())
	confirmed := !seen && !t.confirmed.IsZero()
	if t.refused != "" && t.refused != refused {
		e.Log.Error("a version is not taken", "key", m.Name, "reason", t.refused)
	}
	if confirmed {
		e.Log.Info("a new version will be used", "key", m.Name, "version", version.Name, "from", t.activateAt())
	}
	e.mu.Unlock()
	if first {
		e.settled()
	}
	return nil
}

// settled makes the set, if it can be made, and tells.
func (e *Engine) settled() {
	if err := e.settle(); err != nil {
		e.mu.Lock()
		e.block(err.Error())
		e.mu.Unlock()
	}
	e.publish()
}

// probeLoop wraps and unwraps 32 random bytes now and then, unless real calls have just shown that both work.
func (e *Engine) probeLoop(ctx context.Context, m *member) {
	pause, slept := retryFirst, time.Duration(0)
	for {
		wait := e.probePause(m)
		err := e.probe(ctx, m, slept)
		switch {
		case ctx.Err() != nil:
			return
		case errors.Is(err, errNoVersion):
			wait = tickEvery
		case err == nil:
			pause = retryFirst
			m.health.probed(e.Clock.Now(), nil)
			if m.health.now().bad {
				wait = retryFirst
			}
		default:
			m.health.probed(e.Clock.Now(), err)
			e.Log.Warn("probe failed", "key", m.Name, "class", kek.ClassOf(err).String(), "error", err.Error())
			if wait = pause; kek.ClassOf(err).Authoritative() {
				wait = retryMost
			}
			pause = min(pause*2, retryMost)
		}
		e.publish()
		if !e.wait(ctx, wait, nil) {
			return
		}
		slept = wait
	}
}

func (e *Engine) probePause(m *member) time.Duration {
	if _, here := m.Backend.(holder); !here && e.Clock.Now().Sub(e.started) < youngFor {
		return probeYoungEvery
	}
	spread := int64(probeEvery) * probeJitterPct / 100
	return probeEvery + time.Duration(mathrand.Int64N(2*spread)-spread)
}

var errNoVersion = errors.New("no version is known yet")

// probe asks a key whether it works, unless real calls have shown it more recently than that.
func (e *Engine) probe(ctx context.Context, m *member, recent time.Duration) error {
	now := e.Clock.Now()
	if known := m.health.now(); known.failing == 0 && !known.bad && now.Sub(m.lastSuccess(opWrap)) < recent && now.Sub(m.lastSuccess(opUnwrap)) < recent {
		return nil
	}
	e.mu.Lock()
	active := e.trackers[m.Slot].active
	var version kek.Version
	if active != nil {
		version = *active
	}
	e.mu.Unlock()
	if active == nil {
		return errNoVersion
	}
	ctx, cancel := context.WithTimeout(ctx, probeBudget)
	defer cancel()
	label := fmt.Sprintf("kw1-probe|%s|%d", e.Cluster, m.Slot)
	key := make([]byte, SeedLen)
	if _, err := rand.Read(key); err != nil {
		return err
	}
	defer clear(key)
	wrap, err := m.probeCall(ctx, opWrap, &m.wraps, func(ctx context.Context) ([]byte, error) {
		return m.Backend.Wrap(ctx, version, key, label)
	})
	if kek.ClassOf(err) == kek.Changed && err != nil {
		// The KMS answered: it works, and has a new version.
		e.lookSoon(m)
		return nil
	}
	if err != nil {
		return err
	}
	back, err := m.probeCall(ctx, opUnwrap, &m.unwraps, func(ctx context.Context) ([]byte, error) {
		return m.Backend.Unwrap(ctx, wrap, label)
	})
	if err != nil {
		return err
	}
	defer clear(back)
	if subtle.ConstantTimeCompare(key, back) != 1 {
		return &kek.Error{Class: kek.Integrity, Op: opUnwrap, Err: errors.New("a probe came back as something else")}
	}
	return nil
}

// probeCall goes past an open breaker, because somebody has to find out, and tells the breaker.
func (m *member) probeCall(ctx context.Context, op string, breaker *breaker, do func(context.Context) ([]byte, error)) ([]byte, error) {
	began := m.clock.Now()
	answer, err := do(ctx)
	m.judge(op, breaker, m.clock.Now().Sub(began), err)
	return answer, err
}

func (e *Engine) tickLoop(ctx context.Context) {
	for e.wait(ctx, tickEvery, nil) {
		now := e.Clock.Now()
		if e.set.Load() == nil {
			e.settled()
		}
		e.activate(now)
		e.cache.sweep(now, false)
		e.publish()
	}
}

// publish says what Status answers from now on.
func (e *Engine) publish() {
	next := e.judge()
	if last := e.status.Load(); last == nil || *last != next {
		e.status.Store(&next)
		e.Log.Info("status", "healthz", next.Healthz, "key_id", next.KeyID)
	}
}

func (e *Engine) judge() Status {
	now := e.Clock.Now()
	e.mu.Lock()
	blocked := e.blocked
	var unknown []string
	for _, m := range e.members {
		if !m.Retired && e.trackers[m.Slot].active == nil {
			unknown = append(unknown, m.Name)
		}
	}
	e.mu.Unlock()
	set := e.set.Load()
	if set == nil {
		if blocked != "" {
			return Status{Healthz: blocked}
		}
		return Status{Healthz: "starting: no answer yet from " + strings.Join(unknown, ", ")}
	}
	status := Status{Healthz: "ok", KeyID: set.set.KeyID}
	var online, bad, revoked int
	var texts []string
	newest := e.started
	for _, m := range set.members {
		if !m.symmetric() && e.SetKey == nil {
			continue
		}
		online++
		found := m.health.now()
		if found.bad {
			bad++
			texts = append(texts, fmt.Sprintf("%s: %s", m.Name, found.class))
		}
		if found.revoked {
			revoked++
		}
		for _, op := range []string{opWrap, opUnwrap} {
			if at := m.lastSuccess(op); at.After(newest) {
				newest = at
			}
		}
	}
	if bad == online {
		status.Healthz = "no KMS of the set works: " + strings.Join(texts, ", ")
	}
	e.revocation(revoked == online && online > 0)
	switch {
	case revoked == online && e.StopOnRevocation:
		status.KeyID = ""
	case bad == online && now.Sub(newest) > e.KeepFor:
		status.Healthz += fmt.Sprintf("; for more than %v, so there is no key_id any more", e.KeepFor)
		status.KeyID = ""
	}
	return status
}

// revocation wipes the cache once when every KMS has withdrawn its key.
func (e *Engine) revocation(all bool) {
	e.mu.Lock()
	first := all && !e.revoked
	e.revoked = all
	e.mu.Unlock()
	if first {
		e.cache.sweep(e.Clock.Now(), true)
		e.Log.Error("every KMS says that its key is denied, disabled or deleted", "key_id_withdrawn", e.StopOnRevocation)
	}
}
