package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	kmsapi "k8s.io/kms/apis/v2"
)

// The test's binary is the plugin's too, so that whole processes can be started, killed and looked at.
func TestMain(m *testing.M) {
	if os.Getenv("K8SENC_BE_THE_PLUGIN") != "" {
		main()
	}
	os.Exit(m.Run())
}

// lines is a log that can be read while it is written.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

type process struct {
	*exec.Cmd
	log  lines
	done chan struct{}
	err  error
}

func plugin(name string, args ...string) *exec.Cmd {
	c := exec.Command(name, args...)
	c.Env = append(os.Environ(), "K8SENC_BE_THE_PLUGIN=1")
	return c
}

func spawn(t *testing.T, c *exec.Cmd) *process {
	t.Helper()
	p := &process{Cmd: c, done: make(chan struct{})}
	c.Stderr = &p.log
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		p.err = c.Wait()
		close(p.done)
	}()
	t.Cleanup(func() {
		_ = c.Process.Kill()
		<-p.done
	})
	return p
}

func (p *process) ends(t *testing.T, within time.Duration) error {
	t.Helper()
	select {
	case <-p.done:
		return p.err
	case <-time.After(within):
		t.Fatalf("it still runs after %v\n%s", within, p.log.String())
		return nil
	}
}

func call(t *testing.T, args ...string) (code int, out, errs string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code = run(t.Context(), args, &stdout, &stderr)
	return code, stdout.String(), stderr.String()
}

// made is a directory that init made, with the observation port off.
func made(t *testing.T) (room, config, socket string) {
	t.Helper()
	room = filepath.Join(t.TempDir(), "plugin")
	if code, out, errs := call(t, "init", "--cluster", "test-1", room); code != 0 || !strings.Contains(out, "endpoint: unix://") {
		t.Fatalf("%d %s %s", code, out, errs)
	}
	config = filepath.Join(room, "config.yaml")
	text, err := os.ReadFile(config)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(config, append(text, "observe: {listen: \"\"}\n"...), 0o600); err != nil {
		t.Fatal(err)
	}
	return room, config, filepath.Join(room, "run", "kms.sock")
}

