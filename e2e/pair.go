package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	k8senc "github.com/k8senc/k8senc/bindings-c/go"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/dynamic"

	"k8senc.dev/e2e/internal/stage"
)

// member is one kube-apiserver of a pair, with an EncryptionConfiguration of its own.
type member struct {
	letter string
	path   string
	server *stage.Server
	client clients
	// serving is held by every request; who restarts the server takes it away first, as a load balancer does.
	serving sync.RWMutex
}

// pair is two kube-apiservers on one etcd.
type pair struct {
	*run
	name   string
	etcd   *stage.Etcd
	reload bool
	// kms are the options that tell k8senc where the plugins are.
	kms    []string
	before func(path string) []string
	// unready servers are as good as ready ones: a mistake is being made.
	unready bool
	members [2]*member
}

// newPair starts both with the same configuration.
func (r *run) newPair(ctx context.Context, name string, reload bool, config []byte) (*pair, error) {
	p := &pair{run: r, name: name, reload: reload}
	return p, p.begin(ctx, config)
}

func (p *pair) begin(ctx context.Context, config []byte) error {
	var err error
	if p.etcd, err = p.run.etcd(ctx, p.name); err != nil {
		return err
	}
	for i, letter := range []string{"A", "B"} {
		dir := p.Path("config", p.name+"-"+letter)
		if err := os.Mkdir(dir, 0o700); err != nil {
			return err
		}
		m := &member{letter: letter, path: dir + "/encryption-config.yaml"}
		p.members[i] = m
		if err := replaceFile(m.path, config); err != nil {
			return err
		}
		if err := p.startMember(ctx, m); err != nil {
			return err
		}
	}
	first := p.members[0].client
	_, err = first.typed.CoreV1().Namespaces().Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: loadNamespace}}, metav1.CreateOptions{})
	return err
}

func (p *pair) startMember(ctx context.Context, m *member) error { return p.startAs(ctx, m, false) }

// startUnready starts a server that answers, but may never say that it is ready.
func (p *pair) startUnready(ctx context.Context, m *member) error { return p.startAs(ctx, m, true) }

func (p *pair) startAs(ctx context.Context, m *member, unready bool) error {
	options := stage.ServerOptions{Name: p.name + "-" + m.letter, Etcd: p.etcd, Config: m.path, Reload: p.reload, Unready: unready}
	if p.before != nil {
		options.Before = p.before(m.path)
	}
	var err error
	if m.server, err = p.StartServer(ctx, options); err != nil {
		return err
	}
	m.client, err = clientsOf(m.server)
	return err
}

// keyIDOf is the key_id that a stored value names.
func (p *pair) keyIDOf(ctx context.Context, key string) (string, error) {
	found, err := p.etcd.Client.Get(ctx, key)
	if err != nil || len(found.Kvs) != 1 {
		return "", errors.Join(err, fmt.Errorf("%s is not in etcd", key))
	}
	seen, err := k8senc.Inspect(found.Kvs[0].Value)
	if err != nil {
		return "", err
	}
	return seen.KeyID, nil
}

// end stops both servers and etcd.
func (p *pair) end() {
	for _, m := range p.members {
		if m != nil && m.server != nil {
			m.server.Stop()
		}
	}
	if p.etcd != nil {
		p.etcd.Stop()
	}
}

// takes gives a member a new file as the planner's commands do: renamed into place, then a restart, or a wait for the reload.
func (p *pair) takes(ctx context.Context, m *member, config []byte) error {
	if err := replaceFile(m.path, config); err != nil {
		return err
	}
	if p.reload {
		return p.waitForHash(ctx, m, config)
	}
	return p.restarts(ctx, m)
}

// restarts takes the server out of service, ends it, and starts it again.
func (p *pair) restarts(ctx context.Context, m *member) error {
	m.serving.Lock()
	defer m.serving.Unlock()
	m.server.Stop()
	return p.startAs(ctx, m, p.unready)
}

// waitForHash waits until the server's metric names the file.
func (p *pair) waitForHash(ctx context.Context, m *member, config []byte) error {
	want := hashOf(config)
	return eventually(ctx, 3*time.Minute, func() error {
		if m.server.Ended() {
			return fmt.Errorf("%s ended", m.server.Name)
		}
		got, err := m.configHash(ctx)
		if err == nil && got != want {
			err = fmt.Errorf("%s has not taken the file %s: its metric says %s", m.server.Name, want, got)
		}
		return err
	})
}

func hashOf(config []byte) string {
	sum := sha256.Sum256(config)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// configHash is what the server's metric says of the file that is in force.
func (m *member) configHash(ctx context.Context) (string, error) {
	metrics, err := m.server.Get(ctx, "/metrics")
	if err != nil {
		return "", err
	}
	const name = "apiserver_encryption_config_controller_last_config_info{"
	for line := range strings.Lines(metrics) {
		if labels, found := strings.CutPrefix(line, name); found {
			// Another label ends in the same word.
			_, hash, _ := strings.Cut(","+labels, `,hash="`)
			hash, _, _ = strings.Cut(hash, `"`)
			return hash, nil
		}
	}
	return "", fmt.Errorf("%s has no metric of its encryption configuration", m.server.Name)
}

// replaceFile puts a file in place whole, by a rename.
func replaceFile(path string, text []byte) error {
	next := path + ".next"
	if err := os.WriteFile(next, text, 0o600); err != nil {
		return err
	}
	return os.Rename(next, path)
}

// rewrite writes every object of a resource again as it is, which is what `kubectl replace` does.
func rewrite(ctx context.Context, client dynamic.Interface) (int, error) {
	count := 0
	resource := corev1.SchemeGroupVersion.WithResource("secrets")
	next := ""
	for {
		list, err := client.Resource(resource).List(ctx, metav1.ListOptions{Limit: 200, Continue: next})
		if err != nil {
			return count, err
		}
		for i := range list.Items {
			object := &list.Items[i]
			_, err := client.Resource(resource).Namespace(object.GetNamespace()).Update(ctx, object, metav1.UpdateOptions{})
			// Somebody else wrote it in between, or took it away: then it is rewritten or gone.
			if err != nil && !apierrors.IsConflict(err) && !apierrors.IsNotFound(err) {
				return count, err
			}
			count++
		}
		if next = list.GetContinue(); next == "" {
			return count, nil
		}
	}
}
