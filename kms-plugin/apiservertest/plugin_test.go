// Package apiservertest drives the plugin with what kube-apiserver really has: its KMS v2 client, its state machine, its transformers.
package apiservertest

import (
	"bytes"
	"context"
	"encoding/base64"
	"testing"
	"time"

	"github.com/k8senc/k8senc/kms-plugin/daemon"
	"github.com/k8senc/k8senc/kms-plugin/internal/clustertest"
	"github.com/k8senc/k8senc/kms-plugin/kek"
	"github.com/k8senc/k8senc/kms-plugin/kektest"
)

// fakeConfig is the block `fake` in a configuration: which of the test's KMSs it is.
type fakeConfig struct {
	Name string `yaml:"name"`
}

func (*fakeConfig) Validate() []kek.Problem { return nil }

// plugin is one whose KMSs can fail.
type plugin struct {
	*clustertest.Plugin
	fakes map[string]*kektest.Fake
}

func newPlugin(t *testing.T, keys string) *plugin {
	t.Helper()
	p := &plugin{fakes: map[string]*kektest.Fake{}}
	for name, kind := range map[string]kek.Kind{"aws": kek.AWS, "vault": kek.Transit, "gcp": kek.GCP} {
		p.fakes[name] = kektest.New(name, kind, time.Now().Add(-time.Hour))
	}
	p.Plugin = clustertest.New(t, p.backends(), keys)
	p.Write("kek", base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{0x42}, 32)))
	return p
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
	p.T.Helper()
	p.Start()
	return p
}
