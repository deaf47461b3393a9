package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	k8senc "github.com/k8senc/k8senc/bindings-c/go"
	"k8s.io/kms/apis/v2"
)

// twoBackends is k8senc-kms-plugin with two Transit engines behind it and an offline recovery key.
type twoBackends struct {
	*ours
	engines [2]*transit
	retired [2]bool
	public  string
	client  *pluginClient
}

func (r *run) startTwoBackends(ctx context.Context) (*twoBackends, error) {
	b := &twoBackends{ours: &ours{run: r, dir: r.Path("two")}}
	var err error
	for i, name := range []string{"here", "there"} {
		if b.engines[i], err = r.startTransit(ctx, name); err != nil {
			return nil, err
		}
	}
	if err := os.MkdirAll(filepath.Join(b.dir, "run"), 0o700); err != nil {
		return nil, err
	}
	said, err := command(ctx, "", r.tools.plugin, "recovery-key", "new", b.recoveryKey())
	if err != nil {
		return nil, err
	}
	if said.code != 0 {
		return nil, fmt.Errorf("k8senc-kms-plugin recovery-key new ended with %d: %s", said.code, said.stderr)
	}
	b.public = strings.TrimSpace(said.stdout)
	if err := b.configure(); err != nil {
		return nil, err
	}
	if err := b.ours.Start(ctx); err != nil {
		return nil, err
	}
	if b.client, err = clientOf(b.socket()); err != nil {
		return nil, err
	}
	return b, eventually(ctx, time.Minute, func() error { return b.named(ctx, true) })
}

func (b *twoBackends) recoveryKey() string { return filepath.Join(b.dir, "recovery.key") }

// configure writes the plugin's file. The key_id goes a second after the last answer of a KMS, so that an outage shows what follows.
func (b *twoBackends) configure() error {
	_, _, ca := b.ServerCert()
	text := fmt.Sprintf("cluster: e2e\nsocket:\n  path: %s\nstateFile: %s\nonOutage:\n  keepFor: 1s\nkeys:\n",
		b.socket(), filepath.Join(b.dir, "state.json"))
	for i, engine := range b.engines {
		text += engine.yaml(i+1, b.retired[i], ca)
	}
	text += fmt.Sprintf("recoveryKeys:\n  - name: offline\n    slot: 200\n    publicKey: %s\n", b.public)
	return replaceFile(b.config(), []byte(text+noMetrics))
}

// named is nil if Status names a key_id and is well, or, if it should not, names none.
func (b *twoBackends) named(ctx context.Context, wanted bool) error {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	status, err := b.client.Status(ctx, &v2.StatusRequest{})
	if err != nil {
		return err
	}
	if found := status.KeyId != "" && status.Healthz == "ok"; found != wanted || !wanted && status.KeyId != "" {
		return fmt.Errorf("the plugin says %q, key_id %q", status.Healthz, status.KeyId)
	}
	return nil
}

// Away seals both engines, and waits until the plugin has no key_id: writes end three minutes after that.
func (b *twoBackends) Away(ctx context.Context) error {
	if err := errors.Join(b.engines[0].seal(ctx), b.engines[1].seal(ctx)); err != nil {
		return err
	}
	begin := time.Now()
	err := eventually(ctx, 6*time.Minute, func() error { return b.named(ctx, false) })
	b.Say("two-backends: both are sealed; the plugin has no key_id any more after %s", time.Since(begin).Round(time.Second))
	return err
}

// Start ends what Away did; the plugin itself was never away.
func (b *twoBackends) Start(ctx context.Context) error {
	return errors.Join(b.engines[0].unseal(ctx), b.engines[1].unseal(ctx))
}

// NewKEK rotates the key of one engine, as an operator of Vault or OpenBao does. The plugin sees it by itself.
func (b *twoBackends) NewKEK(ctx context.Context) error {
	_, err := b.engines[0].post(ctx, "transit/keys/kek/rotate", nil)
	return err
}

func (b *twoBackends) end() {
	_ = b.client.conn.Close()
	b.process.Stop()
	for _, engine := range b.engines {
		engine.process.Stop()
	}
}

const twoLabel = "two-backends"

