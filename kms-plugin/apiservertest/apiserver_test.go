package apiservertest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	kmsapi "k8s.io/kms/apis/v2"

	k8senc "github.com/k8senc/k8senc/bindings-c/go"

	"github.com/k8senc/k8senc/kms-plugin/internal/clustertest"
	"github.com/k8senc/k8senc/kms-plugin/kek"
)

func TestWritesAndReads(t *testing.T) {
	p := newPlugin(t, localKey).start()
	one, other := p.Apiserver(), p.Apiserver()
	stored := one.Writes("secret")
	if bytes.Contains(stored, []byte("secret")) {
		t.Fatal("it is not encrypted")
	}
	if one.Reads(stored, "secret") || other.Reads(stored, "secret") {
		t.Fatal("it is stale at once")
	}
	p.Stop()
	p.start()
	if p.Apiserver().Reads(stored, "secret") {
		t.Fatal("it is stale after a restart of everything")
	}
}

// What kube-apiserver takes of a plugin, as the library checks it.
func TestContract(t *testing.T) {
	p := newPlugin(t, localKey).start()
	client := p.Client()
	now, err := client.Status(t.Context(), &kmsapi.StatusRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if err := k8senc.CheckStatus(k8senc.StatusAnswer{Version: now.Version, Healthz: now.Healthz, KeyID: now.KeyId}, ""); err != nil {
		t.Fatal(err)
	}
	sealed, err := client.Encrypt(t.Context(), &kmsapi.EncryptRequest{Plaintext: make([]byte, 32), Uid: "6d8a0c7e-6a3b-4e58-8a4e-3a60f76f9a11"})
	if err != nil {
		t.Fatal(err)
	}
	if sealed.KeyId != now.KeyId || len(sealed.Ciphertext) == 0 || len(sealed.Ciphertext) > 1023 {
		t.Fatalf("%+v", sealed)
	}
	for _, bad := range []int{0, 31, 33, 4096} {
		if _, err := client.Encrypt(t.Context(), &kmsapi.EncryptRequest{Plaintext: make([]byte, bad)}); status.Code(err) != codes.InvalidArgument {
			t.Fatalf("%d bytes: %v", bad, err)
		}
	}
	for _, bad := range [][]byte{nil, {0}, []byte("vault:v1:AAAA"), make([]byte, 5000)} {
		if _, err := client.Decrypt(t.Context(), &kmsapi.DecryptRequest{Ciphertext: bad, KeyId: now.KeyId}); status.Code(err) != codes.InvalidArgument {
			t.Fatalf("%d bytes: %v", len(bad), err)
		}
	}
	if strings.Contains(p.Log.String(), "6d8a0c7e") == false {
		t.Fatal("the log does not have the uid")
	}
}

// kube-apiserver before 1.32 sends the escaped path as :authority.
func TestOldAuthority(t *testing.T) {
	p := newPlugin(t, localKey).start()
	for _, authority := range []string{url.PathEscape(p.Socket()), "@kms", "localhost", "%2Ftmp%2Fx%2Fk.sock"} {
		if _, err := p.Client(grpc.WithAuthority(authority)).Status(t.Context(), &kmsapi.StatusRequest{}); err != nil {
			t.Fatalf("%s: %v", authority, err)
		}
	}
}

const three = `keys:
  - {name: aws, slot: 1, fakeaws: {name: aws}}
  - {name: vault, slot: 2, fakevault: {name: vault}}
  - {name: gcp, slot: 3, fakegcp: {name: gcp}}
`

func TestEachOfThreeWrapsOpensAlone(t *testing.T) {
	p := newPlugin(t, three).start()
	stored := p.Apiserver().Writes("under three wraps")
	for alone := range p.fakes {
		for _, fake := range p.fakes {
			fake.Heal()
		}
		p.Stop()
		p.start()
		reader := p.Apiserver()
		reader.Writes("it has a seed of its own")
		for name, fake := range p.fakes {
			if name != alone {
				fake.FailAs(kek.Unavailable)
			}
		}
		asked := p.fakes[alone].Unwraps.Load()
		reader.Reads(stored, "under three wraps")
		if p.fakes[alone].Unwraps.Load() == asked {
			t.Fatalf("%s was not asked", alone)
		}
	}
}

// kube-apiserver reads nothing before its first Encrypt worked (getCurrentState: "got unexpected nil transformer"), so a server that
// starts while one KMS of the set is down needs that key retired. Then it reads, and what was written stays readable.
func TestServerStartsWhileOneKMSIsDown(t *testing.T) {
	p := newPlugin(t, three).start()
	stored := p.Apiserver().Writes("x")
	p.fakes["vault"].FailAs(kek.Unavailable)
	late := p.Apiserver()
	if _, _, err := late.Secrets.TransformFromStorage(t.Context(), stored, clustertest.Place); err == nil || !strings.Contains(err.Error(), "nil transformer") {
		t.Fatalf("%v: the runbook says otherwise", err)
	}
	p.Configure(strings.Replace(three, "slot: 2,", "slot: 2, retired: true,", 1))
	if err := syscall.Kill(os.Getpid(), syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	p.Eventually("the set without it is in force", func() bool { return strings.Contains(p.Log.String(), "the new configuration is in force") })
	if !p.Apiserver().Reads(stored, "x") {
		t.Fatal("what has the wrap that was left out is not stale")
	}
}

func TestReloadKeepsTheSocket(t *testing.T) {
	p := newPlugin(t, localKey).start()
	server := p.Apiserver()
	stored := server.Writes("before")
	before, err := os.Stat(p.Socket())
	if err != nil {
		t.Fatal(err)
	}
	// A broken file changes nothing, and says where it is broken.
	p.Configure("keyz: 1\n")
	if err := syscall.Kill(os.Getpid(), syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	p.Eventually("the log says what is wrong", func() bool { return strings.Contains(p.Log.String(), "keyz: no such option") })
	server.Reads(stored, "before")
	first, err := p.Client().Status(t.Context(), &kmsapi.StatusRequest{})
	if err != nil {
		t.Fatal(err)
	}
	p.Configure(localKey + "  - {name: vault, slot: 2, fakevault: {name: vault}}\n")
	if err := syscall.Kill(os.Getpid(), syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	p.Eventually("there is another key_id", func() bool {
		now, err := p.Client().Status(t.Context(), &kmsapi.StatusRequest{})
		return err == nil && now.KeyId != first.KeyId && now.Healthz == "ok"
	})
	after, err := os.Stat(p.Socket())
	if err != nil || !os.SameFile(before, after) {
		t.Fatalf("another socket: %v", err)
	}
	server.Reads(stored, "before")
	if !p.Apiserver().Reads(stored, "before") {
		t.Fatal("what was written under the set before is not stale")
	}
}

func TestUnhealthyPluginAndBack(t *testing.T) {
	p := newPlugin(t, three).start()
	server := p.Apiserver()
	stored := server.Writes("x")
	for _, fake := range p.fakes {
		fake.FailAs(kek.Unavailable)
	}
	// The seed of this server is in its cache; another server has to ask.
	server.Reads(stored, "x")
	if _, err := server.Secrets.TransformToStorage(t.Context(), []byte("y"), clustertest.Place); err != nil {
		t.Fatalf("writes stop in an outage: %v", err)
	}
	if _, _, err := p.Apiserver().Secrets.TransformFromStorage(t.Context(), stored, clustertest.Place); err == nil {
		t.Fatal("it was read without any KMS")
	}
	for _, fake := range p.fakes {
		fake.Heal()
	}
	p.Eventually("another server can read again", func() bool {
		_, _, err := p.Apiserver().Secrets.TransformFromStorage(t.Context(), stored, clustertest.Place)
		return err == nil
	})
}

// A stop lets calls under way end, within 2.5 s.
func TestGracefulStop(t *testing.T) {
	p := newPlugin(t, "keys:\n  - {name: aws, slot: 1, fakeaws: {name: aws}}\n").start()
	client := p.Client()
	p.fakes["aws"].Slow(500 * time.Millisecond)
	answered := make(chan error, 1)
	go func() {
		_, err := client.Encrypt(context.Background(), &kmsapi.EncryptRequest{Plaintext: make([]byte, 32)})
		answered <- err
	}()
	asked := p.fakes["aws"].Wraps.Load()
	p.Eventually("the KMS is asked", func() bool { return p.fakes["aws"].Wraps.Load() > asked })
	p.Stop()
	if err := <-answered; err != nil {
		t.Fatal(err)
	}
}

func TestSecondPluginLeavesTheFirstAlone(t *testing.T) {
	p := newPlugin(t, localKey).start()
	second := &clustertest.Plugin{T: t, Room: p.Room, Backends: p.Backends, Log: &clustertest.Log{}}
	state, err := os.ReadFile(filepath.Join(p.Room, "state.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := second.Run(); err == nil || !strings.Contains(err.Error(), "another plugin serves") {
		t.Fatal(err)
	}
	if now, _ := os.ReadFile(filepath.Join(p.Room, "state.json")); !bytes.Equal(now, state) {
		t.Fatal("the second plugin wrote the state")
	}
	p.Apiserver().Writes("still here")
}

// 10,000 calls at once over the socket, and as many reads: none hangs, every one ends with the seed.
func TestTenThousandCallsOverTheSocket(t *testing.T) {
	p := newPlugin(t, localKey).start()
	client := p.Client()
	seed := bytes.Repeat([]byte{9}, 32)
	sealed, err := client.Encrypt(t.Context(), &kmsapi.EncryptRequest{Plaintext: bytes.Clone(seed)})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	var group sync.WaitGroup
	failures := make(chan error, 10_000)
	for i := range 10_000 {
		group.Go(func() {
			if i%2 == 0 {
				if _, err := client.Encrypt(ctx, &kmsapi.EncryptRequest{Plaintext: bytes.Clone(seed)}); err != nil {
					failures <- err
				}
				return
			}
			got, err := client.Decrypt(ctx, &kmsapi.DecryptRequest{Ciphertext: sealed.Ciphertext, KeyId: sealed.KeyId, Uid: fmt.Sprint(i)})
			if err == nil && !bytes.Equal(got.Plaintext, seed) {
				err = fmt.Errorf("%x", got.Plaintext)
			}
			if err != nil {
				failures <- err
			}
		})
	}
	group.Wait()
	close(failures)
	for err := range failures {
		t.Fatal(err)
	}
}

// No secret is ever in the log, at no level.
func TestLogHoldsNoSecret(t *testing.T) {
	p := newPlugin(t, localKey)
	p.Configure(localKey + "")
	p.start()
	client := p.Client()
	seed := []byte("seed-of-32-bytes-in-plain-text!!")
	sealed, err := client.Encrypt(t.Context(), &kmsapi.EncryptRequest{Plaintext: bytes.Clone(seed), Uid: "u-1"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.Decrypt(t.Context(), &kmsapi.DecryptRequest{Ciphertext: sealed.Ciphertext, KeyId: sealed.KeyId, Uid: "u-2"}); err != nil {
		t.Fatal(err)
	}
	damaged := bytes.Clone(sealed.Ciphertext)
	damaged[len(damaged)-1] ^= 1
	if _, err := client.Decrypt(t.Context(), &kmsapi.DecryptRequest{Ciphertext: damaged, KeyId: sealed.KeyId, Uid: "u-3"}); status.Code(err) != codes.Internal {
		t.Fatal(err)
	}
	text := p.Log.String()
	// Eight letters: of four digits every moment of the log has some.
	for _, secret := range []string{string(seed), "BBBBBBBB", "QkJCQkJC", "42424242"} {
		if strings.Contains(text, secret) {
			t.Fatalf("the log has %q", secret)
		}
	}
	for line := range strings.Lines(text) {
		var fields map[string]any
		if err := json.Unmarshal([]byte(line), &fields); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
	}
	if !strings.Contains(text, `"uid":"u-3"`) {
		t.Fatal("the failure is not in the log with its uid")
	}
}
