package main

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// kms is a plugin that the run can crash, bring back, and give a new KEK.
type kms interface {
	Endpoint() string
	// Crash ends it at once; Start brings it back with the same keys.
	Crash()
	Start(context.Context) error
	// Away takes it away until the next Start, and returns when it names no key_id any more.
	Away(context.Context) error
	// NewKEK has it wrap with a new KEK; what was wrapped before still opens.
	NewKEK(context.Context) error
}

// pluginUnderTest executes what can happen to a KMS plugin, with two servers that one client reads and writes through.
func (r *run) pluginUnderTest(ctx context.Context, label string, plugin kms) error {
	block := provider{name: "kms", kind: "kms-v2", endpoint: plugin.Endpoint()}
	config := configFor([]string{"secrets"}, block, provider{name: "identity", kind: "identity"})
	p, err := r.newPair(ctx, label, true, config)
	if err != nil {
		return err
	}
	defer p.end()
	p.kms = []string{"--kms", "kms=" + plugin.Endpoint()}
	if err := p.crashes(ctx, label, plugin); err != nil {
		return fmt.Errorf("crashes: %w", err)
	}
	if err := p.rotatesKEK(ctx, label, plugin); err != nil {
		return fmt.Errorf("rotation of the KEK: %w", err)
	}
	if err := p.outage(ctx, label, plugin, config); err != nil {
		return fmt.Errorf("outage: %w", err)
	}
	return nil
}

// crashes ends the plugin again and again under load.
func (p *pair) crashes(ctx context.Context, label string, plugin kms) error {
	const times = 10
	l := underLoad(ctx, p)
	for range times {
		wait(ctx, time.Second)
		plugin.Crash()
		wait(ctx, time.Duration(rand.IntN(3000))*time.Millisecond)
		if err := plugin.Start(ctx); err != nil {
			return err
		}
	}
	reads, writes, err := l.end()
	if err != nil {
		return err
	}
	p.Add("plugin", label+": crashes and restarts of the plugin under load", times)
	p.Add("plugin", label+": requests meanwhile, none failed", reads+writes)
	return nil
}

// rotatesKEK gives the plugin a new KEK, waits until both servers write under it, and rewrites what is stale.
func (p *pair) rotatesKEK(ctx context.Context, label string, plugin kms) error {
	before, err := p.keyIDs(ctx, "before")
	if err != nil {
		return err
	}
	l := underLoad(ctx, p)
	if err := plugin.NewKEK(ctx); err != nil {
		return err
	}
	// A server asks the plugin once a minute.
	return p.followsKEK(ctx, label, before, 4*time.Minute, l)
}

