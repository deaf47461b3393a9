package k8senc_test

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	k8senc "github.com/k8senc/k8senc/bindings-c/go"
)

// vectors is the folder of what the real Kubernetes code did.
var vectors = filepath.Join("..", "..", "conformance-vectors")

type hexBytes []byte

func (h *hexBytes) UnmarshalJSON(text []byte) error {
	var digits string
	if err := json.Unmarshal(text, &digits); err != nil {
		return err
	}
	bytes, err := hex.DecodeString(digits)
	*h = bytes
	return err
}

type kmsSide struct {
	APIVersion string `json:"apiVersion"`
	Status     *struct {
		KeyID    string `json:"keyId"`
		UsesSeed bool   `json:"usesSeed"`
	} `json:"status"`
	Answers []struct {
		Ciphertext  hexBytes            `json:"ciphertext"`
		KeyID       string              `json:"keyId"`
		Annotations map[string]hexBytes `json:"annotations"`
		DEK         *hexBytes           `json:"dek"`
		Error       string              `json:"error"`
	} `json:"answers"`
	// Of the write suites.
	DEK          hexBytes            `json:"dek"`
	Seed         hexBytes            `json:"seed"`
	EncryptedDEK hexBytes            `json:"encryptedDek"`
	KeyID        string              `json:"keyId"`
	Annotations  map[string]hexBytes `json:"annotations"`
	Counter      uint64              `json:"counter"`
	NeverHealthy bool                `json:"neverHealthy"`
}

type testCase struct {
	ID          string              `json:"id"`
	Why         string              `json:"why"`
	Config      string              `json:"config"`
	Resource    string              `json:"resource"`
	EtcdKey     string              `json:"etcdKey"`
	EtcdKeyHex  *hexBytes           `json:"etcdKeyHex"`
	Stored      hexBytes            `json:"stored"`
	Plaintext   hexBytes            `json:"plaintext"`
	Random      hexBytes            `json:"random"`
	KMS         map[string]*kmsSide `json:"kms"`
	Text        string              `json:"text"`
	TextHex     *hexBytes           `json:"textHex"`
	Reload      bool                `json:"reload"`
	KMSv1       bool                `json:"kmsv1"`
	Ciphertext  hexBytes            `json:"ciphertext"`
	KeyID       string              `json:"keyId"`
	Annotations map[string]hexBytes `json:"annotations"`
	Expect      struct {
		Result    string   `json:"result"`
		Plaintext hexBytes `json:"plaintext"`
		Stored    hexBytes `json:"stored"`
		Stale     bool     `json:"stale"`
		Upstream  string   `json:"upstream"`
		Compare   string   `json:"compare"`
		OK        bool     `json:"ok"`
		Stage     string   `json:"stage"`
	} `json:"expect"`
}

func (c *testCase) etcdKey() []byte {
	if c.EtcdKeyHex != nil {
		return *c.EtcdKeyHex
	}
	return []byte(c.EtcdKey)
}

// each runs `run` for every case of the suites of a kind, and compares the count with the manifest.
func each(t *testing.T, kind string, run func(t *testing.T, suite string, c *testCase)) {
	t.Helper()
	var manifest struct {
		Suites map[string]struct {
			File  string `json:"file"`
			Kind  string `json:"kind"`
			Cases int    `json:"cases"`
		} `json:"suites"`
	}
	readJSON(t, "manifest.json", &manifest)
	total := 0
	for _, name := range slices.Sorted(maps.Keys(manifest.Suites)) {
		suite := manifest.Suites[name]
		if suite.Kind != kind {
			continue
		}
		var file struct {
			Cases []testCase `json:"cases"`
		}
		readJSON(t, suite.File, &file)
		ran := 0
		for i := range file.Cases {
			c := &file.Cases[i]
			t.Run(name+"/"+c.ID, func(t *testing.T) { run(t, name, c) })
			ran++
		}
		if ran != suite.Cases {
			t.Errorf("%s: %d cases ran, the manifest has %d", name, ran, suite.Cases)
		}
		total += ran
	}
	if total == 0 {
		t.Fatalf("no suite of kind %s", kind)
	}
	t.Logf("%d cases of kind %s", total, kind)
}

func readJSON(t *testing.T, name string, into any) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(vectors, name))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, into); err != nil {
		t.Fatal(name, err)
	}
}

var configs = map[string]*k8senc.Config{}

