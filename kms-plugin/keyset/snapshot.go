package keyset

import "time"

// Snapshot is all that is known, for metrics, readyz and people. It holds no secret.
type Snapshot struct {
	Status     Status
	Since      time.Time
	SetID      string
	RecordLen  int
	Cached     int
	RetiredIDs int
	Revoked    bool
	// LastEncrypt is when kube-apiserver last got a seed sealed, and zero if it did not since this engine began.
	LastEncrypt time.Time
	// Blocked says why the set of the configuration is not used, where waiting does not help; empty if it is.
	Blocked string
	Keys    []KeySnapshot
}

// KeySnapshot is one key.
type KeySnapshot struct {
	Name    string
	Slot    uint8
	Kind    string
	Retired bool
	// Active is the version that wraps, Observed what the KMS calls current; they differ while a new one settles.
	Active, Observed string
	ActivateAt       time.Time
	DeletionDate     time.Time
	Refused          string
	// Healthy is false after three failed probes; Class and Because say why the last one failed.
	Healthy          bool
	Class, Because   string
	WrapBreaker      string
	UnwrapBreaker    string
	LastWrap         time.Time
	LastUnwrap       time.Time
	Running, Waiting int
}

// Snapshot is the state now.
func (e *Engine) Snapshot() Snapshot {
	shown := Snapshot{Status: e.Status(), Cached: e.cache.size()}
	if at := e.sealed.Load(); at != 0 {
		shown.LastEncrypt = time.Unix(0, at)
	}
	if set := e.set.Load(); set != nil {
		shown.Since, shown.SetID, shown.RecordLen = set.since, set.set.SetID, set.set.MaxRecordLen
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	shown.RetiredIDs, shown.Revoked, shown.Blocked = len(e.state.Retired), e.revoked, e.blocked
	for _, m := range e.members {
		found, observed := m.health.now(), m.lastObserved()
		one := KeySnapshot{
			Name: m.Name, Slot: m.Slot, Kind: kindNames[m.Backend.Kind()], Retired: m.Retired, Observed: observed.Name, DeletionDate: observed.DeletionDate,
			Healthy: !found.bad, WrapBreaker: m.wraps.now().String(), UnwrapBreaker: m.unwraps.now().String(),
			LastWrap: m.lastSuccess(opWrap), LastUnwrap: m.lastSuccess(opUnwrap),
		}
		one.Running, one.Waiting = m.limiter.load()
		if found.because != nil {
			one.Class, one.Because = found.class.String(), found.because.Error()
		}
		if t := e.trackers[m.Slot]; t != nil {
			if t.active != nil {
				one.Active = t.active.Name
			}
			one.ActivateAt, one.Refused = t.activateAt(), t.refused
		}
		if text := e.misplaced[m.Slot]; text != "" {
			one.Refused = text
		}
		shown.Keys = append(shown.Keys, one)
	}
	return shown
}
