package connect_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/k8senc/k8senc/kms-plugin/connect"
	"github.com/k8senc/k8senc/kms-plugin/internal/testtls"
	"github.com/k8senc/k8senc/kms-plugin/kek"
)

func TestValidate(t *testing.T) {
	good := connect.Config{CAFile: "/ca", CertFile: "/cert", KeyFile: "/key", Proxy: "http://proxy.example:3128", Timeout: 3 * time.Second}
	if found := good.Validate(); len(found) > 0 {
		t.Errorf("%+v", found)
	}
	for field, config := range map[string]connect.Config{
		"caFile": {CAFile: "ca.pem"}, "certFile": {CertFile: "/cert"}, "keyFile": {CertFile: "/c", KeyFile: "k"}, "proxy": {Proxy: "proxy.example:3128"}, "timeout": {Timeout: 2 * time.Minute},
	} {
		if found := config.Validate(); len(found) != 1 || found[0].Field != field {
			t.Errorf("%s: %+v", field, found)
		}
	}
}

func TestAddress(t *testing.T) {
	for _, good := range []string{"https://kms.example", "https://kms.example:8200/", "http://127.0.0.1:8200", "http://[::1]:1", "http://localhost"} {
		if problem, wrong := connect.Address("address", good); wrong {
			t.Errorf("%s: %+v", good, problem)
		}
	}
	for bad, says := range map[string]string{
		"kms.example": "no URL", "ftp://kms.example": "no URL", "https://me:secret@kms.example": "user name", "https://kms.example?x=1": "query", "http://kms.example": "no TLS",
		"http://10.0.0.1": "no TLS",
	} {
		problem, wrong := connect.Address("address", bad)
		if !wrong || problem.Field != "address" || !strings.Contains(problem.What, says) || strings.Contains(fmt.Sprint(problem), "secret") {
			t.Errorf("%s: %+v", bad, problem)
		}
	}
}

func get(t *testing.T, client *http.Client, url string) (string, error) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := client.Do(request)
	if err != nil {
		return "", err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	return fmt.Sprint(answer.StatusCode, " ", string(text)), err
}

func client(t *testing.T, config connect.Config) *http.Client {
	t.Helper()
	config.Timeout = time.Minute
	made, err := config.Client()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(made.CloseIdleConnections)
	return made
}

func TestRootsNamesAndClientCertificates(t *testing.T) {
	authority := testtls.New(t)
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if len(r.TLS.PeerCertificates) > 0 {
			fmt.Fprint(w, r.TLS.PeerCertificates[0].Subject.CommonName)
		}
	}))
	server.TLS, server.Config.ErrorLog = authority.Server(t), log.New(io.Discard, "", 0)
	server.TLS.ClientAuth = tls.RequestClientCert
	server.StartTLS()
	t.Cleanup(server.Close)
	if got, err := get(t, client(t, connect.Config{CAFile: authority.File, Proxy: "none"}), server.URL); err != nil || got != "200 " {
		t.Errorf("%q %v", got, err)
	}
	pair := authority.Issue(t, "this-client")
	if got, err := get(t, client(t, connect.Config{CAFile: authority.File, CertFile: pair.CertFile, KeyFile: pair.KeyFile, Proxy: "none"}), server.URL); err != nil || got != "200 this-client" {
		t.Errorf("%q %v", got, err)
	}
	for what, config := range map[string]connect.Config{
		"the system's roots": {Proxy: "none"}, "another authority's root": {CAFile: testtls.New(t).File, Proxy: "none"},
		"another name": {CAFile: authority.File, ServerName: "other.example", Proxy: "none"},
	} {
		if got, err := get(t, client(t, config), server.URL); err == nil {
			t.Errorf("%s: %q", what, got)
		}
	}
	missing := filepath.Join(t.TempDir(), "none")
	for _, config := range []connect.Config{{CAFile: missing}, {CAFile: pair.KeyFile}, {CertFile: missing, KeyFile: missing}} {
		if _, err := config.Client(); err == nil {
			t.Errorf("%+v is taken", config)
		}
	}
}

func TestProxies(t *testing.T) {
	var through atomic.Int64
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		through.Add(1)
		fmt.Fprint(w, "proxy for ", r.URL.Host)
	}))
	t.Cleanup(proxy.Close)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "server") }))
	t.Cleanup(server.Close)
	if got, err := get(t, client(t, connect.Config{Proxy: proxy.URL}), "http://kms.example/"); err != nil || got != "200 proxy for kms.example" {
		t.Errorf("%q %v", got, err)
	}
	if got, err := get(t, client(t, connect.Config{Proxy: "none"}), server.URL); err != nil || got != "200 server" || through.Load() != 1 {
		t.Errorf("%q %v, %d calls through the proxy", got, err, through.Load())
	}
}

func TestRedirectsAreNotFollowed(t *testing.T) {
	server := httptest.NewServer(http.RedirectHandler("http://elsewhere.example/", http.StatusTemporaryRedirect))
	t.Cleanup(server.Close)
	if got, err := get(t, client(t, connect.Config{Proxy: "none"}), server.URL); err != nil || !strings.HasPrefix(got, "307") {
		t.Errorf("%q %v", got, err)
	}
}

