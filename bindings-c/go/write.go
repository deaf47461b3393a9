package k8senc

// #include <k8senc.h>
import "C"

import (
	"time"
	"unsafe"
)

// WriteKey is what a KMS provider writes with. Goroutines that share one write one after the other.
type WriteKey struct {
	handle *handle
	// follows is whether the time of a write counts, and once whether it serves one value.
	follows, once bool
}

func newWriteKey(made *C.k8senc_write_key) *WriteKey {
	return &WriteKey{handle: own(unsafe.Pointer(made), func(p unsafe.Pointer) { C.k8senc_write_key_free((*C.k8senc_write_key)(p)) })}
}

// now is the time of a write, 0 where it does not count: asking the clock takes as long as sealing a small value.
func (k *WriteKey) now() C.uint64_t {
	if k == nil || !k.follows {
		return 0
	}
	return C.uint64_t(time.Now().UnixNano())
}

// Close wipes the key.
func (k *WriteKey) Close() error { return k.handle.close() }

// EncryptAnswer is what a KMS v2 plugin's Encrypt answers.
type EncryptAnswer struct {
	// Ciphertext is the encrypted DEK or seed: 1 to 1,024 bytes.
	Ciphertext []byte
	// KeyID is which KEK was used: 1 to 1,024 bytes, the same as Status reports.
	KeyID string
	// Annotations are what the plugin wants back at Decrypt: keys are domain names, all together at most 32,768 bytes.
	Annotations map[string][]byte
}

// NewSeedKey writes KMS v2 values in seed form, as kube-apiserver does since 1.29: a seed of 32 bytes or more, and what the
// plugin's Encrypt answered for it. The caller may clear seed afterwards.
func NewSeedKey(seed []byte, answer EncryptAnswer) (*WriteKey, error) {
	annotations, err := packAnnotations(answer.Annotations)
	if err != nil {
		return nil, err
	}
	var made *C.k8senc_write_key
	var failure *C.k8senc_error
	seedPointer, seedLen := in(seed)
	ciphertextPointer, ciphertextLen := in(answer.Ciphertext)
	keyIDPointer, keyIDLen := inString(answer.KeyID)
	annotationsPointer, annotationsLen := in(annotations)
	status := C.k8senc_write_key_seed_new(seedPointer, seedLen, ciphertextPointer, ciphertextLen, keyIDPointer, keyIDLen, annotationsPointer, annotationsLen, &made, &failure)
	if err := fail(status, failure); err != nil {
		return nil, err
	}
	return newWriteKey(made), nil
}

// NewDEKKey writes KMS v2 values in key form, as Kubernetes 1.27 and 1.28 did: a DEK of 16, 24 or 32 bytes, the last counter
// used (1,000,000,000 for a fresh DEK), and what Encrypt answered. A DEK must be written with in one place only, and its
// counter must never go back: a nonce used twice gives both plaintexts away.
func NewDEKKey(dek []byte, counter uint64, answer EncryptAnswer) (*WriteKey, error) {
	annotations, err := packAnnotations(answer.Annotations)
	if err != nil {
		return nil, err
	}
	var made *C.k8senc_write_key
	var failure *C.k8senc_error
	dekPointer, dekLen := in(dek)
	ciphertextPointer, ciphertextLen := in(answer.Ciphertext)
	keyIDPointer, keyIDLen := inString(answer.KeyID)
	annotationsPointer, annotationsLen := in(annotations)
	status := C.k8senc_write_key_dek_new(dekPointer, dekLen, C.uint64_t(counter), ciphertextPointer, ciphertextLen, keyIDPointer, keyIDLen, annotationsPointer, annotationsLen, &made, &failure)
	if err := fail(status, failure); err != nil {
		return nil, err
	}
	return newWriteKey(made), nil
}

// NewKMSv1Key writes one KMS v1 value: a fresh DEK of 32 random bytes, and what the plugin's Encrypt answered for it. A second
// value with it is ErrSpent.
func NewKMSv1Key(dek, encryptedDEK []byte) (*WriteKey, error) {
	var made *C.k8senc_write_key
	var failure *C.k8senc_error
	dekPointer, dekLen := in(dek)
	encryptedPointer, encryptedLen := in(encryptedDEK)
	if err := fail(C.k8senc_write_key_kmsv1_new(dekPointer, dekLen, encryptedPointer, encryptedLen, &made, &failure), failure); err != nil {
		return nil, err
	}
	key := newWriteKey(made)
	key.once = true
	return key, nil
}

// CheckEncrypt is whether kube-apiserver accepts this answer of a plugin's Encrypt: nil, or the first fault it finds.
func CheckEncrypt(answer EncryptAnswer) error {
	annotations, err := packAnnotations(answer.Annotations)
	if err != nil {
		return err
	}
	var failure *C.k8senc_error
	ciphertextPointer, ciphertextLen := in(answer.Ciphertext)
	keyIDPointer, keyIDLen := inString(answer.KeyID)
	annotationsPointer, annotationsLen := in(annotations)
	status := C.k8senc_contract_encrypt(ciphertextPointer, ciphertextLen, keyIDPointer, keyIDLen, annotationsPointer, annotationsLen, &failure)
	return fail(status, failure)
}

// StatusAnswer is what a KMS v2 plugin's Status answers.
type StatusAnswer struct{ Version, Healthz, KeyID string }

// CheckStatus is whether kube-apiserver accepts this answer of a plugin's Status: nil, or the first fault, with all of them
// in Error.JSON. firstVersion is the first good version that this plugin reported, empty if it reported none before.
func CheckStatus(answer StatusAnswer, firstVersion string) error {
	var failure *C.k8senc_error
	versionPointer, versionLen := inString(answer.Version)
	healthzPointer, healthzLen := inString(answer.Healthz)
	keyIDPointer, keyIDLen := inString(answer.KeyID)
	firstPointer, firstLen := inString(firstVersion)
	status := C.k8senc_contract_status(versionPointer, versionLen, healthzPointer, healthzLen, keyIDPointer, keyIDLen, firstPointer, firstLen, &failure)
	return fail(status, failure)
}
