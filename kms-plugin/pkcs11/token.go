package pkcs11

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"sync"

	"github.com/miekg/pkcs11"

	"github.com/k8senc/k8senc/kms-plugin/kek"
	"github.com/k8senc/k8senc/kms-plugin/secret"
)

// modules are the libraries that this process has loaded: each is initialised once, whatever number of tokens it serves.
var modules = struct {
	sync.Mutex
	held map[string]*module
}{held: map[string]*module{}}

type module struct {
	ctx  *pkcs11.Ctx
	uses int
}

func load(path string) (*pkcs11.Ctx, error) {
	modules.Lock()
	defer modules.Unlock()
	if one := modules.held[path]; one != nil {
		one.uses++
		return one.ctx, nil
	}
	ctx := pkcs11.New(path)
	if ctx == nil {
		return nil, &kek.Error{Class: kek.Misconfigured, Op: "open", Err: fmt.Errorf("%s cannot be loaded as a PKCS#11 module", path)}
	}
	if err := ctx.Initialize(); err != nil && code(err) != pkcs11.CKR_CRYPTOKI_ALREADY_INITIALIZED {
		ctx.Destroy()
		return nil, fail("open", fmt.Errorf("C_Initialize of %s: %w", path, err))
	}
	modules.held[path] = &module{ctx: ctx, uses: 1}
	return ctx, nil
}

func unload(path string) {
	modules.Lock()
	defer modules.Unlock()
	one := modules.held[path]
	if one == nil {
		return
	}
	one.uses--
	if one.uses == 0 {
		_ = one.ctx.Finalize()
		one.ctx.Destroy()
		delete(modules.held, path)
	}
}

// login is what a token's sessions share. PKCS#11 logs in the whole process, so that the first session does it for all.
type login struct {
	config Config
	ctx    *pkcs11.Ctx
	mu     sync.Mutex
	// refused is the PIN that the token did not take: it is not tried again, because tokens lock after a few wrong ones.
	refused []byte
	why     error
}

// slot is that of the one token with the label.
func (l *login) slot() (uint, error) {
	slots, err := l.ctx.GetSlotList(true)
	if err != nil {
		return 0, err
	}
	var found []uint
	for _, slot := range slots {
		about, err := l.ctx.GetTokenInfo(slot)
		if err == nil && about.Label == l.config.TokenLabel && about.Flags&pkcs11.CKF_TOKEN_INITIALIZED != 0 {
			found = append(found, slot)
		}
	}
	switch len(found) {
	case 1:
		return found[0], nil
	case 0:
		return 0, &kek.Error{Class: kek.Unavailable, Op: "open", Err: fmt.Errorf("no token with label %q is present", l.config.TokenLabel)}
	}
	return 0, &kek.Error{Class: kek.Misconfigured, Op: "open", Err: fmt.Errorf("%d tokens have label %q, one is needed", len(found), l.config.TokenLabel)}
}

// opened is a session with the handle of the key in it.
type opened struct {
	session pkcs11.SessionHandle
	key     pkcs11.ObjectHandle
}

func (l *login) open() (*opened, error) {
	slot, err := l.slot()
	if err != nil {
		return nil, err
	}
	session, err := l.ctx.OpenSession(slot, pkcs11.CKF_SERIAL_SESSION)
	if err != nil {
		return nil, fmt.Errorf("C_OpenSession: %w", err)
	}
	made := &opened{session: session}
	err = l.enter(session)
	if err == nil {
		made.key, err = l.find(session)
	}
	if err != nil {
		_ = l.ctx.CloseSession(session)
		return nil, err
	}
	return made, nil
}

