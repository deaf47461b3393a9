// Package daemon is the running plugin: configuration, engine, socket, signals.
package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/k8senc/k8senc/kms-plugin/config"
	"github.com/k8senc/k8senc/kms-plugin/kek"
	"github.com/k8senc/k8senc/kms-plugin/local"
)

// Backend is a kind of KMS that a configuration may name.
type Backend struct {
	Kind   kek.Kind
	Config func() kek.Validator
	// Open may call the KMS, and is tried again until it works.
	Open func(context.Context, kek.Validator) (kek.Backend, error)
}

// Backends are those that are compiled in, by the name of their block.
type Backends map[string]Backend

// Of is the backend of a package: its kind, its configuration C and what opens it.
func Of[C any, P interface {
	*C
	kek.Validator
}, B kek.Backend](kind kek.Kind, open func(context.Context, C) (B, error)) Backend {
	return Backend{
		Kind:   kind,
		Config: func() kek.Validator { return P(new(C)) },
		Open: func(ctx context.Context, settings kek.Validator) (kek.Backend, error) {
			own, ok := settings.(P)
			if !ok {
				return nil, fmt.Errorf("a configuration of %T is not one of this backend", settings)
			}
			opened, err := open(ctx, *own)
			if err != nil {
				return nil, err
			}
			return opened, nil
		},
	}
}

// WithLocal adds the backend of this machine.
func (b Backends) WithLocal() Backends {
	all := Backends{"local": Of(kek.Local, local.New)}
	for name, one := range b {
		all[name] = one
	}
	return all
}

// Kinds is what config.Parse needs to know of them.
func (b Backends) Kinds() config.Kinds {
	kinds := config.Kinds{}
	for name, one := range b {
		kinds[name] = one.Config
	}
	return kinds
}

const (
	openBudget = 20 * time.Second
	openFirst  = time.Second
	openMost   = time.Minute
)

// lazy is a backend that is opened in the background, because a KMS that is down must not keep the plugin from starting.
type lazy struct {
	kind  kek.Kind
	mu    sync.RWMutex
	inner kek.Backend
	last  error
	stop  context.CancelFunc
	done  chan struct{}
}

func openLazily(log *slog.Logger, name string, backend Backend, settings kek.Validator) *lazy {
	ctx, stop := context.WithCancel(context.Background())
	l := &lazy{kind: backend.Kind, last: errors.New("the connection is being made"), stop: stop, done: make(chan struct{})}
	go func() {
		defer close(l.done)
		for pause := openFirst; ; pause = min(pause*2, openMost) {
			limited, cancel := context.WithTimeout(ctx, openBudget)
			inner, err := backend.Open(limited, settings)
			cancel()
			l.mu.Lock()
			l.inner, l.last = inner, err
			l.mu.Unlock()
			if err == nil {
				return
			}
			log.Warn("a KMS cannot be opened, it is tried again", "key", name, "in", pause.String(), "error", err.Error())
			select {
			case <-ctx.Done():
				return
			case <-time.After(pause):
			}
		}
	}()
	return l
}

func (l *lazy) opened(op string) (kek.Backend, error) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	if l.inner == nil {
		return nil, &kek.Error{Class: kek.ClassOf(l.last), Op: op, Err: fmt.Errorf("not opened yet: %w", l.last)}
	}
	return l.inner, nil
}

// Kind is known before.
func (l *lazy) Kind() kek.Kind { return l.kind }

// Current asks the KMS, once it is open.
func (l *lazy) Current(ctx context.Context) (kek.Version, error) {
	inner, err := l.opened("current")
	if err != nil {
		return kek.Version{}, err
	}
	return inner.Current(ctx)
}

// Wrap asks the KMS, once it is open.
func (l *lazy) Wrap(ctx context.Context, version kek.Version, key []byte, label string) ([]byte, error) {
	inner, err := l.opened("wrap")
	if err != nil {
		return nil, err
	}
	return inner.Wrap(ctx, version, key, label)
}

// Unwrap asks the KMS, once it is open.
func (l *lazy) Unwrap(ctx context.Context, wrap []byte, label string) ([]byte, error) {
	inner, err := l.opened("unwrap")
	if err != nil {
		return nil, err
	}
	return inner.Unwrap(ctx, wrap, label)
}

// Decrypt reads another plugin's data, if the KMS's backend can.
func (l *lazy) Decrypt(ctx context.Context, ciphertext, associatedData []byte, encryptionContext map[string]string) ([]byte, error) {
	inner, err := l.opened("unwrap")
	if err != nil {
		return nil, err
	}
	raw, ok := inner.(kek.Compat)
	if !ok {
		return nil, &kek.Error{Class: kek.Misconfigured, Op: "unwrap", Err: errors.New("this KMS cannot decrypt other plugins' data")}
	}
	return raw.Decrypt(ctx, ciphertext, associatedData, encryptionContext)
}

// Close ends the connection, or the attempts to make one.
func (l *lazy) Close() error {
	l.stop()
	<-l.done
	if l.inner == nil {
		return nil
	}
	return l.inner.Close()
}
