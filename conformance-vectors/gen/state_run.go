package main

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apiserver/pkg/server/options/encryptionconfig"
	"k8s.io/apiserver/pkg/storage/value"
	"k8s.io/apiserver/pkg/storage/value/encrypt/envelope"
	kmsservice "k8s.io/kms/pkg/service"
)

// StateCase is what a KMS provider of a real API server did over time, with a
// fake clock and a scripted plugin.
type StateCase struct {
	ID         string       `json:"id"`
	Why        string       `json:"why"`
	APIVersion string       `json:"apiVersion"`
	Provider   string       `json:"provider"`
	KeyForm    bool         `json:"keyForm,omitempty"` // one DEK under a counter nonce, as 1.27 and 1.28 wrote
	Start      string       `json:"start"`
	Events     []StateEvent `json:"events"`
}

// StateEvent is one thing that happened, in order.
type StateEvent struct {
	AtMs   int64          `json:"atMs"`
	Event  string         `json:"event"`
	By     string         `json:"by,omitempty"`
	Input  *string        `json:"input,omitempty"`
	Answer map[string]any `json:"answer,omitempty"`
	Error  *string        `json:"error,omitempty"`
	KeyID  *string        `json:"keyId,omitempty"`
	Stored *string        `json:"stored,omitempty"`
	Random *string        `json:"random,omitempty"`
	Stale  *bool          `json:"stale,omitempty"`
}

// script is the question of a state case: what the plugin says, and what is asked when.
type script struct {
	id, why string
	v1      bool
	keyForm bool
	acts    []act
}

// act happens at a time after the start; times of one script ascend.
type act struct {
	at time.Duration
	do func(*stage)
}

// stage is one running provider and its scripted plugin.
type stage struct {
	mu     sync.Mutex
	began  time.Time
	by     string
	events []StateEvent

	version, healthz, keyID string            // what Status says
	statusErr               error             // or this
	encryptKeyID            *string           // what Encrypt says; nil: keyID
	encryptErr, decryptErr  error             // or this
	ciphertext              []byte            // nil: toy wrap
	annotations             map[string][]byte // of Encrypt
	encryptDelay            time.Duration     // how long Encrypt takes
	statusDelay             time.Duration     // how long Status takes
	loaded                  *encryptionconfig.EncryptionConfiguration
}

func (g *stage) record(e StateEvent) {
	g.mu.Lock()
	defer g.mu.Unlock()
	e.AtMs = time.Since(g.began).Milliseconds()
	if e.Error != nil {
		t := uidText.ReplaceAllString(*e.Error, `uid="<UID>"`)
		e.Error = &t
	}
	g.events = append(g.events, e)
}

// uidText is the random id in the texts of a failed rotation.
var uidText = regexp.MustCompile(`uid="[0-9a-f-]{36}"`)

func (g *stage) cause() string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.by
}

func (g *stage) setCause(by string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.by = by
}

func errorText(err error) *string {
	if err == nil {
		return nil
	}
	t := err.Error()
	return &t
}

// Status, Encrypt and Decrypt are the KMS v2 plugin.
func (g *stage) Status(context.Context) (*kmsservice.StatusResponse, error) {
	by := g.cause()
	time.Sleep(g.statusDelay)
	if g.statusErr != nil {
		g.record(StateEvent{Event: "status", By: by, Error: errorText(g.statusErr)})
		return nil, g.statusErr
	}
	g.record(StateEvent{Event: "status", By: by, Answer: map[string]any{"version": g.version, "healthz": g.healthz, "keyId": g.keyID}})
	return &kmsservice.StatusResponse{Version: g.version, Healthz: g.healthz, KeyID: g.keyID}, nil
}

func (g *stage) Encrypt(_ context.Context, _ string, data []byte) (*kmsservice.EncryptResponse, error) {
	by := g.cause()
	time.Sleep(g.encryptDelay)
	if g.encryptErr != nil {
		g.record(StateEvent{Event: "encrypt", By: by, Input: hexed(data), Error: errorText(g.encryptErr)})
		return nil, g.encryptErr
	}
	r := &kmsservice.EncryptResponse{Ciphertext: g.ciphertext, KeyID: g.keyID, Annotations: g.annotations}
	if g.ciphertext == nil {
		r.Ciphertext = toyWrap(data)
	}
	if g.encryptKeyID != nil {
		r.KeyID = *g.encryptKeyID
	}
	answer := map[string]any{"ciphertext": hex.EncodeToString(r.Ciphertext), "keyId": r.KeyID}
	if a := hexMap(r.Annotations); a != nil {
		answer["annotations"] = a
	}
	g.record(StateEvent{Event: "encrypt", By: by, Input: hexed(data), Answer: answer})
	return r, nil
}

func (g *stage) Decrypt(_ context.Context, _ string, r *kmsservice.DecryptRequest) ([]byte, error) {
	return toyUnwrap(r.Ciphertext)
}

// v1Stage is the KMS v1 face of a stage.
type v1Stage struct{ *stage }

func (g v1Stage) Encrypt(data []byte) ([]byte, error) {
	if g.encryptErr != nil {
		g.record(StateEvent{Event: "encrypt", By: g.cause(), Input: hexed(data), Error: errorText(g.encryptErr)})
		return nil, g.encryptErr
	}
	out := g.ciphertext
	if out == nil {
		out = toyWrap(data)
	}
	g.record(StateEvent{Event: "encrypt", By: g.cause(), Input: hexed(data), Answer: map[string]any{"ciphertext": hex.EncodeToString(out)}})
	return out, nil
}