func TestWhatAnAnswerSaid(t *testing.T) {
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	for after, want := range map[string]time.Duration{"3": 3 * time.Second, now.Add(time.Minute).Format(http.TimeFormat): time.Minute, "": 0, "-1": 0, "soon": 0, now.Add(-time.Minute).Format(http.TimeFormat): 0} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Date", now.Format(http.TimeFormat))
			w.Header().Set("Retry-After", after)
			w.WriteHeader(http.StatusTooManyRequests)
		}))
		ctx, seen := connect.Watch(t.Context())
		request, _ := http.NewRequestWithContext(ctx, http.MethodPost, server.URL, strings.NewReader("x"))
		answer, err := client(t, connect.Config{Proxy: "none"}).Do(request)
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		server.Close()
		failure := seen.Fail(kek.Throttled, "wrap", "id-1", errors.New("slower"))
		if seen.Status() != 429 || failure.RetryAfter != want || !failure.ServerTime.Equal(now) || failure.RequestID != "id-1" {
			t.Errorf("%q: %d %+v", after, seen.Status(), failure)
		}
	}
	_, unseen := connect.Watch(t.Context())
	if unseen.Status() != 0 || unseen.Header("Date") != "" || !unseen.ServerTime().IsZero() || unseen.RetryAfter() != 0 {
		t.Error("something was seen without an answer")
	}
}

// tired answers one request on each connection and closes it when it has read the next one, as a load balancer does whose idle time is
// over just then.
func tired(t *testing.T, sent *atomic.Int64) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				from := bufio.NewReader(conn)
				for i := range 2 {
					request, err := http.ReadRequest(from)
					if err != nil {
						return
					}
					body, _ := io.ReadAll(request.Body)
					sent.Add(1)
					if _, marked := request.Header["Idempotency-Key"]; marked {
						body = []byte("the mark was sent")
					}
					if i == 0 {
						fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
					}
				}
			}()
		}
	}()
	return "http://" + listener.Addr().String()
}

func TestAKeptConnectionThatWasClosedIsReplaced(t *testing.T) {
	plain := func(ctx context.Context) (context.Context, *connect.Seen) { return ctx, nil }
	for name, one := range map[string]struct {
		watch func(context.Context) (context.Context, *connect.Seen)
		sent  int64
	}{"watched": {connect.Watch, 3}, "once": {connect.WatchOnce, 2}, "not watched": {plain, 2}} {
		for _, recording := range []bool{false, true} {
			var sent atomic.Int64
			address := tired(t, &sent)
			var doer connect.Doer = client(t, connect.Config{Proxy: "none"})
			if recording {
				own := &http.Client{Transport: &http.Transport{}}
				t.Cleanup(own.CloseIdleConnections)
				doer = connect.Recording{Doer: own}
			}
			for i := range 2 {
				ctx, _ := one.watch(t.Context())
				// No GetBody: some SDKs' requests have none.
				request, err := http.NewRequestWithContext(ctx, http.MethodPost, address, io.NopCloser(bytes.NewReader([]byte("wrapped"))))
				if err != nil {
					t.Fatal(err)
				}
				request.ContentLength = 7
				answer, err := doer.Do(request)
				if replaced := one.sent == 3; i == 1 && !replaced {
					if err == nil {
						t.Errorf("%s: the second request was answered", name)
					}
					continue
				}
				if err != nil {
					t.Fatalf("%s, request %d: %v", name, i, err)
				}
				if text, err := io.ReadAll(answer.Body); err != nil || string(text) != "wrapped" {
					t.Errorf("%s: %q %v", name, text, err)
				}
				answer.Body.Close()
			}
			if sent.Load() != one.sent {
				t.Errorf("%s: %d requests arrived, %d were due", name, sent.Load(), one.sent)
			}
		}
	}
}

func TestParts(t *testing.T) {
	if connect.CheckKey(make([]byte, 32)) != nil || kek.ClassOf(connect.CheckKey(make([]byte, 31))) != kek.Misconfigured {
		t.Error("a wrap key has 32 bytes")
	}
	short := []byte("not a wrap key")
	if connect.CheckUnwrapped(make([]byte, 32)) != nil || kek.ClassOf(connect.CheckUnwrapped(short)) != kek.Integrity || !bytes.Equal(short, make([]byte, len(short))) {
		t.Error("what is no wrap key is refused and wiped")
	}
	if kek.ClassOf(connect.Foreign()) != kek.Misconfigured {
		t.Error("a foreign version is a mistake of the caller")
	}
	var gate connect.Gate
	if gate.Check("wrap") != nil || !gate.Shut() || gate.Shut() || kek.ClassOf(gate.Check("wrap")) != kek.Unavailable {
		t.Error("a gate shuts once")
	}
	inner := errors.New("connection refused")
	if connect.Cause(&url.Error{Op: "Post", URL: "https://kms.example/?token=x", Err: inner}) != inner || connect.Cause(inner) != inner {
		t.Error("the cause is not without the URL")
	}
	if (&connect.Config{}).Limit() != connect.DefaultTimeout || (&connect.Config{Timeout: time.Second}).Limit() != time.Second {
		t.Error("the limit")
	}
}