// failover does to two backends what can happen to them, while two servers are read and written through.
func failover(ctx context.Context, r *run) error {
	b, err := r.startTwoBackends(ctx)
	if err != nil {
		return err
	}
	defer b.end()
	block := provider{name: "kms", kind: "kms-v2", endpoint: b.Endpoint()}
	config := configFor([]string{"secrets"}, block, provider{name: "identity", kind: "identity"})
	p, err := r.newPair(ctx, twoLabel, true, config)
	if err != nil {
		return err
	}
	defer p.end()
	p.kms = []string{"--kms", "kms=" + b.Endpoint()}
	l := loadEvery(ctx, p, time.Second)
	before, err := p.keyIDs(ctx, "before")
	if err != nil {
		return err
	}
	// The plugin uses a new version ten to fifteen minutes after it was made; the rest happens meanwhile.
	if err := b.NewKEK(ctx); err != nil {
		return err
	}
	if err := p.failsOver(ctx, b, config); err != nil {
		return fmt.Errorf("failover: %w", err)
	}
	reads, writes, err := l.end()
	if err != nil {
		return err
	}
	r.Add("failover", "requests while one of two backends was sealed, then the other one hung, none failed", reads+writes)
	if err := p.outage(ctx, twoLabel, b, config); err != nil {
		return fmt.Errorf("outage of both backends: %w", err)
	}
	l = loadEvery(ctx, p, time.Second)
	r.Say("%s: waiting for the plugin to use the new version of the KEK", twoLabel)
	if err := p.followsKEK(ctx, twoLabel+", Transit", before, 18*time.Minute, l); err != nil {
		return fmt.Errorf("rotation of the KEK: %w", err)
	}
	if err := p.startsWithout(ctx, b); err != nil {
		return fmt.Errorf("start while one backend is away: %w", err)
	}
	return p.recovers(ctx, b)
}

// failsOver has servers read seeds that nobody knows yet: only the backend that is left can open them.
func (p *pair) failsOver(ctx context.Context, b *twoBackends, config []byte) error {
	const seeds = 20
	var foreign []foreignSecret
	for i := range 2 * seeds {
		one, err := b.foreign(ctx, fmt.Sprintf("seed-%d", i), config)
		if err != nil {
			return err
		}
		foreign = append(foreign, one)
	}
	here, there := b.engines[0], b.engines[1]
	if err := here.seal(ctx); err != nil {
		return err
	}
	if err := p.readsForeign(ctx, foreign[:seeds]); err != nil {
		return fmt.Errorf("%s is sealed: %w", here.name, err)
	}
	if err := here.unseal(ctx); err != nil {
		return err
	}
	// Its breaker lets somebody try again a minute later at the latest.
	wait(ctx, 65*time.Second)
	if err := there.process.Pause(); err != nil {
		return err
	}
	err := p.readsForeign(ctx, foreign[seeds:])
	if err := errors.Join(err, there.process.Resume()); err != nil {
		return fmt.Errorf("%s hangs: %w", there.name, err)
	}
	p.Add("failover", "seeds that the remaining backend unwrapped for each of two servers", len(foreign))
	return nil
}

type foreignSecret struct {
	written
	sealed []byte
}

// foreign is a secret that is sealed under a seed of its own, which the plugin wrapped, as another server's would be.
func (b *twoBackends) foreign(ctx context.Context, name string, config []byte) (foreignSecret, error) {
	objects, err := objectsToSeal(name)
	if err != nil {
		return foreignSecret{}, err
	}
	seed := make([]byte, 32)
	if _, err := rand.Read(seed); err != nil {
		return foreignSecret{}, err
	}
	answer, err := b.client.Encrypt(ctx, &v2.EncryptRequest{Plaintext: seed, Uid: name})
	if err != nil {
		return foreignSecret{}, err
	}
	key, err := k8senc.NewSeedKey(seed, k8senc.EncryptAnswer{Ciphertext: answer.Ciphertext, KeyID: answer.KeyId, Annotations: answer.Annotations})
	if err != nil {
		return foreignSecret{}, err
	}
	defer key.Close()
	parsed, err := k8senc.ParseConfig(config, k8senc.ConfigOptions{})
	if err != nil {
		return foreignSecret{}, err
	}
	defer parsed.Close()
	chain, err := parsed.Chain("secrets")
	if err != nil {
		return foreignSecret{}, err
	}
	defer chain.Close()
	sealed, err := chain.Seal(key, objects[0].Plaintext, []byte(objects[0].Key))
	return foreignSecret{objects[0], sealed}, err
}

