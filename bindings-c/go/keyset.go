package k8senc

// #include <k8senc.h>
import "C"

import (
	"fmt"
	"unsafe"
)

// WrapKind is the kind of KEK behind a wrap of a keyset, by its number in docs/keyset.md.
type WrapKind uint8

// Kinds of KEKs. A RemoteKEK is any but WrapHPKE and WrapLocal.
const (
	WrapAWS     WrapKind = 1
	WrapTransit WrapKind = 2
	WrapGCP     WrapKind = 3
	WrapAzure   WrapKind = 4
	WrapHPKE    WrapKind = 5
	WrapPKCS11  WrapKind = 6
	WrapTPM     WrapKind = 7
	WrapAESKW   WrapKind = 8
	WrapLocal   WrapKind = 9
)

// KEK is one held here: 32 random bytes.
type KEK struct{ handle *handle }

// NewKEK takes a KEK; a passphrase is none. The caller may clear secret afterwards.
func NewKEK(secret []byte) (*KEK, error) {
	var made *C.k8senc_kek
	var failure *C.k8senc_error
	pointer, length := in(secret)
	if err := fail(C.k8senc_kek_new(pointer, length, &made, &failure), failure); err != nil {
		return nil, err
	}
	return &KEK{own(unsafe.Pointer(made), func(p unsafe.Pointer) { C.k8senc_kek_free((*C.k8senc_kek)(p)) })}, nil
}

// Close wipes the KEK.
func (k *KEK) Close() error { return k.handle.close() }

// WrapKey is the key between the KEKs and the seed. A fresh one seals one record.
type WrapKey struct{ handle *handle }

func newWrapKey(made *C.k8senc_wrap_key) *WrapKey {
	return &WrapKey{own(unsafe.Pointer(made), func(p unsafe.Pointer) { C.k8senc_wrap_key_free((*C.k8senc_wrap_key)(p)) })}
}

// NewWrapKey draws a fresh wrap key from the operating system.
func NewWrapKey() (*WrapKey, error) {
	var made *C.k8senc_wrap_key
	var failure *C.k8senc_error
	if err := fail(C.k8senc_wrap_key_new(&made, &failure), failure); err != nil {
		return nil, err
	}
	return newWrapKey(made), nil
}

// UnwrappedKey takes what a KMS answered to Decrypt of a wrap. It opens a record and seals none.
func UnwrappedKey(answer []byte) (*WrapKey, error) {
	var made *C.k8senc_wrap_key
	var failure *C.k8senc_error
	pointer, length := in(answer)
	if err := fail(C.k8senc_wrap_key_unwrapped_new(pointer, length, &made, &failure), failure); err != nil {
		return nil, err
	}
	return newWrapKey(made), nil
}

// Close wipes the wrap key.
func (k *WrapKey) Close() error { return k.handle.close() }

// Expose gives the bytes that a remote KMS has to wrap. Clear them afterwards.
func (k *WrapKey) Expose() ([]byte, error) {
	pointer, err := k.handle.use()
	if err != nil {
		return nil, err
	}
	defer k.handle.release()
	var out C.k8senc_buf
	var failure *C.k8senc_error
	if err := fail(C.k8senc_wrap_key_expose((*C.k8senc_wrap_key)(pointer), &out, &failure), failure); err != nil {
		return nil, err
	}
	return take(&out), nil
}

// Wrap wraps a wrap key. context is the set's for this slot, see Keyset.Members.
func (k *KEK) Wrap(key *WrapKey, context string) ([]byte, error) {
	kek, err := k.handle.use()
	if err != nil {
		return nil, err
	}
	defer k.handle.release()
	wrapKey, err := key.handle.use()
	if err != nil {
		return nil, err
	}
	defer key.handle.release()
	var out C.k8senc_buf
	var failure *C.k8senc_error
	contextPointer, contextLen := inString(context)
	if err := fail(C.k8senc_kek_wrap((*C.k8senc_kek)(kek), (*C.k8senc_wrap_key)(wrapKey), contextPointer, contextLen, &out, &failure), failure); err != nil {
		return nil, err
	}
	return take(&out), nil
}

