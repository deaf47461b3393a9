package main

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"k8senc.dev/e2e/internal/stage"
)

// ours is k8senc-kms-plugin, a process of its own, with KEKs in files.
type ours struct {
	*run
	dir     string
	process *stage.Process
	keks    int
}

// startOurs makes a plugin with `k8senc-kms-plugin init` and serves it.
func (r *run) startOurs(ctx context.Context, name string) (*ours, error) {
	o := &ours{run: r, dir: r.Path(name), keks: 1}
	said, err := command(ctx, "", r.tools.plugin, "init", "--cluster", "e2e", o.dir)
	if err != nil {
		return nil, err
	}
	if said.code != 0 {
		return nil, fmt.Errorf("k8senc-kms-plugin init ended with %d: %s", said.code, said.stderr)
	}
	// Several plugins of a run would want the same port for their metrics.
	text, err := os.ReadFile(o.config())
	if err != nil {
		return nil, err
	}
	if err := replaceFile(o.config(), append(text, noMetrics...)); err != nil {
		return nil, err
	}
	return o, o.Start(ctx)
}

const noMetrics = "observe:\n  listen: \"\"\n"

func (o *ours) socket() string { return filepath.Join(o.dir, "run", "kms.sock") }

// Endpoint is its socket.
func (o *ours) Endpoint() string { return "unix://" + o.socket() }

func (o *ours) config() string { return filepath.Join(o.dir, "config.yaml") }

// Crash kills it.
func (o *ours) Crash() { o.process.Kill() }

// Away is a crash that lasts.
func (o *ours) Away(context.Context) error {
	o.Crash()
	return nil
}

// Start serves, and waits until the plugin answers as the contract says.
func (o *ours) Start(ctx context.Context) error {
	var err error
	if o.process, err = o.Stage.Start("kms-plugin", o.tools.plugin, "serve", "--config", o.config()); err != nil {
		return err
	}
	return eventually(ctx, 30*time.Second, func() error {
		if o.process.Ended() {
			return &stage.Refused{Process: o.process}
		}
		_, err := os.Stat(o.socket())
		return err
	})
}

// NewKEK retires the KEK and names another one; the plugin sees the changed file by itself.
func (o *ours) NewKEK(context.Context) error {
	key := make([]byte, 32)
	if _, err := rand.Read(key); err != nil {
		return err
	}
	o.keks++
	next := filepath.Join(o.dir, fmt.Sprintf("kek-%d", o.keks))
	if err := os.WriteFile(next, []byte(base64.StdEncoding.EncodeToString(key)+"\n"), 0o600); err != nil {
		return err
	}
	text := fmt.Sprintf("cluster: e2e\nsocket:\n  path: %s\nstateFile: %s\nkeys:\n", o.socket(), filepath.Join(o.dir, "state.json"))
	for i := 1; i <= o.keks; i++ {
		file := "kek"
		if i > 1 {
			file = fmt.Sprintf("kek-%d", i)
		}
		text += fmt.Sprintf("  - name: local-%d\n    slot: %d\n    retired: %t\n    local:\n      file: %s\n", i, i, i < o.keks, filepath.Join(o.dir, file))
	}
	text += noMetrics
	return replaceFile(o.config(), []byte(text))
}

// ourPlugin tries on k8senc-kms-plugin what was tried on the small one.
func ourPlugin(ctx context.Context, r *run) error {
	plugin, err := r.startOurs(ctx, "ours")
	if err != nil {
		return err
	}
	defer func() { plugin.process.Stop() }()
	return r.pluginUnderTest(ctx, "k8senc-kms-plugin", plugin)
}
