package keyset

import (
	"fmt"
	"slices"
	"time"

	"github.com/k8senc/k8senc/kms-plugin/kek"
)

const (
	apart      = 60 * time.Second
	settle     = 10 * time.Minute
	markEvery  = 5 * time.Minute
	lookEvery  = 60 * time.Second
	noIdentity = ""
)

// mark is the first 5-minute mark at least 10 minutes after t: what all nodes agree on without talking, because t is the KMS's.
func mark(t time.Time) time.Time {
	ready := t.Add(settle)
	at := ready.Truncate(markEvery)
	if at.Before(ready) {
		at = at.Add(markEvery)
	}
	return at
}

// identityKey makes an identity comparable.
func identityKey(version kek.Version) string {
	if len(version.Identity) == 0 {
		return noIdentity
	}
	return fmt.Sprintf("%q", version.Identity)
}

// tracker follows the versions of one key. It decides by what it is told, and looks at no clock.
type tracker struct {
	active    *kek.Version
	candidate *kek.Version
	first     time.Time // the first look that saw the candidate
	confirmed time.Time // the second one, a minute or more later
	left      []string  // identities that were active once
	// at once: the KMS wraps with the current version only, so that waiting would keep Encrypt from working.
	atOnce  bool
	refused string
}

// observe takes what the KMS calls the current version.
func (t *tracker) observe(version kek.Version, now time.Time) {
	t.refused = ""
	if t.active == nil {
		t.active = &version
		return
	}
	key := identityKey(version)
	switch {
	case key == identityKey(*t.active):
		t.candidate = nil
		// What may change without another identity, as a scheduled deletion.
		t.active.DeletionDate = version.DeletionDate
	case slices.Contains(t.left, key):
		t.candidate = nil
		t.refused = fmt.Sprintf("the KMS says that %s is current, which was left for %s", version.Name, t.active.Name)
	case !version.Created.IsZero() && !t.active.Created.IsZero() && version.Created.Before(t.active.Created):
		t.candidate = nil
		t.refused = fmt.Sprintf("the KMS says that %s is current, which is older than %s", version.Name, t.active.Name)
	case t.candidate == nil || key != identityKey(*t.candidate):
		t.candidate, t.first, t.confirmed = &version, now, time.Time{}
	case t.confirmed.IsZero() && now.Sub(t.first) >= apart:
		t.confirmed = now
	}
}

// activateAt is when the candidate becomes active; zero without one that was seen twice.
func (t *tracker) activateAt() time.Time {
	if t.candidate == nil || t.confirmed.IsZero() {
		return time.Time{}
	}
	if t.atOnce {
		return t.confirmed
	}
	if t.candidate.Created.IsZero() {
		return mark(t.confirmed)
	}
	return mark(t.candidate.Created)
}

// due is the candidate if its time has come.
func (t *tracker) due(now time.Time) *kek.Version {
	if at := t.activateAt(); at.IsZero() || now.Before(at) {
		return nil
	}
	return t.candidate
}

// activate makes the candidate the active version.
func (t *tracker) activate() {
	t.left = append(t.left, identityKey(*t.active))
	t.active, t.candidate = t.candidate, nil
}
