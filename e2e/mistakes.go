package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"regexp"
	"strings"
	"time"

	k8senc "github.com/k8senc/k8senc/bindings-c/go"
	clientv3 "go.etcd.io/etcd/client/v3"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// mistake is a change that must not be made in one go.
type mistake struct {
	name     string
	old, new []byte
	// before are the providers of the old file under which something is stored.
	before []provider
	reload bool
}

func mistakes() []mistake {
	identity := provider{name: "identity", kind: "identity"}
	named := func(kind, name string) provider {
		p := localProvider(kind, 32)
		p.name = name
		return p
	}
	one, two, box := named("aescbc", "key1"), named("aescbc", "key2"), named("secretbox", "box1")
	replaced, renamed := named("aescbc", "key1"), one
	renamed.name = "key9"
	gcm, gcmReplaced := named("aesgcm", "gcm1"), named("aesgcm", "gcm1")
	secrets := func(providers ...provider) []byte { return configFor([]string{"secrets"}, providers...) }
	all := []mistake{
		{"the new key first, in one go", secrets(one, identity), secrets(two, one, identity), []provider{one}, false},
		{"the old key away before the rewrite", secrets(two, one, identity), secrets(two, identity), []provider{one, two}, false},
		{"other bytes under the old name", secrets(gcm, identity), secrets(gcmReplaced, identity), []provider{gcm}, false},
		{"other bytes under the old name, aescbc", secrets(one, identity), secrets(replaced, identity), []provider{one}, false},
		{"another name for the key", secrets(one, identity), secrets(renamed, identity), []provider{one}, false},
		{"identity away while plaintext is stored", secrets(one, identity), secrets(one), []provider{identity}, false},
		{"identity first where others cannot read it", secrets(one), secrets(identity, one), []provider{one}, false},
		{"another provider, in one go", secrets(one), secrets(box, one), []provider{one}, false},
		{"the rule away", secrets(one, identity), configFor([]string{"configmaps"}, one, identity), []provider{one}, false},
	}
	reloaded := all[0]
	reloaded.name, reloaded.reload = reloaded.name+", by reload", true
	return append(all, reloaded)
}

// classics executes the classic mistakes, each as the planner's counterexample tells it.
func classics(ctx context.Context, r *run) error {
	for i, one := range mistakes() {
		if err := r.makeMistake(ctx, fmt.Sprintf("mistake-%d", i+1), one); err != nil {
			return fmt.Errorf("%s: %w", one.name, err)
		}
		r.Add("rotation", "classic mistakes that fail as the planner's counterexample says", 1)
	}
	return nil
}

func (r *run) makeMistake(ctx context.Context, name string, m mistake) error {
	oldPath, newPath := r.Path("config", name+"-old.yaml"), r.Path("config", name+"-new.yaml")
	if err := errors.Join(os.WriteFile(oldPath, m.old, 0o600), os.WriteFile(newPath, m.new, 0o600)); err != nil {
		return err
	}
	arguments := []string{oldPath, newPath, "--servers", "2"}
	if m.reload {
		arguments = append(arguments, "--reload")
	}
	made, err := r.plan(ctx, arguments...)
	if err != nil {
		return err
	}
	if made.Direct == nil || made.Direct.OK {
		return fmt.Errorf("k8senc plan sees no fault in it")
	}
	r.Say("%s: %s", m.name, made.Direct.Counterexample)
	told, err := parseStory(made.Direct.Counterexample)
	if err != nil {
		return err
	}
	p, err := r.newPair(ctx, name, m.reload, m.old)
	if err != nil {
		return err
	}
	defer p.end()
	p.unready = true
	for _, one := range m.before {
		if err := p.store(ctx, m.old, one); err != nil {
			return err
		}
	}
	return p.tell(ctx, m, told)
}

// story is a counterexample of the planner.
type story struct {
	events []event
	reader int
	onNew  bool
	// author is the server that wrote the value; -1 if it was stored before, with the key named.
	author int
	with   string
}

type event struct {
	server int
	does   string
}

var (
	eventForm = regexp.MustCompile(`^server ([AB]) (takes the new file|writes with .*|restarts)$`)
	endForm   = regexp.MustCompile(`^server ([AB]), (on the new file|still on the old file|on the old file), cannot read what (?:server ([AB]) wrote|was stored before) with (.+?): `)
)

