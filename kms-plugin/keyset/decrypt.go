package keyset

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"log/slog"
	"slices"

	"google.golang.org/grpc/codes"

	k8senc "github.com/k8senc/k8senc/bindings-c/go"

	"github.com/k8senc/k8senc/kms-plugin/kek"
	"github.com/k8senc/k8senc/kms-plugin/secret"
)

// Request is what kube-apiserver stored.
type Request struct {
	Record      []byte
	KeyID       string
	Annotations map[string][]byte
}

// hash names a request without saying what is in it.
func (r *Request) hash() [32]byte {
	sum := sha256.New()
	var length [8]byte
	binary.BigEndian.PutUint64(length[:], uint64(len(r.Record)))
	sum.Write(length[:])
	sum.Write(r.Record)
	sum.Write([]byte(r.KeyID))
	return [32]byte(sum.Sum(nil))
}

// Decrypt opens a record, whatever set it is of. The caller clears the seed.
func (e *Engine) Decrypt(ctx context.Context, request Request) ([]byte, error) {
	began := e.Clock.Now()
	what := request.hash()
	seed, err := e.flights.do(ctx, what, func() ([]byte, error) {
		// Others may wait for the same, so that one caller's going away ends nothing; its deadline does.
		ctx, cancel := e.budget(ctx, context.WithoutCancel(ctx))
		defer cancel()
		return e.decrypt(ctx, request, what)
	})
	if err != nil && (errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled)) {
		var failure *Failure
		if !errors.As(err, &failure) {
			err = &Failure{codeOf(err), err}
		}
	}
	e.Recorder.Decrypt(codeName(err), e.Clock.Now().Sub(began))
	if err != nil {
		sum := sha256.Sum256(request.Record)
		e.Log.LogAttrs(ctx, slog.LevelError, "decrypt failed", slog.String("uid", uidOf(ctx)), slog.String("key_id", shortened(request.KeyID)),
			slog.String("record_sha256", hex.EncodeToString(sum[:])), slog.String("error", err.Error()))
	} else {
		e.Log.LogAttrs(ctx, slog.LevelDebug, "decrypt", slog.String("uid", uidOf(ctx)), slog.String("key_id", shortened(request.KeyID)))
	}
	return seed, err
}

// shortened keeps what somebody put into etcd from filling the log.
func shortened(keyID string) string { return keyID[:min(len(keyID), 128)] }

func (e *Engine) decrypt(ctx context.Context, request Request, what [32]byte) ([]byte, error) {
	record, err := k8senc.InspectRecord(request.Record, e.Cluster)
	if err != nil {
		if len(e.Compat) > 0 && errors.Is(err, k8senc.ErrKeysetMalformed) {
			return e.compat(ctx, request)
		}
		return nil, fail(codes.InvalidArgument, "%w", err)
	}
	setKey, failure := e.check(request, record.HasMAC)
	if failure != nil {
		e.Recorder.Integrity()
		return nil, failure
	}
	if !e.knows(record.SetID) {
		e.Recorder.UnknownSet()
	}
	opener := &opener{engine: e, request: request, setKey: setKey, what: what}
	if seed, done, err := opener.cached(); done {
		return seed, err
	}
	for _, wrap := range record.Wraps {
		for _, m := range e.members {
			if m.Slot == wrap.Slot && m.Backend.Kind() == kek.Kind(wrap.Kind) && (m.symmetric() || setKey != nil) {
				opener.doors = append(opener.doors, door{m, wrap.Wrap, wrap.Context})
			}
		}
	}
	return opener.open(ctx)
}

// kindNames are the names that the library gives the kinds.
var kindNames = map[kek.Kind]string{
	kek.AWS: "aws", kek.Transit: "transit", kek.GCP: "gcp", kek.Azure: "azure-rsa", kek.HPKE: "hpke", kek.PKCS11: "pkcs11", kek.Local: "local",
}

// check looks at what needs no KMS: key_id, label, MAC. It gives the set key that fits, if any.
func (e *Engine) check(request Request, hasMAC bool) (*secret.Bytes, *Failure) {
	if !hasMAC && e.RequireMAC {
		return nil, fail(codes.Internal, "the record has no set MAC, and the configuration requires one")
	}
	known := e.RetiredSetKeys
	if e.SetKey != nil {
		known = append([]*secret.Bytes{e.SetKey}, known...)
	}
	if !hasMAC || len(known) == 0 {
		// Symmetric wraps prove their maker without it.
		if _, err := k8senc.CheckRecord(request.Record, request.KeyID, e.Cluster, nil); err != nil {
			return nil, &Failure{codes.Internal, err}
		}
		return nil, nil
	}
	var err error
	for _, key := range known {
		err = key.Use(func(bytes []byte) error {
			_, err := k8senc.CheckRecord(request.Record, request.KeyID, e.Cluster, bytes)
			return err
		})
		if err == nil {
			return key, nil
		}
	}
	return nil, &Failure{codes.Internal, err}
}

func (e *Engine) knows(setID string) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Contains(e.state.SetIDs, setID)
}

// door is one way into a record.
type door struct {
	member *member
	wrap   []byte
	label  string
}

type opener struct {
	engine  *Engine
	request Request
	setKey  *secret.Bytes
	what    [32]byte
	doors   []door
}

func (o *opener) unseal(key *k8senc.WrapKey, slot uint8) (seed []byte, err error) {
	open := func(setKey []byte) (err error) {
		seed, err = k8senc.OpenRecord(o.request.Record, slot, key, o.request.KeyID, o.engine.Cluster, setKey)
		return err
	}
	if o.setKey != nil {
		err = o.setKey.Use(open)
	} else {
		err = open(nil)
	}
	return seed, err
}

