package main

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"time"
	"unicode/utf8"

	"k8s.io/apimachinery/pkg/runtime/schema"
	utilerrors "k8s.io/apimachinery/pkg/util/errors"
	"k8s.io/apiserver/pkg/server/options/encryptionconfig"
	"k8s.io/apiserver/pkg/storage/value"
	utilfeature "k8s.io/apiserver/pkg/util/feature"
	kmsservice "k8s.io/kms/pkg/service"
)

// ConfigCase asks what the real loader makes of one configuration file.
type ConfigCase struct {
	ID      string       `json:"id"`
	Why     string       `json:"why"`
	Text    *string      `json:"text,omitempty"`
	TextHex *string      `json:"textHex,omitempty"`
	Reload  bool         `json:"reload"`
	KMSv1   bool         `json:"kmsv1"`
	Expect  ConfigExpect `json:"expect"`
}

// ConfigExpect is what the real loader did.
type ConfigExpect struct {
	OK           bool                `json:"ok"`
	Stage        string              `json:"stage,omitempty"`
	Upstream     string              `json:"upstream,omitempty"`
	Errors       []string            `json:"errors,omitempty"`
	Compare      string              `json:"compare,omitempty"`
	Chains       map[string][]string `json:"chains,omitempty"`
	HealthChecks []string            `json:"healthChecks,omitempty"`
	GracePeriod  string              `json:"kmsCloseGracePeriod,omitempty"`
	ContentHash  string              `json:"contentHash,omitempty"`
}

// conf is the question of a configuration case.
type conf struct {
	id, why, text string
	reload, kmsv1 bool
}

// The real factories check the endpoint; they are kept to be called first.
var (
	realV1Factory = envelopeServiceFactory
	realV2Factory = encryptionconfig.EnvelopeKMSv2ServiceFactory
)

// gate sets the KMSv1 feature gate.
func gate(on bool) {
	must(utilfeature.DefaultMutableFeatureGate.Set(fmt.Sprintf("KMSv1=%v", on)))
}

func (c conf) run() (e ConfigExpect) {
	gate(c.kmsv1)
	defer gate(true)
	envelopeServiceFactory = realV1Factory
	encryptionconfig.EnvelopeKMSv2ServiceFactory = func(ctx context.Context, endpoint, name string, timeout time.Duration) (kmsservice.Service, error) {
		if _, err := realV2Factory(ctx, endpoint, name, timeout); err != nil {
			return nil, err
		}
		return v2Service{&plugin{keyID: "1"}}, nil // answers at once, so that loading does not wait for a timeout
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	defer func() {
		if p := recover(); p != nil {
			e = ConfigExpect{Stage: "panic", Upstream: fmt.Sprint(p), Compare: "exact"}
		}
	}()
	loaded, path, err := load(ctx, c.text, c.reload)
	if err != nil {
		return configRefusal(strings.ReplaceAll(err.Error(), path, "<PATH>"), err)
	}
	e = ConfigExpect{OK: true, Chains: map[string][]string{}, GracePeriod: loaded.KMSCloseGracePeriod.String(), ContentHash: loaded.EncryptionFileContentHash}
	for gr, t := range loaded.Transformers {
		e.Chains[ruleName(gr)] = chainPrefixes("", t)
	}
	for _, h := range loaded.HealthChecks {
		e.HealthChecks = append(e.HealthChecks, h.Name())
	}
	return e
}

// ruleName names a rule as the configuration does.
func ruleName(gr schema.GroupResource) string {
	if gr.Group == "" && gr.Resource == "*" {
		return "*."
	}
	return gr.String()
}

// chainPrefixes lists the whole prefixes of a chain in its order: the first one writes.
func chainPrefixes(before string, t value.Transformer) []string {
	v := reflect.ValueOf(t)
	if v.Kind() != reflect.Pointer || v.Elem().Type().Name() != "prefixTransformers" {
		return []string{before}
	}
	var out []string
	list := v.Elem().FieldByName("transformers")
	for i := range list.Len() {
		entry := list.Index(i)
		prefix := before + string(entry.FieldByName("Prefix").Bytes())
		inner := entry.FieldByName("Transformer").Elem()
		if inner.Kind() == reflect.Pointer && inner.Elem().Type().Name() == "prefixTransformers" {
			keys := inner.Elem().FieldByName("transformers")
			for j := range keys.Len() {
				out = append(out, prefix+string(keys.Index(j).FieldByName("Prefix").Bytes()))
			}
			continue
		}
		out = append(out, prefix)
	}
	return out
}

func configRefusal(text string, err error) ConfigExpect {
	e := ConfigExpect{Upstream: text, Compare: "exact"}
	rest, parsing := strings.CutPrefix(text, "error while parsing file: ")
	switch {
	case !parsing && strings.HasPrefix(text, "error while building transformers: "):
		e.Stage = "build"
	case !parsing:
		fatal("configuration error of no known stage: %s", text)
	case strings.HasPrefix(rest, "error while loading file: "):
		e.Stage = "load"
	case strings.HasPrefix(rest, "error decoding encryption provider configuration file "), strings.HasPrefix(rest, "got unexpected config type: "):
		e.Stage = "decode"
	default:
		e.Stage = "validate"
		var agg utilerrors.Aggregate
		if errors.As(err, &agg) {
			seen := map[string]bool{}
			for _, one := range agg.Errors() {
				if t := one.Error(); !seen[t] {
					seen[t] = true
					e.Errors = append(e.Errors, t)
				}
			}
		}
	}
	switch {
	case strings.Contains(rest, " in scheme \""):
		e.Compare = "scheme-name"
	case e.Stage == "decode" && strings.Contains(rest, "yaml: "):
		e.Compare = "go-yaml"
	}
	return e
}

// config runs the question on the real loader and records the answer.
func (s *Suite) config(c conf) {
	e := c.run()
	again := c.run()
	x, _ := encode(e)
	if y, _ := encode(again); string(x) != string(y) {
		fatal("%s/%s: two runs differ:\n%s\n%s", s.name, c.id, x, y)
	}
	out := ConfigCase{ID: c.id, Why: c.why, Reload: c.reload, KMSv1: c.kmsv1, Expect: e}
	if utf8.ValidString(c.text) {
		out.Text = &c.text
	} else {
		out.TextHex = hexed([]byte(c.text))
	}
	s.add(c.id, out)
}
