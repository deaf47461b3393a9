package k8senc

// #include <k8senc.h>
import "C"

import (
	"time"
	"unsafe"
)

// Todo is what has to be done next for a probe.
type Todo uint32

const (
	// TodoWait is nothing until Step.Until; then poll again.
	TodoWait Todo = C.K8SENC_TODO_WAIT
	// TodoStatus is call Status and hand over what it answers, also when it fails.
	TodoStatus Todo = C.K8SENC_TODO_STATUS
	// TodoEncrypt is call Encrypt: for KMS v2 with a seed of 32 random bytes and a uid (UUID v4), for KMS v1 with "ping".
	TodoEncrypt Todo = C.K8SENC_TODO_ENCRYPT
	// TodoDone is the probe is over and the plugin is well.
	TodoDone Todo = C.K8SENC_TODO_DONE
	// TodoPending is a call is out, and kube-apiserver waits for it here.
	TodoPending Todo = C.K8SENC_TODO_PENDING
	// TodoDecrypt is, for KMS v1, call Decrypt with what Encrypt answered.
	TodoDecrypt Todo = C.K8SENC_TODO_DECRYPT
)

// Step says what to do next. Until counts for TodoWait only.
type Step struct {
	Todo  Todo
	Until time.Time
}

func newStep(from *C.k8senc_step) Step {
	step := Step{Todo: Todo(from.todo)}
	if step.Todo == TodoWait {
		step.Until = time.Unix(0, int64(from.until_ns))
	}
	return step
}

// KMSv2 is one KMS v2 provider of one API server, as kube-apiserver treats it: when to ask the plugin, what to write with,
// what to say of its health. It makes no call and looks at no clock. An error of a method that gives a Step, other than of
// the call itself, ends the probe: Error.Upstream is what the health endpoint says.
type KMSv2 struct{ handle *handle }

// NewKMSv2 makes a provider that nobody has asked yet.
func NewKMSv2(provider string) (*KMSv2, error) {
	var made *C.k8senc_kmsv2
	var failure *C.k8senc_error
	pointer, length := inString(provider)
	if err := fail(C.k8senc_kmsv2_new(pointer, length, &made, &failure), failure); err != nil {
		return nil, err
	}
	return &KMSv2{own(unsafe.Pointer(made), func(p unsafe.Pointer) { C.k8senc_kmsv2_free((*C.k8senc_kmsv2)(p)) })}, nil
}

// NewKMSv2KeyForm is NewKMSv2 for a server that writes in key form: Kubernetes 1.27, and 1.28 unless it was told otherwise. The 32
// bytes that go to Encrypt are a DEK there.
func NewKMSv2KeyForm(provider string) (*KMSv2, error) {
	var made *C.k8senc_kmsv2
	var failure *C.k8senc_error
	pointer, length := inString(provider)
	if err := fail(C.k8senc_kmsv2_key_form_new(pointer, length, &made, &failure), failure); err != nil {
		return nil, err
	}
	return &KMSv2{own(unsafe.Pointer(made), func(p unsafe.Pointer) { C.k8senc_kmsv2_free((*C.k8senc_kmsv2)(p)) })}, nil
}

// Close frees the provider; its seed is wiped with the last write key that follows it.
func (k *KMSv2) Close() error { return k.handle.close() }

func (k *KMSv2) step(call func(*C.k8senc_kmsv2, *C.k8senc_step, **C.k8senc_error) C.k8senc_status) (Step, error) {
	pointer, err := k.handle.use()
	if err != nil {
		return Step{}, err
	}
	defer k.handle.release()
	var step C.k8senc_step
	var failure *C.k8senc_error
	if err := fail(call((*C.k8senc_kmsv2)(pointer), &step, &failure), failure); err != nil {
		return Step{}, err
	}
	return newStep(&step), nil
}

func nanoseconds(t time.Time) C.uint64_t { return C.uint64_t(t.UnixNano()) }

