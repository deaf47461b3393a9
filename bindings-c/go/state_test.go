package k8senc_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	k8senc "github.com/k8senc/k8senc/bindings-c/go"
)

type event struct {
	AtMs   int64  `json:"atMs"`
	Event  string `json:"event"`
	By     string `json:"by"`
	Error  string `json:"error"`
	Answer *struct {
		Version     string              `json:"version"`
		Healthz     string              `json:"healthz"`
		KeyID       string              `json:"keyId"`
		Ciphertext  hexBytes            `json:"ciphertext"`
		Annotations map[string]hexBytes `json:"annotations"`
	} `json:"answer"`
	Input  hexBytes  `json:"input"`
	Stored hexBytes  `json:"stored"`
	Random *hexBytes `json:"random"`
	KeyID  string    `json:"keyId"`
	Stale  bool      `json:"stale"`
}

type transcript struct {
	ID         string  `json:"id"`
	Why        string  `json:"why"`
	APIVersion string  `json:"apiVersion"`
	Provider   string  `json:"provider"`
	KeyForm    bool    `json:"keyForm"`
	Start      string  `json:"start"`
	Events     []event `json:"events"`
}

// Every transcript of a KMS provider under a fake clock: the calls and their times, the health texts, what is written, how
// reads are judged.
func TestVectorsState(t *testing.T) {
	var manifest struct {
		Suites map[string]struct {
			File, Kind string
			Cases      int
		}
	}
	readJSON(t, "manifest.json", &manifest)
	total := 0
	for _, name := range slices.Sorted(maps.Keys(manifest.Suites)) {
		suite := manifest.Suites[name]
		if suite.Kind != "state" {
			continue
		}
		var file struct{ Cases []transcript }
		readJSON(t, suite.File, &file)
		for _, one := range file.Cases {
			t.Run(name+"/"+one.ID, func(t *testing.T) {
				if one.APIVersion == "v1" {
					replayV1(t, one)
				} else {
					replayV2(t, one)
				}
			})
		}
		if len(file.Cases) != suite.Cases {
			t.Errorf("%s: %d cases ran, the manifest has %d", name, len(file.Cases), suite.Cases)
		}
		total += len(file.Cases)
	}
	t.Logf("%d cases of kind state", total)
}

var etcdKey = []byte("/registry/secrets/default/a")

func said(err error) string {
	var ours *k8senc.Error
	if errors.As(err, &ours) {
		return ours.Upstream
	}
	return fmt.Sprint(err)
}

type replay struct {
	*testing.T
	transcript
	kms       *k8senc.KMSv2
	key       *k8senc.WriteKey
	chain     *k8senc.Chain
	clock     time.Time
	statusOut *time.Time
	encrypt   string
	health    *string
}

const wellText = "well"

func replayV2(t *testing.T, one transcript) {
	start, err := time.Parse(time.RFC3339, one.Start)
	if err != nil {
		t.Fatal(err)
	}
	made := k8senc.NewKMSv2
	if one.KeyForm {
		made = k8senc.NewKMSv2KeyForm
	}
	kms, err := made(one.Provider)
	if err != nil {
		t.Fatal(err)
	}
	defer kms.Close()
	key, err := kms.WriteKey()
	if err != nil {
		t.Fatal(err)
	}
	defer key.Close()
	chain, err := configOf(t, "configs/kmsv2.yaml").Chain("secrets")
	if err != nil {
		t.Fatal(err)
	}
	defer chain.Close()
	r := &replay{T: t, transcript: one, kms: kms, key: key, chain: chain, clock: start}
	for _, e := range one.Events {
		r.event(start.Add(time.Duration(e.AtMs)*time.Millisecond), e)
	}
	if r.encrypt != "" || r.health != nil {
		t.Errorf("a call is left over: %q", r.encrypt)
	}
}

