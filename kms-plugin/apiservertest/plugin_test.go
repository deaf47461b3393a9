// Package apiservertest drives the plugin with what kube-apiserver really has: its KMS v2 client, its state machine, its transformers.
package apiservertest

import (
	"bytes"
	"context"
	"encoding/base64"
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

	"github.com/k8senc/k8senc/kms-plugin/daemon"
	"github.com/k8senc/k8senc/kms-plugin/kek"
	"github.com/k8senc/k8senc/kms-plugin/kektest"
)

// fakeConfig is the block `fake` in a configuration: which of the test's KMSs it is.
type fakeConfig struct {
	Name string `yaml:"name"`
}

func (*fakeConfig) Validate() []kek.Problem { return nil }

// plugin is a whole plugin in this process, with a socket and files of its own.
type plugin struct {
	t      *testing.T
	room   string
	fakes  map[string]*kektest.Fake
	stop   func()
	log    *lockedBuffer
	failed chan error
}

type lockedBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

func newPlugin(t *testing.T, keys string) *plugin {
	t.Helper()
	p := &plugin{t: t, room: t.TempDir(), fakes: map[string]*kektest.Fake{}, log: &lockedBuffer{}}
	for name, kind := range map[string]kek.Kind{"aws": kek.AWS, "vault": kek.Transit, "gcp": kek.GCP} {
		p.fakes[name] = kektest.New(name, kind, time.Now().Add(-time.Hour))
	}
	p.write("kek", base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{0x42}, 32)))
	p.configure(keys)
	return p
}

func (p *plugin) write(name, text string) {
	p.t.Helper()
	if err := os.WriteFile(filepath.Join(p.room, name), []byte(text), 0o600); err != nil {
		p.t.Fatal(err)
	}
}

func (p *plugin) socket() string { return filepath.Join(p.room, "kms.sock") }

func (p *plugin) configure(keys string) {
	p.t.Helper()
	p.write("config.yaml", fmt.Sprintf("cluster: test-1\nsocket:\n  path: %s\nstateFile: %s/state.json\nobserve:\n  listen: \"\"\n%s", p.socket(), p.room,
		strings.ReplaceAll(keys, "ROOM", p.room)))
}

const localKey = "keys:\n  - {name: here, slot: 1, local: {file: ROOM/kek}}\n"

func (p *plugin) backends() daemon.Backends {
	all := daemon.Backends{}
	for kind, number := range map[string]kek.Kind{"fakeaws": kek.AWS, "fakevault": kek.Transit, "fakegcp": kek.GCP} {
		all[kind] = daemon.Backend{Kind: number, Config: func() kek.Validator { return &fakeConfig{} },
			Open: func(_ context.Context, settings kek.Validator) (kek.Backend, error) {
				return p.fakes[settings.(*fakeConfig).Name], nil
			}}
	}
	return all.WithLocal()
}

func (p *plugin) start() *plugin {
	p.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	p.failed = make(chan error, 1)
	done := make(chan struct{})
	go func() {
		defer close(done)
		one := &daemon.Daemon{File: filepath.Join(p.room, "config.yaml"), Backends: p.backends(), Version: "test", Log: p.log}
		if err := one.Run(ctx); err != nil {
			p.failed <- err
		}
	}()
	p.stop = sync.OnceFunc(func() {
		cancel()
		<-done
	})
	p.t.Cleanup(p.stop)
	p.eventually("the plugin answers", func() bool {
		select {
		case err := <-p.failed:
			p.t.Fatal(err)
		default:
		}
		status, err := p.client().Status(p.t.Context(), &kmsapi.StatusRequest{})
		return err == nil && status.KeyId != ""
	})
	return p
}

// run is one that is expected to end by itself.
func (p *plugin) run() error {
	one := &daemon.Daemon{File: filepath.Join(p.room, "config.yaml"), Backends: p.backends(), Version: "test", Log: p.log}
	return one.Run(p.t.Context())
}

func (p *plugin) eventually(what string, so func() bool) {
	p.t.Helper()
	for end := time.Now().Add(30 * time.Second); !so(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			p.t.Fatalf("it is never so that %s\n%s", what, p.log)
		}
	}
}

func (p *plugin) client(options ...grpc.DialOption) kmsapi.KeyManagementServiceClient {
	p.t.Helper()
	conn, err := grpc.NewClient("unix://"+p.socket(), append(options, grpc.WithTransportCredentials(insecure.NewCredentials()))...)
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { _ = conn.Close() })
	return kmsapi.NewKeyManagementServiceClient(conn)
}

// apiserver is the part of kube-apiserver that encrypts.
type apiserver struct {
	t       *testing.T
	secrets value.Transformer
	health  func() error
}

const encryptionConfig = `apiVersion: apiserver.config.k8s.io/v1
kind: EncryptionConfiguration
resources:
- resources: [secrets]
  providers:
  - kms: {apiVersion: v2, name: k8senc, endpoint: "unix://%s", timeout: 3s}
`

func (p *plugin) apiserver() *apiserver {
	p.t.Helper()
	path := filepath.Join(p.t.TempDir(), "encryption.yaml")
	if err := os.WriteFile(path, fmt.Appendf(nil, encryptionConfig, p.socket()), 0o600); err != nil {
		p.t.Fatal(err)
	}
	loaded, err := encryptionconfig.LoadEncryptionConfig(p.t.Context(), path, false, "")
	if err != nil {
		p.t.Fatal(err)
	}
	request, err := http.NewRequestWithContext(p.t.Context(), http.MethodGet, "/healthz", nil)
	if err != nil {
		p.t.Fatal(err)
	}
	return &apiserver{p.t, loaded.Transformers[schema.GroupResource{Resource: "secrets"}], func() error {
		for _, check := range loaded.HealthChecks {
			if err := check.Check(request); err != nil {
				return err
			}
		}
		return nil
	}}
}

var place = value.DefaultContext("/registry/secrets/default/a")

func (a *apiserver) writes(text string) []byte {
	a.t.Helper()
	if err := a.health(); err != nil {
		a.t.Fatal(err)
	}
	stored, err := a.secrets.TransformToStorage(a.t.Context(), []byte(text), place)
	if err != nil {
		a.t.Fatal(err)
	}
	return stored
}

func (a *apiserver) reads(stored []byte, text string) (stale bool) {
	a.t.Helper()
	got, stale, err := a.secrets.TransformFromStorage(a.t.Context(), stored, place)
	if err != nil || string(got) != text {
		a.t.Fatalf("%q %v", got, err)
	}
	return stale
}