func client(t *testing.T, socket string) kmsapi.KeyManagementServiceClient {
	t.Helper()
	conn, err := grpc.NewClient("unix://"+socket, grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithDefaultCallOptions(grpc.WaitForReady(true)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return kmsapi.NewKeyManagementServiceClient(conn)
}

func within(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

func works(t *testing.T, c kmsapi.KeyManagementServiceClient) *kmsapi.EncryptResponse {
	t.Helper()
	sealed, err := c.Encrypt(within(t, 20*time.Second), &kmsapi.EncryptRequest{Plaintext: bytes.Repeat([]byte{5}, 32), Uid: "a"})
	if err != nil {
		t.Fatal(err)
	}
	return sealed
}

func opens(t *testing.T, c kmsapi.KeyManagementServiceClient, sealed *kmsapi.EncryptResponse) {
	t.Helper()
	opened, err := c.Decrypt(within(t, 20*time.Second), &kmsapi.DecryptRequest{Ciphertext: sealed.Ciphertext, KeyId: sealed.KeyId, Uid: "b"})
	if err != nil || !bytes.Equal(opened.Plaintext, bytes.Repeat([]byte{5}, 32)) {
		t.Fatalf("%v %v", opened, err)
	}
}

func TestKilledAndStartedAgain(t *testing.T) {
	_, config, socket := made(t)
	first := spawn(t, plugin(os.Args[0], "serve", "--config", config))
	c := client(t, socket)
	sealed := works(t, c)
	// Calls are on their way all the time; the kill cuts some of them.
	stop := make(chan struct{})
	cut := make(chan int, 1)
	go func() {
		failed := 0
		for {
			select {
			case <-stop:
				cut <- failed
				return
			default:
			}
			ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
			_, err := c.Decrypt(ctx, &kmsapi.DecryptRequest{Ciphertext: sealed.Ciphertext, KeyId: sealed.KeyId})
			cancel()
			if err != nil && status.Code(err) != codes.Unavailable {
				t.Errorf("%v", err)
			}
			if err != nil {
				failed++
			}
		}
	}()
	time.Sleep(50 * time.Millisecond)
	if err := first.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	<-first.done
	if _, err := os.Lstat(socket); err != nil {
		t.Fatal("the test means to leave a stale socket")
	}
	spawn(t, plugin(os.Args[0], "serve", "--config", config))
	opens(t, client(t, socket), sealed)
	close(stop)
	if failed := <-cut; failed > 50 {
		t.Fatalf("%d calls failed", failed)
	}
}

func TestTerminatedLeavesNothing(t *testing.T) {
	_, config, socket := made(t)
	p := spawn(t, plugin(os.Args[0], "serve", "--config", config))
	works(t, client(t, socket))
	began := time.Now()
	if err := p.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := p.ends(t, 20*time.Second); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(began); took > 15*time.Second {
		t.Fatalf("the end took %v", took)
	}
	if _, err := os.Lstat(socket); !os.IsNotExist(err) {
		t.Fatalf("the socket is still there: %v", err)
	}
	for line := range strings.Lines(p.log.String()) {
		if !json.Valid([]byte(line)) {
			t.Fatalf("no JSON in the log: %s", line)
		}
	}
}

// With no descriptor left new connections wait; the one that is there is served, and everything is well again afterwards.
func TestOutOfDescriptors(t *testing.T) {
	_, config, socket := made(t)
	p := spawn(t, plugin("/bin/sh", "-c", `ulimit -n 40; exec "$0" "$@"`, os.Args[0], "serve", "--config", config))
	c := client(t, socket)
	sealed := works(t, c)
	var held []net.Conn
	for range 80 {
		conn, err := net.Dial("unix", socket)
		if err != nil {
			t.Fatal(err)
		}
		held = append(held, conn)
	}
	opens(t, c, sealed)
	works(t, c)
	for _, conn := range held {
		_ = conn.Close()
	}
	opens(t, client(t, socket), sealed)
	if p.ProcessState != nil {
		t.Fatal(p.log.String())
	}
}

// systemd holds the socket over a restart: calls wait, none fails.
func TestSocketActivationAndNotify(t *testing.T) {
	room, config, socket := made(t)
	held, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer held.Close()
	file, err := held.(*net.UnixListener).File()
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	notify, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: filepath.Join(room, "notify"), Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer notify.Close()
	says := func(word string) {
		t.Helper()
		buffer := make([]byte, 4096)
		_ = notify.SetReadDeadline(time.Now().Add(20 * time.Second))
		for {
			n, err := notify.Read(buffer)
			if err != nil {
				t.Fatalf("systemd is never told %s: %v", word, err)
			}
			if strings.Contains(string(buffer[:n]), word) {
				return
			}
		}
	}
	activated := func() *process {
		c := plugin("/bin/sh", "-c", `LISTEN_PID=$$ exec "$0" "$@"`, os.Args[0], "serve", "--config", config)
		c.Env = append(c.Env, "LISTEN_FDS=1", "NOTIFY_SOCKET="+filepath.Join(room, "notify"))
		c.ExtraFiles = []*os.File{file}
		return spawn(t, c)
	}
	first := activated()
	says("READY=1")
	c := client(t, socket)
	sealed := works(t, c)
	if err := first.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	says("RELOADING=1")
	says("READY=1")
	if err := first.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	says("STOPPING=1")
	if err := first.ends(t, 20*time.Second); err != nil {
		t.Fatal(err)
	}
	answered := make(chan error, 1)
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		_, err := client(t, socket).Decrypt(ctx, &kmsapi.DecryptRequest{Ciphertext: sealed.Ciphertext, KeyId: sealed.KeyId})
		answered <- err
	}()
	time.Sleep(50 * time.Millisecond)
	activated()
	if err := <-answered; err != nil {
		t.Fatalf("a call in the gap failed: %v", err)
	}
}

// A configuration whose key_id was left is refused at once; the plugin goes on with the one it has.
func TestReloadToALeftSetIsRefused(t *testing.T) {
	_, config, socket := made(t)
	p := spawn(t, plugin(os.Args[0], "serve", "--config", config))
	c := client(t, socket)
	first := works(t, c)
	text, err := os.ReadFile(config)
	if err != nil {
		t.Fatal(err)
	}
	reload := func(text string) {
		t.Helper()
		if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := p.Process.Signal(syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
	}
	reload(string(text) + "generation: 2\n")
	for end := time.Now().Add(20 * time.Second); works(t, c).KeyId == first.KeyId; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("there is no new key_id")
		}
	}
	second := works(t, c).KeyId
	reload(string(text))
	for end := time.Now().Add(30 * time.Second); !strings.Contains(p.log.String(), "stays in force"); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("it is not refused\n%s", p.log.String())
		}
	}
	if now := works(t, c).KeyId; now != second {
		t.Fatalf("%s, %s is right", now, second)
	}
	opens(t, c, first)
	if !strings.Contains(p.log.String(), "raise generation") {
		t.Fatal(p.log.String())
	}
}