// followsKEK waits until both servers write under another key_id, rewrites everything, and ends the load.
func (p *pair) followsKEK(ctx context.Context, label string, before []string, limit time.Duration, l *load) error {
	for _, m := range p.members {
		err := eventually(ctx, limit, func() error {
			name := fmt.Sprintf("after-%s-%d", m.letter, time.Now().UnixNano())
			if _, err := m.client.typed.CoreV1().Secrets(loadNamespace).Create(ctx, secretOf(loadNamespace, strings.ToLower(name), 10), metav1.CreateOptions{}); err != nil {
				return err
			}
			wait(ctx, 5*time.Second)
			keyID, err := p.keyIDOf(ctx, "/registry/secrets/"+loadNamespace+"/"+strings.ToLower(name))
			if err == nil && slices.Contains(before, keyID) {
				err = fmt.Errorf("server %s still writes under key_id %s", m.letter, keyID)
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	if _, err := rewrite(ctx, p.members[0].client.dynamic); err != nil {
		return err
	}
	reads, writes, err := l.end()
	if err != nil {
		return err
	}
	if err := p.verify(ctx, p.name+"-rotated", false); err != nil {
		return err
	}
	after, err := p.keyIDs(ctx, "after")
	if err != nil {
		return err
	}
	if len(after) != 1 || slices.Contains(before, after[0]) {
		return fmt.Errorf("values are under the key_ids %v, before under %v", after, before)
	}
	p.Add("plugin", label+": rotations of the KEK while both servers run, nothing left under the old key_id", 1)
	p.Add("plugin", label+": requests meanwhile, none failed", reads+writes)
	return nil
}

// keyIDs are those of the stored secrets, as an audit of a snapshot names them.
func (p *pair) keyIDs(ctx context.Context, name string) ([]string, error) {
	snapshot := p.Path(p.name + "-" + name + ".db")
	if err := p.etcd.SaveSnapshot(ctx, snapshot); err != nil {
		return nil, err
	}
	made, _, err := p.audit(ctx, snapshot, p.members[0].path, p.kms)
	if err != nil {
		return nil, err
	}
	var found []string
	for _, g := range made.Groups {
		if g.Resource == "secrets" && g.KeyID != "" && g.Live > 0 && !slices.Contains(found, g.KeyID) {
			found = append(found, g.KeyID)
		}
	}
	return found, nil
}

// mode is a row of `k8senc outage --format json`.
type mode struct {
	Moment, Writes, ReadsOfKnown, ReadsOfOthers string
}

// outage takes the plugin away for five minutes and holds what both servers do against `k8senc outage`. It counts from when the
// plugin names no key_id any more.
func (p *pair) outage(ctx context.Context, label string, plugin kms, config []byte) error {
	said, err := p.k8senc(ctx, "outage", p.members[0].path, "--format", "json")
	if err != nil {
		return err
	}
	var told struct{ Configurations []struct{ Modes []mode } }
	if err := json.Unmarshal([]byte(said.stdout), &told); err != nil || len(told.Configurations) != 1 {
		return fmt.Errorf("k8senc outage ended with %d: %s", said.code, said.stderr)
	}
	modes := map[string]mode{}
	for _, one := range told.Configurations[0].Modes {
		modes[one.Moment] = one
	}
	a, b := p.members[0], p.members[1]
	strange, err := p.strange(ctx)
	if err != nil {
		return err
	}
	known := "known"
	if _, err := a.client.typed.CoreV1().Secrets(loadNamespace).Create(ctx, secretOf(loadNamespace, known, 10), metav1.CreateOptions{}); err != nil {
		return err
	}
	for _, m := range p.members {
		if err := m.get(ctx, loadNamespace, known); err != nil {
			return err
		}
	}
	reading, stopReading := p.keepReading(ctx, known)
	if err := plugin.Away(ctx); err != nil {
		return err
	}
	begin := time.Now()
	if err := put(ctx, p.etcd, strangeKey, strange); err != nil {
		return err
	}
	at := func(moment time.Duration) { wait(ctx, time.Until(begin.Add(moment))) }

	// A reload that is asked for while the KMS is down is not taken.
	changed := append(slices.Clone(config), "# another file\n"...)
	if err := replaceFile(a.path, changed); err != nil {
		return err
	}
	at(60 * time.Second)
	if err := p.expectMode(ctx, b, modes["1-minute"], begin); err != nil {
		return err
	}
	// Files are looked at once a minute. A server's last good answer may be a minute old, so writes may end after two.
	at(110 * time.Second)
	if hash, err := a.configHash(ctx); err != nil || hash != hashOf(config) {
		return fmt.Errorf("server A took a file while the KMS was down: %s, %w", hash, err)
	}
	if err := p.expectMode(ctx, a, modes["reload"], begin); err != nil {
		return err
	}
	at(4 * time.Minute)
	for _, m := range p.members {
		if err := p.expectMode(ctx, m, modes["4-minutes"], begin); err != nil {
			return err
		}
	}
	reads := stopReading()
	if faults := <-reading; faults != nil {
		return faults
	}
	b.server.Stop()
	if err := p.startUnready(ctx, b); err != nil {
		return err
	}
	if err := p.expectMode(ctx, b, modes["restart"], begin); err != nil {
		return err
	}
	at(5 * time.Minute)
	if err := plugin.Start(ctx); err != nil {
		return err
	}
	for _, m := range p.members {
		err := eventually(ctx, 3*time.Minute, func() error { return p.works(ctx, m) })
		if err != nil {
			return fmt.Errorf("server %s does not recover: %w", m.letter, err)
		}
	}
	if err := p.waitForHash(ctx, a, changed); err != nil {
		return err
	}
	p.Add("plugin", label+": outages of five minutes that go as k8senc outage says, with recovery", 1)
	p.Add("plugin", label+": rows of k8senc outage that two servers confirmed", len(modes))
	p.Add("plugin", label+": reads of known values during the outage, none failed", reads)
	return nil
}

const strangeKey = "/registry/secrets/" + loadNamespace + "/strange"

// strange has a server on another etcd write a value under a seed that the others never saw. Whatever is written into their own
// etcd they read at once, for their watch caches.
func (p *pair) strange(ctx context.Context) ([]byte, error) {
	e, err := p.run.etcd(ctx, p.name+"-strange")
	if err != nil {
		return nil, err
	}
	defer e.Stop()
	elsewhere := &pair{run: p.run, name: p.name + "-strange", etcd: e}
	third := &member{letter: "C", path: p.members[1].path}
	if err := elsewhere.startMember(ctx, third); err != nil {
		return nil, err
	}
	defer third.server.Stop()
	if err := createMany(ctx, third.client, loadNamespace, 0, 0); err != nil {
		return nil, err
	}
	if _, err := third.client.typed.CoreV1().Secrets(loadNamespace).Create(ctx, secretOf(loadNamespace, "strange", 10), metav1.CreateOptions{}); err != nil {
		return nil, err
	}
	values, err := stored(ctx, e, strangeKey)
	return values[strangeKey], err
}

// expectMode tries a write, a read of a known and one of an unknown seed, and compares with the table.
func (p *pair) expectMode(ctx context.Context, m *member, row mode, begin time.Time) error {
	after := time.Since(begin).Round(time.Second)
	name := fmt.Sprintf("during-%s-%d", strings.ToLower(m.letter), time.Now().UnixNano())
	_, writes := m.client.typed.CoreV1().Secrets(loadNamespace).Create(ctx, secretOf(loadNamespace, name, 10), metav1.CreateOptions{})
	known := m.get(ctx, loadNamespace, "known")
	others := m.get(ctx, loadNamespace, "strange")
	for _, one := range []struct {
		what, says string
		err        error
	}{{"writes", row.Writes, writes}, {"reads of known seeds", row.ReadsOfKnown, known}, {"reads of other seeds", row.ReadsOfOthers, others}} {
		works := one.says == "works" || one.says == "for-3-minutes" && after < 2*time.Minute
		if works != (one.err == nil) {
			return fmt.Errorf("%s into the outage, server %s: k8senc outage says of %s at %s: %s; the server: %v", after, m.letter, one.what, row.Moment, one.says, one.err)
		}
	}
	p.Say("%s: %s into the outage server %s does as the table says for %s", p.name, after, m.letter, row.Moment)
	return nil
}

// works is whether a server writes and reads everything again.
func (p *pair) works(ctx context.Context, m *member) error {
	name := fmt.Sprintf("again-%s-%d", strings.ToLower(m.letter), time.Now().UnixNano())
	if _, err := m.client.typed.CoreV1().Secrets(loadNamespace).Create(ctx, secretOf(loadNamespace, name, 10), metav1.CreateOptions{}); err != nil {
		return err
	}
	return m.get(ctx, loadNamespace, "strange")
}

// keepReading reads a secret through both servers until stopped; stop gives how often it went well.
func (p *pair) keepReading(ctx context.Context, name string) (<-chan error, func() int) {
	ctx, cancel := context.WithCancel(ctx)
	result, count := make(chan error, 1), 0
	var waiting sync.WaitGroup
	waiting.Go(func() {
		var faults []string
		for ctx.Err() == nil {
			for _, m := range p.members {
				if err := m.get(ctx, loadNamespace, name); err == nil {
					count++
				} else if ctx.Err() == nil {
					faults = append(faults, fmt.Sprintf("server %s: %v", m.letter, err))
				}
			}
			wait(ctx, 100*time.Millisecond)
		}
		result <- faultsOf("reads of a known value failed during the outage", faults)
	})
	return result, func() int {
		cancel()
		waiting.Wait()
		return count
	}
}
