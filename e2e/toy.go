package main

import (
	"context"
	"fmt"

	"k8senc.dev/e2e/internal/toykms"
)

// toy is the run's own small plugin, in its process.
type toy struct {
	*toykms.Plugin
	keks int
}

func newToy(r *run, name string) (*toy, error) {
	plugin, err := toykms.New(r.Path(name+".sock"), "kek-1")
	return &toy{plugin, 1}, err
}

func (t *toy) Crash() { t.Close() }

func (t *toy) Away(context.Context) error {
	t.Crash()
	return nil
}

func (t *toy) Start(context.Context) error { return t.Serve() }

func (t *toy) NewKEK(context.Context) error {
	t.keks++
	return t.Rotate(fmt.Sprintf("kek-%d", t.keks))
}

// smallPlugin tries everything on a plugin of some hundred lines, so that what the API server does is known without ours.
func smallPlugin(ctx context.Context, r *run) error {
	plugin, err := newToy(r, "toy")
	if err != nil {
		return err
	}
	defer plugin.Close()
	return r.pluginUnderTest(ctx, "small-plugin", plugin)
}
