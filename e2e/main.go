// Command e2e proves k8senc with a real kube-apiserver and a real etcd. `scripts/e2e` builds what it needs and starts it.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/go-logr/logr"
	clientv3 "go.etcd.io/etcd/client/v3"
	"k8s.io/klog/v2"

	"k8senc.dev/e2e/internal/proof"
	"k8senc.dev/e2e/internal/stage"
	"k8senc.dev/e2e/internal/toykms"
)

const usage = `e2e proves k8senc with a real kube-apiserver and a real etcd, on loopback.

  scripts/e2e                       build what is missing, run every step
  scripts/e2e --only formats,oldest run some
  scripts/e2e --keep                keep logs, configurations and snapshots
  scripts/e2e --list                the steps

Exit codes: 0 everything was proven, 1 a step failed (its logs and snapshots are kept), 2 usage, 130 interrupted.
`

// run is one run of the program.
type run struct {
	*stage.Stage
	*proof.Proof
	tools struct{ k8senc, python, node, source, loader, plugin, vault, controllers string }
	// local are providers for all formats but KMS v2, and toy is the plugin of those that need one.
	local []provider
	toy   *toykms.Plugin
	// What is proven with.
	release, oldRelease, etcdRelease, browser string
	// record is the file for recorded values, if they are wanted.
	record string
	// report and objects are for the step scale.
	report   string
	objects  int
	recorded recording
	mu       sync.Mutex
	etcds    []stepEtcd
}

// stepEtcd is an etcd with the step that started it.
type stepEtcd struct {
	*stage.Etcd
	step string
}

// stepKey is where a step's context has its name.
type stepKey struct{}

type step struct {
	name, what string
	do         func(context.Context, *run) error
	beside     bool
	// asked is left out unless it is named.
	asked bool
}

var steps = []step{
	{"rotation", "plans of k8senc executed on two kube-apiservers under load: no read fails", rotation, false, false},
	{"formats", "every provider and key size: audit and decrypt give every object back, sealed values are served", formats, false, false},
	{"reencrypt", "k8senc reencrypt is killed a hundred times at random while a client reads and writes", reencrypt, false, false},
	{"mistakes", "the classic mistakes, executed as the planner's counterexample tells them", classics, false, false},
	{"verdicts", "real starts and the real loader against k8senc validate", verdicts, false, false},
	{"oldest", "the same with the oldest release, whose values the newest one serves", oldest, false, false},
	{"migration", "k8senc reencrypt by StorageVersionMigration and the real controller", migration, false, false},
	{"mount", "a single-file bind mount with automatic reload", fileMount, true, false},
	{"small", "crashes, a new KEK and an outage of five minutes with a small KMS plugin of the run", smallPlugin, true, false},
	{"plugin", "the same with k8senc-kms-plugin", ourPlugin, true, false},
	{"failover", "k8senc-kms-plugin with two Transit engines: failover, a new KEK, outage, recovery key", failover, true, false},
	{"scale", "many secrets: audit, rewrite and what others feel of it (make e2e-scale)", scale, false, true},
}

func main() {
	os.Exit(start())
}

