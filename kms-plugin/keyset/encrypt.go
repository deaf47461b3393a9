package keyset

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"google.golang.org/grpc/codes"

	k8senc "github.com/k8senc/k8senc/bindings-c/go"

	"github.com/k8senc/k8senc/kms-plugin/kek"
)

// SeedLen is what kube-apiserver asks to encrypt.
const SeedLen = 32

// reserve is what a call leaves of its deadline for the way back.
const reserve = 200 * time.Millisecond

// Sealed is what kube-apiserver stores.
type Sealed struct {
	Record []byte
	KeyID  string
}

// budget ends before the caller stops waiting.
func (e *Engine) budget(caller, from context.Context) (context.Context, context.CancelFunc) {
	most := e.Budget
	if deadline, ok := caller.Deadline(); ok {
		most = min(most, max(time.Until(deadline)-reserve, 10*time.Millisecond))
	}
	return context.WithTimeout(from, most)
}

// Encrypt writes a record of the current set. Every KEK of the set wraps, or nothing is written.
func (e *Engine) Encrypt(ctx context.Context, seed []byte) (*Sealed, error) {
	began := e.Clock.Now()
	sealed, err := e.encrypt(ctx, seed)
	e.Recorder.Encrypt(codeName(err), e.Clock.Now().Sub(began))
	if err != nil {
		e.Log.LogAttrs(ctx, slog.LevelError, "encrypt failed", slog.String("uid", uidOf(ctx)), slog.String("error", err.Error()))
	} else {
		e.sealed.Store(e.Clock.Now().UnixNano())
		e.Log.LogAttrs(ctx, slog.LevelInfo, "encrypt", slog.String("uid", uidOf(ctx)), slog.String("key_id", sealed.KeyID), slog.Int("bytes", len(sealed.Record)))
	}
	return sealed, err
}

func (e *Engine) encrypt(ctx context.Context, seed []byte) (*Sealed, error) {
	if len(seed) != SeedLen {
		return nil, fail(codes.InvalidArgument, "%d bytes to encrypt, a seed of %d is needed", len(seed), SeedLen)
	}
	current := e.set.Load()
	if status := e.Status(); current == nil || status.KeyID == "" {
		return nil, fail(codes.FailedPrecondition, "there is no key_id to write with: %s", status.Healthz)
	}
	ctx, cancel := e.budget(ctx, ctx)
	defer cancel()
	key, err := k8senc.NewWrapKey()
	if err != nil {
		return nil, fail(codes.Internal, "%w", err)
	}
	defer key.Close()
	wraps, failure := e.wrapAll(ctx, current, key)
	if failure != nil {
		return nil, failure
	}
	record, err := current.set.Seal(key, seed, wraps)
	if err != nil {
		return nil, fail(codes.Internal, "%w", err)
	}
	return &Sealed{record, current.set.KeyID}, nil
}

func (e *Engine) wrapAll(ctx context.Context, current *currentSet, key *k8senc.WrapKey) (map[uint8][]byte, *Failure) {
	bytes, err := key.Expose()
	if err != nil {
		return nil, fail(codes.Internal, "%w", err)
	}
	defer clear(bytes)
	var mu sync.Mutex
	var group sync.WaitGroup
	wraps := map[uint8][]byte{}
	var failed []attempt
	for i, m := range current.members {
		ask := func() {
			wrap, err := e.wrapOne(ctx, m, current.versions[m.Slot], bytes, current.contexts[m.Slot])
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				failed = append(failed, attempt{m.Name, err})
			} else {
				wraps[m.Slot] = wrap
			}
		}
		if i == len(current.members)-1 {
			ask()
		} else {
			group.Go(ask)
		}
	}
	group.Wait()
	if len(failed) > 0 {
		return nil, allFailed("nothing is written because every key of the set has to wrap", failed)
	}
	for _, recipient := range e.Recipients {
		wrap, err := k8senc.WrapForRecipient(recipient.PublicKey, key, current.contexts[recipient.Slot])
		if err != nil {
			return nil, fail(codes.Internal, "%s: %w", recipient.Name, err)
		}
		wraps[recipient.Slot] = wrap
	}
	return wraps, nil
}

// wrapOne asks one key, again after a while where it was too busy.
func (e *Engine) wrapOne(ctx context.Context, m *member, version kek.Version, key []byte, label string) ([]byte, error) {
	for round := 0; ; round++ {
		wrap, err := m.wrap(ctx, version, key, label)
		if err == nil {
			return wrap, nil
		}
		if kek.ClassOf(err) == kek.Changed {
			e.lookSoon(m)
		}
		if round >= 3 || kek.ClassOf(err) != kek.Throttled || !e.pause(ctx, round, err) {
			return nil, err
		}
	}
}

// pause waits before another try, as long as the KMS asked for or a little longer each time. It is false where no time is left.
func (e *Engine) pause(ctx context.Context, round int, err error) bool {
	wait := time.Duration(50<<round)*time.Millisecond + time.Duration(rand.Int64N(int64(50*time.Millisecond)))
	var failure *kek.Error
	if errors.As(err, &failure) && failure.RetryAfter > wait {
		wait = failure.RetryAfter
	}
	if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) <= wait {
		return false
	}
	select {
	case <-ctx.Done():
		return false
	case <-e.Clock.After(wait):
		return true
	}
}

func codeName(err error) string {
	var failure *Failure
	switch {
	case err == nil:
		return codes.OK.String()
	case errors.As(err, &failure):
		return failure.Code.String()
	default:
		return codes.Unknown.String()
	}
}