// Unwrap unwraps. ErrKeysetIntegrity is final: try no other wrap.
func (k *KEK) Unwrap(wrap []byte, context string) (*WrapKey, error) {
	kek, err := k.handle.use()
	if err != nil {
		return nil, err
	}
	defer k.handle.release()
	var made *C.k8senc_wrap_key
	var failure *C.k8senc_error
	wrapPointer, wrapLen := in(wrap)
	contextPointer, contextLen := inString(context)
	if err := fail(C.k8senc_kek_unwrap((*C.k8senc_kek)(kek), wrapPointer, wrapLen, contextPointer, contextLen, &made, &failure), failure); err != nil {
		return nil, err
	}
	return newWrapKey(made), nil
}

// WrapForRecipient wraps to a recovery recipient (HPKE) with an X25519 public key of 32 bytes.
func WrapForRecipient(publicKey []byte, key *WrapKey, context string) ([]byte, error) {
	wrapKey, err := key.handle.use()
	if err != nil {
		return nil, err
	}
	defer key.handle.release()
	var out C.k8senc_buf
	var failure *C.k8senc_error
	publicPointer, publicLen := in(publicKey)
	contextPointer, contextLen := inString(context)
	if err := fail(C.k8senc_recipient_wrap(publicPointer, publicLen, (*C.k8senc_wrap_key)(wrapKey), contextPointer, contextLen, &out, &failure), failure); err != nil {
		return nil, err
	}
	return take(&out), nil
}

// RecoveryPublicKey is the public key of a recovery key, an X25519 private key of 32 bytes.
func RecoveryPublicKey(privateKey []byte) ([]byte, error) {
	var out C.k8senc_buf
	var failure *C.k8senc_error
	pointer, length := in(privateKey)
	if err := fail(C.k8senc_recovery_public(pointer, length, &out, &failure), failure); err != nil {
		return nil, err
	}
	return take(&out), nil
}

// UnwrapWithRecoveryKey unwraps offline. That it opens proves nothing about who wrapped: only RecoverRecord takes the key.
func UnwrapWithRecoveryKey(privateKey, wrap []byte, context string) (*WrapKey, error) {
	var made *C.k8senc_wrap_key
	var failure *C.k8senc_error
	privatePointer, privateLen := in(privateKey)
	wrapPointer, wrapLen := in(wrap)
	contextPointer, contextLen := inString(context)
	if err := fail(C.k8senc_recovery_unwrap(privatePointer, privateLen, wrapPointer, wrapLen, contextPointer, contextLen, &made, &failure), failure); err != nil {
		return nil, err
	}
	return newWrapKey(made), nil
}

// Member is one KEK of a set: exactly one of KEK, Recipient and Remote is set.
type Member struct {
	// Slot is the KEK's number in the set.
	Slot uint8
	// KEK is one held here.
	KEK *KEK
	// Recipient is the X25519 public key of a recovery key.
	Recipient []byte
	// Remote is a KEK of a KMS.
	Remote *RemoteKEK
}

// RemoteKEK is what names a key of a KMS and its version, as docs/keyset.md says for its kind, and how long its wraps are.
type RemoteKEK struct {
	Kind     WrapKind
	Identity [][]byte
	WrapLen  int
}

// KeysetMember is a KEK of a set as the set sees it.
type KeysetMember struct {
	Slot    uint8  `json:"slot"`
	Kind    string `json:"kind"`
	WrapLen int    `json:"wrapLen"`
	// Context is what the wrap has to be bound to.
	Context string `json:"context"`
}

// Keyset is a set of KEKs that wrap one seed side by side.
type Keyset struct {
	handle *handle
	// KeyID is what the plugin's Status and Encrypt report.
	KeyID string `json:"keyId"`
	// SetID begins the records of the set.
	SetID string `json:"setId"`
	// MaxRecordLen is the longest record in bytes.
	MaxRecordLen int `json:"maxRecordLen"`
	// Members are the KEKs.
	Members []KeysetMember `json:"members"`
}

