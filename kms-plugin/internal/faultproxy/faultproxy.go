// Package faultproxy stands between a backend and its test server and lets the calls fail in ways that the server cannot.
package faultproxy

import (
	"bytes"
	"crypto/tls"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/k8senc/k8senc/kms-plugin/internal/testtls"
)

// Fault is what happens to the calls that Match chooses, in place of or before the server's answer. The first one that matches counts.
type Fault struct {
	// Match chooses; nil chooses all.
	Match func(*http.Request) bool
	// Times is how often it happens; 0 is always.
	Times int
	// Delay comes first, until the caller gives up.
	Delay time.Duration
	// Cut closes the connection without an answer.
	Cut bool
	// CutBody answers the head and half of a body, then closes.
	CutBody bool
	// Status, Header and Body are an answer in place of the server's, if Status is not zero.
	Status int
	Header http.Header
	Body   string
	// Skew moves the Date of whatever is answered.
	Skew time.Duration
	// Reply changes the server's answer.
	Reply func(*http.Response) error
}

// Proxy is a running proxy.
type Proxy struct {
	// URL is https://127.0.0.1:port.
	URL string

	mu     sync.Mutex
	faults []*Fault
	calls  int
}

// Start puts a proxy with TLS of its own before the server at address, which authority signed for.
func Start(t testing.TB, authority *testtls.Authority, address string) *Proxy {
	t.Helper()
	behind, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	p := &Proxy{}
	reverse := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(behind)
			// Signed requests name the host that the client called.
			r.Out.Host = r.In.Host
		},
		Transport:      &http.Transport{TLSClientConfig: &tls.Config{RootCAs: authority.Pool()}, MaxIdleConnsPerHost: 16},
		ModifyResponse: p.modify,
		ErrorHandler:   func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) },
	}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { p.serve(w, r, reverse) }))
	server.TLS = authority.Server(t)
	server.StartTLS()
	t.Cleanup(server.Close)
	p.URL = server.URL
	return p
}

// Set replaces the faults.
func (p *Proxy) Set(faults ...Fault) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.faults, p.calls = nil, 0
	for _, fault := range faults {
		p.faults = append(p.faults, &fault)
	}
}

// Calls is how many came since Set.
func (p *Proxy) Calls() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.calls
}

func (p *Proxy) next(r *http.Request) *Fault {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.calls++
	for _, fault := range p.faults {
		if fault.Times < 0 || (fault.Match != nil && !fault.Match(r)) {
			continue
		}
		now := *fault
		if fault.Times > 0 {
			fault.Times--
			if fault.Times == 0 {
				fault.Times = -1
			}
		}
		return &now
	}
	return nil
}

type faultKey struct{}

func (p *Proxy) serve(w http.ResponseWriter, r *http.Request, reverse http.Handler) {
	// Read whole, so that a caller who gives up is seen.
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	fault := p.next(r)
	if fault == nil {
		reverse.ServeHTTP(w, r)
		return
	}
	if fault.Delay > 0 {
		select {
		case <-time.After(fault.Delay):
		case <-r.Context().Done():
			panic(http.ErrAbortHandler)
		}
	}
	if fault.Cut {
		panic(http.ErrAbortHandler)
	}
	if fault.Skew != 0 {
		w.Header().Set("Date", time.Now().Add(fault.Skew).UTC().Format(http.TimeFormat))
	}
	if fault.CutBody {
		w.Header().Set("Content-Length", "1000")
		_, _ = w.Write([]byte(`{"half":`))
		panic(http.ErrAbortHandler)
	}
	if fault.Status != 0 {
		for name, values := range fault.Header {
			w.Header()[name] = values
		}
		w.WriteHeader(fault.Status)
		_, _ = w.Write([]byte(fault.Body))
		return
	}
	reverse.ServeHTTP(w, r.WithContext(withFault(r, fault)))
}
