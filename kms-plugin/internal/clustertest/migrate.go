package clustertest

import (
	"bytes"
	"testing"
	"time"

	"k8s.io/kms/pkg/service"

	"github.com/k8senc/k8senc/kms-plugin/daemon"
)

// patience is how long kube-apiserver and plugin wait here, where a loaded machine must not decide.
const patience = 30 * time.Second

// Migrates has kube-apiserver write through another plugin, then puts ours in its place under the same provider name: with compat it
// reads what was written before, calls it stale and writes records of its own; without compat it refuses. key is the retired key
// of slot 1 as a line of YAML in flow style, compat the entry that says how the old data reads.
func Migrates(t *testing.T, other service.Service, backends daemon.Backends, key, compat string) {
	t.Helper()
	stored := NewApiserver(t, Other(t, other), patience).Writes("written before")

	ours := "keys:\n  - {name: old, slot: 1, retired: true, " + key + "}\n  - {name: new, slot: 2, local: {file: ROOM/kek}}\ncalls: {budget: 25s}\n"
	for _, with := range []bool{false, true} {
		settings := ours
		if with {
			settings += "compat:\n  - {slot: 1, " + compat + "}\n"
		}
		p := New(t, backends.WithLocal(), settings)
		p.Write("kek", string(bytes.Repeat([]byte{7}, 32)))
		p.Start()
		server := NewApiserver(t, p.Socket(), patience)
		fresh := server.Writes("written after")
		if !with {
			if got, _, err := server.Secrets.TransformFromStorage(t.Context(), stored, Place); err == nil {
				t.Errorf("%q is read without compat", got)
			}
			p.Stop()
			continue
		}
		if server.Reads(fresh, "written after") {
			t.Error("what was just written is stale")
		}
		// The retired key's KMS is opened in the background.
		p.Eventually("what the other plugin's server wrote is read", func() bool {
			_, _, err := server.Secrets.TransformFromStorage(t.Context(), stored, Place)
			return err == nil
		})
		if !server.Reads(stored, "written before") {
			t.Error("what the other plugin's server wrote is not stale")
		}
	}
}