func configOf(t *testing.T, name string) *k8senc.Config {
	t.Helper()
	if known := configs[name]; known != nil {
		return known
	}
	text, err := os.ReadFile(filepath.Join(vectors, name))
	if err != nil {
		t.Fatal(err)
	}
	config, err := k8senc.ParseConfig(text, k8senc.ConfigOptions{})
	if err != nil {
		t.Fatal(name, err)
	}
	configs[name] = config
	return config
}

func plain(annotations map[string]hexBytes) map[string][]byte {
	out := make(map[string][]byte, len(annotations))
	for name, value := range annotations {
		out[name] = value
	}
	return out
}

// recorded answers as the recorded plugin did, and complains about any question that was not recorded.
func (side *kmsSide) recorded(t *testing.T) k8senc.Unwrapper {
	return k8senc.UnwrapFunc(func(_ context.Context, request *k8senc.DEKRequest) ([]byte, error) {
		for _, answer := range side.Answers {
			same := slices.Equal(answer.Ciphertext, request.Ciphertext) && answer.KeyID == request.KeyID &&
				maps.EqualFunc(plain(answer.Annotations), request.Annotations, slices.Equal[[]byte])
			if same && answer.DEK != nil {
				return slices.Clone(*answer.DEK), nil
			}
			if same {
				return nil, errors.New(answer.Error)
			}
		}
		t.Errorf("an unrecorded question: %x, key_id %q", request.Ciphertext, request.KeyID)
		return nil, errors.New("unrecorded")
	})
}

func chainOf(t *testing.T, c *testCase) *k8senc.Chain {
	t.Helper()
	var options []k8senc.ChainOption
	for name, side := range c.KMS {
		options = append(options, k8senc.WithKMS(name, side.recorded(t)))
	}
	chain, err := configOf(t, c.Config).Chain(c.Resource, options...)
	if err != nil {
		t.Fatal(err)
	}
	for name, side := range c.KMS {
		if side.APIVersion != "v2" {
			continue
		}
		state, keyID := k8senc.PluginNeverHealthy, ""
		if side.Status != nil {
			state, keyID = k8senc.PluginKeyForm, side.Status.KeyID
			if side.Status.UsesSeed {
				state = k8senc.PluginSeedForm
			}
		}
		if err := chain.DEKs().SetState(name, state, keyID); err != nil {
			t.Fatal(err)
		}
	}
	return chain
}

func TestVectorsRead(t *testing.T) {
	each(t, "read", func(t *testing.T, _ string, c *testCase) {
		chain := chainOf(t, c)
		defer chain.Close()
		opened, err := chain.Open(context.Background(), c.Stored, c.etcdKey())
		answers, batchErr := chain.OpenBatch(context.Background(), []k8senc.Value{{Stored: c.Stored, EtcdKey: c.etcdKey()}})
		if batchErr != nil {
			t.Fatal(c.Why, batchErr)
		}
		if c.Expect.Result == "opened" {
			if err != nil {
				t.Fatal(c.Why, err)
			}
			stale := opened.Stale == k8senc.Stale
			if !slices.Equal(opened.Plaintext, []byte(c.Expect.Plaintext)) || stale != c.Expect.Stale {
				t.Errorf("%s: got %x (stale %v), want %x (stale %v)", c.Why, opened.Plaintext, stale, []byte(c.Expect.Plaintext), c.Expect.Stale)
			}
			if answers[0].Err != nil || !slices.Equal(answers[0].Plaintext, opened.Plaintext) || answers[0].Stale != opened.Stale {
				t.Errorf("%s: the batch says otherwise: %+v", c.Why, answers[0])
			}
			return
		}
		expectRefusal(t, c, err)
		if answers[0].Err == nil {
			t.Errorf("%s: opened in a batch", c.Why)
		}
	})
}

// expectRefusal compares code and, where it is comparable, kube-apiserver's text.
func expectRefusal(t *testing.T, c *testCase, err error) {
	t.Helper()
	var refused *k8senc.Error
	if !errors.As(err, &refused) {
		t.Fatalf("%s: got %v, want %s", c.Why, err, c.Expect.Result)
	}
	// Where kube-apiserver panics, ours is an error of its own.
	kind, code, _ := strings.Cut(c.Expect.Result, ":")
	if kind == "refused" && refused.Code != code {
		t.Errorf("%s: got %s (%v), want %s", c.Why, refused.Code, err, code)
	}
	if kind == "refused" && c.Expect.Compare == "exact" && refused.Upstream != c.Expect.Upstream {
		t.Errorf("%s: got %q, want %q", c.Why, refused.Upstream, c.Expect.Upstream)
	}
}