// background runs what kube-apiserver does by itself up to now, into the next call at most.
func (r *replay) background(now time.Time) {
	for r.statusOut == nil && r.encrypt == "" {
		step, err := r.kms.Poll(r.clock)
		if err != nil {
			r.Fatal("the background got", err)
		}
		switch {
		case step.Todo == k8senc.TodoStatus:
			at := r.clock
			r.statusOut = &at
		case step.Todo == k8senc.TodoWait && !step.Until.After(now):
			r.clock = step.Until
		case step.Todo == k8senc.TodoWait:
			return
		default:
			r.Fatalf("the background got %v", step)
		}
	}
}

// after follows a step that came of an answer.
func (r *replay) after(by string, step k8senc.Step, err error) {
	switch {
	case err != nil:
		text := said(err)
		r.done(by, text)
	case step.Todo == k8senc.TodoEncrypt:
		r.encrypt = by
	case step.Todo == k8senc.TodoDone:
		r.done(by, wellText)
	default:
		r.Fatalf("after an answer came %v", step)
	}
}

func (r *replay) done(by, text string) {
	if by == "health" {
		r.health = &text
	}
}

func (r *replay) pending(step k8senc.Step, err error) {
	r.Helper()
	if err != nil || step.Todo != k8senc.TodoPending {
		r.Errorf("while a call is out: %v, %v", step, err)
	}
}

func (r *replay) event(now time.Time, e event) {
	r.background(now)
	switch e.Event {
	case "start":
	case "status":
		if e.By == "health" {
			if step, err := r.kms.Health(now); err != nil || step.Todo != k8senc.TodoStatus {
				r.Fatalf("kube-apiserver calls Status, we do %v, %v", step, err)
			}
		} else {
			if r.statusOut == nil {
				r.Fatal("kube-apiserver calls Status, we do not")
			}
			delay := time.Duration(0)
			if r.ID == "slow-status" {
				delay = 20 * time.Second
			}
			if at := r.statusOut.Add(delay); !at.Equal(now) {
				r.Errorf("Status at %v, kube-apiserver at %v", at, now)
			}
			r.statusOut = nil
		}
		r.pending(r.kms.Poll(now))
		r.pending(r.kms.Health(now))
		var step k8senc.Step
		var err error
		if e.Answer != nil {
			step, err = r.kms.StatusAnswered(now, k8senc.StatusAnswer{Version: e.Answer.Version, Healthz: e.Answer.Healthz, KeyID: e.Answer.KeyID})
		} else {
			step, err = r.kms.StatusFailed(now, e.Error)
		}
		r.clock = now
		r.after(e.By, step, err)
	case "encrypt":
		if r.encrypt != e.By {
			r.Fatalf("Encrypt is called by %q, kube-apiserver's by %q", r.encrypt, e.By)
		}
		r.encrypt = ""
		var step k8senc.Step
		var err error
		if e.Answer != nil {
			answer := k8senc.EncryptAnswer{Ciphertext: e.Answer.Ciphertext, KeyID: e.Answer.KeyID, Annotations: plain(e.Answer.Annotations)}
			step, err = r.kms.EncryptAnswered(now, e.Input, "<UID>", answer)
		} else {
			step, err = r.kms.EncryptFailed(now, "<UID>", e.Error)
		}
		r.clock = now
		r.after(e.By, step, err)
	case "health":
		r.healthEvent(now, e)
	case "write":
		r.write(now, e)
	case "read":
		r.read(e)
	default:
		r.Fatalf("an unknown event %q", e.Event)
	}
}

func (r *replay) healthEvent(now time.Time, e event) {
	if r.health == nil {
		step, err := r.kms.Health(now)
		if err == nil && step.Todo != k8senc.TodoDone {
			r.Fatalf("kube-apiserver answers from its cache, we do %v", step)
		}
		text := wellText
		if err != nil {
			text = said(err)
		}
		r.health = &text
	}
	want := wellText
	if e.Error != "" {
		want = strings.TrimPrefix(e.Error, "kms-provider-0: ")
	}
	if *r.health != want {
		r.Errorf("health at %v:\n got %s\nwant %s", now, *r.health, want)
	}
	r.health = nil
}