// NewKeyset makes a set. label is the cluster's: 1 to 63 letters, digits, dots, underscores or hyphens; raise generation when
// a set that was left is taken up again. setKey has 32 bytes or none, see docs/keyset.md; it is copied.
func NewKeyset(label string, generation uint64, members []Member, setKey []byte) (*Keyset, error) {
	var list *C.k8senc_members
	var failure *C.k8senc_error
	if err := fail(C.k8senc_members_new(&list, &failure), failure); err != nil {
		return nil, err
	}
	defer C.k8senc_members_free(list)
	for _, member := range members {
		if err := addMember(list, member); err != nil {
			return nil, err
		}
	}
	var made *C.k8senc_keyset
	labelPointer, labelLen := inString(label)
	setKeyPointer, setKeyLen := in(setKey)
	if err := fail(C.k8senc_keyset_new(labelPointer, labelLen, C.uint64_t(generation), list, setKeyPointer, setKeyLen, &made, &failure), failure); err != nil {
		return nil, err
	}
	set := &Keyset{handle: own(unsafe.Pointer(made), func(p unsafe.Pointer) { C.k8senc_keyset_free((*C.k8senc_keyset)(p)) })}
	var out C.k8senc_buf
	if err := fail(C.k8senc_keyset_describe(made, &out, &failure), failure); err != nil {
		return nil, err
	}
	if err := takeJSON(&out, set); err != nil {
		return nil, err
	}
	return set, nil
}

func addMember(list *C.k8senc_members, member Member) error {
	var failure *C.k8senc_error
	slot := C.uint8_t(member.Slot)
	switch {
	case member.KEK != nil:
		kek, err := member.KEK.handle.use()
		if err != nil {
			return err
		}
		defer member.KEK.handle.release()
		return fail(C.k8senc_members_add_kek(list, slot, (*C.k8senc_kek)(kek), &failure), failure)
	case member.Recipient != nil:
		pointer, length := in(member.Recipient)
		return fail(C.k8senc_members_add_recipient(list, slot, pointer, length, &failure), failure)
	case member.Remote != nil:
		identity, err := pack(member.Remote.Identity...)
		if err != nil {
			return err
		}
		pointer, length := in(identity)
		return fail(C.k8senc_members_add_remote(list, slot, C.uint8_t(member.Remote.Kind), pointer, length, C.size_t(member.Remote.WrapLen), &failure), failure)
	}
	return fmt.Errorf("k8senc: the member in slot %d has no KEK, recipient or remote KEK", member.Slot)
}

// Close frees the set.
func (s *Keyset) Close() error { return s.handle.close() }

// Seal writes a record: seed (32 bytes) under key, with what every KEK of the set made of key, by slot. It spends key, also on
// failure.
func (s *Keyset) Seal(key *WrapKey, seed []byte, wraps map[uint8][]byte) ([]byte, error) {
	slots := make([]byte, 0, len(wraps))
	parts := make([][]byte, 0, len(wraps))
	for _, member := range s.Members {
		if wrap, ok := wraps[member.Slot]; ok {
			slots = append(slots, member.Slot)
			parts = append(parts, wrap)
		}
	}
	if len(slots) != len(wraps) {
		return nil, fmt.Errorf("k8senc: %d wraps are of slots that the set does not have", len(wraps)-len(slots))
	}
	packed, err := pack(parts...)
	if err != nil {
		return nil, err
	}
	set, err := s.handle.use()
	if err != nil {
		return nil, err
	}
	defer s.handle.release()
	wrapKey, err := key.handle.use()
	if err != nil {
		return nil, err
	}
	defer key.handle.release()
	var out C.k8senc_buf
	var failure *C.k8senc_error
	seedPointer, seedLen := in(seed)
	slotsPointer, slotsLen := in(slots)
	packedPointer, packedLen := in(packed)
	status := C.k8senc_keyset_seal((*C.k8senc_keyset)(set), (*C.k8senc_wrap_key)(wrapKey), seedPointer, seedLen, slotsPointer, slotsLen, packedPointer, packedLen, &out, &failure)
	if err := fail(status, failure); err != nil {
		return nil, err
	}
	return take(&out), nil
}

// RecordInspection is what a record says without any key.
type RecordInspection struct {
	SetID string
	// HasMAC says whether there is a set MAC.
	HasMAC bool
	Wraps  []RecordWrap
}

// RecordWrap is a wrap of a record.
type RecordWrap struct {
	Slot uint8
	Kind WrapKind
	// Symmetric says whether it may be opened online without a set key.
	Symmetric bool
	// Context is what the wrap is bound to.
	Context string
	Wrap    []byte
}

