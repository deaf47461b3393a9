package daemon

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/coreos/go-systemd/v22/activation"
	systemd "github.com/coreos/go-systemd/v22/daemon"
	"go.opentelemetry.io/otel/trace"

	"github.com/k8senc/k8senc/kms-plugin/config"
	"github.com/k8senc/k8senc/kms-plugin/keyset"
	"github.com/k8senc/k8senc/kms-plugin/observe"
	"github.com/k8senc/k8senc/kms-plugin/server"
	"github.com/k8senc/k8senc/kms-plugin/socket"
)

const (
	// fileEvery is how often the configuration is looked at for changes.
	fileEvery = 5 * time.Second
	// readyWithin is how long a new configuration has to find a key_id; until then the old one stays in force.
	readyWithin = 30 * time.Second
	// afterSwap is how long the engine before stays for calls under way, beside the longest that one may take.
	afterSwap = 5 * time.Second
)

// Daemon is one running plugin.
type Daemon struct {
	// File is the configuration.
	File     string
	Backends Backends
	Version  string
	// Log is where JSON lines go.
	Log io.Writer

	level   slog.LevelVar
	log     *slog.Logger
	metrics *observe.Metrics
	traces  trace.TracerProvider
	server  *server.Server
	config  *config.Config
	running *running
	// watchdog is how often systemd wants to hear something; zero: never.
	watchdog time.Duration
}

// running is an engine with what looks after it.
type running struct {
	parts  *Parts
	engine *keyset.Engine
	stop   context.CancelFunc
	done   chan struct{}
}

func (r *running) start() {
	ctx, stop := context.WithCancel(context.Background())
	r.stop, r.done = stop, make(chan struct{})
	go func() {
		defer close(r.done)
		r.engine.Run(ctx)
	}()
}

func (r *running) halt() {
	r.stop()
	<-r.done
}

func (r *running) close() error { return errors.Join(r.engine.Close(), r.parts.Close()) }

// Read reads a configuration file.
func Read(file string, backends Backends) (*config.Config, []byte, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, nil, err
	}
	parsed, err := config.Parse(file, text, backends.Kinds())
	return parsed, text, err
}

// Run serves until ctx ends or a signal says so. A SIGHUP or a changed file brings a new configuration in force.
func (d *Daemon) Run(ctx context.Context) error {
	first, text, err := Read(d.File, d.Backends)
	if err != nil {
		return err
	}
	d.config = first
	d.log = slog.New(slog.NewJSONHandler(d.Log, &slog.HandlerOptions{Level: &d.level}))
	d.setLevel(first)
	d.metrics = observe.NewMetrics(d.Version, func() *keyset.Engine {
		if d.server == nil {
			return nil
		}
		return d.server.Engine()
	})
	if tracing := first.Observe.Tracing; tracing.Endpoint != "" {
		traces, err := observe.Traces(ctx, tracing.Endpoint, tracing.Insecure, tracing.Sample, d.Version)
		if err != nil {
			return fmt.Errorf("observe.tracing: %w", err)
		}
		d.traces = traces
		defer func() {
			ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
			defer cancel()
			_ = traces.Shutdown(ending)
		}()
	}
	// The socket comes first: whoever finds another plugin there must not touch the state file.
	listener, err := d.listen(ctx, first)
	if err != nil {
		return err
	}
	defer listener.Close()
	if d.running, err = d.begin(first); err != nil {
		return err
	}
	defer func() {
		d.running.halt()
		_ = d.running.close()
	}()
	d.server = server.New(d.running.engine, d.traces)
	return d.serve(ctx, listener, sha256.Sum256(text))
}

func (d *Daemon) setLevel(c *config.Config) {
	levels := map[config.Level]slog.Level{"debug": slog.LevelDebug, "info": slog.LevelInfo, "warn": slog.LevelWarn, "error": slog.LevelError}
	d.level.Set(levels[c.Observe.LogLevel])
}

func (d *Daemon) listen(ctx context.Context, c *config.Config) (net.Listener, error) {
	held, err := activation.Listeners()
	if err != nil {
		return nil, fmt.Errorf("socket activation: %w", err)
	}
	var peers []uint32
	if c.Socket.Path[0] == '@' {
		peers = c.Socket.PeerUIDs
	}
	switch {
	case len(held) == 0:
		return socket.Listen(ctx, c.Socket.Path, peers)
	case len(held) > 1 || held[0] == nil:
		return nil, fmt.Errorf("socket activation: %d sockets are handed over, one stream socket is needed", len(held))
	}
	if _, ok := held[0].(*net.UnixListener); !ok {
		return nil, errors.New("socket activation: a unix socket is needed (ListenStream=/run/...)")
	}
	return socket.Activated(held[0], peers), nil
}

func (d *Daemon) begin(c *config.Config) (*running, error) {
	parts, err := Open(c, d.Backends, d.log)
	if err != nil {
		return nil, err
	}
	engine, err := parts.Engine(d.metrics, d.traces)
	if err != nil {
		return nil, errors.Join(err, parts.Close())
	}
	next := &running{parts: parts, engine: engine}
	next.start()
	return next, nil
}

