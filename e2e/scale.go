package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// sample is one request that was timed.
type sample struct {
	at, took time.Duration
	write    bool
}

// prober makes a read and a write over and over, and notes how long each takes.
type prober struct {
	begin    time.Time
	mu       sync.Mutex
	samples  []sample
	beats    []beat
	failures []string
	end      func()
}

func probe(ctx context.Context, m *member) (*prober, error) {
	names := []string{"probe-0", "probe-1", "probe-2", "probe-3"}
	for _, name := range names {
		if _, err := m.client.typed.CoreV1().Secrets(loadNamespace).Create(ctx, secretOf(loadNamespace, name, 1000), metav1.CreateOptions{}); err != nil {
			return nil, err
		}
	}
	ctx, cancel := context.WithCancel(ctx)
	p := &prober{begin: time.Now()}
	var waiting sync.WaitGroup
	p.end = func() {
		cancel()
		waiting.Wait()
	}
	waiting.Go(func() { p.watchPace(ctx, m) })
	for _, name := range names {
		waiting.Go(func() {
			for ctx.Err() == nil {
				secret := p.time(ctx, false, func() (*corev1.Secret, error) {
					return m.client.typed.CoreV1().Secrets(loadNamespace).Get(ctx, name, metav1.GetOptions{})
				})
				if secret != nil {
					secret.Labels = map[string]string{"at": fmt.Sprint(time.Now().UnixNano())}
					p.time(ctx, true, func() (*corev1.Secret, error) {
						return m.client.typed.CoreV1().Secrets(loadNamespace).Update(ctx, secret, metav1.UpdateOptions{})
					})
				}
				wait(ctx, 50*time.Millisecond)
			}
		})
	}
	return p, nil
}

func (p *prober) time(ctx context.Context, write bool, request func() (*corev1.Secret, error)) *corev1.Secret {
	begin := time.Now()
	secret, err := request()
	took := time.Since(begin)
	p.mu.Lock()
	defer p.mu.Unlock()
	if ctx.Err() != nil {
		return nil
	}
	if err != nil {
		p.failures = append(p.failures, err.Error())
		return nil
	}
	p.samples = append(p.samples, sample{begin.Sub(p.begin), took, write})
	return secret
}

// beat is how many objects had been rewritten at a moment.
type beat struct {
	at    time.Duration
	count int
}

// watchPace counts every few seconds what the first server has patched so far.
func (p *prober) watchPace(ctx context.Context, m *member) {
	for ctx.Err() == nil {
		at := time.Since(p.begin)
		metrics, err := m.server.Get(ctx, "/metrics")
		if err == nil {
			p.mu.Lock()
			p.beats = append(p.beats, beat{at, patches(metrics)})
			p.mu.Unlock()
		}
		wait(ctx, 5*time.Second)
	}
}

// patches is how many patches of secrets a server's metrics count.
func patches(metrics string) int {
	sum := 0.0
	for line := range strings.Lines(metrics) {
		rest, found := strings.CutPrefix(line, "apiserver_request_total{")
		labels, value, whole := strings.Cut(rest, "} ")
		if !found || !whole || !strings.Contains(labels, `resource="secrets"`) || !strings.Contains(labels, `verb="PATCH"`) {
			continue
		}
		if count, err := strconv.ParseFloat(strings.TrimSpace(value), 64); err == nil {
			sum += count
		}
	}
	return int(sum)
}

// percentiles of requests in a span of time: the half, the 99th hundredth, the slowest.
func (p *prober) percentiles(from, to time.Duration, write bool) [3]time.Duration {
	var all []time.Duration
	for _, one := range p.samples {
		if one.write == write && one.at >= from && one.at < to {
			all = append(all, one.took)
		}
	}
	if len(all) == 0 {
		return [3]time.Duration{}
	}
	slices.Sort(all)
	return [3]time.Duration{all[len(all)/2], all[len(all)*99/100], all[len(all)-1]}
}

// scale creates many secrets through the API, and rewrites all of them while somebody watches the clock.
func scale(ctx context.Context, r *run) error {
	identity := provider{name: "identity", kind: "identity"}
	one, two := localProvider("aescbc", 32), localProvider("secretbox", 32)
	p, err := r.newPair(ctx, "scale", false, configFor([]string{"secrets"}, one, identity))
	if err != nil {
		return err
	}
	defer p.end()
	report := &scaleReport{objects: r.objects, release: r.release}
	begin := time.Now()
	const namespaces = 20
	for i := range namespaces {
		if err := createMany(ctx, p.members[0].client, fmt.Sprintf("scale-%02d", i), r.objects/namespaces, 1000); err != nil {
			return err
		}
		r.Say("%d of %d secrets are there", (i+1)*r.objects/namespaces, r.objects)
	}
	report.create = time.Since(begin)
	snapshot := r.Path("scale.db")
	if err := p.etcd.SaveSnapshot(ctx, snapshot); err != nil {
		return err
	}
	if info, err := os.Stat(snapshot); err == nil {
		report.bytes = info.Size()
	}
	begin = time.Now()
	if _, _, err := r.audit(ctx, snapshot, p.members[0].path, nil); err != nil {
		return err
	}
	report.audit = time.Since(begin)
	for _, config := range [][]byte{configFor([]string{"secrets"}, one, two, identity), configFor([]string{"secrets"}, two, one, identity)} {
		for _, m := range p.members {
			if err := p.takes(ctx, m, config); err != nil {
				return err
			}
		}
	}
	kubeconfig := p.Path("kubeconfig-scale")
	if err := p.members[0].server.Kubeconfig(kubeconfig); err != nil {
		return err
	}
	watch, err := probe(ctx, p.members[0])
	if err != nil {
		return err
	}
	defer watch.end()
	const calm = 30 * time.Second
	wait(ctx, calm)
	begin = time.Now()
	said, err := r.k8senc(ctx, "reencrypt", "--config", p.members[0].path, "--kubeconfig", kubeconfig, "--by", "requests", "--settled",
		"--journal", p.Path("scale.journal"), "--server", p.members[0].server.URL(), "--server", p.members[1].server.URL())
	if err != nil {
		return err
	}
	report.rewrite = time.Since(begin)
	if said.code != 0 {
		return fmt.Errorf("k8senc reencrypt ended with %d: %s%s", said.code, said.stdout, said.stderr)
	}
	watch.end()
	if err := faultsOf("requests failed during the rewrite", watch.failures); err != nil {
		return err
	}
	if err := p.verify(ctx, "scale-rewritten", false); err != nil {
		return err
	}
	for i, write := range []bool{false, true} {
		report.calm[i] = watch.percentiles(0, calm, write)
		report.busy[i] = watch.percentiles(calm, calm+report.rewrite, write)
	}
	report.beats = watch.beats
	report.samples, report.began, report.machine = watch.samples, calm, machine()
	r.Add("scale", "secrets created, audited and rewritten, none stale", r.objects)
	r.Add("scale", "reads and writes timed meanwhile, none failed", len(watch.samples))
	fmt.Print(report.table())
	if r.report == "" {
		return nil
	}
	if err := os.WriteFile(r.report, []byte(report.page()), 0o644); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(filepath.Dir(r.report), "e2e-scale.svg"), []byte(report.picture()), 0o644)
}
