package connect

import (
	"context"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/k8senc/k8senc/kms-plugin/kek"
)

// Seen is what the last HTTP answer of a watched call said in its headers.
type Seen struct {
	mu     sync.Mutex
	status int
	header http.Header
}

type seenKey struct{}

// Watch makes a context whose HTTP answers, through Config.Client, are seen.
func Watch(ctx context.Context) (context.Context, *Seen) {
	seen := &Seen{}
	return context.WithValue(ctx, seenKey{}, seen), seen
}

type recorder struct{ next *http.Transport }

func (r *recorder) RoundTrip(request *http.Request) (*http.Response, error) {
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