// Poll is what kube-apiserver does by itself: first the probe at its start, then its background polls.
func (k *KMSv2) Poll(now time.Time) (Step, error) {
	return k.step(func(kms *C.k8senc_kmsv2, step *C.k8senc_step, failure **C.k8senc_error) C.k8senc_status {
		return C.k8senc_kmsv2_poll(kms, nanoseconds(now), step, failure)
	})
}

// Health is what a request to the health endpoint does.
func (k *KMSv2) Health(now time.Time) (Step, error) {
	return k.step(func(kms *C.k8senc_kmsv2, step *C.k8senc_step, failure **C.k8senc_error) C.k8senc_status {
		return C.k8senc_kmsv2_health(kms, nanoseconds(now), step, failure)
	})
}

// StatusAnswered takes what Status answered, at the time it did.
func (k *KMSv2) StatusAnswered(now time.Time, answer StatusAnswer) (Step, error) {
	return k.step(func(kms *C.k8senc_kmsv2, step *C.k8senc_step, failure **C.k8senc_error) C.k8senc_status {
		versionPointer, versionLen := inString(answer.Version)
		healthzPointer, healthzLen := inString(answer.Healthz)
		keyIDPointer, keyIDLen := inString(answer.KeyID)
		return C.k8senc_kmsv2_status_answered(kms, nanoseconds(now), versionPointer, versionLen, healthzPointer, healthzLen, keyIDPointer, keyIDLen, step, failure)
	})
}

// StatusFailed takes the text of the failure of Status.
func (k *KMSv2) StatusFailed(now time.Time, reason string) (Step, error) {
	return k.step(func(kms *C.k8senc_kmsv2, step *C.k8senc_step, failure **C.k8senc_error) C.k8senc_status {
		reasonPointer, reasonLen := inString(reason)
		return C.k8senc_kmsv2_status_failed(kms, nanoseconds(now), reasonPointer, reasonLen, step, failure)
	})
}

// EncryptAnswered takes the seed and uid that went to Encrypt, and what it answered. The caller may clear seed afterwards.
func (k *KMSv2) EncryptAnswered(now time.Time, seed []byte, uid string, answer EncryptAnswer) (Step, error) {
	annotations, err := packAnnotations(answer.Annotations)
	if err != nil {
		return Step{}, err
	}
	return k.step(func(kms *C.k8senc_kmsv2, step *C.k8senc_step, failure **C.k8senc_error) C.k8senc_status {
		seedPointer, seedLen := in(seed)
		uidPointer, uidLen := inString(uid)
		ciphertextPointer, ciphertextLen := in(answer.Ciphertext)
		keyIDPointer, keyIDLen := inString(answer.KeyID)
		annotationsPointer, annotationsLen := in(annotations)
		return C.k8senc_kmsv2_encrypt_answered(kms, nanoseconds(now), seedPointer, seedLen, uidPointer, uidLen,
			ciphertextPointer, ciphertextLen, keyIDPointer, keyIDLen, annotationsPointer, annotationsLen, step, failure)
	})
}

// EncryptFailed takes the uid that went to Encrypt and the text of its failure.
func (k *KMSv2) EncryptFailed(now time.Time, uid, reason string) (Step, error) {
	return k.step(func(kms *C.k8senc_kmsv2, step *C.k8senc_step, failure **C.k8senc_error) C.k8senc_status {
		uidPointer, uidLen := inString(uid)
		reasonPointer, reasonLen := inString(reason)
		return C.k8senc_kmsv2_encrypt_failed(kms, nanoseconds(now), uidPointer, uidLen, reasonPointer, reasonLen, step, failure)
	})
}

