package k8senc

// #include <k8senc.h>
import "C"

import (
	"errors"
	"unsafe"
)

// Error is why a call failed. It never holds a secret.
type Error struct {
	// Status is the number of the reason, the same in every binding and every release.
	Status Status
	// Code is the stable name of the reason, such as "authentication".
	Code string
	// Text says what was found and what was needed.
	Text string
	// Upstream is what kube-apiserver says in this place; empty where it says nothing comparable.
	Upstream string
	// JSON has details where the function says so.
	JSON []byte
	// Request is the question for the KMS, with ErrDEKNeeded.
	Request *DEKRequest
}

// Error is Text with the package's name in front.
func (e *Error) Error() string { return "k8senc: " + e.Text }

// Is makes errors.Is(err, ErrAuthentication) true for every error with that status.
func (e *Error) Is(target error) bool {
	other, ok := target.(*sentinel)
	return ok && other.status == e.Status
}

// sentinel stands for all errors with one status.
type sentinel struct {
	status Status
	text   string
}

func (s *sentinel) Error() string { return "k8senc: " + s.text }

// ErrClosed is the answer of everything that was closed before.
var ErrClosed = errors.New("k8senc: closed")

// fail turns the library's error into ours and frees it. A status without an error object still is one.
func fail(status C.k8senc_status, from *C.k8senc_error) error {
	if status == C.K8SENC_STATUS_OK {
		return nil
	}
	if from == nil {
		return &Error{Status: Status(status), Code: "unknown", Text: Status(status).String()}
	}
	defer C.k8senc_error_free(from)
	made := &Error{
		Status:   Status(from.status),
		Code:     C.GoString(from.code),
		Text:     text(from.text, from.text_len),
		Upstream: text(from.upstream, from.upstream_len),
	}
	if from.json != nil {
		made.JSON = C.GoBytes(unsafe.Pointer(from.json), C.int(from.json_len))
	}
	if from.request != nil {
		made.Request = newRequest(from.request)
	}
	return made
}
