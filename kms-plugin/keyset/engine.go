package keyset

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	k8senc "github.com/k8senc/k8senc/bindings-c/go"

	"github.com/k8senc/k8senc/kms-plugin/kek"
	"github.com/k8senc/k8senc/kms-plugin/secret"
)

// Recipient is an offline recovery recipient.
type Recipient struct {
	Name      string
	Slot      uint8
	PublicKey []byte
}

// Options are what an Engine is made with.
type Options struct {
	Cluster    string
	Generation uint64
	Recipients []Recipient
	// SetKey is the key of the set's MAC, or nil. RetiredSetKeys open what earlier sets wrote.
	SetKey         *secret.Bytes
	RetiredSetKeys []*secret.Bytes
	// RequireMAC refuses records without a MAC.
	RequireMAC bool
	Compat     []Reader

	MaxInFlight, Queue int
	// Budget is the longest that a call may take; HedgeAfter the shortest time after which a second KMS is asked.
	Budget, HedgeAfter time.Duration
	CacheTTL           time.Duration
	CacheEntries       int
	// KeepFor is how long Status keeps its key_id while no KMS answers.
	KeepFor time.Duration
	// StopOnRevocation takes the key_id away when every KMS says that its key is denied, disabled or deleted.
	StopOnRevocation bool

	Store    Store
	Clock    Clock
	Recorder Recorder
	Tracer   trace.Tracer
	Log      *slog.Logger
}

func (o *Options) fill() {
	if o.Clock == nil {
		o.Clock = System{}
	}
	if o.Recorder == nil {
		o.Recorder = NoRecorder{}
	}
	if o.Tracer == nil {
		o.Tracer = noop.NewTracerProvider().Tracer("")
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Budget == 0 {
		o.Budget = 2500 * time.Millisecond
	}
	if o.HedgeAfter == 0 {
		o.HedgeAfter = 150 * time.Millisecond
	}
	if o.MaxInFlight == 0 {
		o.MaxInFlight, o.Queue = 8, 256
	}
	if o.KeepFor == 0 {
		o.KeepFor = 24 * time.Hour
	}
	if o.CacheEntries == 0 {
		o.CacheEntries = 512
	}
}

// Engine is a keyset at work.
type Engine struct {
	Options
	members []*member // by slot
	status  atomic.Pointer[Status]
	set     atomic.Pointer[currentSet]
	flights flights
	cache   cache
	started time.Time
	// sealed is when Encrypt last worked, in Unix nanoseconds.
	sealed atomic.Int64

	mu       sync.Mutex
	trackers map[uint8]*tracker
	state    *State
	saved    bool
	// misplaced does not change.
	misplaced map[uint8]string
	blocked   string
	ready     chan struct{}
	looks     map[uint8]chan struct{}
	revoked   bool
}

// Status is what kube-apiserver is told.
type Status struct {
	Healthz string
	KeyID   string
}

// currentSet is what Encrypt writes with.
type currentSet struct {
	set      *k8senc.Keyset
	since    time.Time
	members  []*member
	versions map[uint8]kek.Version
	contexts map[uint8]string
}

// New makes an engine that answers Decrypt at once. Run lets it find out the rest.
func New(options Options, keys []Key) (*Engine, error) {
	options.fill()
	e := &Engine{
		Options: options, trackers: map[uint8]*tracker{}, ready: make(chan struct{}), looks: map[uint8]chan struct{}{},
		cache: cache{ttl: options.CacheTTL, most: options.CacheEntries}, started: options.Clock.Now(),
	}
	state, err := options.Store.Load()
	if err != nil {
		return nil, err
	}
	e.saved = state != nil
	if state == nil {
		state = &State{Version: 1, Cluster: options.Cluster, Generation: options.Generation, Active: map[uint8]SavedVersion{}}
	}
	if state.Cluster != options.Cluster {
		return nil, fmt.Errorf("the state is of cluster %q, the configuration of %q: a cluster keeps its label, because every record is bound to it", state.Cluster, options.Cluster)
	}
	e.state = state
	if e.misplaced, err = state.Misplaced(keys); err != nil {
		return nil, err
	}
	for _, reason := range e.misplaced {
		e.Log.Error("a key is not the one of its slot", "reason", reason)
	}
	for _, key := range slices.SortedFunc(slices.Values(keys), func(a, b Key) int { return int(a.Slot) - int(b.Slot) }) {
		m := newMember(key, &e.Options)
		e.members = append(e.members, m)
		if key.Retired {
			continue
		}
		t := &tracker{left: state.Left[key.Slot], atOnce: key.Backend.Kind().CurrentOnly()}
		if known, ok := state.Active[key.Slot]; ok {
			version := known.version()
			t.active = &version
		}
		e.trackers[key.Slot] = t
		e.looks[key.Slot] = make(chan struct{}, 1)
		if _, here := key.Backend.(holder); here {
			version, err := key.Backend.Current(context.Background())
			if err != nil {
				return nil, err
			}
			t.observe(version, e.started)
			m.observed(version)
		}
	}
	if err := e.settle(); err != nil {
		return nil, err
	}
	e.publish()
	return e, nil
}

// Ready is closed once there is a key_id.
func (e *Engine) Ready() <-chan struct{} { return e.ready }

// Status reads memory and nothing else.
func (e *Engine) Status() Status { return *e.status.Load() }

// settle makes the set of the active versions, if all are known, and saves it before anybody sees it.
func (e *Engine) settle() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if reason := e.foreign(); reason != "" {
		e.block(reason)
		return nil
	}
	made, err := e.build()
	if err != nil || made == nil {
		return err
	}
	keyID := made.set.KeyID
	if now := e.set.Load(); now != nil && now.set.KeyID == keyID {
		return made.set.Close()
	}
	if e.state.IsRetired(keyID) {
		e.block("the key_id of this set was in use and left: raise generation in the configuration, because kube-apiserver takes no key_id twice")
		return made.set.Close()
	}
	next, err := e.next(keyID, made)
	if err != nil {
		return errors.Join(err, made.set.Close())
	}
	if !e.saved || e.state.KeyID != keyID {
		if err := e.Store.Save(next); err != nil {
			e.Recorder.StateSaveFailed()
			e.block("the state file cannot be written, so the new key_id is not used: " + err.Error())
			return made.set.Close()
		}
		e.Log.Info("new key_id", "key_id", keyID, "before", e.state.KeyID)
		e.saved = true
	} else if len(next.Slots) > len(e.state.Slots) {
		// A state file of before slots were kept: nothing waits for it.
		if err := e.Store.Save(next); err != nil {
			e.Log.Warn("the state file cannot be written", "error", err.Error())
		}
	}
	e.state, e.blocked = next, ""
	made.since = next.Since
	e.set.Store(made)
	select {
	case <-e.ready:
	default:
		close(e.ready)
	}
	return nil
}

