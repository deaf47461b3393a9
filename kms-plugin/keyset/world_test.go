package keyset_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"maps"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/k8senc/k8senc/kms-plugin/kek"
	"github.com/k8senc/k8senc/kms-plugin/keyset"
)

// memory is a Store that can break.
type memory struct {
	mu    sync.Mutex
	state *keyset.State
	err   error
	saves int
}

func (m *memory) Load() (*keyset.State, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.state, nil
}

func (m *memory) Save(state *keyset.State) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.err != nil {
		return m.err
	}
	copied := *state
	copied.Active = maps.Clone(state.Active)
	m.state, m.saves = &copied, m.saves+1
	return nil
}

func (m *memory) breaks(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.err = err
}

// tally is a Recorder that remembers.
type tally struct {
	keyset.NoRecorder
	mu    sync.Mutex
	count map[string]int
	skew  time.Duration
}

func (t *tally) add(what string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.count == nil {
		t.count = map[string]int{}
	}
	t.count[what]++
}

func (t *tally) of(what string) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.count[what]
}

func (t *tally) Call(key, op, class string, _ time.Duration) { t.add(key + " " + op + " " + class) }
func (t *tally) Hedged(string)                               { t.add("hedged") }
func (t *tally) CacheHit()                                   { t.add("cache") }
func (t *tally) UnknownSet()                                 { t.add("unknown") }
func (t *tally) Integrity()                                  { t.add("integrity") }
func (t *tally) StateSaveFailed()                            { t.add("unsaved") }
func (t *tally) ClockSkew(_ string, skew time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.skew = skew
}

// skewed is a clock that is wrong by a fixed time.
type skewed time.Duration

func (s skewed) Now() time.Time                         { return time.Now().Add(time.Duration(s)) }
func (s skewed) After(d time.Duration) <-chan time.Time { return time.After(d) }

// node is one plugin of a cluster.
type node struct {
	t      *testing.T
	engine *keyset.Engine
	store  *memory
	tally  *tally
	log    *lockedBuffer
	stop   func()
}

type lockedBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

func keyOf(slot uint8, backend kek.Backend) keyset.Key {
	return keyset.Key{Name: "key-" + string('0'+rune(slot)), Slot: slot, Priority: int(slot), Backend: backend}
}

// start runs a plugin until the test ends or it is stopped.
func start(t *testing.T, store *memory, change func(*keyset.Options), keys ...keyset.Key) *node {
	t.Helper()
	n := &node{t: t, store: store, tally: &tally{}, log: &lockedBuffer{}}
	options := keyset.Options{Cluster: "prod-1", Generation: 1, StopOnRevocation: true, Store: store, Recorder: n.tally, Log: slog.New(slog.NewTextHandler(n.log, nil))}
	if change != nil {
		change(&options)
	}
	engine, err := keyset.New(options, keys)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		engine.Run(ctx)
	}()
	n.engine = engine
	n.stop = sync.OnceFunc(func() {
		cancel()
		<-done
		_ = engine.Close()
	})
	t.Cleanup(n.stop)
	return n
}

func (n *node) ready() *node {
	n.t.Helper()
	select {
	case <-n.engine.Ready():
		// The first probe is under way, and counts at the KMS as any call does.
		synctest.Wait()
		return n
	case <-time.After(time.Minute):
		n.t.Fatalf("no key_id: %+v", n.engine.Status())
		return nil
	}
}

func newSeed() []byte {
	seed := make([]byte, 32)
	_, _ = rand.Read(seed)
	return seed
}

// as3s is how kube-apiserver calls.
func as3s() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), 3*time.Second)
}

func (n *node) encrypt() (keyset.Request, []byte) {
	n.t.Helper()
	ctx, cancel := as3s()
	defer cancel()
	seed := newSeed()
	sealed, err := n.engine.Encrypt(ctx, bytes.Clone(seed))
	if err != nil {
		n.t.Fatal(err)
	}
	return keyset.Request{Record: sealed.Record, KeyID: sealed.KeyID}, seed
}

func (n *node) decrypt(request keyset.Request) ([]byte, error) {
	ctx, cancel := as3s()
	defer cancel()
	return n.engine.Decrypt(ctx, request)
}

func (n *node) opens(request keyset.Request, seed []byte) {
	n.t.Helper()
	if got, err := n.decrypt(request); err != nil || !bytes.Equal(got, seed) {
		n.t.Fatalf("opened %x, %v", got, err)
	}
}

func (n *node) fails(request keyset.Request, code codes.Code) error {
	n.t.Helper()
	got, err := n.decrypt(request)
	if err == nil {
		n.t.Fatalf("opened %x", got)
	}
	if status.Code(err) != code {
		n.t.Fatalf("%v, %v is right: %v", status.Code(err), code, err)
	}
	return err
}

func (n *node) encryptFails(code codes.Code) error {
	n.t.Helper()
	ctx, cancel := as3s()
	defer cancel()
	_, err := n.engine.Encrypt(ctx, newSeed())
	if status.Code(err) != code {
		n.t.Fatalf("%v, %v is right: %v", status.Code(err), code, err)
	}
	return err
}

var errDisk = errors.New("no space left on device")
