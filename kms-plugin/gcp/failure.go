package gcp

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/k8senc/k8senc/kms-plugin/kek"
)

// heard is what came beside an answer.
type heard struct{ header, trailer metadata.MD }

func (h *heard) date() time.Time {
	for _, from := range []metadata.MD{h.header, h.trailer} {
		for _, text := range from.Get("date") {
			if at, err := http.ParseTime(text); err == nil {
				return at
			}
		}
	}
	return time.Time{}
}

func (h *heard) fail(class kek.Class, op string, err error) *kek.Error {
	return &kek.Error{Class: class, Op: op, ServerTime: h.date(), Err: err}
}

func fail(op string, h *heard, err error) *kek.Error {
	var known *kek.Error
	if errors.As(err, &known) {
		return known
	}
	said, ok := status.FromError(err)
	if !ok {
		return h.fail(kek.Unavailable, op, err)
	}
	failure := h.fail(classOf(op, said), op, fmt.Errorf("%s: %s", said.Code(), said.Message()))
	for _, detail := range said.Details() {
		switch about := detail.(type) {
		case *errdetails.RetryInfo:
			failure.RetryAfter = about.GetRetryDelay().AsDuration()
		case *errdetails.RequestInfo:
			failure.RequestID = about.GetRequestId()
		}
	}
	return failure
}

func classOf(op string, said *status.Status) kek.Class {
	text := said.Message()
	switch said.Code() {
	case codes.PermissionDenied, codes.Unauthenticated:
		return kek.Denied
	case codes.ResourceExhausted:
		return kek.Throttled
	case codes.NotFound:
		return kek.Deleted
	case codes.FailedPrecondition:
		// "... is not enabled, current state is: DESTROYED."
		if strings.Contains(text, "DESTROYED") || strings.Contains(text, "GENERATION_FAILED") {
			return kek.Deleted
		}
		return kek.Disabled
	case codes.InvalidArgument:
		// A checksum that does not fit is damage on the way and no property of the wrap.
		if strings.Contains(strings.ToLower(text), "checksum") || strings.Contains(strings.ToLower(text), "crc32c") {
			return kek.Unavailable
		}
		if op == "unwrap" {
			return kek.Integrity
		}
		return kek.Misconfigured
	case codes.Unimplemented, codes.OutOfRange, codes.AlreadyExists:
		return kek.Misconfigured
	default:
		return kek.Unavailable
	}
}
