package observe_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/grpc"

	"github.com/k8senc/k8senc/kms-plugin/kek"
	"github.com/k8senc/k8senc/kms-plugin/kektest"
	"github.com/k8senc/k8senc/kms-plugin/keyset"
	"github.com/k8senc/k8senc/kms-plugin/observe"
)

type store struct{}

func (store) Load() (*keyset.State, error) { return nil, nil }
func (store) Save(*keyset.State) error     { return nil }

func get(t *testing.T, handler http.Handler, path string) (int, string) {
	t.Helper()
	answer := httptest.NewRecorder()
	handler.ServeHTTP(answer, httptest.NewRequest(http.MethodGet, path, nil))
	return answer.Code, answer.Body.String()
}

func start(t *testing.T, options keyset.Options, keys ...keyset.Key) *keyset.Engine {
	t.Helper()
	options.Cluster, options.Generation, options.Store = "c", 1, store{}
	engine, err := keyset.New(options, keys)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		engine.Run(ctx)
	}()
	t.Cleanup(func() {
		cancel()
		<-done
	})
	return engine
}

func TestReadyzSaysWhy(t *testing.T) {
	aws, vault := kektest.New("aws", kek.AWS, time.Now()), kektest.New("vault", kek.Transit, time.Now())
	vault.FailAs(kek.Denied)
	engine := start(t, keyset.Options{}, keyset.Key{Name: "aws", Slot: 1, Backend: aws}, keyset.Key{Name: "vault", Slot: 2, Backend: vault})
	current := func() *keyset.Engine { return engine }
	metrics := observe.NewMetrics("test", current)
	handler := observe.Handler(metrics, current)
	if code, text := get(t, handler, "/readyz"); code != http.StatusServiceUnavailable || !strings.Contains(text, "key vault (slot 2, transit): no answer yet") {
		t.Fatalf("%d %s", code, text)
	}
	if code, text := get(t, handler, "/healthz"); code != http.StatusOK || text != "ok\n" {
		t.Fatalf("a KMS that is down must restart nobody: %d %s", code, text)
	}
	if code, text := get(t, handler, "/metrics"); code != http.StatusOK || !strings.Contains(text, "k8senc_kms_writable 0\n") {
		t.Fatalf("%d %s", code, text)
	}
	vault.Heal()
	aws.Deletion(time.Date(2031, 1, 2, 3, 4, 5, 0, time.UTC))
	select {
	case <-engine.Ready():
	case <-time.After(30 * time.Second):
		t.Fatalf("%+v", engine.Status())
	}
	code, text := get(t, handler, "/readyz")
	if code != http.StatusOK || !strings.Contains(text, "key_id: kc1.") || !strings.Contains(text, "key vault (slot 2, transit): ok") {
		t.Fatalf("%d %s", code, text)
	}
	metrics.Reloaded(errors.New("plugin.yaml:3:1: bogus: no such option"))
	if code, text := get(t, handler, "/readyz"); code != http.StatusOK || !strings.Contains(text, "the configuration file is refused") || !strings.Contains(text, "bogus: no such option") {
		t.Fatalf("%d %s", code, text)
	}
	metrics.Reloaded(nil)
	if _, text := get(t, handler, "/readyz"); strings.Contains(text, "refused") {
		t.Fatal(text)
	}
	_, said := get(t, handler, "/metrics")
	for _, line := range []string{"k8senc_kms_writable 1", "k8senc_kms_healthy 1", `k8senc_kms_key_version_info{key="aws",version="aws/v1"} 1`} {
		if !strings.Contains(said, line+"\n") {
			t.Errorf("no %s", line)
		}
	}
}

func TestSpans(t *testing.T) {
	spans := tracetest.NewSpanRecorder()
	provider := trace.NewTracerProvider(trace.WithSpanProcessor(spans))
	aws := kektest.New("aws", kek.AWS, time.Now())
	engine := start(t, keyset.Options{Tracer: provider.Tracer("test")}, keyset.Key{Name: "aws", Slot: 1, Backend: aws})
	<-engine.Ready()
	if _, err := engine.Encrypt(t.Context(), make([]byte, 32)); err != nil {
		t.Fatal(err)
	}
	aws.FailAs(kek.Throttled)
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if _, err := engine.Encrypt(ctx, make([]byte, 32)); err == nil {
		t.Fatal("it worked")
	}
	var names []string
	for _, span := range spans.Ended() {
		names = append(names, span.Name()+" "+span.Status().Description)
		if !slices.ContainsFunc(span.Attributes(), func(a attribute.KeyValue) bool { return a.Key == "k8senc.key" && a.Value.AsString() == "aws" }) {
			t.Errorf("%s does not name the key", span.Name())
		}
	}
	if !slices.Contains(names, "kms.wrap ") || !slices.Contains(names, "kms.wrap throttled") {
		t.Fatalf("%q", names)
	}
}

// receiver is an OTLP collector.
type receiver struct {
	collector.UnimplementedTraceServiceServer
	mu    sync.Mutex
	names []string
}

func (r *receiver) Export(_ context.Context, request *collector.ExportTraceServiceRequest) (*collector.ExportTraceServiceResponse, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, resource := range request.ResourceSpans {
		for _, scope := range resource.ScopeSpans {
			for _, span := range scope.Spans {
				r.names = append(r.names, fmt.Sprint(resource.Resource.Attributes[0].Value.GetStringValue(), " ", span.Name))
			}
		}
	}
	return &collector.ExportTraceServiceResponse{}, nil
}

func TestTracesArrive(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	got := &receiver{}
	server := grpc.NewServer()
	collector.RegisterTraceServiceServer(server, got)
	go func() { _ = server.Serve(listener) }()
	defer server.Stop()
	traces, err := observe.Traces(t.Context(), listener.Addr().String(), true, 1, "test")
	if err != nil {
		t.Fatal(err)
	}
	_, span := traces.Tracer("test").Start(t.Context(), "kms.unwrap")
	span.End()
	if err := traces.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	got.mu.Lock()
	defer got.mu.Unlock()
	if !slices.Equal(got.names, []string{"k8senc-kms-plugin kms.unwrap"}) {
		t.Fatalf("%q", got.names)
	}
}
