package stage

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Process is a program that the run started. It is ended by its own id, whatever way the run ends.
type Process struct {
	Name string
	// Log is the file with everything it printed.
	Log  string
	cmd  *exec.Cmd
	done chan struct{}
	err  error
}

// Start runs a program in a process group of its own, so that Ctrl-C reaches the run alone, which then ends it in order.
func (s *Stage) Start(name string, argv ...string) (*Process, error) {
	return s.start(name, false, argv)
}

// StartTied is for a program that ends when its standard input does: that stays open as long as the run lives.
func (s *Stage) StartTied(name string, argv ...string) (*Process, error) {
	return s.start(name, true, argv)
}

func (s *Stage) start(name string, tied bool, argv []string) (*Process, error) {
	name = strings.ReplaceAll(name, " ", "-")
	s.mu.Lock()
	s.started[name]++
	log := filepath.Join(s.Dir, "logs", fmt.Sprintf("%s-%d.log", name, s.started[name]))
	s.mu.Unlock()
	out, err := os.Create(log)
	if err != nil {
		return nil, err
	}
	defer out.Close()
	fmt.Fprintf(out, "# %s\n", strings.Join(argv, " "))
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Stdout, cmd.Stderr, cmd.Dir = out, out, s.Dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if tied {
		if _, err := cmd.StdinPipe(); err != nil {
			return nil, err
		}
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("%s does not start: %w", name, err)
	}
	p := &Process{Name: name, Log: log, cmd: cmd, done: make(chan struct{})}
	go func() {
		p.err = cmd.Wait()
		close(p.done)
	}()
	s.mu.Lock()
	s.running = append(s.running, p)
	s.mu.Unlock()
	return p, nil
}

// PID is its process id.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Done is closed when it has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// Ended is whether it has ended.
func (p *Process) Ended() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// Stop asks it to end, and after a while ends it.
func (p *Process) Stop() { p.end(syscall.SIGTERM) }

// Pause stops it where it is, so that it answers nobody; Resume lets it go on.
func (p *Process) Pause() error { return p.cmd.Process.Signal(syscall.SIGSTOP) }

// Resume ends a Pause.
func (p *Process) Resume() error { return p.cmd.Process.Signal(syscall.SIGCONT) }

// Kill ends it as a crash would.
func (p *Process) Kill() { p.end(syscall.SIGKILL) }

func (p *Process) end(signal syscall.Signal) {
	if p.Ended() {
		return
	}
	_ = p.cmd.Process.Signal(signal)
	select {
	case <-p.done:
	case <-time.After(20 * time.Second):
		_ = p.cmd.Process.Kill()
		<-p.done
	}
}

// Text is everything it printed.
func (p *Process) Text() string {
	text, err := os.ReadFile(p.Log)
	if err != nil {
		return err.Error()
	}
	_, text2, _ := strings.Cut(string(text), "\n")
	return text2
}

// tail is the end of what it printed, for an error.
func (p *Process) tail() string {
	lines := strings.Split(strings.TrimSpace(p.Text()), "\n")
	return strings.Join(lines[max(0, len(lines)-8):], "\n")
}

// wait polls until ready says so, the process ends, or time is up.
func (p *Process) wait(ctx context.Context, limit time.Duration, ready func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	var last error
	for {
		if last = ready(ctx); last == nil {
			return nil
		}
		select {
		case <-p.done:
			return &Refused{Process: p}
		case <-ctx.Done():
			return fmt.Errorf("%s is not ready: %w; see %s, which ends:\n%s", p.Name, last, p.Log, p.tail())
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// Refused is a program that ended instead of becoming ready.
type Refused struct{ Process *Process }

func (r *Refused) Error() string {
	return fmt.Sprintf("%s ended: %v; see %s, which ends:\n%s", r.Process.Name, r.Process.err, r.Process.Log, r.Process.tail())
}

// endAll ends what still runs, the newest first.
func (s *Stage) endAll() {
	s.mu.Lock()
	running := s.running
	s.running = nil
	s.mu.Unlock()
	var waiting sync.WaitGroup
	for _, p := range running {
		waiting.Go(p.Stop)
	}
	waiting.Wait()
}