func (o *opener) cached() (seed []byte, done bool, err error) {
	done, err = o.engine.cache.use(o.what, o.engine.Clock.Now(), func(key *k8senc.WrapKey, slot uint8) (err error) {
		seed, err = o.unseal(key, slot)
		return err
	})
	if !done || errors.Is(err, k8senc.ErrClosed) {
		return nil, false, nil
	}
	if err != nil {
		return nil, true, &Failure{codes.Internal, err}
	}
	o.engine.Recorder.CacheHit()
	return seed, true, nil
}

// order puts first what is likely to answer soonest.
func (o *opener) order() {
	now := o.engine.Clock.Now()
	unready := func(d door) int {
		if d.member.unwraps.ready(now) {
			return 0
		}
		return 1
	}
	slices.SortStableFunc(o.doors, func(a, b door) int {
		return cmp.Or(cmp.Compare(unready(a), unready(b)), cmp.Compare(a.member.Priority, b.member.Priority),
			cmp.Compare(a.member.latency.mean(), b.member.latency.mean()))
	})
}

type answer struct {
	door door
	seed []byte
	err  error
}

// open asks the doors until one opens, and again after a while where all were only busy.
func (o *opener) open(ctx context.Context) ([]byte, error) {
	for round := 0; ; round++ {
		o.order()
		seed, attempts, final := o.once(ctx)
		if final == nil {
			return seed, nil
		}
		if attempts == nil || round >= 3 || ctx.Err() != nil {
			return nil, final
		}
		for _, one := range attempts {
			if kek.ClassOf(one.err) == kek.Throttled {
				if !o.engine.pause(ctx, round, one.err) {
					return nil, final
				}
				attempts = nil
				break
			}
		}
		if attempts != nil {
			return nil, final
		}
	}
}

// once asks each door at most once: the first, another one when that is slow or fails, and so on. attempts is nil where the failure
// is final for the record.
func (o *opener) once(ctx context.Context) (seed []byte, attempts []attempt, failure error) {
	if len(o.doors) == 0 {
		return nil, nil, fail(codes.FailedPrecondition, "no key of the configuration has a wrap of this record that may be opened online")
	}
	if len(o.doors) == 1 {
		one := answer{door: o.doors[0]}
		if one.seed, one.err = o.through(ctx, one.door); one.err == nil {
			return one.seed, nil, nil
		}
		return o.ended(ctx, []attempt{{one.door.member.Name, one.err}})
	}
	calls, cancel := context.WithCancelCause(ctx)
	defer cancel(errOvertaken)
	answers := make(chan answer, len(o.doors))
	next, out := 0, 0
	start := func() {
		door := o.doors[next]
		next, out = next+1, out+1
		go func() {
			seed, err := o.through(calls, door)
			if calls.Err() != nil {
				clear(seed)
			}
			answers <- answer{door, seed, err}
		}()
	}
	start()
	for {
		var hedge <-chan struct{}
		if next < len(o.doors) {
			hedge = o.engine.hedge(calls, o.doors[next-1].member)
		}
		select {
		case <-hedge:
			o.engine.Recorder.Hedged(o.doors[next-1].member.Name)
			start()
		case <-ctx.Done():
			slow := make([]string, 0, len(o.doors))
			for _, door := range o.doors[:next] {
				slow = append(slow, door.member.Name)
			}
			return nil, nil, fail(codes.DeadlineExceeded, "%s: no answer in time from %q, after %v", cannotOpen, slow, attempts)
		case one := <-answers:
			out--
			if one.err == nil {
				return one.seed, nil, nil
			}
			attempts = append(attempts, attempt{one.door.member.Name, one.err})
			switch {
			case integrity(one.err) || (next == len(o.doors) && out == 0):
				return o.ended(ctx, attempts)
			case next < len(o.doors):
				start()
			}
		}
	}
}

const cannotOpen = "the record cannot be opened now"

// ended says what a round without success means, by its last attempt: final for the record, out of time, or only for now.
func (o *opener) ended(ctx context.Context, attempts []attempt) ([]byte, []attempt, error) {
	last := attempts[len(attempts)-1]
	switch {
	case integrity(last.err):
		o.engine.Recorder.Integrity()
		return nil, nil, fail(codes.Internal, "the record is not what %s wrapped: somebody changed it, or that key is another one now: %w", last.key, last.err)
	case ctx.Err() != nil:
		return nil, nil, fail(codes.DeadlineExceeded, "%s: no answer in time from %q: %w", cannotOpen, last.key, last.err)
	default:
		return nil, attempts, allFailed(cannotOpen, attempts)
	}
}

func integrity(err error) bool {
	return errors.Is(err, k8senc.ErrKeysetIntegrity) || errors.Is(err, k8senc.ErrKeysetRefused) || kek.ClassOf(err) == kek.Integrity
}

// hedge is closed when a call to m has taken too long to wait for it alone.
func (e *Engine) hedge(ctx context.Context, m *member) <-chan struct{} {
	late := make(chan struct{})
	after := e.Clock.After(max(m.latency.p95(), e.HedgeAfter))
	go func() {
		select {
		case <-after:
			close(late)
		case <-ctx.Done():
		}
	}()
	return late
}

// through asks one KMS and opens the record with what it answers.
func (o *opener) through(ctx context.Context, d door) ([]byte, error) {
	bytes, err := d.member.unwrap(ctx, d.wrap, d.label)
	if err != nil {
		return nil, err
	}
	key, err := k8senc.UnwrappedKey(bytes)
	clear(bytes)
	if err != nil {
		return nil, err
	}
	seed, err := o.unseal(key, d.member.Slot)
	if err != nil || !o.engine.cache.put(o.what, key, d.member.Slot, o.engine.Clock.Now()) {
		_ = key.Close()
	}
	return seed, err
}