func start() int {
	var programs stage.Programs
	r := &run{Proof: proof.New(os.Stdout)}
	flag.Usage = func() {
		fmt.Fprint(flag.CommandLine.Output(), usage, "\n")
		flag.PrintDefaults()
	}
	flag.StringVar(&programs.Etcd, "etcd", "", "etcd's `program`")
	flag.StringVar(&programs.APIServer, "apiserver", "", "kube-apiserver's `program`")
	flag.StringVar(&programs.OldAPIServer, "apiserver-old", "", "`program` of the oldest release")
	flag.StringVar(&r.tools.k8senc, "k8senc", "", "the `command` to prove")
	flag.StringVar(&r.tools.python, "python", "", "Python `interpreter` that has the package")
	flag.StringVar(&r.tools.node, "node", "node", "Node.js `interpreter`")
	flag.StringVar(&r.tools.loader, "loader", "", "kube-apiserver's loader, as a `program`")
	flag.StringVar(&r.tools.source, "source", ".", "`folder` of the repository")
	only := flag.String("only", "", "`steps` to run, separated by commas")
	flag.StringVar(&r.tools.plugin, "plugin", "", "k8senc-kms-plugin, the `program`")
	flag.StringVar(&r.tools.vault, "vault", "", "Vault of kms-plugin/testservers/wholevault, the `program`")
	flag.StringVar(&r.tools.controllers, "controllers", "", "kube-controller-manager's `program`")
	flag.StringVar(&r.record, "record", "", "write stored values of this run into `file`, for the vectors")
	flag.IntVar(&r.objects, "objects", 100_000, "how many secrets the step scale makes")
	flag.StringVar(&r.report, "report", "", "write what scale measured into this `file`, with its picture beside it")
	keep := flag.Bool("keep", false, "keep the folder of the run")
	list := flag.Bool("list", false, "list the steps")
	flag.Parse()
	if *list {
		for _, one := range steps {
			fmt.Printf("%-10s %s\n", one.name, one.what)
		}
		return 0
	}
	chosen, err := choose(*only)
	if err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err)
		return 2
	}
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer cancel()
	if r.Stage, err = stage.New(programs); err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err)
		return 1
	}
	// client-go says on standard error what a request's error says as well.
	klog.SetLogger(logr.Discard())
	r.Say("logs, configurations and snapshots are in %s", r.Dir)
	failed := r.begin()
	if failed == nil {
		failed = r.all(ctx, chosen)
	}
	if failed == nil {
		failed = r.writeRecording()
	}
	kept := *keep || failed != nil && ctx.Err() == nil
	if err := r.Close(kept); err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err)
	}
	switch {
	case ctx.Err() != nil:
		fmt.Fprintln(os.Stderr, "e2e: interrupted; every program of the run has ended")
		return 130
	case failed != nil:
		fmt.Fprintf(os.Stderr, "e2e: FAILED: %v\ne2e: logs, configurations and snapshots are in %s\n", failed, r.Dir)
		return 1
	}
	fmt.Println()
	r.Table()
	fmt.Printf("proven with kube-apiserver %s, etcd %s", r.release, r.etcdRelease)
	if r.browser != "" {
		fmt.Printf(", Chromium %s", r.browser)
	}
	if r.oldRelease != "" {
		fmt.Printf("; oldest release: kube-apiserver %s", r.oldRelease)
	}
	fmt.Println()
	return 0
}

func choose(only string) ([]step, error) {
	if only == "" {
		return slices.DeleteFunc(slices.Clone(steps), func(s step) bool { return s.asked }), nil
	}
	var chosen []step
	for name := range strings.SplitSeq(only, ",") {
		at := slices.IndexFunc(steps, func(s step) bool { return s.name == name })
		if at < 0 {
			return nil, fmt.Errorf("there is no step %q; --list has them", name)
		}
		chosen = append(chosen, steps[at])
	}
	return chosen, nil
}

// begin makes what several steps share.
func (r *run) begin() error {
	var err error
	if r.toy, err = toykms.New(r.Path("kms.sock"), "kek-1"); err != nil {
		return err
	}
	for program, release := range map[string]*string{r.APIServer: &r.release, r.OldAPIServer: &r.oldRelease} {
		if program == "" {
			continue
		}
		said, err := command(context.Background(), "", program, "--version")
		if err != nil {
			return err
		}
		*release = strings.TrimPrefix(strings.TrimSpace(said.stdout), "Kubernetes v")
	}
	r.local = append(everyProvider(), provider{name: "toy-v1", kind: "kms-v1", endpoint: r.toy.Endpoint()})
	return nil
}

