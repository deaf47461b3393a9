// Package kekconform is what every kek.Backend has to hold, as a test against a server that runs.
package kekconform

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/k8senc/k8senc/kms-plugin/kek"
)

// Subject is a backend under test and what can be done to its key from outside.
type Subject struct {
	// Open makes another backend of the same key.
	Open func(t *testing.T) kek.Backend
	Kind kek.Kind
	// Identity is the number of its parts, by docs/keyset.md.
	Identity int
	// Bound says that the KMS binds the label.
	Bound bool
	// Rotate makes a new version the current one, and is nil where the key cannot have another.
	Rotate func(t *testing.T)
	// Wraps of an old version that a caller still holds: Wrap under it either goes on (true) or is Changed.
	WrapsOld bool
	// Unknown is the class of bytes that are no wrap, where a test server has another than Integrity.
	Unknown kek.Class
	// FlipFrom is where a wrap begins whose every bit the KMS protects, in bytes; before it a test server may answer otherwise.
	FlipFrom int
	// Secrets must be in no error text.
	Secrets []string
}

const label = "kw1|cluster-a|0123456789abcdef|1"

// Run runs the whole suite. Rotation comes last.
func Run(t *testing.T, subject Subject) {
	t.Run("wraps and unwraps", subject.roundTrip)
	t.Run("describes its key the same each time", subject.stable)
	t.Run("wraps differ", subject.fresh)
	t.Run("another label", subject.otherLabel)
	t.Run("every flipped bit of a wrap", subject.flipped)
	t.Run("other lengths", subject.lengths)
	t.Run("only 32 bytes are wrapped", subject.onlyKeys)
	t.Run("a version of another backend", subject.foreignVersion)
	t.Run("many at once", subject.concurrent)
	t.Run("a context that ended", subject.cancelled)
	t.Run("closed", subject.closed)
	t.Run("rotation", subject.rotation)
}

func (s Subject) open(t *testing.T) kek.Backend {
	t.Helper()
	backend := s.Open(t)
	t.Cleanup(func() { _ = backend.Close() })
	return backend
}

