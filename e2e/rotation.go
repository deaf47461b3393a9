package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"k8senc.dev/e2e/internal/toykms"
)

// plan is what `k8senc plan --format json` says.
type plan struct {
	OK     bool
	Direct *check
	Steps  []planned
}

type check struct {
	OK             bool
	Counterexample string
}

type planned struct {
	Number   int
	Name     string
	File     *struct{ Name *string }
	Checked  *check
	Commands []struct{ Text string }
}

// rotation executes plans of k8senc with two servers while a client reads and writes.
func rotation(ctx context.Context, r *run) error {
	plugin, err := toykms.New(r.Path("rotation.sock"), "kek-1")
	if err != nil {
		return err
	}
	defer plugin.Close()
	begin := localProvider("aescbc", 32)
	identity := provider{name: "identity", kind: "identity"}
	goals := []struct {
		goal   string
		reload bool
	}{
		{"rotate-key", false},
		{"change-provider=secretbox", false},
		{"rotate-key", true},
		{"kms-v2=toy-v2," + plugin.Endpoint(), true},
		{"decrypt-all", false},
	}
	// A reload takes a minute of waiting, a restart some seconds of work: they share the time.
	lane := func(reload bool) error {
		for _, one := range goals {
			if one.reload != reload {
				continue
			}
			if err := r.executePlan(ctx, one.goal, one.reload, configFor([]string{"secrets"}, begin, identity)); err != nil {
				return fmt.Errorf("goal %s, reload %t: %w", one.goal, one.reload, err)
			}
		}
		return nil
	}
	reloads := make(chan error, 1)
	go func() { reloads <- lane(true) }()
	return errors.Join(lane(false), <-reloads)
}

func (r *run) executePlan(ctx context.Context, goal string, reload bool, config []byte) error {
	name, _, _ := strings.Cut(goal, "=")
	if reload {
		name += "-reload"
	}
	p, err := r.newPair(ctx, name, reload, config)
	if err != nil {
		return err
	}
	defer p.end()
	folder := r.Path("plan-" + name)
	made, err := r.plan(ctx, p.members[0].path, "--goal", goal, "--rewrite-by", "kubectl", "--write-to", folder, reloadFlag(reload))
	if err != nil {
		return err
	}
	if !made.OK {
		return fmt.Errorf("the plan is not ok")
	}
	if endpoint, found := strings.CutPrefix(goal, "kms-v2=toy-v2,"); found {
		p.kms = []string{"--kms", "toy-v2=" + endpoint}
	}
	l := underLoad(ctx, p)
	wait(ctx, 2*time.Second)
	for _, one := range made.Steps {
		if err := p.executeStep(ctx, folder, one); err != nil {
			_, _, failed := l.end()
			return errors.Join(fmt.Errorf("step %d, %s: %w", one.Number, one.Name, err), failed)
		}
		wait(ctx, time.Second)
	}
	reads, writes, err := l.end()
	if err != nil {
		return err
	}
	r.Say("%s: %d steps, %d reads and %d writes, none failed", name, len(made.Steps), reads, writes)
	what := "with restarts"
	if reload {
		what = "with reload"
	}
	r.Add("rotation", "plans executed "+what+" on two kube-apiservers", 1)
	r.Add("rotation", "reads during plans, none failed", reads)
	r.Add("rotation", "writes during plans, none failed", writes)
	return nil
}

func reloadFlag(reload bool) string {
	if reload {
		return "--reload"
	}
	return "--servers=2"
}

// plan asks for the steps.
func (r *run) plan(ctx context.Context, arguments ...string) (plan, error) {
	said, err := r.k8senc(ctx, append([]string{"plan", "--format", "json"}, arguments...)...)
	if err != nil {
		return plan{}, err
	}
	var made plan
	if err := json.Unmarshal([]byte(said.stdout), &made); err != nil {
		return made, fmt.Errorf("k8senc plan ended with %d: %s", said.code, said.stderr)
	}
	return made, nil
}

// executeStep does what a step of a plan says.
func (p *pair) executeStep(ctx context.Context, folder string, one planned) error {
	switch {
	case one.Name == "remove-file":
		return p.uninstall(ctx)
	case one.File != nil:
		text, err := os.ReadFile(filepath.Join(folder, *one.File.Name))
		if err != nil {
			return err
		}
		for _, m := range p.members {
			if err := p.takes(ctx, m, text); err != nil {
				return err
			}
		}
		return nil
	}
	switch one.Name {
	case "rewrite":
		_, err := rewrite(ctx, p.members[0].client.dynamic)
		return err
	case "verify":
		return p.verify(ctx, fmt.Sprintf("%s-%d", p.name, one.Number), strings.HasPrefix(p.name, "decrypt-all"))
	case "compact":
		found, err := p.etcd.Client.Get(ctx, "/")
		if err != nil {
			return err
		}
		_, err = p.etcd.Client.Compact(ctx, found.Header.Revision, clientv3.WithCompactPhysical())
		return err
	case "defrag":
		_, err := p.etcd.Client.Defragment(ctx, p.etcd.URL)
		return err
	case "back-up", "back-up-again":
		return p.etcd.SaveSnapshot(ctx, p.Path(fmt.Sprintf("%s-%d.db", p.name, one.Number)))
	case "check-plugin":
		return p.checkPlugin(ctx, one)
	case "settle":
		seconds, err := strconv.Atoi(strings.TrimPrefix(one.Commands[0].Text, "sleep "))
		if err != nil {
			return err
		}
		wait(ctx, time.Duration(seconds)*time.Second)
		return ctx.Err()
	default:
		return fmt.Errorf("the run does not know how to do a step of this name")
	}
}

// verify does as the step of that name says: a snapshot, and an audit that finds nothing stale, exposed or unreadable; all is
// exposed if it was decrypted.
func (p *pair) verify(ctx context.Context, name string, decrypted bool) error {
	snapshot := p.Path(name + ".db")
	if err := p.etcd.SaveSnapshot(ctx, snapshot); err != nil {
		return err
	}
	made, _, err := p.audit(ctx, snapshot, p.members[0].path, p.kms)
	if err != nil {
		return err
	}
	for _, one := range made.Resources {
		if one.Resource == "secrets" && (one.Stale > 0 || (one.Exposed == one.Live) != decrypted || !decrypted && one.Exposed > 0 || one.Unreadable > 0 || one.Undecided > 0 || one.Live == 0) {
			return fmt.Errorf("k8senc audit of %s: of %d secrets %d are stale, %d exposed, %d unreadable, %d undecided", snapshot, one.Live, one.Stale, one.Exposed, one.Unreadable, one.Undecided)
		}
	}
	return nil
}

// checkPlugin runs the command of the plan.
func (p *pair) checkPlugin(ctx context.Context, one planned) error {
	arguments, found := strings.CutPrefix(one.Commands[0].Text, "k8senc ")
	if !found {
		return nil
	}
	said, err := p.k8senc(ctx, strings.Fields(arguments)...)
	if err == nil && said.code != 0 {
		err = fmt.Errorf("%s ended with %d: %s%s", one.Commands[0].Text, said.code, said.stdout, said.stderr)
	}
	return err
}

// uninstall takes the configuration away.
func (p *pair) uninstall(ctx context.Context) error {
	for _, m := range p.members {
		m.path = ""
		if err := p.restarts(ctx, m); err != nil {
			return err
		}
	}
	return nil
}

func wait(ctx context.Context, pause time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(pause):
	}
}
