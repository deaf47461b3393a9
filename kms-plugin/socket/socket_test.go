package socket_test

import (
	"bytes"
	"errors"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/k8senc/k8senc/kms-plugin/socket"
)

func listen(t *testing.T, path string) *socket.Listener {
	t.Helper()
	l, err := socket.Listen(t.Context(), path, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

func refused(t *testing.T, path, word string) error {
	t.Helper()
	l, err := socket.Listen(t.Context(), path, nil)
	if err == nil {
		_ = l.Close()
		t.Fatal("it was opened")
	}
	if !strings.Contains(err.Error(), word) {
		t.Fatalf("%v does not say %q", err, word)
	}
	return err
}

func answers(t *testing.T, l *socket.Listener, path string) {
	t.Helper()
	// Whoever looked whether the socket is alive stands in the queue too.
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = conn.Write([]byte("here"))
			_ = conn.Close()
		}
	}()
	conn, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(5 * time.Second))
	var got [4]byte
	if _, err := conn.Read(got[:]); err != nil || !bytes.Equal(got[:], []byte("here")) {
		t.Fatalf("%q %v", got, err)
	}
}

func TestModeAndLeftovers(t *testing.T) {
	room := t.TempDir()
	path := filepath.Join(room, "kms.sock")
	l := listen(t, path)
	about, err := os.Lstat(path)
	if err != nil || about.Mode().Perm() != 0o600 || about.Mode()&fs.ModeSocket == 0 {
		t.Fatalf("%v %v", about.Mode(), err)
	}
	answers(t, l, path)
	if err := refused(t, path, "another plugin serves"); !errors.Is(err, socket.ErrServed) {
		t.Fatal(err)
	}
	answers(t, l, path)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("the socket is left behind: %v", err)
	}
}

// A plugin that was killed leaves its socket; the next one takes its place.
func TestStaleSocketIsReplaced(t *testing.T) {
	path := filepath.Join(t.TempDir(), "kms.sock")
	dead, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	dead.(*net.UnixListener).SetUnlinkOnClose(false)
	_ = dead.Close()
	answers(t, listen(t, path), path)
}

func TestUpgradeLeavesTheNewSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "kms.sock")
	old := listen(t, path)
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	fresh := listen(t, path)
	if err := old.Close(); err != nil {
		t.Fatal(err)
	}
	answers(t, fresh, path)
}

func TestWhatIsNoSocketStays(t *testing.T) {
	room := t.TempDir()
	path := filepath.Join(room, "kms.sock")
	if err := os.WriteFile(path, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	refused(t, path, "no socket")
	if text, err := os.ReadFile(path); err != nil || string(text) != "precious" {
		t.Fatalf("%q %v", text, err)
	}
}

func TestSymbolicLinksAreNotFollowed(t *testing.T) {
	room := t.TempDir()
	target := filepath.Join(room, "target.sock")
	dead, err := net.Listen("unix", target)
	if err != nil {
		t.Fatal(err)
	}
	dead.(*net.UnixListener).SetUnlinkOnClose(false)
	_ = dead.Close()
	link := filepath.Join(room, "kms.sock")
	if err := os.Symlink(target, link); err != nil {
		t.Fatal(err)
	}
	refused(t, link, "symbolic link")
	if _, err := os.Lstat(target); err != nil {
		t.Fatal(err)
	}
	away := filepath.Join(t.TempDir(), "away")
	if err := os.Symlink(room, away); err != nil {
		t.Fatal(err)
	}
	refused(t, filepath.Join(away, "other.sock"), "symbolic link")
}

func TestDirectory(t *testing.T) {
	room := t.TempDir()
	refused(t, filepath.Join(room, "missing", "kms.sock"), "mkdir")
	for _, mode := range []fs.FileMode{0o770, 0o707, 0o1777} {
		if err := os.Chmod(room, mode); err != nil {
			t.Fatal(err)
		}
		refused(t, filepath.Join(room, "kms.sock"), "chmod go-w")
	}
	if err := os.Chmod(room, 0o700); err != nil {
		t.Fatal(err)
	}
	if os.Geteuid() == 0 {
		if err := os.Chown(room, 12345, -1); err != nil {
			t.Fatal(err)
		}
		refused(t, filepath.Join(room, "kms.sock"), "belongs to uid 12345")
	}
}

func TestTwoAtOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "kms.sock")
	type result struct {
		l   *socket.Listener
		err error
	}
	results := make(chan result)
	for range 8 {
		go func() {
			l, err := socket.Listen(t.Context(), path, nil)
			results <- result{l, err}
		}()
	}
	var winner *socket.Listener
	for range 8 {
		if one := <-results; one.err == nil {
			if winner != nil {
				t.Fatal("two plugins have the socket")
			}
			winner = one.l
		}
	}
	if winner == nil {
		t.Fatal("nobody has the socket")
	}
	answers(t, winner, path)
	_ = winner.Close()
}

func TestAbstract(t *testing.T) {
	name := "@k8senc-test-" + filepath.Base(t.TempDir()) + t.Name()
	if _, err := socket.Listen(t.Context(), name, nil); err == nil {
		t.Fatal("everybody may call")
	}
	own := uint32(os.Geteuid())
	l, err := socket.Listen(t.Context(), name, []uint32{own})
	if err != nil {
		t.Fatal(err)
	}
	answers(t, l, name)
	if _, err := socket.Listen(t.Context(), name, []uint32{own}); !errors.Is(err, socket.ErrServed) {
		t.Fatal(err)
	}
	_ = l.Close()

	stranger, err := socket.Listen(t.Context(), name, []uint32{own + 1})
	if err != nil {
		t.Fatal(err)
	}
	defer stranger.Close()
	go func() {
		if conn, err := stranger.Accept(); err == nil {
			_, _ = conn.Write([]byte("here"))
			_ = conn.Close()
		}
	}()
	conn, err := net.Dial("unix", name)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(5 * time.Second))
	if n, err := conn.Read(make([]byte, 4)); err == nil {
		t.Fatalf("a stranger read %d bytes", n)
	}
}

// With no descriptor left the listener waits and goes on when there are some again.
func TestDescriptors(t *testing.T) {
	if os.Getenv("K8SENC_FEW_DESCRIPTORS") == "" {
		child := exec.Command(os.Args[0], "-test.run=^TestDescriptors$")
		child.Env = append(os.Environ(), "K8SENC_FEW_DESCRIPTORS="+filepath.Join(t.TempDir(), "kms.sock"))
		if text, err := child.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		return
	}
	path := os.Getenv("K8SENC_FEW_DESCRIPTORS")
	l := listen(t, path)
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	limit.Cur = 64
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	var held []*os.File
	for {
		file, err := os.Open("/dev/null")
		if err != nil {
			break
		}
		held = append(held, file)
	}
	if _, err := l.Accept(); !errors.Is(err, unix.EMFILE) {
		var temporary interface{ Temporary() bool }
		if !errors.As(err, &temporary) {
			t.Fatal(err)
		}
	}
	for _, file := range held {
		_ = file.Close()
	}
	answers(t, l, path)
}