// InspectRecord reads a record of a keyset. label is the cluster's.
func InspectRecord(record []byte, label string) (*RecordInspection, error) {
	var out C.k8senc_buf
	var failure *C.k8senc_error
	recordPointer, recordLen := in(record)
	labelPointer, labelLen := inString(label)
	if err := fail(C.k8senc_record_parts(recordPointer, recordLen, labelPointer, labelLen, &out, &failure), failure); err != nil {
		return nil, err
	}
	parts := unpack(take(&out))
	if len(parts) < 2 || len(parts)%3 != 2 {
		return nil, fmt.Errorf("k8senc: the library gives %d parts of a record", len(parts))
	}
	found := &RecordInspection{SetID: string(parts[0]), HasMAC: parts[1][0] != 0, Wraps: make([]RecordWrap, 0, len(parts)/3)}
	for rest := parts[2:]; len(rest) > 0; rest = rest[3:] {
		head := rest[0]
		found.Wraps = append(found.Wraps, RecordWrap{head[0], WrapKind(head[1]), head[2] != 0, string(rest[1]), rest[2]})
	}
	return found, nil
}

// CheckRecord says whether keyID, label and set key fit a record, without any KEK: ask it before a call to a KMS, so that what
// somebody put into etcd makes none. Without setKey only keyID is looked at. hasMAC says whether the record has a set MAC, and
// counts also where err is ErrKeysetIntegrity.
func CheckRecord(record []byte, keyID, label string, setKey []byte) (hasMAC bool, err error) {
	var mac C.bool
	var failure *C.k8senc_error
	recordPointer, recordLen := in(record)
	keyIDPointer, keyIDLen := inString(keyID)
	labelPointer, labelLen := inString(label)
	setKeyPointer, setKeyLen := in(setKey)
	err = fail(C.k8senc_record_check(recordPointer, recordLen, keyIDPointer, keyIDLen, labelPointer, labelLen, setKeyPointer, setKeyLen, &mac, &failure), failure)
	return bool(mac), err
}

// OpenRecord opens a record online with what a KEK gave for the wrap in slot; keyID is the one stored beside it, label the
// cluster's, setKey the set's or none. The caller clears the seed.
func OpenRecord(record []byte, slot uint8, key *WrapKey, keyID, label string, setKey []byte) (seed []byte, err error) {
	wrapKey, err := key.handle.use()
	if err != nil {
		return nil, err
	}
	defer key.handle.release()
	var out C.k8senc_buf
	var failure *C.k8senc_error
	recordPointer, recordLen := in(record)
	keyIDPointer, keyIDLen := inString(keyID)
	labelPointer, labelLen := inString(label)
	setKeyPointer, setKeyLen := in(setKey)
	status := C.k8senc_record_open(recordPointer, recordLen, C.uint8_t(slot), (*C.k8senc_wrap_key)(wrapKey), keyIDPointer, keyIDLen, labelPointer, labelLen, setKeyPointer, setKeyLen, &out, &failure)
	if err := fail(status, failure); err != nil {
		return nil, err
	}
	return take(&out), nil
}

// Proof is what an offline opening proves about who wrote a record.
type Proof uint32

const (
	// ProofNothing: whoever has the recipient's public key can have made the whole record.
	ProofNothing Proof = C.K8SENC_PROOF_NOTHING
	// ProofSymmetricKEK: written by someone who may encrypt under the symmetric KEK.
	ProofSymmetricKEK Proof = C.K8SENC_PROOF_SYMMETRIC_KEK
	// ProofSetKey: written by someone who has the set key.
	ProofSetKey Proof = C.K8SENC_PROOF_SET_KEY
)

// RecoverRecord is OpenRecord offline: any wrap serves, and proof says what its opening proves.
func RecoverRecord(record []byte, slot uint8, key *WrapKey, keyID, label string, setKey []byte) (seed []byte, proof Proof, err error) {
	wrapKey, err := key.handle.use()
	if err != nil {
		return nil, ProofNothing, err
	}
	defer key.handle.release()
	var out C.k8senc_buf
	var proven C.k8senc_proof
	var failure *C.k8senc_error
	recordPointer, recordLen := in(record)
	keyIDPointer, keyIDLen := inString(keyID)
	labelPointer, labelLen := inString(label)
	setKeyPointer, setKeyLen := in(setKey)
	status := C.k8senc_record_recover(recordPointer, recordLen, C.uint8_t(slot), (*C.k8senc_wrap_key)(wrapKey), keyIDPointer, keyIDLen, labelPointer, labelLen, setKeyPointer, setKeyLen, &proven, &out, &failure)
	if err := fail(status, failure); err != nil {
		return nil, ProofNothing, err
	}
	return take(&out), Proof(proven), nil
}
