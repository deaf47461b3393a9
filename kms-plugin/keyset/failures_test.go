package keyset_test

import (
	"bytes"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/k8senc/k8senc/kms-plugin/kek"
	"github.com/k8senc/k8senc/kms-plugin/kektest"
	"github.com/k8senc/k8senc/kms-plugin/keyset"
)

// pair is a plugin with two KMSs that has run for a while.
type pair struct {
	*node
	aws, vault *kektest.Fake
}

func withPair(t *testing.T, change func(*keyset.Options), test func(*testing.T, *pair)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		p := &pair{aws: kektest.New("aws", kek.AWS, time.Now().Add(-time.Hour)), vault: kektest.New("vault", kek.Transit, time.Now().Add(-time.Hour))}
		p.node = start(t, &memory{}, change, keyOf(1, p.aws), keyOf(2, p.vault)).ready()
		time.Sleep(time.Minute)
		synctest.Wait()
		test(t, p)
		p.stop()
	})
}

func (p *pair) both(do func(*kektest.Fake)) {
	do(p.aws)
	do(p.vault)
}

func took(do func()) time.Duration {
	began := time.Now()
	do()
	return time.Since(began)
}

func TestOneBackendDown(t *testing.T) {
	withPair(t, nil, func(t *testing.T, p *pair) {
		request, seed := p.encrypt()
		p.aws.FailAs(kek.Unavailable)
		for range 10 {
			p.opens(request, seed)
		}
		if p.engine.Snapshot().Keys[0].UnwrapBreaker != "open" {
			t.Fatal("the breaker stays closed after 10 failures")
		}
		asked := p.aws.Unwraps.Load()
		p.opens(request, seed)
		if p.aws.Unwraps.Load() != asked {
			t.Fatal("the KMS that is down was asked")
		}
		if err := p.encryptFails(codes.Unavailable); !strings.Contains(err.Error(), "key-1") {
			t.Fatalf("the message does not name the key: %v", err)
		}
		time.Sleep(10 * time.Minute)
		if now := p.engine.Status(); now.Healthz != "ok" || now.KeyID != request.KeyID {
			t.Fatalf("%+v", now)
		}
		p.aws.Heal()
		time.Sleep(3 * time.Minute)
		p.encrypt()
	})
}

func TestAllDown(t *testing.T) {
	withPair(t, func(o *keyset.Options) { o.KeepFor = 2 * time.Hour }, func(t *testing.T, p *pair) {
		request, seed := p.encrypt()
		p.both(func(f *kektest.Fake) { f.FailAs(kek.Unavailable); f.Slow(time.Second) })
		if now := p.engine.Status(); now.Healthz != "ok" {
			t.Fatalf("bad at once: %+v", now)
		}
		for range 6 {
			p.fails(request, codes.Unavailable)
		}
		if took := took(func() { p.fails(request, codes.Unavailable) }); took > 50*time.Millisecond {
			t.Fatalf("a failure with open breakers took %v", took)
		}
		time.Sleep(10 * time.Minute)
		now := p.engine.Status()
		if !strings.Contains(now.Healthz, "key-1: unavailable") || strings.Contains(now.Healthz, "as the test") || now.KeyID != request.KeyID {
			t.Fatalf("%+v", now)
		}
		time.Sleep(2 * time.Hour)
		if now := p.engine.Status(); now.KeyID != "" {
			t.Fatalf("there is a key_id after an outage longer than keepFor: %+v", now)
		}
		p.both((*kektest.Fake).Heal)
		time.Sleep(3 * time.Minute)
		if now := p.engine.Status(); now.Healthz != "ok" || now.KeyID != request.KeyID {
			t.Fatalf("after the outage: %+v", now)
		}
		p.opens(request, seed)
	})
}

func TestCacheServesAnOutage(t *testing.T) {
	withPair(t, func(o *keyset.Options) { o.CacheTTL = time.Hour }, func(t *testing.T, p *pair) {
		request, seed := p.encrypt()
		p.opens(request, seed)
		p.both(func(f *kektest.Fake) { f.FailAs(kek.Unavailable) })
		p.opens(request, seed)
		if p.tally.of("cache") != 1 || p.engine.Snapshot().Cached != 1 {
			t.Fatal("the cache was not used")
		}
		time.Sleep(time.Hour + time.Second)
		p.fails(request, codes.Unavailable)
		if p.engine.Snapshot().Cached != 0 {
			t.Fatal("a wrap key is older than its time")
		}
	})
}