func background(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// Key is 32 random bytes.
func Key(t *testing.T) []byte {
	t.Helper()
	key := make([]byte, 32)
	if _, err := rand.Read(key); err != nil {
		t.Fatal(err)
	}
	return key
}

func (s Subject) current(t *testing.T, backend kek.Backend) kek.Version {
	t.Helper()
	version, err := backend.Current(background(t))
	if err != nil {
		t.Fatalf("current: %v", err)
	}
	return version
}

func (s Subject) wrap(t *testing.T, backend kek.Backend, version kek.Version, key []byte, label string) []byte {
	t.Helper()
	wrap, err := backend.Wrap(background(t), version, key, label)
	if err != nil {
		t.Fatalf("wrap: %v", err)
	}
	return wrap
}

// fails wants an error of one of the classes, of a call that answered nothing, without a secret in its text.
func (s Subject) fails(t *testing.T, err error, answer []byte, key []byte, classes ...kek.Class) {
	t.Helper()
	if err == nil {
		t.Fatalf("it went well, one of %v was due", classes)
	}
	if answer != nil {
		t.Errorf("an answer of %d bytes beside the error", len(answer))
	}
	var failure *kek.Error
	if !errors.As(err, &failure) {
		t.Errorf("%T is no *kek.Error: %v", err, err)
	}
	ok := false
	for _, class := range classes {
		ok = ok || kek.ClassOf(err) == class
	}
	if !ok {
		t.Errorf("class %s, one of %v was due: %v", kek.ClassOf(err), classes, err)
	}
	for _, secret := range append([]string{string(key), fmt.Sprintf("%x", key), fmt.Sprintf("%v", key)}, s.Secrets...) {
		if len(secret) >= 4 && strings.Contains(err.Error(), secret) {
			t.Errorf("a secret is in the text: %v", err)
		}
	}
}

func (s Subject) roundTrip(t *testing.T) {
	backend := s.open(t)
	if backend.Kind() != s.Kind {
		t.Errorf("kind %d, %d was due", backend.Kind(), s.Kind)
	}
	version, key := s.current(t, backend), Key(t)
	before := bytes.Clone(key)
	wrap := s.wrap(t, backend, version, key, label)
	if !bytes.Equal(key, before) {
		t.Error("the key was changed by wrapping it")
	}
	if len(wrap) != version.WrapLen {
		t.Errorf("the wrap has %d bytes, WrapLen says %d", len(wrap), version.WrapLen)
	}
	if bytes.Contains(wrap, key) {
		t.Error("the wrap holds the key")
	}
	// As another server does.
	other := s.open(t)
	got, err := other.Unwrap(background(t), wrap, label)
	if err != nil {
		t.Fatalf("unwrap: %v", err)
	}
	if !bytes.Equal(got, key) {
		t.Error("another key came back")
	}
}

func (s Subject) stable(t *testing.T) {
	one, two := s.open(t), s.open(t)
	first := s.current(t, one)
	if len(first.Identity) != s.Identity {
		t.Errorf("%d parts of identity, %d were due", len(first.Identity), s.Identity)
	}
	for i, part := range first.Identity {
		if len(part) == 0 {
			t.Errorf("part %d of the identity is empty", i)
		}
	}
	if first.Name == "" || first.WrapLen <= 0 {
		t.Errorf("name %q, wrap length %d", first.Name, first.WrapLen)
	}
	s.wrap(t, one, first, Key(t), label)
	for _, backend := range []kek.Backend{one, two} {
		if again := s.current(t, backend); !reflect.DeepEqual(again, first) {
			t.Errorf("%+v, and before %+v", again, first)
		}
	}
}

func (s Subject) fresh(t *testing.T) {
	backend, key := s.open(t), Key(t)
	version := s.current(t, backend)
	seen := map[string]bool{}
	for range 20 {
		seen[string(s.wrap(t, backend, version, key, label))] = true
	}
	if len(seen) != 20 {
		t.Errorf("20 wraps of one key, %d different ones", len(seen))
	}
}

func (s Subject) otherLabel(t *testing.T) {
	backend, key := s.open(t), Key(t)
	wrap := s.wrap(t, backend, s.current(t, backend), key, label)
	for _, other := range []string{"kw1|cluster-b|0123456789abcdef|1", "kw1-probe|cluster-a|1", label + "0"} {
		got, err := backend.Unwrap(background(t), wrap, other)
		if s.Bound {
			s.fails(t, err, got, key, kek.Integrity)
		} else if err != nil || !bytes.Equal(got, key) {
			t.Errorf("a KMS that binds no label refused %q: %v", other, err)
		}
	}
}

func (s Subject) flipped(t *testing.T) {
	backend, key := s.open(t), Key(t)
	wrap := s.wrap(t, backend, s.current(t, backend), key, label)
	// Each byte once, each time another of its bits; of a long wrap some hundred of them.
	step := 1 + len(wrap)/100
	for at := s.FlipFrom; at < len(wrap); at += step {
		damaged := bytes.Clone(wrap)
		damaged[at] ^= 1 << (at % 8)
		got, err := backend.Unwrap(background(t), damaged, label)
		if err == nil && bytes.Equal(got, key) {
			t.Errorf("byte %d: the key came back", at)
			continue
		}
		// A flipped version number can be one that the key never had.
		s.fails(t, err, got, key, kek.Integrity, kek.Deleted)
		if at >= 8 && kek.ClassOf(err) != kek.Integrity {
			t.Errorf("byte %d: %v", at, err)
		}
	}
	if got, err := backend.Unwrap(background(t), wrap, label); err != nil || !bytes.Equal(got, key) {
		t.Errorf("the whole wrap no longer opens: %v", err)
	}
}

func (s Subject) lengths(t *testing.T) {
	backend, key := s.open(t), Key(t)
	wrap := s.wrap(t, backend, s.current(t, backend), key, label)
	for _, other := range [][]byte{nil, {}, wrap[:1], wrap[:len(wrap)-1], append(bytes.Clone(wrap), 0), make([]byte, 1023)} {
		got, err := backend.Unwrap(background(t), other, label)
		s.fails(t, err, got, key, kek.Integrity, cmp.Or(s.Unknown, kek.Integrity))
	}
}

func (s Subject) onlyKeys(t *testing.T) {
	backend := s.open(t)
	version := s.current(t, backend)
	for _, size := range []int{0, 16, 31, 33, 64} {
		key := bytes.Repeat([]byte{0x5a}, size)
		wrap, err := backend.Wrap(background(t), version, key, label)
		s.fails(t, err, wrap, key, kek.Misconfigured)
	}
}

func (s Subject) foreignVersion(t *testing.T) {
	backend, key := s.open(t), Key(t)
	for _, identity := range [][][]byte{nil, {[]byte("another")}} {
		wrap, err := backend.Wrap(background(t), kek.Version{Identity: identity, WrapLen: 60}, key, label)
		s.fails(t, err, wrap, key, kek.Misconfigured, kek.Changed)
	}
}

func (s Subject) concurrent(t *testing.T) {
	backend := s.open(t)
	version := s.current(t, backend)
	var group sync.WaitGroup
	for worker := range 16 {
		group.Go(func() {
			key := make([]byte, 32)
			for round := range 4 {
				_, _ = rand.Read(key)
				mine := fmt.Sprintf("kw1|cluster-a|%016x|1", worker*100+round)
				wrap, err := backend.Wrap(background(t), version, key, mine)
				if err != nil {
					t.Errorf("wrap: %v", err)
					return
				}
				got, err := backend.Unwrap(background(t), wrap, mine)
				if err != nil || !bytes.Equal(got, key) {
					t.Errorf("unwrap: %v", err)
					return
				}
				if round == 0 {
					if _, err := backend.Current(background(t)); err != nil {
						t.Errorf("current: %v", err)
					}
				}
			}
		})
	}
	group.Wait()
}

func (s Subject) cancelled(t *testing.T) {
	backend, key := s.open(t), Key(t)
	version := s.current(t, backend)
	wrap := s.wrap(t, backend, version, key, label)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	late, stop := context.WithDeadline(t.Context(), time.Now().Add(-time.Second))
	defer stop()
	for _, ctx := range []context.Context{ended, late} {
		_, err := backend.Current(ctx)
		s.fails(t, err, nil, key, kek.Unavailable)
		made, err := backend.Wrap(ctx, version, key, label)
		s.fails(t, err, made, key, kek.Unavailable)
		got, err := backend.Unwrap(ctx, wrap, label)
		s.fails(t, err, got, key, kek.Unavailable)
	}
	if got, err := backend.Unwrap(background(t), wrap, label); err != nil || !bytes.Equal(got, key) {
		t.Errorf("after that the wrap does not open: %v", err)
	}
}

func (s Subject) closed(t *testing.T) {
	backend, other, key := s.open(t), s.open(t), Key(t)
	version := s.current(t, backend)
	wrap := s.wrap(t, backend, version, key, label)
	if err := backend.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
	if err := backend.Close(); err != nil {
		t.Errorf("the second close: %v", err)
	}
	_, err := backend.Current(background(t))
	s.fails(t, err, nil, key, kek.Unavailable)
	made, err := backend.Wrap(background(t), version, key, label)
	s.fails(t, err, made, key, kek.Unavailable)
	got, err := backend.Unwrap(background(t), wrap, label)
	s.fails(t, err, got, key, kek.Unavailable)
	if got, err := other.Unwrap(background(t), wrap, label); err != nil || !bytes.Equal(got, key) {
		t.Errorf("closing one backend broke another: %v", err)
	}
}

func (s Subject) rotation(t *testing.T) {
	if s.Rotate == nil {
		return
	}
	backend, other, key := s.open(t), s.open(t), Key(t)
	old := s.current(t, backend)
	wrap := s.wrap(t, backend, old, key, label)
	s.Rotate(t)
	fresh := s.current(t, backend)
	if reflect.DeepEqual(fresh.Identity, old.Identity) {
		t.Fatalf("the identity is the same after a rotation: %q", fresh.Identity)
	}
	if elsewhere := s.current(t, other); !reflect.DeepEqual(elsewhere.Identity, fresh.Identity) {
		t.Errorf("two servers see %q and %q", fresh.Identity, elsewhere.Identity)
	}
	for _, backend := range []kek.Backend{backend, s.open(t)} {
		if got, err := backend.Unwrap(background(t), wrap, label); err != nil || !bytes.Equal(got, key) {
			t.Errorf("a wrap of the old version does not open: %v", err)
		}
	}
	made, err := backend.Wrap(background(t), old, key, label)
	if s.WrapsOld {
		if err != nil {
			t.Errorf("wrap under the old version: %v", err)
		} else if got, err := other.Unwrap(background(t), made, label); err != nil || !bytes.Equal(got, key) {
			t.Errorf("a wrap made under the old version does not open: %v", err)
		}
	} else {
		s.fails(t, err, made, key, kek.Changed)
	}
	made = s.wrap(t, backend, fresh, key, label)
	if got, err := other.Unwrap(background(t), made, label); err != nil || !bytes.Equal(got, key) {
		t.Errorf("a wrap of the new version does not open: %v", err)
	}
}
