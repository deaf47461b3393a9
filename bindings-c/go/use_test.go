package k8senc_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	k8senc "github.com/k8senc/k8senc/bindings-c/go"
)

func secretsChain(t *testing.T, options ...k8senc.ChainOption) *k8senc.Chain {
	t.Helper()
	chain, err := configOf(t, "configs/kmsv2.yaml").Chain("secrets", options...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { chain.Close() })
	return chain
}

func seedKey(t *testing.T) *k8senc.WriteKey {
	t.Helper()
	key, err := k8senc.NewSeedKey(bytes.Repeat([]byte{7}, 32), k8senc.EncryptAnswer{Ciphertext: []byte("wrapped"), KeyID: "1"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { key.Close() })
	return key
}

func TestClosedHandles(t *testing.T) {
	config, err := k8senc.ParseConfig([]byte(exampleConfig), k8senc.ConfigOptions{})
	if err != nil {
		t.Fatal(err)
	}
	chain, err := config.Chain("secrets")
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := errors.Join(config.Close(), chain.Close()); err != nil {
			t.Fatal(err)
		}
	}
	_, chainErr := config.Chain("secrets")
	_, openErr := chain.Open(context.Background(), []byte("x"), []byte("y"))
	_, sealErr := chain.Seal(nil, []byte("x"), []byte("y"))
	for _, err := range []error{chainErr, openErr, sealErr, chain.DEKs().SetState("p", k8senc.PluginUnknown, "")} {
		if !errors.Is(err, k8senc.ErrClosed) {
			t.Error(err)
		}
	}
}

func TestNilAndEmptyAreLegal(t *testing.T) {
	chain, err := configOf(t, "configs/identity-only.yaml").Chain("secrets")
	if err != nil {
		t.Fatal(err)
	}
	defer chain.Close()
	opened, err := chain.Open(context.Background(), nil, nil)
	if err != nil || len(opened.Plaintext) != 0 || opened.Key != k8senc.NoKey {
		t.Errorf("%+v, %v", opened, err)
	}
	if sealed, err := chain.Seal(nil, nil, nil); err != nil || len(sealed) != 0 {
		t.Errorf("%x, %v", sealed, err)
	}
	if answers, err := chain.OpenBatch(context.Background(), nil); err != nil || answers != nil {
		t.Error(answers, err)
	}
	if _, err := k8senc.ParseConfig(nil, k8senc.ConfigOptions{}); !errors.Is(err, k8senc.ErrConfigRefused) {
		t.Error(err)
	}
	if _, err := k8senc.NewKEK(nil); err == nil {
		t.Error("a KEK of no bytes was taken")
	}
	if _, err := k8senc.Validate(nil, k8senc.ConfigOptions{Version: "0.1"}); !errors.Is(err, k8senc.ErrUnknownVersion) {
		t.Error(err)
	}
}

func TestSameQuestionsAreAskedOnce(t *testing.T) {
	var calls atomic.Int32
	ready := make(chan struct{})
	seed := bytes.Repeat([]byte{7}, 32)
	kms := k8senc.UnwrapFunc(func(context.Context, *k8senc.DEKRequest) ([]byte, error) {
		calls.Add(1)
		<-ready
		return bytes.Clone(seed), nil
	})
	chain := secretsChain(t, k8senc.WithKMS("p", kms))
	stored, err := chain.Seal(seedKey(t), []byte("{}"), etcdKey)
	if err != nil {
		t.Fatal(err)
	}
	var waiting sync.WaitGroup
	for range 32 {
		waiting.Go(func() {
			if opened, err := chain.Open(context.Background(), stored, etcdKey); err != nil || string(opened.Plaintext) != "{}" {
				t.Error(opened, err)
			}
		})
	}
	time.Sleep(50 * time.Millisecond)
	close(ready)
	waiting.Wait()
	if calls.Load() != 1 {
		t.Errorf("the KMS was asked %d times", calls.Load())
	}
}

func TestARefusalIsNotRemembered(t *testing.T) {
	fails := true
	kms := k8senc.UnwrapFunc(func(context.Context, *k8senc.DEKRequest) ([]byte, error) {
		if fails {
			return nil, errors.New("rpc error: code = Unavailable desc = kms is away")
		}
		return bytes.Repeat([]byte{7}, 32), nil
	})
	chain := secretsChain(t, k8senc.WithKMS("p", kms))
	stored, err := chain.Seal(seedKey(t), []byte("{}"), etcdKey)
	if err != nil {
		t.Fatal(err)
	}
	_, err = chain.Open(context.Background(), stored, etcdKey)
	var refused *k8senc.Error
	if !errors.As(err, &refused) || !errors.Is(err, k8senc.ErrDEKRefused) || !strings.Contains(refused.Upstream, "kms is away") {
		t.Fatal(err)
	}
	answers, err := chain.OpenBatch(context.Background(), []k8senc.Value{{Stored: stored, EtcdKey: etcdKey}})
	if err != nil || !errors.Is(answers[0].Err, k8senc.ErrDEKRefused) {
		t.Fatal(answers, err)
	}
	fails = false
	if opened, err := chain.Open(context.Background(), stored, etcdKey); err != nil || string(opened.Plaintext) != "{}" {
		t.Error(opened, err)
	}
}

func TestACancelledQuestionIsNoRefusal(t *testing.T) {
	kms := k8senc.UnwrapFunc(func(ctx context.Context, _ *k8senc.DEKRequest) ([]byte, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	})
	chain := secretsChain(t, k8senc.WithKMS("p", kms))
	stored, err := chain.Seal(seedKey(t), []byte("{}"), etcdKey)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
	defer cancel()
	if _, err := chain.Open(ctx, stored, etcdKey); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
	if _, err := secretsChain(t).Open(context.Background(), stored, etcdKey); !errors.Is(err, k8senc.ErrDEKNeeded) {
		t.Error(err)
	}
}