func TestSlow(t *testing.T) {
	withPair(t, nil, func(t *testing.T, p *pair) {
		request, seed := p.encrypt()
		p.aws.Slow(4 * time.Second)
		if took := took(func() { p.opens(request, seed) }); took > 200*time.Millisecond {
			t.Fatalf("the other KMS answered after %v", took)
		}
		if p.tally.of("hedged") != 1 {
			t.Fatalf("hedged %d times", p.tally.of("hedged"))
		}
		p.vault.Slow(4 * time.Second)
		took := took(func() {
			if err := p.fails(request, codes.DeadlineExceeded); !strings.Contains(err.Error(), "key-1") {
				t.Fatalf("the message does not say who is slow: %v", err)
			}
		})
		if took > 2800*time.Millisecond {
			t.Fatalf("the failure took %v: kube-apiserver had given up", took)
		}
		began := time.Now()
		if p.engine.Status(); time.Since(began) != 0 {
			t.Fatal("Status waited for something")
		}
	})
}

func TestThrottled(t *testing.T) {
	withPair(t, nil, func(t *testing.T, p *pair) {
		request, seed := p.encrypt()
		p.aws.FailAs(kek.Throttled)
		p.opens(request, seed)
		// Both throttle for a moment: tried again inside the deadline.
		var calls atomic.Int64
		p.both(func(f *kektest.Fake) {
			f.Fail(func(op string) error {
				if calls.Add(1) <= 4 {
					return &kek.Error{Class: kek.Throttled, Op: op, RetryAfter: 300 * time.Millisecond, Err: errors.New("slow down")}
				}
				return nil
			})
		})
		if took := took(func() { p.opens(request, seed) }); took < 300*time.Millisecond || took > 2*time.Second {
			t.Fatalf("tried again after %v", took)
		}
		p.both(func(f *kektest.Fake) { f.FailAs(kek.Throttled) })
		p.fails(request, codes.ResourceExhausted)
		p.vault.Heal()
		time.Sleep(10 * time.Minute)
		if now := p.engine.Status(); now.Healthz != "ok" {
			t.Fatalf("%+v", now)
		}
	})
}

func TestPermissionRevoked(t *testing.T) {
	for _, class := range []kek.Class{kek.Denied, kek.Disabled, kek.Deleted} {
		t.Run(class.String(), func(t *testing.T) {
			withPair(t, func(o *keyset.Options) { o.CacheTTL = 24 * time.Hour }, func(t *testing.T, p *pair) {
				request, seed := p.encrypt()
				p.opens(request, seed)
				p.aws.FailAs(class)
				time.Sleep(30 * time.Minute)
				if now := p.engine.Status(); now.Healthz != "ok" || now.KeyID == "" {
					t.Fatalf("one of two withdrew: %+v", now)
				}
				asked := p.aws.Wraps.Load()
				time.Sleep(10 * time.Minute)
				if storm := p.aws.Wraps.Load() - asked; storm > 11 {
					t.Fatalf("asked %d times in 10 minutes", storm)
				}
				p.encryptFails(map[kek.Class]codes.Code{kek.Denied: codes.PermissionDenied, kek.Disabled: codes.FailedPrecondition, kek.Deleted: codes.FailedPrecondition}[class])
				p.vault.FailAs(class)
				time.Sleep(15 * time.Minute)
				now, shown := p.engine.Status(), p.engine.Snapshot()
				if now.KeyID != "" || !strings.Contains(now.Healthz, class.String()) || !shown.Revoked || shown.Cached != 0 {
					t.Fatalf("%+v %+v", now, shown)
				}
				p.both((*kektest.Fake).Heal)
				time.Sleep(15 * time.Minute)
				if now := p.engine.Status(); now.Healthz != "ok" || now.KeyID != request.KeyID {
					t.Fatalf("%+v", now)
				}
				p.opens(request, seed)
			})
		})
	}
}