// WriteKey writes with the seed that the provider has at the time of each write. Sealing fails with ErrKMSNeverHealthy or
// ErrKMSWriteExpired where kube-apiserver refuses to write. It may outlive the provider.
func (k *KMSv2) WriteKey() (*WriteKey, error) {
	pointer, err := k.handle.use()
	if err != nil {
		return nil, err
	}
	defer k.handle.release()
	var made *C.k8senc_write_key
	var failure *C.k8senc_error
	if err := fail(C.k8senc_kmsv2_write_key_new((*C.k8senc_kmsv2)(pointer), &made, &failure), failure); err != nil {
		return nil, err
	}
	key := newWriteKey(made)
	key.follows = true
	return key, nil
}

// Follow tells the table what the provider knows of its plugin now, which decides what is stale.
func (t *DEKTable) Follow(kms *KMSv2) error {
	deks, err := t.handle.use()
	if err != nil {
		return err
	}
	defer t.handle.release()
	pointer, err := kms.handle.use()
	if err != nil {
		return err
	}
	defer kms.handle.release()
	var failure *C.k8senc_error
	return fail(C.k8senc_deks_follow((*C.k8senc_deks)(deks), (*C.k8senc_kmsv2)(pointer), &failure), failure)
}

// KMSv1 is one KMS v1 provider of one API server, whose health is asked for: Encrypt of "ping", then Decrypt of what it
// answered. Steps as with KMSv2; now counts from any one point in time.
type KMSv1 struct{ handle *handle }

// NewKMSv1 makes a provider that nobody has asked yet.
func NewKMSv1(provider string) (*KMSv1, error) {
	var made *C.k8senc_kmsv1
	var failure *C.k8senc_error
	pointer, length := inString(provider)
	if err := fail(C.k8senc_kmsv1_new(pointer, length, &made, &failure), failure); err != nil {
		return nil, err
	}
	return &KMSv1{own(unsafe.Pointer(made), func(p unsafe.Pointer) { C.k8senc_kmsv1_free((*C.k8senc_kmsv1)(p)) })}, nil
}

// Close frees the provider.
func (k *KMSv1) Close() error { return k.handle.close() }

func (k *KMSv1) step(call func(*C.k8senc_kmsv1, *C.k8senc_step, **C.k8senc_error) C.k8senc_status) (Step, error) {
	pointer, err := k.handle.use()
	if err != nil {
		return Step{}, err
	}
	defer k.handle.release()
	var step C.k8senc_step
	var failure *C.k8senc_error
	if err := fail(call((*C.k8senc_kmsv1)(pointer), &step, &failure), failure); err != nil {
		return Step{}, err
	}
	return newStep(&step), nil
}

// Health is what a request to the health endpoint does.
func (k *KMSv1) Health(now time.Time) (Step, error) {
	return k.step(func(kms *C.k8senc_kmsv1, step *C.k8senc_step, failure **C.k8senc_error) C.k8senc_status {
		return C.k8senc_kmsv1_health(kms, nanoseconds(now), step, failure)
	})
}

// EncryptAnswered takes that Encrypt answered, or (failed) the text of its failure.
func (k *KMSv1) EncryptAnswered(now time.Time, failed bool, reason string) (Step, error) {
	return k.step(func(kms *C.k8senc_kmsv1, step *C.k8senc_step, failure **C.k8senc_error) C.k8senc_status {
		reasonPointer, reasonLen := inString(reason)
		return C.k8senc_kmsv1_encrypt_answered(kms, nanoseconds(now), C.bool(failed), reasonPointer, reasonLen, step, failure)
	})
}

// DecryptAnswered takes that Decrypt answered, or (failed) the text of its failure.
func (k *KMSv1) DecryptAnswered(now time.Time, failed bool, reason string) (Step, error) {
	return k.step(func(kms *C.k8senc_kmsv1, step *C.k8senc_step, failure **C.k8senc_error) C.k8senc_status {
		reasonPointer, reasonLen := inString(reason)
		return C.k8senc_kmsv1_decrypt_answered(kms, nanoseconds(now), C.bool(failed), reasonPointer, reasonLen, step, failure)
	})
}
