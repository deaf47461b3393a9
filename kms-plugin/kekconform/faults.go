package kekconform

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/k8senc/k8senc/kms-plugin/internal/faultproxy"
	"github.com/k8senc/k8senc/kms-plugin/kek"
)

// Row is one failure and what a backend has to make of it.
type Row struct {
	Name string
	// Fault is what the proxy does; Inject makes a failure without one.
	Fault  faultproxy.Fault
	Inject func()
	// Ops are those of current, wrap and unwrap that must fail so; all of them where it is empty.
	Ops   []string
	Class kek.Class
	// RequestID and RetryAfter must be in the error where they are set.
	RequestID  string
	RetryAfter time.Duration
	// Skew is by how much the error's ServerTime must be off, to a minute; not looked at where it is zero.
	Skew time.Duration
	// Slow gives the call a second and no more.
	Slow bool
}

// Faults runs the rows through the proxy that the backend calls. After each the backend must work again by itself.
func (s Subject) Faults(t *testing.T, proxy *faultproxy.Proxy, rows []Row) {
	for i := range rows {
		rows[i].Inject = func() { proxy.Set(rows[i].Fault) }
	}
	s.FaultsWith(t, func() { proxy.Set() }, rows)
}

// FaultsWith runs rows that inject by themselves; clear ends what they did.
func (s Subject) FaultsWith(t *testing.T, clear func(), rows []Row) {
	for _, row := range rows {
		t.Run(row.Name, func(t *testing.T) {
			clear()
			backend, key := s.open(t), Key(t)
			version := s.current(t, backend)
			wrap := s.wrap(t, backend, version, key, label)
			for _, op := range []string{"current", "wrap", "unwrap"} {
				if len(row.Ops) > 0 && !contains(row.Ops, op) {
					continue
				}
				row.Inject()
				begin := time.Now()
				limit := 20 * time.Second
				if row.Slow {
					limit = time.Second
				}
				ctx, cancel := context.WithTimeout(t.Context(), limit)
				var answer []byte
				var err error
				switch op {
				case "current":
					_, err = backend.Current(ctx)
				case "wrap":
					answer, err = backend.Wrap(ctx, version, key, label)
				default:
					answer, err = backend.Unwrap(ctx, wrap, label)
				}
				cancel()
				s.fails(t, err, answer, key, row.Class)
				row.details(t, op, err, time.Since(begin))
			}
			clear()
			got, err := backend.Unwrap(background(t), wrap, label)
			if err != nil || string(got) != string(key) {
				t.Errorf("after the fault: %v", err)
			}
			s.wrap(t, backend, s.current(t, backend), key, label)
		})
	}
}

func contains(list []string, word string) bool {
	for _, entry := range list {
		if entry == word {
			return true
		}
	}
	return false
}

func (r Row) details(t *testing.T, op string, err error, took time.Duration) {
	t.Helper()
	var failure *kek.Error
	if !errors.As(err, &failure) {
		return
	}
	if r.RequestID != "" && failure.RequestID != r.RequestID {
		t.Errorf("%s: request id %q, %q was due: %v", op, failure.RequestID, r.RequestID, err)
	}
	if r.RetryAfter != 0 && failure.RetryAfter != r.RetryAfter {
		t.Errorf("%s: retry after %s, %s was due: %v", op, failure.RetryAfter, r.RetryAfter, err)
	}
	if off := time.Until(failure.ServerTime) - r.Skew; r.Skew != 0 && off.Abs() > time.Minute {
		t.Errorf("%s: the server's time is %s, %s from now was due", op, failure.ServerTime, r.Skew)
	}
	if r.Slow && took > 10*time.Second {
		t.Errorf("%s: it took %s after its deadline of a second", op, took)
	}
}