func TestRevocationKeeps(t *testing.T) {
	withPair(t, func(o *keyset.Options) { o.StopOnRevocation = false }, func(t *testing.T, p *pair) {
		p.both(func(f *kektest.Fake) { f.FailAs(kek.Denied) })
		time.Sleep(30 * time.Minute)
		if now := p.engine.Status(); now.Healthz == "ok" || now.KeyID == "" {
			t.Fatalf("%+v", now)
		}
	})
}

func TestPendingDeletion(t *testing.T) {
	withPair(t, nil, func(t *testing.T, p *pair) {
		at := time.Now().Add(7 * 24 * time.Hour)
		p.aws.Deletion(at)
		time.Sleep(2 * time.Minute)
		if got := p.engine.Snapshot().Keys[0].DeletionDate; !got.Equal(at) {
			t.Fatalf("%v, %v is right", got, at)
		}
		if strings.Count(p.log.String(), "going to destroy") != 1 {
			t.Fatal("the log does not say so once")
		}
	})
}

func TestKeyDeleted(t *testing.T) {
	withPair(t, nil, func(t *testing.T, p *pair) {
		request, seed := p.encrypt()
		p.aws.FailAs(kek.Deleted)
		p.opens(request, seed)
		if err := p.encryptFails(codes.FailedPrecondition); !strings.Contains(err.Error(), "deleted") {
			t.Fatal(err)
		}
	})
}

func TestIntegrityIsFinal(t *testing.T) {
	withPair(t, nil, func(t *testing.T, p *pair) {
		request, _ := p.encrypt()
		// The first wrap stands after 30 bytes of header and 4 of its own.
		const wrapFrom, wrapTo = 34, 34 + 184
		for at := range request.Record {
			asked := p.vault.Unwraps.Load()
			damaged := keyset.Request{Record: bytes.Clone(request.Record), KeyID: request.KeyID}
			damaged.Record[at] ^= 1
			got, err := p.decrypt(damaged)
			if err == nil {
				t.Fatalf("byte %d: opened %x", at, got)
			}
			if code := status.Code(err); code != codes.Internal && code != codes.InvalidArgument && code != codes.FailedPrecondition {
				t.Fatalf("byte %d: %v", at, err)
			}
			if at >= wrapFrom && at < wrapTo && p.vault.Unwraps.Load() != asked {
				t.Fatalf("byte %d: another KMS was asked about a changed wrap", at)
			}
		}
		if p.tally.of("integrity") == 0 || !strings.Contains(p.log.String(), "record_sha256") {
			t.Fatal("nobody was told")
		}
		other, _ := p.encrypt()
		other.KeyID = "kc1.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
		p.fails(other, codes.Internal)
	})
}

func TestClockSkew(t *testing.T) {
	withPair(t, nil, func(t *testing.T, p *pair) {
		p.aws.Fail(func(op string) error {
			return &kek.Error{Class: kek.Denied, Op: op, ServerTime: time.Now().Add(90 * time.Second), Err: errors.New("signature expired")}
		})
		time.Sleep(6 * time.Minute)
		p.tally.mu.Lock()
		defer p.tally.mu.Unlock()
		if p.tally.skew != 90*time.Second {
			t.Fatalf("skew %v", p.tally.skew)
		}
	})
}

func TestStateCannotBeSaved(t *testing.T) {
	withPair(t, nil, func(t *testing.T, p *pair) {
		before, seed := p.encrypt()
		p.store.breaks(errDisk)
		p.vault.Rotate(time.Now())
		time.Sleep(time.Hour)
		if now := p.engine.Status(); now.KeyID != before.KeyID || now.Healthz != "ok" {
			t.Fatalf("%+v", now)
		}
		p.opens(before, seed)
		p.encrypt()
		if p.tally.of("unsaved") == 0 {
			t.Fatal("nobody was told")
		}
		p.store.breaks(nil)
		time.Sleep(2 * time.Second)
		if now := p.engine.Status(); now.KeyID == before.KeyID {
			t.Fatal("the new version is not used although the disk has room")
		}
	})
}

