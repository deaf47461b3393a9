package vault

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/openbao/openbao/api/v2"

	"github.com/k8senc/k8senc/kms-plugin/connect"
	"github.com/k8senc/k8senc/kms-plugin/internal/testtls"
)

// server is one Vault for all tests of this package; each test has a key of its own.
type server struct {
	Address, Token, Share string

	authority *testtls.Authority
	root      *api.Client
	directory string
}

var shared *server

func TestMain(m *testing.M) { os.Exit(run(m)) }

// fatal lets testtls end a run that has no test yet.
type fatal struct{ testing.TB }

func (fatal) Helper()           {}
func (fatal) Fatal(args ...any) { panic(fmt.Sprint(args...)) }

func run(m *testing.M) int {
	directory, err := os.MkdirTemp("", "vault-test-")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(directory)
	program := os.Getenv("K8SENC_TEST_VAULT")
	if program == "" {
		program = filepath.Join(directory, "vault")
		build := exec.Command("go", "build", "-C", "../testservers/vault", "-o", program, ".")
		build.Stderr = os.Stderr
		if err := build.Run(); err != nil {
			panic(err)
		}
	}
	authority := testtls.In(fatal{}, directory)
	pair := authority.Issue(fatal{}, "vault")
	command := exec.Command(program, pair.CertFile, pair.KeyFile)
	command.Stderr = os.Stderr
	input, _ := command.StdinPipe()
	output, _ := command.StdoutPipe()
	if err := command.Start(); err != nil {
		panic(err)
	}
	defer func() {
		input.Close()
		_ = command.Wait()
	}()
	shared = &server{authority: authority, directory: directory}
	line, err := bufio.NewReader(output).ReadBytes('\n')
	if err == nil {
		err = json.Unmarshal(line, shared)
	}
	if err != nil {
		panic(fmt.Errorf("the server said %q: %w", line, err))
	}
	connecting := connect.Config{CAFile: authority.File, Proxy: "none"}
	client, err := connecting.Client()
	if err != nil {
		panic(err)
	}
	shared.root, err = api.NewClient(&api.Config{Address: shared.Address, HttpClient: client, DisableEnvironment: true})
	if err != nil {
		panic(err)
	}
	shared.root.SetToken(shared.Token)
	if err := shared.root.Sys().Mount("transit", &api.MountInput{Type: "transit"}); err != nil {
		panic(err)
	}
	return m.Run()
}

var count atomic.Int64

func (s *server) write(t *testing.T, path string, data map[string]any) *api.Secret {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	answer, err := s.root.Logical().WriteWithContext(ctx, path, data)
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return answer
}

// key makes a Transit key of its own for a test.
func (s *server) key(t *testing.T) string {
	t.Helper()
	name := fmt.Sprintf("kek-%d", count.Add(1))
	s.write(t, "transit/keys/"+name, map[string]any{"type": "aes256-gcm96"})
	return name
}

// policyText is the one that docs/kms-backends.md shows.
func policyText(key string) string {
	return fmt.Sprintf(`
path "transit/encrypt/%[1]s" { capabilities = ["update"] }
path "transit/decrypt/%[1]s" { capabilities = ["update"] }
path "transit/keys/%[1]s"    { capabilities = ["read"] }
`, key)
}

func (s *server) policy(t *testing.T, key string) string {
	t.Helper()
	if err := s.root.Sys().PutPolicy("policy-"+key, policyText(key)); err != nil {
		t.Fatal(err)
	}
	return "policy-" + key
}

// token makes one with the documented policy in a file.
func (s *server) token(t *testing.T, key string, data map[string]any) (file, token string) {
	t.Helper()
	body := map[string]any{"policies": []string{"default", s.policy(t, key)}, "ttl": "1h"}
	for name, value := range data {
		body[name] = value
	}
	answer := s.write(t, "auth/token/create", body)
	return secretFile(t, answer.Auth.ClientToken), answer.Auth.ClientToken
}

func secretFile(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(path, []byte(text+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func (s *server) config(address, key string, auth Auth) Config {
	return Config{
		Address: address, Key: key, Instance: "test", Auth: auth,
		Connect: connect.Config{CAFile: s.authority.File, Proxy: "none", Timeout: 30 * time.Second},
	}
}

func open(t *testing.T, config Config) *Backend {
	t.Helper()
	if problems := config.Validate(); len(problems) > 0 {
		t.Fatalf("the configuration is refused: %+v", problems)
	}
	backend, err := New(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = backend.Close() })
	return backend
}

func on(method, part string) func(*http.Request) bool {
	return func(r *http.Request) bool {
		return (method == "" || r.Method == method) && len(r.URL.Path) >= len(part) && r.URL.Path[:len(part)] == part
	}
}