func parseStory(text string) (story, error) {
	_, text, _ = strings.Cut(text, ": ")
	s := story{author: -1}
	parts := strings.Split(text, "; ")
	for i, part := range parts {
		if found := eventForm.FindStringSubmatch(part); found != nil {
			s.events = append(s.events, event{int(found[1][0] - 'A'), found[2]})
			continue
		}
		found := endForm.FindStringSubmatch(strings.Join(parts[i:], "; "))
		if found == nil {
			return s, fmt.Errorf("the run does not understand %q", part)
		}
		s.reader, s.onNew, s.with = int(found[1][0]-'A'), found[2] == "on the new file", found[4]
		if found[3] != "" {
			s.author = int(found[3][0] - 'A')
		}
		return s, nil
	}
	return s, fmt.Errorf("the story %q has no end", text)
}

// store puts a secret into etcd that was sealed with one of the old file's keys.
func (p *pair) store(ctx context.Context, config []byte, with provider) error {
	objects, err := objectsToSeal("before-" + with.name)
	if err != nil {
		return err
	}
	secret := objects[0]
	first := configFor([]string{"secrets"}, with)
	values, err := sealByGo(ctx, p.run, nil, job{Config: string(first), Values: []plain{secret.plain}})
	if err != nil {
		return err
	}
	if err := put(ctx, p.etcd, secret.Key, values[0]); err != nil {
		return err
	}
	for _, m := range p.members {
		if err := m.get(ctx, secret.namespace, secret.name); err != nil {
			return fmt.Errorf("before the change: %w", err)
		}
	}
	return nil
}

func (m *member) get(ctx context.Context, namespace, name string) error {
	_, err := m.client.typed.CoreV1().Secrets(namespace).Get(ctx, name, metav1.GetOptions{})
	return err
}

// tell makes happen what the story says, and looks whether it ends as told.
func (p *pair) tell(ctx context.Context, m mistake, told story) error {
	namespace, name := sealedNamespace, ""
	on := [2][]byte{m.old, m.old}
	for i, one := range told.events {
		member := p.members[one.server]
		switch {
		case one.does == "takes the new file":
			on[one.server] = m.new
			// A server that reads nothing may never be ready; it serves all the same.
			if err := p.takes(ctx, member, m.new); err != nil {
				return err
			}
		case one.does == "restarts":
			if err := p.restarts(ctx, member); err != nil {
				return err
			}
		default:
			namespace, name = loadNamespace, fmt.Sprintf("written-%d", i)
			err := eventually(ctx, time.Minute, func() error {
				_, err := member.client.typed.CoreV1().Secrets(namespace).Create(ctx, secretOf(namespace, name, 50), metav1.CreateOptions{})
				return err
			})
			if err != nil {
				return fmt.Errorf("server %s does not write: %w", member.letter, err)
			}
			if err := member.get(ctx, namespace, name); err != nil {
				return fmt.Errorf("server %s does not read what it wrote: %w", member.letter, err)
			}
		}
	}
	if told.author < 0 {
		fields := strings.Fields(told.with)
		namespace, name = sealedNamespace, "before-"+fields[len(fields)-1]
		if strings.HasPrefix(told.with, "identity") || strings.HasPrefix(told.with, "no encryption") || strings.Contains(told.with, "plain") {
			name = "before-identity"
		}
	}
	wanted, err := refusalOf(ctx, p, on[told.reader], "/registry/secrets/"+namespace+"/"+name)
	if err != nil {
		return err
	}
	reader := p.members[told.reader]
	// A server that has just started may have other reasons for a moment.
	return eventually(ctx, time.Minute, func() error {
		err := reader.get(ctx, namespace, name)
		switch {
		case err == nil:
			return fmt.Errorf("server %s reads %s/%s, which it should not", reader.letter, namespace, name)
		case !strings.Contains(err.Error(), wanted):
			return fmt.Errorf("server %s says %q, our chain %q", reader.letter, err, wanted)
		}
		return nil
	})
}

// refusalOf is kube-apiserver's text for a value that does not open, as our library knows it.
func refusalOf(ctx context.Context, p *pair, config []byte, key string) (string, error) {
	found, err := p.etcd.Client.Get(ctx, key, clientv3.WithLimit(1))
	if err != nil || len(found.Kvs) != 1 {
		return "", errors.Join(err, fmt.Errorf("%s is not in etcd", key))
	}
	parsed, err := k8senc.ParseConfig(config, k8senc.ConfigOptions{})
	if err != nil {
		return "", err
	}
	defer parsed.Close()
	chain, err := parsed.Chain("secrets")
	if err != nil {
		return "", err
	}
	defer chain.Close()
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	_, err = chain.Open(ctx, found.Kvs[0].Value, []byte(key))
	var ours *k8senc.Error
	if !errors.As(err, &ours) {
		return "", fmt.Errorf("our chain opens %s, which the server does not: %w", key, err)
	}
	return ours.Upstream, nil
}