func (g v1Stage) Decrypt(data []byte) ([]byte, error) {
	if g.decryptErr != nil {
		g.record(StateEvent{Event: "decrypt", By: g.cause(), Input: hexed(data), Error: errorText(g.decryptErr)})
		return nil, g.decryptErr
	}
	out, err := toyUnwrap(data)
	if err != nil {
		out = []byte("other")
	}
	g.record(StateEvent{Event: "decrypt", By: g.cause(), Input: hexed(data), Answer: map[string]any{"plaintext": hex.EncodeToString(out)}})
	return out, nil
}

// health asks the health check as the API server's endpoint does.
func (g *stage) health() {
	g.setCause("health")
	req, err := http.NewRequest(http.MethodGet, "/healthz", nil)
	must(err)
	err = g.loaded.HealthChecks[0].Check(req)
	g.setCause("loop")
	g.record(StateEvent{Event: "health", Error: errorText(err)})
}

func (g *stage) chain() value.Transformer {
	return encryptionconfig.StaticTransformers(g.loaded.Transformers).TransformerForResource(schema.GroupResource{Resource: "secrets"})
}

// write seals a small value and records under which key_id, or why not.
func (g *stage) write() {
	g.setCause("write")
	defer g.setCause("loop")
	randomTape.take()
	out, err := g.chain().TransformToStorage(context.Background(), []byte("{}\n"), value.DefaultContext(defaultKey))
	if err != nil {
		g.record(StateEvent{Event: "write", Error: errorText(err)})
		return
	}
	g.record(StateEvent{Event: "write", Stored: hexed(out), Random: hexed(randomTape.take())})
}

// read opens a value of the given key_id and records whether it is stale.
func (g *stage) read(keyID string) {
	k := seq(0, 32)
	stored := cat(prefixV2+"p:", object{data: xnonce(k, seq(0xa0, 32), seq(0x60, 12), []byte("{}\n"), []byte(defaultKey)), keyID: keyID, edek: toyWrap(k), typ: 1}.marshal())
	o := open(context.Background(), g.chain(), stored, []byte(defaultKey))
	e := StateEvent{Event: "read", KeyID: &keyID, Error: errorText(o.err)}
	if o.err == nil {
		e.Stale = &o.stale
	}
	g.record(e)
}

// play runs a script in a bubble with a fake clock; the real loops of the API server run in it too.
func (c script) play(t *testing.T) (out StateCase) {
	synctest.Test(t, func(*testing.T) {
		randomTape.rewind("state:" + c.id)
		g := &stage{began: time.Now(), by: "start", version: "v2", healthz: "ok", keyID: "1"}
		out = StateCase{ID: c.id, Why: c.why, APIVersion: "v2", Provider: "p", Start: g.began.UTC().Format(time.RFC3339)}
		envelopeServiceFactory = func(context.Context, string, time.Duration) (envelope.Service, error) { return v1Stage{g}, nil }
		encryptionconfig.EnvelopeKMSv2ServiceFactory = func(context.Context, string, string, time.Duration) (kmsservice.Service, error) { return g, nil }
		if c.keyForm {
			out.KeyForm = true
			defer encryptionconfig.SetKDFForTests("p", false)()
		}
		ctx, cancel := context.WithCancel(context.Background())
		text := secrets(kms("v2", "p"))
		if c.v1 {
			text = secrets(kms("v1", "p"))
			out.APIVersion = "v1"
		}
		loading := func() {
			g.record(StateEvent{Event: "start"})
			loaded, _, err := load(ctx, text, false)
			must(err)
			g.loaded = loaded
			g.setCause("loop")
		}
		for _, a := range c.acts {
			time.Sleep(a.at - time.Since(g.began))
			synctest.Wait()
			if g.loaded == nil && a.at >= 0 {
				a.do(g)
				loading()
				continue
			}
			a.do(g)
		}
		synctest.Wait()
		out.Events = g.events
		cancel()
		time.Sleep(5 * time.Minute) // whatever still sleeps must end before the bubble does
		synctest.Wait()
	})
	return out
}

// stateChild names the file that a child process writes state cases to. A fake
// clock needs the testing package, whose entry point ends the process: hence a child.
const stateChild = "K8SENC_GEN_STATE"

// runStateChild plays every script and ends the process.
func runStateChild(file string) {
	workDir = filepath.Dir(file)
	cases := map[string][]StateCase{}
	testing.Main(func(string, string) (bool, error) { return true, nil }, []testing.InternalTest{{Name: "state", F: func(t *testing.T) {
		for suite, scripts := range map[string][]script{"state/kmsv2": stateKMSv2(), "state/kmsv1": stateKMSv1(), "state/kmsv2-key": stateKMSv2Key()} {
			for _, c := range scripts {
				first := c.play(t)
				for range 3 {
					if again := c.play(t); *encoded(again) != *encoded(first) {
						t.Errorf("%s: two runs differ:\n%s\n%s", c.id, *encoded(first), *encoded(again))
					}
				}
				cases[suite] = append(cases[suite], first)
			}
		}
		raw, err := json.Marshal(cases)
		must(err)
		must(os.WriteFile(file, raw, 0o600))
	}}}, nil, nil)
}

var stateCases = sync.OnceValue(func() map[string][]StateCase {
	file := filepath.Join(workDir, "state.json")
	self, err := os.Executable()
	must(err)
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), stateChild+"="+file)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		fatal("state scripts: %v\n%s", err, out.String())
	}
	raw, err := os.ReadFile(file)
	must(err)
	cases := map[string][]StateCase{}
	must(json.Unmarshal(raw, &cases))
	return cases
})

func stateSuite(s *Suite) {
	for _, c := range stateCases()[s.name] {
		s.add(c.ID, c)
	}
}

var errAway = errors.New("rpc error: code = Unavailable desc = kms is away")

func text(format string, args ...any) *string { t := fmt.Sprintf(format, args...); return &t }