// lanes is how many steps that work run at once. Each waits for its servers now and then.
const lanes = 2

// all runs the steps, lane by lane; those that mostly wait run beside them from the beginning. The first failure ends all.
func (r *run) all(ctx context.Context, chosen []step) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var waiting sync.WaitGroup
	var mu sync.Mutex
	var failed error
	do := func(one step) {
		begin := time.Now()
		r.Say("step %s: %s", one.name, one.what)
		err := one.do(context.WithValue(ctx, stepKey{}, one.name), r)
		mu.Lock()
		defer mu.Unlock()
		switch {
		case err == nil:
			r.Took(one.name, time.Since(begin))
			r.Say("step %s is done, after %s", one.name, time.Since(begin).Round(time.Second))
		case failed == nil:
			// What ends because of this one's failure is not the failure.
			failed = fmt.Errorf("step %s: %w", one.name, err)
			if ctx.Err() == nil {
				r.Say("step %s FAILED; ending the others", one.name)
				r.keepSnapshots(one.name)
			}
			cancel()
		}
	}
	queue := make(chan step, len(chosen))
	for _, one := range chosen {
		if one.beside {
			waiting.Go(func() { do(one) })
		} else {
			queue <- one
		}
	}
	close(queue)
	for range lanes {
		waiting.Go(func() {
			for one := range queue {
				if ctx.Err() == nil {
					do(one)
				}
			}
		})
	}
	waiting.Wait()
	if failed == nil {
		failed = ctx.Err()
	}
	return failed
}

// etcd starts an etcd that leaves a snapshot behind if the run fails.
func (r *run) etcd(ctx context.Context, name string) (*stage.Etcd, error) {
	e, err := r.StartEtcd(ctx, name)
	if err != nil {
		return nil, err
	}
	version, err := e.ServerVersion(ctx)
	r.mu.Lock()
	defer r.mu.Unlock()
	step, _ := ctx.Value(stepKey{}).(string)
	r.etcds, r.etcdRelease = append(r.etcds, stepEtcd{e, step}), version
	return e, err
}

// keepSnapshots leaves what the etcds of a step hold as failed-NAME.db: a snapshot, or the database of one that has ended.
func (r *run) keepSnapshots(step string) {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	r.mu.Lock()
	etcds := slices.Clone(r.etcds)
	r.mu.Unlock()
	for _, e := range etcds {
		if e.step != step {
			continue
		}
		path := r.Path("failed-" + strings.TrimPrefix(e.Name, "etcd-") + ".db")
		var err error
		if e.Ended() {
			err = os.Link(filepath.Join(e.DataDir, "member", "snap", "db"), path)
		} else {
			err = e.SaveSnapshot(ctx, path)
		}
		if err != nil {
			r.Say("%v", err)
			continue
		}
		r.Say("etcd's state is kept: %s", path)
	}
}

// put stores a value as it is, behind the API servers' backs.
func put(ctx context.Context, e *stage.Etcd, key string, value []byte) error {
	if _, err := e.Client.Put(ctx, key, string(value)); err != nil {
		return fmt.Errorf("%s: %w", key, err)
	}
	return nil
}

// stored is every key and value below a prefix.
func stored(ctx context.Context, e *stage.Etcd, prefix string) (map[string][]byte, error) {
	found, err := e.Client.Get(ctx, prefix, clientv3.WithPrefix())
	if err != nil {
		return nil, err
	}
	all := make(map[string][]byte, len(found.Kvs))
	for _, one := range found.Kvs {
		all[string(one.Key)] = one.Value
	}
	return all, nil
}

// faultsOf is an error that shows the first few of many faults.
func faultsOf(what string, faults []string) error {
	if len(faults) == 0 {
		return nil
	}
	shown := faults[:min(len(faults), 8)]
	return errors.New(fmt.Sprintf("%s, %d faults:\n  ", what, len(faults)) + strings.Join(shown, "\n  "))
}
