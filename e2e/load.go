package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

const loadNamespace = "load"

// loads counts, so that no two of them make the same object.
var loads atomic.Int64

// load reads and writes secrets through both servers of a pair all the time.
type load struct {
	pair     *pair
	number   int64
	pause    time.Duration
	cancel   context.CancelFunc
	waiting  sync.WaitGroup
	mu       sync.Mutex
	names    []string
	reads    int
	writes   int
	failures []string
}

// underLoad begins to read and write.
func underLoad(ctx context.Context, p *pair) *load { return loadEvery(ctx, p, 20*time.Millisecond) }

// loadEvery does it with a pause after each round.
func loadEvery(ctx context.Context, p *pair, pause time.Duration) *load {
	l := &load{pair: p, number: loads.Add(1), pause: pause}
	ctx, l.cancel = context.WithCancel(ctx)
	for worker := range 3 {
		l.waiting.Go(func() { l.work(ctx, worker) })
	}
	return l
}

// end stops the load; an error if a single read or write failed.
func (l *load) end() (reads, writes int, err error) {
	l.cancel()
	l.waiting.Wait()
	return l.reads, l.writes, faultsOf("requests failed while the configuration changed", l.failures)
}

func (l *load) work(ctx context.Context, worker int) {
	for round := 0; ctx.Err() == nil; round++ {
		name := fmt.Sprintf("l%d-w%d-%d", l.number, worker, round)
		if !l.write(ctx, name) {
			name = ""
		}
		// What was just written is read through both servers, and so is something older.
		l.read(ctx, l.pair.members[0], name)
		l.read(ctx, l.pair.members[1], name)
		l.mu.Lock()
		older := ""
		if len(l.names) > 0 {
			older = l.names[rand.IntN(len(l.names))]
		}
		l.mu.Unlock()
		if older != "" {
			l.read(ctx, l.pair.members[round%2], older)
			l.update(ctx, l.pair.members[(round+1)%2], older)
		}
		if round%20 == 0 {
			l.list(ctx, l.pair.members[round/20%2])
		}
		select {
		case <-ctx.Done():
		case <-time.After(l.pause):
		}
	}
}

// through makes a request unless the server is out of service.
func (l *load) through(ctx context.Context, m *member, what string, request func(clients) error) (done bool) {
	if !m.serving.TryRLock() {
		return false
	}
	defer m.serving.RUnlock()
	err := request(m.client)
	if ctx.Err() != nil {
		return false
	}
	if err != nil && !apierrors.IsConflict(err) {
		l.mu.Lock()
		l.failures = append(l.failures, fmt.Sprintf("server %s, %s: %v", m.letter, what, err))
		l.mu.Unlock()
		return false
	}
	return true
}

// write makes a new secret through either server, unless there are enough: somebody has to rewrite all of them.
func (l *load) write(ctx context.Context, name string) bool {
	l.mu.Lock()
	enough := len(l.names) >= 500
	l.mu.Unlock()
	if enough {
		return false
	}
	members := slices.Clone(l.pair.members[:])
	rand.Shuffle(len(members), func(i, j int) { members[i], members[j] = members[j], members[i] })
	for _, m := range members {
		done := l.through(ctx, m, "create "+name, func(c clients) error {
			_, err := c.typed.CoreV1().Secrets(loadNamespace).Create(ctx, secretOf(loadNamespace, name, 300), metav1.CreateOptions{})
			return err
		})
		if done {
			l.mu.Lock()
			l.writes++
			l.names = append(l.names, name)
			l.mu.Unlock()
			return true
		}
	}
	return false
}

func (l *load) read(ctx context.Context, m *member, name string) {
	l.mu.Lock()
	known := slices.Contains(l.names, name)
	l.mu.Unlock()
	if !known {
		return
	}
	done := l.through(ctx, m, "read "+name, func(c clients) error {
		got, err := c.typed.CoreV1().Secrets(loadNamespace).Get(ctx, name, metav1.GetOptions{})
		if err == nil && len(got.Data["noise"]) != 300 {
			err = fmt.Errorf("%d bytes came back, 300 were written", len(got.Data["noise"]))
		}
		return err
	})
	if done {
		l.mu.Lock()
		l.reads++
		l.mu.Unlock()
	}
}

func (l *load) update(ctx context.Context, m *member, name string) {
	done := l.through(ctx, m, "update "+name, func(c clients) error {
		got, err := c.typed.CoreV1().Secrets(loadNamespace).Get(ctx, name, metav1.GetOptions{})
		if err != nil {
			return err
		}
		got.Labels = map[string]string{"at": fmt.Sprint(time.Now().UnixNano())}
		_, err = c.typed.CoreV1().Secrets(loadNamespace).Update(ctx, got, metav1.UpdateOptions{})
		return err
	})
	if done {
		l.mu.Lock()
		l.reads++
		l.writes++
		l.mu.Unlock()
	}
}

func (l *load) list(ctx context.Context, m *member) {
	done := l.through(ctx, m, "list", func(c clients) error {
		// An empty resourceVersion and a limit are answered from etcd.
		_, err := c.typed.CoreV1().Secrets(corev1.NamespaceAll).List(ctx, metav1.ListOptions{Limit: 500})
		return err
	})
	if done {
		l.mu.Lock()
		l.reads++
		l.mu.Unlock()
	}
}