func (r *replay) write(now time.Time, e event) {
	var random []byte
	if e.Random != nil {
		random = *e.Random
	}
	sealed, err := r.chain.SealWithRandom(r.key, now, []byte("{}\n"), etcdKey, random)
	if e.Error != "" {
		if err == nil || said(err) != e.Error {
			r.Errorf("write at %v: got %v, want %s", now, err, e.Error)
		}
		return
	}
	if err != nil || !bytes.Equal(sealed, e.Stored) {
		r.Errorf("write at %v: got %x (%v), want %x", now, sealed, err, []byte(e.Stored))
	}
}

// read reads a good seed value of a key_id: the seed 00..1f.
func (r *replay) read(e event) {
	seed := make([]byte, 32)
	wrapped := []byte("kek:")
	for i := range seed {
		seed[i] = byte(i)
		wrapped = append(wrapped, byte(i)^0x5a)
	}
	key, err := k8senc.NewSeedKey(seed, k8senc.EncryptAnswer{Ciphertext: wrapped, KeyID: e.KeyID})
	if err != nil {
		r.Fatal(err)
	}
	defer key.Close()
	stored, err := r.chain.Seal(key, []byte("{}\n"), etcdKey)
	if err != nil {
		r.Fatal(err)
	}
	kms := k8senc.UnwrapFunc(func(context.Context, *k8senc.DEKRequest) ([]byte, error) { return slices.Clone(seed), nil })
	chain, err := configOf(r.T, "configs/kmsv2.yaml").Chain("secrets", k8senc.WithKMS(r.Provider, kms))
	if err != nil {
		r.Fatal(err)
	}
	defer chain.Close()
	if err := chain.DEKs().Follow(r.kms); err != nil {
		r.Fatal(err)
	}
	opened, err := chain.Open(context.Background(), stored, etcdKey)
	if e.Error != "" {
		if err == nil || said(err) != e.Error {
			r.Errorf("read: got %v, want %s", err, e.Error)
		}
		return
	}
	if err != nil || (opened.Stale == k8senc.Stale) != e.Stale {
		r.Errorf("read of key_id %q: got %+v (%v), want stale %v", e.KeyID, opened, err, e.Stale)
	}
}

func replayV1(t *testing.T, one transcript) {
	start, err := time.Parse(time.RFC3339, one.Start)
	if err != nil {
		t.Fatal(err)
	}
	kms, err := k8senc.NewKMSv1(one.Provider)
	if err != nil {
		t.Fatal(err)
	}
	defer kms.Close()
	var step k8senc.Step
	var ended error
	asked := false
	for _, e := range one.Events {
		now := start.Add(time.Duration(e.AtMs) * time.Millisecond)
		switch e.Event {
		case "start":
		case "encrypt":
			if step, err := kms.Health(now); err != nil || step.Todo != k8senc.TodoEncrypt {
				t.Fatalf("kube-apiserver calls Encrypt, we do %v, %v", step, err)
			}
			step, ended = kms.EncryptAnswered(now, e.Answer == nil, e.Error)
			asked = true
		case "decrypt":
			if ended != nil || step.Todo != k8senc.TodoDecrypt {
				t.Fatalf("kube-apiserver calls Decrypt, we do %v, %v", step, ended)
			}
			step, ended = kms.DecryptAnswered(now, e.Answer == nil, e.Error)
		case "health":
			if !asked {
				step, ended = kms.Health(now)
			}
			asked = false
			if ended == nil && step.Todo != k8senc.TodoDone {
				t.Fatalf("kube-apiserver answers, we do %v", step)
			}
			text := ""
			if ended != nil {
				text = said(ended)
			}
			if text != e.Error {
				t.Errorf("health at %v: got %q, want %q", now, text, e.Error)
			}
		default:
			t.Fatalf("an unknown event %q", e.Event)
		}
	}
}