// enter logs in, with a PIN that was not refused before.
func (l *login) enter(session pkcs11.SessionHandle) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	read, name := secret.ReadFile, l.config.PINFile
	if l.config.PINCredential != "" {
		read, name = secret.ReadCredential, l.config.PINCredential
	}
	text, err := read(name)
	if err != nil {
		return &kek.Error{Class: kek.Misconfigured, Op: "login", Err: fmt.Errorf("PIN: %w", err)}
	}
	defer clear(text)
	pin := bytes.TrimRight(text, "\r\n")
	if l.refused != nil && bytes.Equal(pin, l.refused) {
		return l.why
	}
	err = l.ctx.Login(session, pkcs11.CKU_USER, string(pin))
	if err == nil || code(err) == pkcs11.CKR_USER_ALREADY_LOGGED_IN {
		clear(l.refused)
		l.refused, l.why = nil, nil
		return nil
	}
	err = fmt.Errorf("C_Login: %w", err)
	switch code(err) {
	case pkcs11.CKR_PIN_INCORRECT, pkcs11.CKR_PIN_INVALID, pkcs11.CKR_PIN_LEN_RANGE:
		l.refused = bytes.Clone(pin)
		l.why = &kek.Error{Class: kek.Denied, Op: "login", Err: fmt.Errorf("%w; this PIN is not tried again, so that the token does not lock: correct %s", err, name)}
		return l.why
	}
	return err
}

// find is the handle of the one key with the id.
func (l *login) find(session pkcs11.SessionHandle) (pkcs11.ObjectHandle, error) {
	id, err := hex.DecodeString(l.config.KeyID)
	if err != nil {
		return 0, &kek.Error{Class: kek.Misconfigured, Op: "open", Err: errors.New("the key id is not hexadecimal")}
	}
	if err := l.ctx.FindObjectsInit(session, []*pkcs11.Attribute{
		pkcs11.NewAttribute(pkcs11.CKA_CLASS, pkcs11.CKO_SECRET_KEY), pkcs11.NewAttribute(pkcs11.CKA_KEY_TYPE, pkcs11.CKK_AES),
		pkcs11.NewAttribute(pkcs11.CKA_ID, id),
	}); err != nil {
		return 0, fmt.Errorf("C_FindObjectsInit: %w", err)
	}
	found, _, err := l.ctx.FindObjects(session, 2)
	if ended := l.ctx.FindObjectsFinal(session); err == nil {
		err = ended
	}
	if err != nil {
		return 0, fmt.Errorf("C_FindObjects: %w", err)
	}
	switch len(found) {
	case 1:
		return found[0], nil
	case 0:
		return 0, &kek.Error{Class: kek.Deleted, Op: "open", Err: fmt.Errorf("token %q has no AES key with id %s", l.config.TokenLabel, l.config.KeyID)}
	}
	return 0, &kek.Error{Class: kek.Misconfigured, Op: "open", Err: fmt.Errorf("token %q has several AES keys with id %s: which is meant is not sure", l.config.TokenLabel, l.config.KeyID)}
}

// checkValue is the first three bytes of the encrypted zero block: the token's own word, or computed where it has none.
func (l *login) checkValue(in *opened) ([]byte, error) {
	said, err := l.ctx.GetAttributeValue(in.session, in.key, []*pkcs11.Attribute{pkcs11.NewAttribute(pkcs11.CKA_CHECK_VALUE, nil)})
	if err == nil && len(said) == 1 && len(said[0].Value) == 3 {
		return said[0].Value, nil
	}
	if lostSession(err) {
		return nil, err
	}
	if err := l.ctx.EncryptInit(in.session, []*pkcs11.Mechanism{pkcs11.NewMechanism(pkcs11.CKM_AES_ECB, nil)}, in.key); err != nil {
		return nil, fmt.Errorf("the key has no check value, and C_EncryptInit with CKM_AES_ECB: %w", err)
	}
	block, err := l.ctx.Encrypt(in.session, make([]byte, 16))
	if err != nil || len(block) < 3 {
		return nil, fmt.Errorf("the key has no check value, and C_Encrypt with CKM_AES_ECB: %w", err)
	}
	return block[:3], nil
}