func TestBatches(t *testing.T) {
	key := seedKey(t)
	kms := k8senc.UnwrapFunc(func(context.Context, *k8senc.DEKRequest) ([]byte, error) { return bytes.Repeat([]byte{7}, 32), nil })
	chain := secretsChain(t, k8senc.WithKMS("p", kms))
	values := make([]k8senc.Plain, 257)
	for i := range values {
		values[i] = k8senc.Plain{Plaintext: bytes.Repeat([]byte{byte(i)}, i), EtcdKey: fmt.Appendf(nil, "/registry/secrets/default/%d", i)}
	}
	sealed, err := chain.SealBatch(key, values)
	if err != nil {
		t.Fatal(err)
	}
	stored := make([]k8senc.Value, len(sealed))
	for i := range sealed {
		stored[i] = k8senc.Value{Stored: sealed[i], EtcdKey: values[i].EtcdKey}
	}
	stored[3].EtcdKey = []byte("/registry/secrets/default/other")
	answers, err := chain.OpenBatch(context.Background(), stored)
	if err != nil {
		t.Fatal(err)
	}
	for i, answer := range answers {
		if i == 3 {
			if !errors.Is(answer.Err, k8senc.ErrAuthentication) {
				t.Error(answer.Err)
			}
			continue
		}
		if answer.Err != nil || !bytes.Equal(answer.Plaintext, values[i].Plaintext) {
			t.Fatalf("value %d: %v", i, answer.Err)
		}
	}
}

func TestCloseWhileOthersOpen(t *testing.T) {
	chain, err := configOf(t, "configs/aescbc-128.yaml").Chain("secrets")
	if err != nil {
		t.Fatal(err)
	}
	stored, err := chain.Seal(nil, []byte("{}"), etcdKey)
	if err != nil {
		t.Fatal(err)
	}
	var running sync.WaitGroup
	for range 8 {
		running.Go(func() {
			for {
				if _, err := chain.Open(context.Background(), stored, etcdKey); err != nil {
					if !errors.Is(err, k8senc.ErrClosed) {
						t.Error(err)
					}
					return
				}
			}
		})
	}
	time.Sleep(20 * time.Millisecond)
	chain.Close()
	running.Wait()
}

// resident is the memory of this process in bytes, the library's included.
func resident(t *testing.T) int64 {
	t.Helper()
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kilobytes, err := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			return kilobytes << 10
		}
	}
	t.Fatal("no VmRSS")
	return 0
}

// A million calls, good ones and failing ones, handles that are closed and handles that are left to the collector.
func TestNothingLeaks(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Log("memory is watched on Linux")
	}
	text := []byte(exampleConfig)
	config := configOf(t, "configs/aescbc-128.yaml")
	chain, err := config.Chain("secrets")
	if err != nil {
		t.Fatal(err)
	}
	defer chain.Close()
	stored, err := chain.Seal(nil, bytes.Repeat([]byte("x"), 200), etcdKey)
	if err != nil {
		t.Fatal(err)
	}
	round := func(calls int) {
		for i := range calls {
			switch i % 50 {
			case 0:
				made, err := config.Chain("secrets")
				if err != nil {
					t.Fatal(err)
				}
				if i%100 == 0 {
					made.Close()
				}
			case 1:
				if _, err := chain.Open(context.Background(), stored[:30], etcdKey); err == nil {
					t.Fatal("a piece of a value opened")
				}
			case 2:
				if _, err := k8senc.Inspect(stored); err != nil {
					t.Fatal(err)
				}
			case 3:
				if i%1000 == 3 {
					parsed, err := k8senc.ParseConfig(text, k8senc.ConfigOptions{})
					if err != nil {
						t.Fatal(err)
					}
					parsed.Close()
				}
			default:
				if _, err := chain.Open(context.Background(), stored, etcdKey); err != nil {
					t.Fatal(err)
				}
			}
		}
		runtime.GC()
		runtime.GC()
	}
	round(200_000)
	before := resident(t)
	round(800_000)
	// 800,000 calls that lose 64 bytes each would be 49 MiB.
	if grown := resident(t) - before; grown > 24<<20 {
		t.Errorf("memory grew by %d bytes in 800,000 calls", grown)
	}
}

func TestAudit(t *testing.T) {
	snapshot := filepath.Join(vectors, "sample", "snapshot.db")
	report, code, err := k8senc.Audit(snapshot, nil, nil, k8senc.AuditOptions{})
	if err != nil || code != 1 && code != 4 || !bytes.Contains(report, []byte(`"liveKeys":2000`)) && !bytes.Contains(report, []byte(`"liveKeys": 2000`)) {
		t.Errorf("%d, %v, %.300s", code, err, report)
	}
	config := configOf(t, filepath.Join("sample", "encryption-config.yaml"))
	requests, err := k8senc.AuditRequests(snapshot, config, nil, k8senc.AuditOptions{})
	if err != nil || len(requests) == 0 || requests[0].Live == 0 {
		t.Error(requests, err)
	}
	if _, _, err := k8senc.Audit(filepath.Join(vectors, "manifest.json"), nil, nil, k8senc.AuditOptions{}); !errors.Is(err, k8senc.ErrSnapshotUnreadable) {
		t.Error(err)
	}
	if _, _, err := k8senc.Audit(filepath.Join(vectors, "nowhere.db"), nil, nil, k8senc.AuditOptions{}); !errors.Is(err, k8senc.ErrSnapshotOpen) {
		t.Error(err)
	}
}
