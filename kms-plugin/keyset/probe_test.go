package keyset_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/k8senc/k8senc/kms-plugin/kek"
	"github.com/k8senc/k8senc/kms-plugin/kektest"
	"github.com/k8senc/k8senc/kms-plugin/keyset"
)

// Probes go out every minute in the first ten, then every five; calls that worked count as probes; failures back off to a minute.
func TestProbeRates(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		vault := kektest.New("vault", kek.Transit, time.Now().Add(-time.Hour))
		n := start(t, &memory{}, nil, keyOf(1, vault)).ready()
		within := func(d time.Duration, least, most int64) {
			t.Helper()
			before := vault.Wraps.Load()
			time.Sleep(d)
			if got := vault.Wraps.Load() - before; got < least || got > most {
				t.Fatalf("%d probes in %v, %d to %d are right", got, d, least, most)
			}
		}
		within(10*time.Minute, 8, 11)
		within(time.Hour, 11, 14)
		if looks := vault.Looks.Load(); looks < 69 || looks > 73 {
			t.Fatalf("%d looks at the version in 70 minutes", looks)
		}

		// Real calls every minute are all that is needed.
		before := vault.Wraps.Load()
		for range 60 {
			request, seed := n.encrypt()
			n.opens(request, seed)
			time.Sleep(time.Minute)
		}
		if extra := vault.Wraps.Load() - before - 60; extra > 1 {
			t.Fatalf("%d probes beside real calls", extra)
		}

		vault.FailAs(kek.Unavailable)
		within(30*time.Minute, 20, 34)
		n.stop()
	})
}

// Health turns slowly: a single failed probe says nothing, three over 30 s do, and two good ones end it.
func TestHealthTurnsSlowly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		vault := kektest.New("vault", kek.Transit, time.Now().Add(-time.Hour))
		n := start(t, &memory{}, func(o *keyset.Options) { o.KeepFor = 24 * time.Hour }, keyOf(1, vault)).ready()
		time.Sleep(20 * time.Minute)
		turned := func(to bool, within time.Duration) time.Duration {
			t.Helper()
			for began := time.Now(); ; time.Sleep(time.Second) {
				if (n.engine.Status().Healthz == "ok") == to {
					return time.Since(began)
				}
				if time.Since(began) > within {
					t.Fatalf("%+v after %v", n.engine.Status(), within)
				}
			}
		}
		vault.FailAs(kek.Unavailable)
		if after := turned(false, 7*time.Minute); after < 30*time.Second {
			t.Fatalf("bad after %v", after)
		}
		vault.Heal()
		if after := turned(true, 2*time.Minute); after < 10*time.Second {
			t.Fatalf("good after %v, one probe is not enough", after)
		}
		n.stop()
	})
}