// block remembers why there is no new set; e.mu is held.
func (e *Engine) block(reason string) {
	if e.blocked != reason {
		e.Log.Error("a set is not used", "reason", reason)
	}
	e.blocked = reason
}

// build gives nil as long as a version is not known.
func (e *Engine) build() (*currentSet, error) {
	made := &currentSet{versions: map[uint8]kek.Version{}, contexts: map[uint8]string{}}
	var members []k8senc.Member
	for _, m := range e.members {
		if m.Retired {
			continue
		}
		active := e.trackers[m.Slot].active
		if active == nil {
			return nil, nil
		}
		made.members = append(made.members, m)
		made.versions[m.Slot] = *active
		one := k8senc.Member{Slot: m.Slot}
		if here, ok := m.Backend.(holder); ok {
			one.KEK = here.Held()
		} else {
			one.Remote = &k8senc.RemoteKEK{Kind: k8senc.WrapKind(m.Backend.Kind()), Identity: active.Identity, WrapLen: active.WrapLen}
		}
		members = append(members, one)
	}
	for _, recipient := range e.Recipients {
		members = append(members, k8senc.Member{Slot: recipient.Slot, Recipient: recipient.PublicKey})
	}
	make := func(setKey []byte) (err error) {
		made.set, err = k8senc.NewKeyset(e.Cluster, e.Generation, members, setKey)
		return err
	}
	var err error
	if e.SetKey != nil {
		err = e.SetKey.Use(make)
	} else {
		err = make(nil)
	}
	if err != nil {
		return nil, fmt.Errorf("the set cannot be made: %w", err)
	}
	for _, member := range made.set.Members {
		made.contexts[member.Slot] = member.Context
	}
	return made, nil
}

// next is the state with keyID in use.
func (e *Engine) next(keyID string, made *currentSet) (*State, error) {
	slots, err := e.slots(made)
	if err != nil {
		return nil, err
	}
	next := &State{
		Version: 1, Cluster: e.Cluster, Generation: e.Generation, KeyID: keyID, Since: e.state.Since,
		Active: map[uint8]SavedVersion{}, Left: maps.Clone(e.state.Left), Retired: slices.Clone(e.state.Retired), SetIDs: slices.Clone(e.state.SetIDs), Slots: slots,
	}
	now := e.Clock.Now().UTC().Truncate(time.Second)
	if e.state.KeyID != keyID {
		next.Since = now
		if e.state.KeyID != "" {
			next.Retired = append(next.Retired, RetiredKeyID{e.state.KeyID, now})
		}
	}
	if !slices.Contains(next.SetIDs, made.set.SetID) {
		next.SetIDs = append(next.SetIDs, made.set.SetID)
	}
	if next.Left == nil {
		next.Left = map[uint8][]string{}
	}
	for slot, version := range made.versions {
		next.Active[slot] = saved(version)
		if left := e.trackers[slot].left; len(left) > 0 {
			next.Left[slot] = left
		}
	}
	return next, nil
}

// activate moves every key whose time has come to its new version, all in one step.
func (e *Engine) activate(now time.Time) {
	e.mu.Lock()
	before := map[uint8]tracker{}
	for slot, t := range e.trackers {
		if t.due(now) != nil {
			before[slot] = *t
			t.activate()
		}
	}
	e.mu.Unlock()
	if len(before) == 0 {
		return
	}
	err := e.settle()
	e.mu.Lock()
	defer e.mu.Unlock()
	if err != nil {
		e.block(err.Error())
	}
	if e.blocked != "" {
		// It stays due, so that it is tried again.
		for slot, t := range before {
			*e.trackers[slot] = t
		}
	}
}

// Close wipes what the engine holds. The backends are the caller's.
func (e *Engine) Close() error {
	e.cache.sweep(e.Clock.Now(), true)
	var failures []error
	if set := e.set.Load(); set != nil {
		failures = append(failures, set.set.Close())
	}
	return errors.Join(failures...)
}
