package keyset

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	k8senc "github.com/k8senc/k8senc/bindings-c/go"

	"github.com/k8senc/k8senc/kms-plugin/kek"
)

// Key is a KEK of the configuration with its backend.
type Key struct {
	Name     string
	Slot     uint8
	Priority int
	// Retired keys open what was written with them and wrap nothing any more.
	Retired bool
	Backend kek.Backend
	// Owns says whether an identity is one of the configured key; nil where nobody knows.
	Owns func(identity [][]byte) bool
}

// holder is a backend whose KEK is held here, so that the set takes the identity from it.
type holder interface{ Held() *k8senc.KEK }

const (
	opWrap    = "wrap"
	opUnwrap  = "unwrap"
	opCurrent = "current"
)

// member is a Key with what is known of how it does.
type member struct {
	Key
	clock    Clock
	recorder Recorder
	tracer   trace.Tracer
	limiter  *limiter
	wraps    breaker
	unwraps  breaker
	latency  latency
	health   health

	mu      sync.Mutex
	lastOK  map[string]time.Time
	version kek.Version // as last observed
}

func newMember(key Key, options *Options) *member {
	most := options.MaxInFlight
	if _, here := key.Backend.(holder); here {
		most = 0
	}
	return &member{
		Key: key, clock: options.Clock, recorder: options.Recorder, tracer: options.Tracer,
		limiter: newLimiter(most, options.Queue), lastOK: map[string]time.Time{},
	}
}

// symmetric says that a wrap proves its maker by itself.
func (m *member) symmetric() bool {
	switch m.Backend.Kind() {
	case kek.AWS, kek.Transit, kek.GCP, kek.PKCS11, kek.Local:
		return true
	default:
		return false
	}
}

func (m *member) wrap(ctx context.Context, version kek.Version, key []byte, label string) ([]byte, error) {
	return m.call(ctx, opWrap, &m.wraps, func(ctx context.Context) ([]byte, error) {
		return m.Backend.Wrap(ctx, version, key, label)
	})
}

func (m *member) unwrap(ctx context.Context, wrap []byte, label string) ([]byte, error) {
	return m.call(ctx, opUnwrap, &m.unwraps, func(ctx context.Context) ([]byte, error) {
		return m.Backend.Unwrap(ctx, wrap, label)
	})
}

// call makes one call: breaker, turn, time, verdict.
func (m *member) call(ctx context.Context, op string, breaker *breaker, do func(context.Context) ([]byte, error)) ([]byte, error) {
	if allowed, because := breaker.allow(m.clock.Now()); !allowed {
		return nil, &kek.Error{Class: classOr(because, kek.Unavailable), Op: op, Err: fmt.Errorf("not asked, it failed just now: %w", because)}
	}
	if err := m.limiter.acquire(ctx); err != nil {
		breaker.abandoned()
		if errors.Is(err, errBusy) {
			m.recorder.Call(m.Name, op, "queue-full", 0)
		}
		return nil, err
	}
	defer m.limiter.release()
	ctx, span := m.tracer.Start(ctx, "kms."+op, trace.WithSpanKind(trace.SpanKindClient),
		trace.WithAttributes(attribute.String("k8senc.key", m.Name), attribute.Int("k8senc.slot", int(m.Slot))))
	defer span.End()
	began := m.clock.Now()
	answer, err := do(ctx)
	took := m.clock.Now().Sub(began)
	if err != nil && errors.Is(context.Cause(ctx), errOvertaken) {
		breaker.abandoned()
		m.recorder.Call(m.Name, op, "overtaken", took)
		return nil, err
	}
	m.judge(op, breaker, took, err)
	if err != nil {
		span.SetStatus(codes.Error, kek.ClassOf(err).String())
	}
	return answer, err
}

// judge tells everybody who counts how a call went.
func (m *member) judge(op string, breaker *breaker, took time.Duration, err error) {
	now := m.clock.Now()
	if err == nil {
		breaker.record(now, 0, nil)
		m.limiter.succeeded()
		m.latency.add(took)
		m.mu.Lock()
		m.lastOK[op] = now
		m.mu.Unlock()
		m.recorder.Call(m.Name, op, "ok", took)
		return
	}
	class := kek.ClassOf(err)
	breaker.record(now, class, err)
	if class == kek.Throttled {
		m.limiter.throttled()
	}
	var failure *kek.Error
	if errors.As(err, &failure) && !failure.ServerTime.IsZero() {
		m.recorder.ClockSkew(m.Name, failure.ServerTime.Sub(now))
	}
	m.recorder.Call(m.Name, op, class.String(), took)
}

func classOr(err error, other kek.Class) kek.Class {
	if err == nil {
		return other
	}
	return kek.ClassOf(err)
}

// lastSuccess is when op last worked, and zero if never.
func (m *member) lastSuccess(op string) time.Time {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.lastOK[op]
}

func (m *member) observed(version kek.Version) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.version = version
}

func (m *member) lastObserved() kek.Version {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.version
}
