// Package kek says what the plugin needs of a key management service that holds a key encryption key (KEK).
//
// A backend makes calls and reports what came back. It keeps no queue, retries nothing beyond what a token refresh needs, and
// decides nothing: order, hedging, breakers, budgets and activation are the caller's.
package kek

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Kind is the kind of a wrap in a keyset record, by its number in docs/keyset.md.
type Kind uint8

// Kinds of wraps.
const (
	AWS     Kind = 1
	Transit Kind = 2
	GCP     Kind = 3
	Azure   Kind = 4
	HPKE    Kind = 5
	PKCS11  Kind = 6
	Local   Kind = 9
)

// CurrentOnly says that the KMS wraps with its current version and no other, so that an older one cannot be kept in use for a while.
func (k Kind) CurrentOnly() bool { return k == AWS }

// Version is one version of a KEK, as a metadata call of the KMS describes it.
type Version struct {
	// Identity is what names this key material and no other: the parts docs/keyset.md lists for the kind.
	Identity [][]byte
	// Name is for people, logs and metrics: what the KMS calls the version. Never a secret.
	Name string
	// Created is when the version was made, and zero where the KMS does not say.
	Created time.Time
	// WrapLen is how long this version's wrap of 32 bytes is, in bytes.
	WrapLen int
	// DeletionDate is when the KMS will destroy the key, and zero where nothing is scheduled.
	DeletionDate time.Time
}

// Backend is one KEK in one KMS. Its methods may be called from several goroutines.
type Backend interface {
	// Kind is fixed.
	Kind() Kind
	// Current describes the version that Wrap would use now. It is a metadata call and costs no cryptographic operation
	// where the KMS can tell without one.
	Current(ctx context.Context) (Version, error)
	// Wrap encrypts the 32 bytes of key under exactly the given version, bound to label where the KMS has a place for it,
	// and answers the wrap as docs/keyset.md lays it out. An answer made with another version is an error of class Changed.
	Wrap(ctx context.Context, version Version, key []byte, label string) ([]byte, error)
	// Unwrap decrypts a wrap of any version of the configured key. The caller clears the answer.
	Unwrap(ctx context.Context, wrap []byte, label string) ([]byte, error)
	// Close ends connections and wipes what is secret. Calls after it fail.
	Close() error
}

// Class is what a failure of a KMS means for what to do next.
type Class uint8

// Classes of failures.
const (
	// Unavailable: no answer, or one that says to come back.
	Unavailable Class = iota + 1
	// Throttled: too many calls.
	Throttled
	// Denied: the KMS knows who asks and refuses, after one refresh of the credentials.
	Denied
	// Disabled: the key or its version is there and switched off, or scheduled for deletion.
	Disabled
	// Deleted: the key or its version is gone for ever.
	Deleted
	// Integrity: the wrap is not one of this key and this label. Final for the record.
	Integrity
	// Changed: the key has another current version than the one asked for.
	Changed
	// Misconfigured: the KMS does not take the request as configured, whoever asks.
	Misconfigured
)

// String names the class as in metrics and logs.
func (c Class) String() string {
	switch c {
	case Unavailable:
		return "unavailable"
	case Throttled:
		return "throttled"
	case Denied:
		return "denied"
	case Disabled:
		return "disabled"
	case Deleted:
		return "deleted"
	case Integrity:
		return "integrity"
	case Changed:
		return "changed"
	case Misconfigured:
		return "misconfigured"
	default:
		return "unknown"
	}
}

// Authoritative says that the KMS itself decided, so that waiting does not help.
func (c Class) Authoritative() bool { return c == Denied || c == Disabled || c == Deleted }

// Error is a failure of a KMS. Its text never holds a secret, and no answer's body that may hold one.
type Error struct {
	Class Class
	// Op is the call: "current", "wrap" or "unwrap".
	Op string
	// RequestID is the KMS's own, to find the call in its audit log; empty where it gives none.
	RequestID string
	// RetryAfter is what the KMS asked for; zero where it asked for nothing.
	RetryAfter time.Duration
	// ServerTime is the Date of the answer, to find a skewed clock; zero where there was none.
	ServerTime time.Time
	Err        error
}

// Error says the call, the class and the cause in one clause.
func (e *Error) Error() string {
	if e.RequestID != "" {
		return fmt.Sprintf("%s: %s (request %s): %v", e.Op, e.Class, e.RequestID, e.Err)
	}
	return fmt.Sprintf("%s: %s: %v", e.Op, e.Class, e.Err)
}

// Unwrap is the cause.
func (e *Error) Unwrap() error { return e.Err }

// ClassOf is the class of an error of a backend. An error that is not one of this package's, as of a cut connection or a
// deadline, is Unavailable.
func ClassOf(err error) Class {
	var failure *Error
	if errors.As(err, &failure) {
		return failure.Class
	}
	return Unavailable
}
