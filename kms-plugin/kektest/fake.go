// Package kektest is a key management service in memory, for tests: real AES-GCM, versions, and failures on demand.
package kektest

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/k8senc/k8senc/kms-plugin/kek"
)

// Fake is a KMS with one key. Several plugins may share one, as the nodes of a cluster do.
type Fake struct {
	mu       sync.Mutex
	name     string
	kind     kek.Kind
	versions []kek.Version
	keys     [][32]byte
	fail     func(op string) error
	delay    time.Duration
	// Wraps, Unwraps and Looks count the calls that arrived.
	Wraps, Unwraps, Looks atomic.Int64
}

// New makes a KMS whose key has one version, created then.
func New(name string, kind kek.Kind, created time.Time) *Fake {
	f := &Fake{name: name, kind: kind}
	f.Rotate(created)
	return f
}

// Rotate adds a version and makes it the current one. created may be zero: then the KMS does not say.
func (f *Fake) Rotate(created time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	number := len(f.versions) + 1
	key := sha256.Sum256(fmt.Append(nil, f.name, number))
	f.keys = append(f.keys, key)
	f.versions = append(f.versions, kek.Version{
		Identity: [][]byte{[]byte(f.name), []byte(strconv.Itoa(number))}, Name: fmt.Sprintf("%s/v%d", f.name, number), Created: created, WrapLen: wrapLen(f.kind),
	})
}

// Drop takes the newest version away again, as a restored backup of the KMS does.
func (f *Fake) Drop() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.versions, f.keys = f.versions[:len(f.versions)-1], f.keys[:len(f.keys)-1]
}

// Deletion schedules the destruction of the current version.
func (f *Fake) Deletion(at time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.versions[len(f.versions)-1].DeletionDate = at
}

// Fail makes calls fail with what decide gives: op is "current", "wrap" or "unwrap". Nil ends that.
func (f *Fake) Fail(decide func(op string) error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.fail = decide
}

// FailAs makes every call fail with a class.
func (f *Fake) FailAs(class kek.Class) {
	f.Fail(func(op string) error {
		return &kek.Error{Class: class, Op: op, Err: errors.New("as the test wants it")}
	})
}

// Heal ends failures and delays.
func (f *Fake) Heal() {
	f.Fail(nil)
	f.Slow(0)
}

// Slow makes every call take so long.
func (f *Fake) Slow(delay time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.delay = delay
}

// Kind is the kind the KMS was made with.
func (f *Fake) Kind() kek.Kind { return f.kind }

// Close does nothing.
func (f *Fake) Close() error { return nil }

func (f *Fake) before(ctx context.Context, op string) error {
	f.mu.Lock()
	delay, fail := f.delay, f.fail
	f.mu.Unlock()
	if delay > 0 {
		select {
		case <-time.After(delay):
		case <-ctx.Done():
			return &kek.Error{Class: kek.Unavailable, Op: op, Err: ctx.Err()}
		}
	}
	if fail != nil {
		return fail(op)
	}
	return nil
}

// Current is the newest version.
func (f *Fake) Current(ctx context.Context) (kek.Version, error) {
	f.Looks.Add(1)
	if err := f.before(ctx, "current"); err != nil {
		return kek.Version{}, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.versions[len(f.versions)-1], nil
}

func (f *Fake) aead(i int) cipher.AEAD {
	block, _ := aes.NewCipher(f.keys[i][:])
	aead, _ := cipher.NewGCM(block)
	return aead
}

// Wrap wraps under any version there is.
func (f *Fake) Wrap(ctx context.Context, version kek.Version, key []byte, label string) ([]byte, error) {
	f.Wraps.Add(1)
	if err := f.before(ctx, "wrap"); err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for i, known := range f.versions {
		if f.kind.CurrentOnly() && i < len(f.versions)-1 {
			continue
		}
		if len(version.Identity) == 2 && bytes.Equal(known.Identity[0], version.Identity[0]) && bytes.Equal(known.Identity[1], version.Identity[1]) {
			wrap := make([]byte, 12, wrapLen(f.kind))
			_, _ = rand.Read(wrap)
			wrap[0] = byte(i)
			wrap = f.aead(i).Seal(wrap, wrap, key, []byte(label))
			return append(wrap, make([]byte, wrapLen(f.kind)-len(wrap))...), nil
		}
	}
	return nil, &kek.Error{Class: kek.Changed, Op: "wrap", Err: errors.New("no such version")}
}

// Unwrap unwraps what any version wrapped.
func (f *Fake) Unwrap(ctx context.Context, wrap []byte, label string) ([]byte, error) {
	f.Unwraps.Add(1)
	if err := f.before(ctx, "unwrap"); err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(wrap) < 60 || int(wrap[0]) >= len(f.keys) {
		return nil, &kek.Error{Class: kek.Integrity, Op: "unwrap", Err: errors.New("not of this key")}
	}
	key, err := f.aead(int(wrap[0])).Open(nil, wrap[:12], wrap[12:60], []byte(label))
	if err != nil {
		return nil, &kek.Error{Class: kek.Integrity, Op: "unwrap", Err: errors.New("not of this key")}
	}
	return key, nil
}

// wrapLen is what the real KMS of the kind answers.
func wrapLen(kind kek.Kind) int {
	switch kind {
	case kek.AWS:
		return 184
	case kek.GCP:
		return 113
	case kek.Azure:
		return 256
	case kek.Transit:
		return 62
	default:
		return 60
	}
}