func TestStateLost(t *testing.T) {
	withPair(t, nil, func(t *testing.T, p *pair) {
		request, seed := p.encrypt()
		p.stop()
		again := start(t, &memory{}, nil, keyOf(1, p.aws), keyOf(2, p.vault)).ready()
		if again.engine.Status().KeyID != request.KeyID {
			t.Fatal("another key_id without a reason")
		}
		again.opens(request, seed)
		again.stop()
	})
}

func TestNothingIsNeededToDecrypt(t *testing.T) {
	withPair(t, nil, func(t *testing.T, p *pair) {
		request, seed := p.encrypt()
		p.stop()
		p.aws.FailAs(kek.Unavailable)
		lost := start(t, &memory{err: errDisk}, nil, keyOf(1, p.aws), keyOf(2, p.vault))
		lost.opens(request, seed)
		if now := lost.engine.Status(); now.KeyID != "" || !strings.Contains(now.Healthz, "key-1") {
			t.Fatalf("%+v", now)
		}
		if lost.tally.of("unknown") != 1 {
			t.Fatal("nobody was told that the set is not in the state")
		}
		lost.stop()
	})
}

func TestOldKeyIDsOpen(t *testing.T) {
	withPair(t, nil, func(t *testing.T, p *pair) {
		old, seed := p.encrypt()
		for range 3 {
			p.vault.Rotate(time.Now())
			time.Sleep(time.Hour)
		}
		if now := p.engine.Status(); now.KeyID == old.KeyID {
			t.Fatal("no rotation")
		}
		p.opens(old, seed)
		p.stop()
		gcp := kektest.New("gcp", kek.GCP, time.Now())
		retired := keyOf(1, p.aws)
		retired.Retired = true
		moved := start(t, p.store, nil, retired, keyOf(3, gcp)).ready()
		moved.opens(old, seed)
		fresh, other := moved.encrypt()
		asked := p.aws.Wraps.Load()
		moved.opens(fresh, other)
		time.Sleep(time.Hour)
		if p.aws.Wraps.Load() != asked {
			t.Fatal("a retired key wraps")
		}
		moved.stop()
	})
}

func TestNoKeyIDComesBack(t *testing.T) {
	withPair(t, nil, func(t *testing.T, p *pair) {
		first := p.engine.Status().KeyID
		p.stop()
		start(t, p.store, nil, keyOf(1, p.aws)).ready().stop()
		back := start(t, p.store, nil, keyOf(1, p.aws), keyOf(2, p.vault))
		time.Sleep(10 * time.Minute)
		if now := back.engine.Status(); now.KeyID != "" || !strings.Contains(now.Healthz, "raise generation") {
			t.Fatalf("%+v", now)
		}
		back.stop()
		raised := start(t, p.store, func(o *keyset.Options) { o.Generation = 2 }, keyOf(1, p.aws), keyOf(2, p.vault)).ready()
		if now := raised.engine.Status(); now.KeyID == first || now.Healthz != "ok" {
			t.Fatalf("%+v", now)
		}
		raised.stop()
	})
}

func TestVersionNeverGoesDown(t *testing.T) {
	withPair(t, nil, func(t *testing.T, p *pair) {
		p.vault.Rotate(time.Now())
		time.Sleep(time.Hour)
		now := p.engine.Status()
		p.vault.Drop()
		time.Sleep(time.Hour)
		if later := p.engine.Status(); later != now {
			t.Fatalf("%+v, %+v is right", later, now)
		}
		if shown := p.engine.Snapshot().Keys[1]; !strings.Contains(shown.Refused, "left for") {
			t.Fatalf("%+v", shown)
		}
	})
}

// Identical questions at the same time go to the KMS once.
func TestSingleFlight(t *testing.T) {
	withPair(t, nil, func(t *testing.T, p *pair) {
		request, seed := p.encrypt()
		p.aws.Slow(100 * time.Millisecond)
		asked := p.aws.Unwraps.Load()
		var group sync.WaitGroup
		for range 500 {
			group.Go(func() { p.opens(request, seed) })
		}
		group.Wait()
		if got := p.aws.Unwraps.Load() - asked; got != 1 {
			t.Fatalf("%d calls for one question", got)
		}
	})
}