func (p *pair) readsForeign(ctx context.Context, foreign []foreignSecret) error {
	for _, one := range foreign {
		if err := put(ctx, p.etcd, one.Key, one.sealed); err != nil {
			return err
		}
		for _, m := range p.members {
			if err := m.get(ctx, one.namespace, one.name); err != nil {
				return fmt.Errorf("server %s: %w", m.letter, err)
			}
		}
		wait(ctx, time.Second)
	}
	return nil
}

// startsWithout restarts a server while one of two backends is away, which docs/kms-plugin.md tells: it reads nothing until the key
// works or is retired. The operator retires it.
func (p *pair) startsWithout(ctx context.Context, b *twoBackends) error {
	if err := b.engines[0].seal(ctx); err != nil {
		return err
	}
	a, second := p.members[0], p.members[1]
	second.server.Stop()
	if err := p.startUnready(ctx, second); err != nil {
		return err
	}
	if err := second.get(ctx, loadNamespace, "known"); err == nil {
		return errors.New("a server that started while Encrypt cannot work reads")
	}
	if err := a.get(ctx, loadNamespace, "known"); err != nil {
		return fmt.Errorf("the server that goes on: %w", err)
	}
	b.retired[0] = true
	if err := b.configure(); err != nil {
		return err
	}
	for _, m := range p.members {
		if err := eventually(ctx, 4*time.Minute, func() error { return p.works(ctx, m) }); err != nil {
			return fmt.Errorf("server %s, after the key was retired: %w", m.letter, err)
		}
	}
	p.Add("failover", "starts of a server while one backend is away: it reads nothing until the key is retired", 1)
	return nil
}

// recovers deletes both backends and the plugin, and opens a snapshot with the recovery key alone.
func (p *pair) recovers(ctx context.Context, b *twoBackends) error {
	snapshot, folder := p.Path("no-backend.db"), p.Path("recovered-without")
	if err := p.etcd.SaveSnapshot(ctx, snapshot); err != nil {
		return err
	}
	for _, engine := range b.engines {
		engine.process.Kill()
	}
	b.process.Stop()
	// Without the recovery key nobody can help.
	said, err := p.k8senc(ctx, "decrypt", snapshot, "secrets", "--config", p.members[0].path, "--output", folder+"-not", "--yes")
	if err != nil {
		return err
	}
	if said.code != 4 {
		return fmt.Errorf("k8senc decrypt without any KMS ended with %d, 4 is right: %s", said.code, said.stderr)
	}
	options := []string{"--recovery-key", "file:" + b.recoveryKey(), "--cluster-label", "e2e"}
	entries, err := p.decryptAll(ctx, snapshot, p.members[0].path, folder, options)
	if err != nil {
		return err
	}
	keyIDs := map[string]bool{}
	values, err := stored(ctx, p.etcd, "/registry/secrets/")
	if err != nil {
		return err
	}
	for _, value := range values {
		seen, err := k8senc.Inspect(value)
		if err != nil {
			return err
		}
		keyIDs[seen.KeyID] = true
	}
	// The servers know all seeds, so the API still says what the objects are.
	found, err := p.compare(ctx, p.members[0].client, folder, entries)
	if err != nil {
		return err
	}
	if err := faultsOf("k8senc decrypt with the recovery key", found.faults); err != nil {
		return err
	}
	if found.changed["secrets"] > 0 || found.same < len(values) {
		return fmt.Errorf("of %d secrets %d changed meanwhile, %d objects are the same", len(values), found.changed["secrets"], found.same)
	}
	p.Add("failover", "secrets that the recovery key alone opens after both backends were deleted", len(values))
	p.Add("failover", "key_ids they were written under", len(keyIDs))
	return nil
}
