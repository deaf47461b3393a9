// Package pkcs11 is a KEK on a PKCS#11 token: an AES-256 key, with CKM_AES_GCM and the label as associated data.
//
// A wrap is nonce (12), ciphertext (32) and tag (16).
package pkcs11

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"sync"

	"github.com/miekg/pkcs11"

	"github.com/k8senc/k8senc/kms-plugin/connect"
	"github.com/k8senc/k8senc/kms-plugin/kek"
)

const (
	nonceLen = 12
	tagLen   = 16
	// WrapLen is how long a wrap is, in bytes.
	WrapLen = nonceLen + connect.KeyLen + tagLen
	// otherNonceLen is that of kleidi and of the plugin of k8s.io/kms, whose library takes 16 bytes.
	otherNonceLen = 16
)

// Backend is one key on one token.
type Backend struct {
	config Config
	id     []byte
	login  *login
	gate   connect.Gate

	// room has a place for each session that may be in use; idle are those that are open and not in use.
	room chan struct{}
	mu   sync.Mutex
	idle []*opened
	busy sync.WaitGroup
}

// New loads the module. The token may come later.
func New(_ context.Context, config Config) (*Backend, error) {
	id, err := hex.DecodeString(config.KeyID)
	if err != nil {
		return nil, errors.New("the key id is not hexadecimal")
	}
	ctx, err := load(config.Module)
	if err != nil {
		return nil, err
	}
	return &Backend{config: config, id: id, login: &login{config: config, ctx: ctx}, room: make(chan struct{}, config.sessions())}, nil
}

// Kind is kek.PKCS11.
func (b *Backend) Kind() kek.Kind { return kek.PKCS11 }

func (b *Backend) session() (*opened, bool, error) {
	b.mu.Lock()
	if last := len(b.idle) - 1; last >= 0 {
		held := b.idle[last]
		b.idle = b.idle[:last]
		b.mu.Unlock()
		return held, true, nil
	}
	b.mu.Unlock()
	made, err := b.login.open()
	return made, false, err
}

func (b *Backend) back(held *opened) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.idle = append(b.idle, held)
}

// drop closes every idle session: after a token was removed none of them is of use.
func (b *Backend) drop() {
	b.mu.Lock()
	idle := b.idle
	b.idle = nil
	b.mu.Unlock()
	for _, held := range idle {
		_ = b.login.ctx.CloseSession(held.session)
	}
}

// once runs work in a session, and again in a new one where the session was lost.
func once[T any](b *Backend, work func(*opened) (T, error)) (T, error) {
	var none T
	for {
		held, old, err := b.session()
		if err != nil {
			return none, err
		}
		answer, err := work(held)
		if err == nil || !lostSession(err) {
			b.back(held)
			return answer, err
		}
		_ = b.login.ctx.CloseSession(held.session)
		b.drop()
		if !old {
			return none, err
		}
	}
}

// call waits for the token no longer than the context allows. A call into the module cannot be stopped: it goes on, keeps its
// place, and what it answers is wiped.
func call[T any](ctx context.Context, b *Backend, op string, wipe func(T), work func(*opened) (T, error)) (T, error) {
	type answer struct {
		value T
		err   error
	}
	var none T
	if err := b.gate.Check(op); err != nil {
		return none, err
	}
	if err := ctx.Err(); err != nil {
		return none, fail(op, err)
	}
	if _, limited := ctx.Deadline(); !limited {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, connect.DefaultTimeout)
		defer cancel()
	}
	select {
	case b.room <- struct{}{}:
	case <-ctx.Done():
		return none, fail(op, errBusy)
	}
	b.mu.Lock()
	if err := b.gate.Check(op); err != nil {
		b.mu.Unlock()
		<-b.room
		return none, err
	}
	b.busy.Add(1)
	b.mu.Unlock()
	done := make(chan answer, 1)
	go func() {
		defer b.busy.Done()
		defer func() { <-b.room }()
		value, err := once(b, work)
		done <- answer{value, err}
	}()
	select {
	case got := <-done:
		if got.err != nil {
			return none, fail(op, got.err)
		}
		return got.value, nil
	case <-ctx.Done():
		go func() { wipe((<-done).value) }()
		return none, fail(op, errBusy)
	}
}

// Current reads the key's check value.
func (b *Backend) Current(ctx context.Context) (kek.Version, error) {
	check, err := call(ctx, b, "current", func([]byte) {}, b.login.checkValue)
	if err != nil {
		return kek.Version{}, err
	}
	return kek.Version{
		Identity: [][]byte{[]byte(b.config.TokenLabel), bytes.Clone(b.id), check},
		Name:     fmt.Sprintf("%s/%x (check value %x)", b.config.TokenLabel, b.id, check), WrapLen: WrapLen,
	}, nil
}

// Wrap encrypts with the key, after a look that it is the one of version: a token that was restored may have another in its place.
func (b *Backend) Wrap(ctx context.Context, version kek.Version, key []byte, label string) ([]byte, error) {
	if err := connect.CheckKey(key); err != nil {
		return nil, err
	}
	id := version.Identity
	if !b.config.Owns(id) {
		return nil, connect.Foreign()
	}
	// A call that outlives its caller must not read bytes which the caller has cleared.
	own := bytes.Clone(key)
	return call(ctx, b, "wrap", func([]byte) {}, func(in *opened) ([]byte, error) {
		check, err := b.login.checkValue(in)
		if err != nil {
			return nil, err
		}
		if !bytes.Equal(check, id[2]) {
			return nil, &kek.Error{Class: kek.Changed, Op: "wrap", Err: fmt.Errorf("the key has check value %x, %x was asked for", check, id[2])}
		}
		return b.encrypt(in, own, []byte(label))
	})
}