func TestInitNeverOverwrites(t *testing.T) {
	room, config, _ := made(t)
	before, err := os.ReadFile(filepath.Join(room, "kek"))
	if err != nil {
		t.Fatal(err)
	}
	if code, _, errs := call(t, "init", "--cluster", "test-1", room); code != 1 || !strings.Contains(errs, "last copy") {
		t.Fatalf("%d %s", code, errs)
	}
	if after, _ := os.ReadFile(filepath.Join(room, "kek")); !bytes.Equal(before, after) {
		t.Fatal("the KEK is another one")
	}
	for _, path := range []string{"kek", "config.yaml"} {
		if about, err := os.Stat(filepath.Join(room, path)); err != nil || about.Mode().Perm() != 0o600 {
			t.Fatalf("%s %v", path, err)
		}
	}
	if code, out, errs := call(t, "check-config", "--config", config, "--live"); code != 0 || !strings.Contains(out, "key_id kc1.") {
		t.Fatalf("%d %s %s", code, out, errs)
	}
}

func TestRecoveryKeyCommand(t *testing.T) {
	path := filepath.Join(t.TempDir(), "recovery.key")
	code, public, errs := call(t, "recovery-key", "new", path)
	if code != 0 || len(strings.TrimSpace(public)) != 44 || !strings.Contains(errs, "off this machine") {
		t.Fatalf("%d %s %s", code, public, errs)
	}
	if about, err := os.Stat(path); err != nil || about.Mode().Perm() != 0o600 {
		t.Fatal(err)
	}
	if code, again, _ := call(t, "recovery-key", "public", path); code != 0 || again != public {
		t.Fatal(again)
	}
	if code, _, errs := call(t, "recovery-key", "new", path); code != 1 || !strings.Contains(errs, "exists") {
		t.Fatalf("%d %s", code, errs)
	}
	room := filepath.Join(t.TempDir(), "plugin")
	if code, _, errs := call(t, "init", "--cluster", "c", "--set-key", "--recovery-key", strings.TrimSpace(public), room); code != 0 {
		t.Fatal(errs)
	}
	if code, out, errs := call(t, "check-config", "--config", filepath.Join(room, "config.yaml"), "--live"); code != 0 || !strings.Contains(out, "1 recovery keys") {
		t.Fatalf("%s %s", out, errs)
	}
}