func (d *Daemon) serve(ctx context.Context, listener net.Listener, hash [32]byte) error {
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	defer signal.Stop(hangup)
	var group sync.WaitGroup
	defer group.Wait()
	failed := make(chan error, 2)
	group.Go(func() {
		if err := d.server.Serve(listener); err != nil {
			failed <- err
		}
	})
	if address := d.config.Observe.Listen; address != "" {
		group.Go(func() {
			if err := observe.Serve(ctx, address, observe.Handler(d.metrics, d.server.Engine)); err != nil {
				// The metrics are worth less than the reads of a cluster.
				d.log.Error("metrics and health endpoints are not served", "address", address, "error", err.Error())
			}
		})
	}
	d.log.Info("serving", "socket", d.config.Socket.Path, "version", d.Version, "pid", os.Getpid())
	_, _ = systemd.SdNotify(false, systemd.SdNotifyReady)
	d.watchdog, _ = systemd.SdWatchdogEnabled(false)
	alive := time.Tick(max(d.watchdog/2, time.Second))
	look := time.Tick(fileEvery)
	for {
		select {
		case err := <-failed:
			stop()
			return fmt.Errorf("the socket is not served any more: %w", err)
		case <-ctx.Done():
			_, _ = systemd.SdNotify(false, systemd.SdNotifyStopping)
			d.log.Info("stopping")
			d.server.Stop()
			return nil
		case <-alive:
			d.alive()
		case <-hangup:
			hash = d.reload(ctx, hash, true)
		case <-look:
			hash = d.reload(ctx, hash, false)
		}
	}
}

// reload brings the file in force if it changed or was asked for, and leaves the old configuration in force if anything is wrong.
func (d *Daemon) reload(ctx context.Context, before [32]byte, asked bool) [32]byte {
	text, err := os.ReadFile(d.File)
	if err != nil {
		if asked {
			d.refuse(err)
		}
		return before
	}
	hash := sha256.Sum256(text)
	if hash == before && !asked {
		return before
	}
	_, _ = systemd.SdNotify(false, systemd.SdNotifyReloading+"\n"+systemd.SdNotifyMonotonicUsec())
	defer systemd.SdNotify(false, systemd.SdNotifyReady)
	next, err := config.Parse(d.File, text, d.Backends.Kinds())
	if err == nil {
		err = d.swap(ctx, next)
	}
	if err != nil {
		d.refuse(err)
		return hash
	}
	d.metrics.Reloaded(nil)
	d.log.Info("the new configuration is in force", "key_id", d.server.Engine().Status().KeyID)
	return hash
}

func (d *Daemon) refuse(err error) {
	d.metrics.Reloaded(err)
	d.log.Error("the new configuration is refused, the old one stays in force", "error", err.Error())
}

// settles waits until a new engine has a key_id, as long as that can still come.
func (d *Daemon) settles(ctx context.Context, engine *keyset.Engine) error {
	if reason := engine.Misplaced(); reason != "" {
		return errors.New(reason)
	}
	look := time.NewTicker(250 * time.Millisecond)
	defer look.Stop()
	for end := time.Now().Add(readyWithin); ; {
		select {
		case <-engine.Ready():
			return nil
		case <-ctx.Done():
			return ctx.Err()
		case <-look.C:
			d.alive()
			if blocked := engine.Snapshot().Blocked; blocked != "" {
				return errors.New(blocked)
			}
			if time.Now().After(end) {
				return fmt.Errorf("there is no key_id after %v: %s", readyWithin, engine.Status().Healthz)
			}
		}
	}
}

// alive tells systemd's watchdog, if there is one.
func (d *Daemon) alive() {
	if d.watchdog > 0 {
		_, _ = systemd.SdNotify(false, systemd.SdNotifyWatchdog)
	}
}

func (d *Daemon) swap(ctx context.Context, next *config.Config) error {
	if next.Socket.Path != d.config.Socket.Path || next.Observe.Listen != d.config.Observe.Listen || next.Observe.Tracing != d.config.Observe.Tracing || next.StateFile != d.config.StateFile {
		return errors.New("socket, stateFile, observe.listen and observe.tracing change only with a restart")
	}
	if next.Cluster != d.config.Cluster {
		return fmt.Errorf("cluster is %q, and was %q: a cluster keeps its label, because every record is bound to it", next.Cluster, d.config.Cluster)
	}
	// Only one engine writes the state file. The old one still answers.
	d.running.halt()
	made, err := d.begin(next)
	if err == nil {
		if err = d.settles(ctx, made.engine); err != nil {
			made.halt()
			err = errors.Join(err, made.close())
		}
	}
	if err != nil {
		d.running.start()
		return err
	}
	old := d.running
	d.server.Use(made.engine)
	d.running, d.config = made, next
	d.setLevel(next)
	time.AfterFunc(afterSwap+old.parts.Options.Budget, func() { _ = old.close() })
	return nil
}
