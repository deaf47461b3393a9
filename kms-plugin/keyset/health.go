package keyset

import (
	"sync"
	"time"

	"github.com/k8senc/k8senc/kms-plugin/kek"
)

const (
	badAfterProbes  = 3
	badAfter        = 30 * time.Second
	goodAfterProbes = 2
	revokedAfter    = 60 * time.Second
	revokedAfterTwo = 2
)

// health is what the probes say of one key. It turns slowly, because kube-apiserver leaves readyz with the plugin's first bad word.
type health struct {
	mu        sync.Mutex
	bad       bool
	failed    int
	worked    int
	since     time.Time // the first failure of the row
	class     kek.Class
	because   error
	refusals  int
	refusedAt time.Time
	revoked   bool
}

func (h *health) probed(now time.Time, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if err == nil {
		h.failed, h.refusals, h.revoked = 0, 0, false
		if h.worked++; h.worked >= goodAfterProbes {
			h.bad, h.class, h.because = false, 0, nil
		}
		return
	}
	h.worked = 0
	if h.failed == 0 {
		h.since = now
	}
	h.failed++
	h.class, h.because = kek.ClassOf(err), err
	if h.failed >= badAfterProbes && now.Sub(h.since) >= badAfter {
		h.bad = true
	}
	if !h.class.Authoritative() {
		h.refusals = 0
		return
	}
	if h.refusals == 0 {
		h.refusedAt = now
	}
	h.refusals++
	if h.refusals >= revokedAfterTwo && now.Sub(h.refusedAt) >= revokedAfter {
		h.revoked, h.bad = true, true
	}
}

type verdict struct {
	bad, revoked bool
	class        kek.Class
	because      error
	failing      int
}

func (h *health) now() verdict {
	h.mu.Lock()
	defer h.mu.Unlock()
	return verdict{h.bad, h.revoked, h.class, h.because, h.failed}
}