func TestSetPlan(t *testing.T) {
	_, config, socket := made(t)
	p := spawn(t, plugin(os.Args[0], "serve", "--config", config))
	sealed := works(t, client(t, socket))
	_ = p.Process.Signal(syscall.SIGTERM)
	_ = p.ends(t, 20*time.Second)
	if code, out, errs := call(t, "set-plan", "--config", config); code != 0 || !strings.Contains(out, "the key_id stays") {
		t.Fatalf("%s %s", out, errs)
	}
	text, err := os.ReadFile(config)
	if err != nil {
		t.Fatal(err)
	}
	changed := config + ".new"
	if err := os.WriteFile(changed, append(text, "generation: 2\n"...), 0o600); err != nil {
		t.Fatal(err)
	}
	audit := filepath.Join(t.TempDir(), "report.json")
	report := fmt.Sprintf(`{"format":1,"kind":"k8senc-audit","groups":[
		{"resource":"secrets","provider":"kms-v2","key":"k8senc","keyId":%q,"live":120,"history":7},
		{"resource":"configmaps","provider":"identity","key":null,"keyId":null,"live":9,"history":0}]}`, sealed.KeyId)
	if err := os.WriteFile(audit, []byte(report), 0o600); err != nil {
		t.Fatal(err)
	}
	code, out, errs := call(t, "set-plan", "--config", changed, "--audit", audit)
	if code != 0 || !strings.Contains(out, "120  objects in all; 7 older revisions") || !strings.Contains(out, sealed.KeyId) {
		t.Fatalf("%d %s %s", code, out, errs)
	}
	if code, _, errs := call(t, "set-plan", "--config", changed, "--audit", changed); code != 1 || !strings.Contains(errs, "no report") {
		t.Fatal(errs)
	}
}

func TestUsage(t *testing.T) {
	for _, one := range commands() {
		code, out, _ := call(t, one.name, "--help")
		if one.name != "version" && (code != 0 || !strings.Contains(out, "usage: k8senc-kms-plugin "+one.name) || !strings.Contains(out, "examples:")) {
			t.Fatalf("%s: %d %s", one.name, code, out)
		}
	}
	for _, bad := range [][]string{{"serv"}, {"serve", "extra"}, {"init"}, {"init", "--cluster", "a b", "x"}, {"recovery-key", "old", "x"}, {"set-plan"}, {"serve", "--nope"}} {
		if code, out, errs := call(t, bad...); code != 2 || out != "" || errs == "" {
			t.Fatalf("%v: %d %q %q", bad, code, out, errs)
		}
	}
	if code, _, errs := call(t, "check-config", "--config", "/nowhere.yaml"); code != 1 || !strings.Contains(errs, "/nowhere.yaml") {
		t.Fatal(errs)
	}
}

// What docs/kms-plugin.md names is there: each test of its table, and each option of the configuration.
func TestDocumentation(t *testing.T) {
	page, err := os.ReadFile("../../../docs/kms-plugin.md")
	if err != nil {
		t.Fatal(err)
	}
	sources := ""
	err = filepath.WalkDir("../..", func(path string, entry fs.DirEntry, err error) error {
		if err == nil && strings.HasSuffix(path, "_test.go") {
			text, failure := os.ReadFile(path)
			sources, err = sources+string(text), failure
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	named := regexp.MustCompile("`(Test[A-Za-z]+)`").FindAllStringSubmatch(string(page), -1)
	if len(named) < 20 {
		t.Fatalf("%d tests are named", len(named))
	}
	for _, name := range named {
		if !strings.Contains(sources, "func "+name[1]+"(") {
			t.Errorf("there is no %s", name[1])
		}
	}
	source, err := os.ReadFile("../../config/config.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, tag := range regexp.MustCompile("yaml:\"([A-Za-z]+)\"").FindAllStringSubmatch(string(source), -1) {
		if !strings.Contains(string(page), tag[1]) {
			t.Errorf("the option %s is not documented", tag[1])
		}
	}
}
