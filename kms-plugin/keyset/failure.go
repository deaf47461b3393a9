package keyset

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/k8senc/k8senc/kms-plugin/kek"
)

// errOvertaken ends calls whose answer is no longer needed, because another KMS was faster.
var errOvertaken = errors.New("another KMS was faster")

// Failure is what a call of kube-apiserver ends with; its text names keys and classes, and never holds a secret.
type Failure struct {
	Code codes.Code
	Err  error
}

// Error is the text that kube-apiserver logs.
func (f *Failure) Error() string { return f.Err.Error() }

// Unwrap is the cause.
func (f *Failure) Unwrap() error { return f.Err }

// GRPCStatus is what goes over the socket.
func (f *Failure) GRPCStatus() *status.Status { return status.New(f.Code, f.Err.Error()) }

func fail(code codes.Code, format string, values ...any) *Failure {
	return &Failure{code, fmt.Errorf(format, values...)}
}

// attempt is what one key said.
type attempt struct {
	key string
	err error
}

// allFailed is the failure of a call that every key refused; the kindest verdict decides the code, because it is the one to act on.
func allFailed(what string, attempts []attempt) *Failure {
	if len(attempts) == 0 {
		return fail(codes.FailedPrecondition, "%s: no key of the configuration can be asked", what)
	}
	rank := []codes.Code{codes.Unavailable, codes.ResourceExhausted, codes.DeadlineExceeded, codes.PermissionDenied, codes.FailedPrecondition, codes.Internal}
	best := len(rank) - 1
	parts := make([]string, len(attempts))
	for i, one := range attempts {
		parts[i] = fmt.Sprintf("%s: %v", one.key, one.err)
		for at, code := range rank {
			if codeOf(one.err) == code {
				best = min(best, at)
			}
		}
	}
	return &Failure{rank[best], fmt.Errorf("%s: %s", what, strings.Join(parts, "; "))}
}

func codeOf(err error) codes.Code {
	switch {
	case errors.Is(err, errBusy):
		return codes.ResourceExhausted
	case errors.Is(err, context.DeadlineExceeded):
		return codes.DeadlineExceeded
	case errors.Is(err, context.Canceled):
		return codes.Canceled
	}
	switch kek.ClassOf(err) {
	case kek.Throttled:
		return codes.ResourceExhausted
	case kek.Denied:
		return codes.PermissionDenied
	case kek.Disabled, kek.Deleted, kek.Misconfigured, kek.Changed:
		return codes.FailedPrecondition
	case kek.Integrity:
		return codes.Internal
	default:
		return codes.Unavailable
	}
}

type uidKey struct{}

// WithUID remembers the uid that kube-apiserver gave a request, for the log.
func WithUID(ctx context.Context, uid string) context.Context {
	return context.WithValue(ctx, uidKey{}, uid)
}

func uidOf(ctx context.Context) string {
	uid, _ := ctx.Value(uidKey{}).(string)
	return uid
}
