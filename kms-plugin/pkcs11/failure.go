package pkcs11

import (
	"errors"

	"github.com/miekg/pkcs11"

	"github.com/k8senc/k8senc/kms-plugin/kek"
)

// aeadDecryptFailed is CKR_AEAD_DECRYPT_FAILED of PKCS#11 3.0.
const aeadDecryptFailed = 0x00000042

var errBusy = errors.New("the token did not answer in time")

// lostSession is what a new session or another login makes good.
func lostSession(err error) bool {
	switch code(err) {
	case pkcs11.CKR_USER_NOT_LOGGED_IN, pkcs11.CKR_SESSION_HANDLE_INVALID, pkcs11.CKR_SESSION_CLOSED, pkcs11.CKR_DEVICE_REMOVED,
		pkcs11.CKR_TOKEN_NOT_PRESENT, pkcs11.CKR_KEY_HANDLE_INVALID, pkcs11.CKR_OBJECT_HANDLE_INVALID, pkcs11.CKR_OPERATION_ACTIVE,
		pkcs11.CKR_OPERATION_NOT_INITIALIZED, pkcs11.CKR_TOKEN_NOT_RECOGNIZED, pkcs11.CKR_SLOT_ID_INVALID, pkcs11.CKR_DEVICE_ERROR:
		return true
	}
	return false
}

// vague is what says nothing about whether the token or the wrap is broken.
func vague(err error) bool {
	switch code(err) {
	case pkcs11.CKR_GENERAL_ERROR, pkcs11.CKR_FUNCTION_FAILED, pkcs11.CKR_ARGUMENTS_BAD, pkcs11.CKR_DATA_INVALID:
		return true
	}
	return false
}

func code(err error) uint {
	var said pkcs11.Error
	if errors.As(err, &said) {
		return uint(said)
	}
	return 0
}

func fail(op string, err error) *kek.Error {
	var known *kek.Error
	if errors.As(err, &known) {
		return known
	}
	return &kek.Error{Class: classOf(op, err), Op: op, Err: err}
}

func classOf(op string, err error) kek.Class {
	switch code(err) {
	case pkcs11.CKR_PIN_INCORRECT, pkcs11.CKR_PIN_INVALID, pkcs11.CKR_PIN_LEN_RANGE, pkcs11.CKR_PIN_EXPIRED, pkcs11.CKR_PIN_LOCKED,
		pkcs11.CKR_USER_PIN_NOT_INITIALIZED, pkcs11.CKR_USER_TYPE_INVALID, pkcs11.CKR_USER_NOT_LOGGED_IN:
		return kek.Denied
	case pkcs11.CKR_KEY_FUNCTION_NOT_PERMITTED, pkcs11.CKR_KEY_TYPE_INCONSISTENT, pkcs11.CKR_KEY_SIZE_RANGE, pkcs11.CKR_MECHANISM_INVALID,
		pkcs11.CKR_MECHANISM_PARAM_INVALID, pkcs11.CKR_FUNCTION_NOT_SUPPORTED, pkcs11.CKR_ARGUMENTS_BAD:
		return kek.Misconfigured
	case pkcs11.CKR_ENCRYPTED_DATA_INVALID, pkcs11.CKR_ENCRYPTED_DATA_LEN_RANGE, pkcs11.CKR_SIGNATURE_INVALID, aeadDecryptFailed:
		if op == "unwrap" {
			return kek.Integrity
		}
	case pkcs11.CKR_SESSION_COUNT, pkcs11.CKR_DEVICE_MEMORY:
		return kek.Throttled
	}
	return kek.Unavailable
}
