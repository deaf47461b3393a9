// Package keyset is the plugin's logic: it writes and opens records of a keyset (docs/keyset.md) with backends that may be slow,
// throttled, down or switched off, and decides what Status says.
package keyset

import "time"

// Clock is where time comes from.
type Clock interface {
	Now() time.Time
	// After sends once, d later.
	After(d time.Duration) <-chan time.Time
}

// System is the clock of the machine.
type System struct{}

// Now is time.Now.
func (System) Now() time.Time { return time.Now() }

// After is time.After.
func (System) After(d time.Duration) <-chan time.Time { return time.After(d) }
