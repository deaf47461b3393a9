package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"sync"
	"sync/atomic"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

const (
	rewritten = 2500
	kills     = 100
)

// reencrypt kills `k8senc reencrypt` at random points, a hundred times, while a client reads and writes; then lets it end.
func reencrypt(ctx context.Context, r *run) error {
	identity := provider{name: "identity", kind: "identity"}
	one, two := localProvider("aescbc", 32), localProvider("secretbox", 32)
	p, err := r.newPair(ctx, "reencrypt", false, configFor([]string{"secrets"}, one, identity))
	if err != nil {
		return err
	}
	defer p.end()
	if err := createMany(ctx, p.members[0].client, "rewritten", rewritten, 200); err != nil {
		return err
	}
	for _, config := range [][]byte{configFor([]string{"secrets"}, one, two, identity), configFor([]string{"secrets"}, two, one, identity)} {
		for _, m := range p.members {
			if err := p.takes(ctx, m, config); err != nil {
				return err
			}
		}
	}
	before, err := digests(ctx, p.members[1].client, "rewritten")
	if err != nil {
		return err
	}
	kubeconfig := p.Path("kubeconfig")
	if err := p.members[0].server.Kubeconfig(kubeconfig); err != nil {
		return err
	}
	argv := []string{
		r.tools.k8senc, "reencrypt", "--config", p.members[0].path, "--kubeconfig", kubeconfig, "--by", "requests", "--settled",
		"--journal", p.Path("reencrypt.journal"), "--server", p.members[0].server.URL(), "--server", p.members[1].server.URL(),
	}
	l := underLoad(ctx, p)
	killed, early, err := killRepeatedly(ctx, append(argv, "--rate", "15"))
	if err != nil {
		return err
	}
	said, err := command(ctx, "", argv...)
	if err != nil {
		return err
	}
	if said.code != 0 {
		return fmt.Errorf("after %d kills k8senc reencrypt ended with %d: %s%s", killed, said.code, said.stdout, said.stderr)
	}
	reads, writes, err := l.end()
	if err != nil {
		return err
	}
	if err := p.verify(ctx, "reencrypted", false); err != nil {
		return err
	}
	after, err := digests(ctx, p.members[1].client, "rewritten")
	if err != nil {
		return err
	}
	for name, digest := range before {
		if after[name] != digest {
			return fmt.Errorf("secret rewritten/%s is not what it was", name)
		}
	}
	r.Say("k8senc reencrypt was killed %d times, %d of them before its first request; the next run ended it", killed, early)
	r.Add("reencrypt", "kills of k8senc reencrypt at random points", killed)
	r.Add("reencrypt", "secrets that are rewritten after that, none stale, each as it was", len(after))
	r.Add("reencrypt", "reads meanwhile, none failed", reads)
	r.Add("reencrypt", "writes meanwhile, none failed", writes)
	return nil
}

// killRepeatedly starts the command and kills it after a random while, until it was killed often enough.
func killRepeatedly(ctx context.Context, argv []string) (killed, early int, err error) {
	for killed < kills && ctx.Err() == nil {
		cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
		out := &bytes.Buffer{}
		cmd.Stdout, cmd.Stderr = out, out
		if err := cmd.Start(); err != nil {
			return killed, early, err
		}
		done := make(chan error, 1)
		go func() { done <- cmd.Wait() }()
		pause := time.Duration(100+rand.IntN(2400)) * time.Millisecond
		select {
		case <-time.After(pause):
			if err := cmd.Process.Kill(); err != nil {
				return killed, early, err
			}
			<-done
			killed++
			if pause < 600*time.Millisecond {
				early++
			}
		case err := <-done:
			if err != nil {
				return killed, early, fmt.Errorf("after %d kills k8senc reencrypt ended by itself: %w: %s", killed, err, out)
			}
			return killed, early, fmt.Errorf("after %d kills k8senc reencrypt was done, %d kills were wanted: more objects are needed", killed, kills)
		}
	}
	return killed, early, ctx.Err()
}

// createMany makes secrets through the API, eight at a time.
func createMany(ctx context.Context, c clients, namespace string, count, size int) error {
	_, err := c.typed.CoreV1().Namespaces().Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}, metav1.CreateOptions{})
	if err != nil {
		return err
	}
	var next atomic.Int64
	var waiting sync.WaitGroup
	failures := make(chan error, 8)
	for range 8 {
		waiting.Go(func() {
			for {
				i := int(next.Add(1)) - 1
				if i >= count || ctx.Err() != nil {
					return
				}
				secret := secretOf(namespace, fmt.Sprintf("s-%06d", i), size+i%97)
				if _, err := c.typed.CoreV1().Secrets(namespace).Create(ctx, secret, metav1.CreateOptions{}); err != nil {
					failures <- err
					return
				}
			}
		})
	}
	waiting.Wait()
	select {
	case err := <-failures:
		return err
	default:
		return ctx.Err()
	}
}

// digests of the data of every secret of a namespace.
func digests(ctx context.Context, c clients, namespace string) (map[string][32]byte, error) {
	all := map[string][32]byte{}
	next := ""
	for {
		list, err := c.typed.CoreV1().Secrets(namespace).List(ctx, metav1.ListOptions{Limit: 500, Continue: next})
		if err != nil {
			return nil, err
		}
		for _, one := range list.Items {
			one.ResourceVersion = ""
			text, err := one.Marshal()
			if err != nil {
				return nil, err
			}
			all[one.Name] = sha256.Sum256(text)
		}
		if next = list.Continue; next == "" {
			return all, nil
		}
	}
}