func TestVectorsConfig(t *testing.T) {
	each(t, "config", func(t *testing.T, _ string, c *testCase) {
		text := []byte(c.Text)
		if c.TextHex != nil {
			text = *c.TextHex
		}
		verdict, err := k8senc.Validate(text, k8senc.ConfigOptions{Reload: c.Reload, KMSv1: &c.KMSv1, Path: "<PATH>"})
		if err != nil {
			t.Fatal(c.Why, err)
		}
		if verdict.OK != c.Expect.OK {
			t.Fatalf("%s: got ok %v (%s), want %v (%s)", c.Why, verdict.OK, verdict.Upstream, c.Expect.OK, c.Expect.Upstream)
		}
		// Where kube-apiserver panics it has no text.
		if c.Expect.Stage != "panic" && c.Expect.Compare == "exact" && !verdict.Redacted && verdict.Upstream != c.Expect.Upstream {
			t.Errorf("%s:\n got %q\nwant %q", c.Why, verdict.Upstream, c.Expect.Upstream)
		}
	})
}

func TestVectorsContract(t *testing.T) {
	each(t, "contract", func(t *testing.T, suite string, c *testCase) {
		if suite != "contract/encrypt" {
			return
		}
		err := k8senc.CheckEncrypt(k8senc.EncryptAnswer{Ciphertext: c.Ciphertext, KeyID: c.KeyID, Annotations: plain(c.Annotations)})
		if c.Expect.Result == "accepted" {
			if err != nil {
				t.Error(c.Why, err)
			}
			return
		}
		expectRefusal(t, c, err)
	})
}

func TestVectorsWrite(t *testing.T) {
	each(t, "write", func(t *testing.T, _ string, c *testCase) {
		chain, err := configOf(t, c.Config).Chain(c.Resource)
		if err != nil {
			t.Fatal(err)
		}
		defer chain.Close()
		key, random, err := writeKeyOf(t, c)
		if err != nil {
			expectRefusal(t, c, err)
			return
		}
		if key != nil {
			defer key.Close()
		}
		sealed, err := chain.SealWithRandom(key, time.Unix(0, 0), c.Plaintext, c.etcdKey(), random)
		if c.Expect.Result != "sealed" {
			expectRefusal(t, c, err)
			return
		}
		if err != nil {
			t.Fatal(c.Why, err)
		}
		if c.Expect.Compare == "exact" && !slices.Equal(sealed, []byte(c.Expect.Stored)) {
			t.Errorf("%s:\n got %x\nwant %x", c.Why, sealed, []byte(c.Expect.Stored))
		}
		if len(sealed) != len(c.Expect.Stored) {
			t.Errorf("%s: %d bytes, want %d", c.Why, len(sealed), len(c.Expect.Stored))
		}
	})
}

// writeKeyOf is what the first KMS of the configuration writes with, and the random bytes that are left for the value: of KMS
// v1 the first 32 are the DEK.
func writeKeyOf(t *testing.T, c *testCase) (*k8senc.WriteKey, []byte, error) {
	providers, err := configOf(t, c.Config).KMSProviders()
	if err != nil {
		t.Fatal(err)
	}
	if len(c.KMS) == 0 {
		return nil, c.Random, nil
	}
	side := c.KMS[providers[0].Name]
	answer := k8senc.EncryptAnswer{Ciphertext: side.EncryptedDEK, KeyID: side.KeyID, Annotations: plain(side.Annotations)}
	switch {
	case side.NeverHealthy:
		kms, err := k8senc.NewKMSv2(providers[0].Name)
		if err != nil {
			t.Fatal(err)
		}
		defer kms.Close()
		key, err := kms.WriteKey()
		return key, c.Random, err
	case side.APIVersion == "v1":
		key, err := k8senc.NewKMSv1Key(side.DEK, side.EncryptedDEK)
		return key, c.Random[min(32, len(c.Random)):], err
	case side.Seed != nil:
		key, err := k8senc.NewSeedKey(side.Seed, answer)
		return key, c.Random, err
	}
	key, err := k8senc.NewDEKKey(side.DEK, side.Counter, answer)
	return key, c.Random, err
}
