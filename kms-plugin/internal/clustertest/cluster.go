// Package clustertest runs a whole plugin in a test's process, and against it what kube-apiserver really has: its KMS v2 client, its
// state machine, its transformers.
package clustertest

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apiserver/pkg/server/options/encryptionconfig"
	"k8s.io/apiserver/pkg/storage/value"
	kmsapi "k8s.io/kms/apis/v2"
	"k8s.io/kms/pkg/service"

	"github.com/k8senc/k8senc/kms-plugin/daemon"
)

// Plugin is a whole plugin with a socket and files of its own.
type Plugin struct {
	T        testing.TB
	Room     string
	Backends daemon.Backends
	Log      *Log
	// Stop ends it and waits.
	Stop   func()
	failed chan error
}

// Log holds what the plugin logged.
type Log struct {
	mu   sync.Mutex
	text bytes.Buffer
}

// Write adds lines.
func (l *Log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

// String is all of it.
func (l *Log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// New makes the files of a plugin; keys is the part of its configuration from `keys:` on, ROOM in it the directory of the files.
func New(t testing.TB, backends daemon.Backends, keys string) *Plugin {
	t.Helper()
	p := &Plugin{T: t, Room: t.TempDir(), Backends: backends, Log: &Log{}}
	p.Configure(keys)
	return p
}

// Write writes a file of mode 0600.
func (p *Plugin) Write(name, text string) {
	p.T.Helper()
	if err := os.WriteFile(filepath.Join(p.Room, name), []byte(text), 0o600); err != nil {
		p.T.Fatal(err)
	}
}

// Socket is where it listens.
func (p *Plugin) Socket() string { return filepath.Join(p.Room, "kms.sock") }

// Configure writes another configuration; a SIGHUP brings it in force.
func (p *Plugin) Configure(keys string) {
	p.T.Helper()
	p.Write("config.yaml", fmt.Sprintf("cluster: test-1\nsocket:\n  path: %s\nstateFile: %s/state.json\nobserve:\n  listen: \"\"\n%s", p.Socket(), p.Room,
		strings.ReplaceAll(keys, "ROOM", p.Room)))
}

func (p *Plugin) daemon() *daemon.Daemon {
	return &daemon.Daemon{File: filepath.Join(p.Room, "config.yaml"), Backends: p.Backends, Version: "test", Log: p.Log}
}

// Start runs it until it has a key_id.
func (p *Plugin) Start() *Plugin {
	p.T.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	p.failed = make(chan error, 1)
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := p.daemon().Run(ctx); err != nil {
			p.failed <- err
		}
	}()
	p.Stop = sync.OnceFunc(func() {
		cancel()
		<-done
	})
	p.T.Cleanup(p.Stop)
	p.Eventually("the plugin answers", func() bool {
		select {
		case err := <-p.failed:
			p.T.Fatal(err)
		default:
		}
		status, err := p.Client().Status(p.T.Context(), &kmsapi.StatusRequest{})
		return err == nil && status.KeyId != ""
	})
	return p
}

// Run is for one that is expected to end by itself.
func (p *Plugin) Run() error { return p.daemon().Run(p.T.Context()) }

// Eventually waits for something that has to come.
func (p *Plugin) Eventually(what string, so func() bool) {
	p.T.Helper()
	for end := time.Now().Add(time.Minute); !so(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			p.T.Fatalf("it is never so that %s\n%s", what, p.Log)
		}
	}
}

// Client is a client of the socket.
func (p *Plugin) Client(options ...grpc.DialOption) kmsapi.KeyManagementServiceClient {
	p.T.Helper()
	conn, err := grpc.NewClient("unix://"+p.Socket(), append(options, grpc.WithTransportCredentials(insecure.NewCredentials()))...)
	if err != nil {
		p.T.Fatal(err)
	}
	p.T.Cleanup(func() { _ = conn.Close() })
	return kmsapi.NewKeyManagementServiceClient(conn)
}

// Other serves another plugin, as its author wrote it to the interface of k8s.io/kms, and gives its socket.
func Other(t testing.TB, other service.Service) (socket string) {
	t.Helper()
	socket = filepath.Join(t.TempDir(), "other.sock")
	made := service.NewGRPCService(socket, 20*time.Second, other)
	done := make(chan error, 1)
	go func() { done <- made.ListenAndServe() }()
	for end := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
		if _, err := os.Stat(socket); err == nil {
			break
		}
		if time.Now().After(end) {
			t.Fatal("the other plugin does not listen")
		}
	}
	t.Cleanup(func() {
		made.Shutdown()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return socket
}

// Apiserver is the part of kube-apiserver that encrypts.
type Apiserver struct {
	Secrets value.Transformer
	t       testing.TB
	health  func() error
}

// Provider is the name of the provider, which stands in front of what is stored.
const Provider = "k8senc"

const encryptionConfig = `apiVersion: apiserver.config.k8s.io/v1
kind: EncryptionConfiguration
resources:
- resources: [secrets]
  providers:
  - kms: {apiVersion: v2, name: ` + Provider + `, endpoint: "unix://%s", timeout: %s}
`

// Apiserver starts one on the plugin's socket.
func (p *Plugin) Apiserver() *Apiserver {
	p.T.Helper()
	return NewApiserver(p.T, p.Socket(), 3*time.Second)
}

// NewApiserver starts one on any plugin's socket.
func NewApiserver(t testing.TB, socket string, timeout time.Duration) *Apiserver {
	t.Helper()
	path := filepath.Join(t.TempDir(), "encryption.yaml")
	if err := os.WriteFile(path, fmt.Appendf(nil, encryptionConfig, socket, timeout), 0o600); err != nil {
		t.Fatal(err)
	}
	loaded, err := encryptionconfig.LoadEncryptionConfig(t.Context(), path, false, "")
	if err != nil {
		t.Fatal(err)
	}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "/healthz", nil)
	if err != nil {
		t.Fatal(err)
	}
	return &Apiserver{loaded.Transformers[schema.GroupResource{Resource: "secrets"}], t, func() error {
		for _, check := range loaded.HealthChecks {
			if err := check.Check(request); err != nil {
				return err
			}
		}
		return nil
	}}
}

// Place is the etcd key of what Writes and Reads.
var Place = value.DefaultContext("/registry/secrets/default/a")

// Writes gives what kube-apiserver stores.
func (a *Apiserver) Writes(text string) []byte {
	a.t.Helper()
	if err := a.health(); err != nil {
		a.t.Fatal(err)
	}
	stored, err := a.Secrets.TransformToStorage(a.t.Context(), []byte(text), Place)
	if err != nil {
		a.t.Fatal(err)
	}
	return stored
}

// Reads fails the test unless stored holds text.
func (a *Apiserver) Reads(stored []byte, text string) (stale bool) {
	a.t.Helper()
	got, stale, err := a.Secrets.TransformFromStorage(a.t.Context(), stored, Place)
	if err != nil || string(got) != text {
		a.t.Fatalf("%q %v", got, err)
	}
	return stale
}
