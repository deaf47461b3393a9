package connect

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/k8senc/k8senc/kms-plugin/kek"
)

// Seen is what the last HTTP answer of a watched call said in its headers.
type Seen struct {
	once   bool
	mu     sync.Mutex
	status int
	header http.Header
}

type seenKey struct{}

// Watch makes a context whose HTTP answers, through Config.Client, are seen. A request that was sent on a kept connection which
// turns out to be closed is sent again on a fresh one: a KMS and what stands before it close connections that are idle for a
// minute, and the first Decrypt after a quiet hour must not fail of that.
func Watch(ctx context.Context) (context.Context, *Seen) {
	seen := &Seen{}
	return context.WithValue(ctx, seenKey{}, seen), seen
}

// WatchOnce is Watch for what must not be sent twice, as a login with a secret that counts its uses.
func WatchOnce(ctx context.Context) (context.Context, *Seen) {
	seen := &Seen{once: true}
	return context.WithValue(ctx, seenKey{}, seen), seen
}

// replayable is a copy of a watched request that net/http may send again where a kept connection was dead.
func replayable(request *http.Request) (*http.Request, error) {
	seen, watched := request.Context().Value(seenKey{}).(*Seen)
	if !watched || seen.once {
		return request, nil
	}
	again := request.Clone(request.Context())
	if request.Body != nil && request.Body != http.NoBody && request.GetBody == nil {
		body, err := io.ReadAll(request.Body)
		if closing := request.Body.Close(); err == nil {
			err = closing
		}
		if err != nil {
			return nil, err
		}
		again.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil }
		again.Body, _ = again.GetBody()
	}
	// net/http's mark of a request that may be sent twice; an empty one is not sent itself.
	again.Header["Idempotency-Key"] = []string{}
	return again, nil
}

type recorder struct{ next *http.Transport }

func (r *recorder) RoundTrip(request *http.Request) (*http.Response, error) {
	request, err := replayable(request)
	if err != nil {
		return nil, err
	}
	answer, err := r.next.RoundTrip(request)
	record(request, answer, err)
	return answer, err
}

func record(request *http.Request, answer *http.Response, err error) {
	if seen, ok := request.Context().Value(seenKey{}).(*Seen); ok && err == nil {
		seen.mu.Lock()
		seen.status, seen.header = answer.StatusCode, answer.Header.Clone()
		seen.mu.Unlock()
	}
}

// Doer is what SDKs call an HTTP client.
type Doer interface {
	Do(*http.Request) (*http.Response, error)
}

// Recording is a Doer whose answers Watch sees, for an SDK that insists on a client of its own.
type Recording struct{ Doer }

// Do does and records.
func (r Recording) Do(request *http.Request) (*http.Response, error) {
	request, err := replayable(request)
	if err != nil {
		return nil, err
	}
	answer, err := r.Doer.Do(request)
	record(request, answer, err)
	return answer, err
}

// CloseIdleConnections makes http.Client's method of that name work through the recorder.
func (r *recorder) CloseIdleConnections() { r.next.CloseIdleConnections() }

// Status is the HTTP status, and zero without an answer.
func (s *Seen) Status() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.status
}

// Header is one header of the answer, empty without one.
func (s *Seen) Header(name string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.header.Get(name)
}

// ServerTime is the answer's Date.
func (s *Seen) ServerTime() time.Time {
	at, err := http.ParseTime(s.Header("Date"))
	if err != nil {
		return time.Time{}
	}
	return at
}

// RetryAfter is what the answer asked for, in seconds or as a date by the server's own clock.
func (s *Seen) RetryAfter() time.Duration {
	text := s.Header("Retry-After")
	if seconds, err := strconv.ParseUint(text, 10, 31); err == nil {
		return time.Duration(seconds) * time.Second
	}
	until, err := http.ParseTime(text)
	if from := s.ServerTime(); err == nil && !from.IsZero() && until.After(from) {
		return until.Sub(from)
	}
	return 0
}

// Fail is the error of a call with what its answer's headers said.
func (s *Seen) Fail(class kek.Class, op, requestID string, err error) *kek.Error {
	return &kek.Error{Class: class, Op: op, RequestID: requestID, RetryAfter: s.RetryAfter(), ServerTime: s.ServerTime(), Err: err}
}