func (b *Backend) encrypt(in *opened, key, associated []byte) ([]byte, error) {
	defer clear(key)
	nonce := make([]byte, nonceLen)
	if _, err := rand.Read(nonce); err != nil {
		return nil, err
	}
	parameters := pkcs11.NewGCMParams(nonce, associated, 8*tagLen)
	defer parameters.Free()
	if err := b.login.ctx.EncryptInit(in.session, []*pkcs11.Mechanism{pkcs11.NewMechanism(pkcs11.CKM_AES_GCM, parameters)}, in.key); err != nil {
		return nil, fmt.Errorf("C_EncryptInit: %w", err)
	}
	sealed, err := b.login.ctx.Encrypt(in.session, key)
	if err != nil {
		return nil, fmt.Errorf("C_Encrypt: %w", err)
	}
	// Some modules draw the nonce themselves.
	if used := parameters.IV(); len(used) == nonceLen {
		nonce = used
	}
	if len(sealed) != connect.KeyLen+tagLen {
		return nil, &kek.Error{Class: kek.Misconfigured, Op: "wrap", Err: fmt.Errorf("the token made %d bytes, %d are needed", len(sealed), connect.KeyLen+tagLen)}
	}
	return append(bytes.Clone(nonce), sealed...), nil
}

// Unwrap decrypts a wrap of this key.
func (b *Backend) Unwrap(ctx context.Context, wrap []byte, label string) ([]byte, error) {
	if len(wrap) != WrapLen {
		return nil, &kek.Error{Class: kek.Integrity, Op: "unwrap", Err: fmt.Errorf("the wrap has %d bytes, one of a token has %d", len(wrap), WrapLen)}
	}
	key, err := b.decrypt(ctx, wrap, nonceLen, []byte(label))
	if err != nil {
		return nil, err
	}
	if err := connect.CheckUnwrapped(key); err != nil {
		return nil, err
	}
	return key, nil
}

// Decrypt decrypts what kleidi had this key encrypt: a nonce of 16 bytes, ciphertext and tag.
func (b *Backend) Decrypt(ctx context.Context, ciphertext, associatedData []byte, _ map[string]string) ([]byte, error) {
	if len(ciphertext) < otherNonceLen+tagLen {
		return nil, &kek.Error{Class: kek.Integrity, Op: "unwrap", Err: fmt.Errorf("the ciphertext has %d bytes, %d are the least", len(ciphertext), otherNonceLen+tagLen)}
	}
	return b.decrypt(ctx, ciphertext, otherNonceLen, associatedData)
}

func (b *Backend) decrypt(ctx context.Context, wrap []byte, nonceLen int, associated []byte) ([]byte, error) {
	wrap = bytes.Clone(wrap)
	return call(ctx, b, "unwrap", func(key []byte) { clear(key) }, func(in *opened) ([]byte, error) {
		key, err := b.open(in, wrap, nonceLen, associated)
		if err == nil || !vague(err) {
			return key, err
		}
		// SoftHSM and others say CKR_GENERAL_ERROR for a tag that does not fit as for a broken token: what the token does with a
		// wrap of its own tells them apart.
		probe := make([]byte, connect.KeyLen)
		if _, failed := rand.Read(probe); failed != nil {
			return nil, failed
		}
		mine, failed := b.encrypt(in, bytes.Clone(probe), []byte("kw1-probe|pkcs11"))
		if failed != nil {
			return nil, failed
		}
		again, failed := b.open(in, mine, WrapLen-connect.KeyLen-tagLen, []byte("kw1-probe|pkcs11"))
		if failed != nil || !bytes.Equal(again, probe) {
			return nil, &kek.Error{Class: kek.Unavailable, Op: "unwrap", Err: fmt.Errorf("the token does not open a wrap that it just made: %w", err)}
		}
		return nil, &kek.Error{Class: kek.Integrity, Op: "unwrap", Err: fmt.Errorf("%w, and the token opens other wraps", err)}
	})
}

func (b *Backend) open(in *opened, wrap []byte, nonceLen int, associated []byte) ([]byte, error) {
	parameters := pkcs11.NewGCMParams(wrap[:nonceLen], associated, 8*tagLen)
	defer parameters.Free()
	if err := b.login.ctx.DecryptInit(in.session, []*pkcs11.Mechanism{pkcs11.NewMechanism(pkcs11.CKM_AES_GCM, parameters)}, in.key); err != nil {
		return nil, fmt.Errorf("C_DecryptInit: %w", err)
	}
	key, err := b.login.ctx.Decrypt(in.session, wrap[nonceLen:])
	if err != nil {
		return nil, fmt.Errorf("C_Decrypt: %w", err)
	}
	return key, nil
}

// Close ends the sessions, once the calls that are under way have ended, and unloads the module with its last user.
func (b *Backend) Close() error {
	b.mu.Lock()
	mine := b.gate.Shut()
	b.mu.Unlock()
	if !mine {
		return nil
	}
	end := func() {
		b.busy.Wait()
		b.drop()
		b.login.mu.Lock()
		clear(b.login.refused)
		b.login.mu.Unlock()
		unload(b.config.Module)
	}
	ended := make(chan struct{})
	go func() { end(); close(ended) }()
	ctx, cancel := context.WithTimeout(context.Background(), connect.DefaultTimeout)
	defer cancel()
	select {
	case <-ended:
		return nil
	case <-ctx.Done():
		return errors.New("the token still works on a call: the module stays loaded until it ends")
	}
}
