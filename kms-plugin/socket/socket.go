// Package socket opens the unix socket that kube-apiserver calls: never over a plugin that is alive, never through a symbolic
// link, never where others could put their own.
package socket

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// ErrServed says that another plugin serves the socket.
var ErrServed = errors.New("another plugin serves this socket")

const dialTime = 2 * time.Second

// Listener is a socket of ours.
type Listener struct {
	net.Listener
	path  string
	inode uint64
	// Peers are the only uids that may call; nil where the file's mode decides.
	peers []uint32
}

// Listen opens the socket at path: an absolute path, or an abstract name that begins with @, for which peers must be named.
func Listen(ctx context.Context, path string, peers []uint32) (*Listener, error) {
	if strings.HasPrefix(path, "@") {
		if len(peers) == 0 {
			return nil, errors.New("an abstract socket needs the uids that may call")
		}
		inner, err := net.Listen("unix", path)
		if errors.Is(err, unix.EADDRINUSE) {
			return nil, fmt.Errorf("%s: %w", path, ErrServed)
		}
		if err != nil {
			return nil, err
		}
		return &Listener{Listener: inner, path: path, peers: peers}, nil
	}
	if err := checkDirectory(filepath.Dir(path)); err != nil {
		return nil, err
	}
	// Two plugins that start at once must not remove each other's socket.
	unlock, err := lock(path + ".lock")
	if err != nil {
		return nil, err
	}
	defer unlock()
	if err := removeStale(ctx, path); err != nil {
		return nil, err
	}
	return bind(path)
}

// bind makes the socket under another name with its final mode, and moves it into place: nobody sees it half made.
func bind(path string) (*Listener, error) {
	hidden := path + ".new"
	if err := os.Remove(hidden); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	inner, err := net.Listen("unix", hidden)
	if err != nil {
		return nil, err
	}
	inner.(*net.UnixListener).SetUnlinkOnClose(false)
	about, err := os.Lstat(hidden)
	if err == nil {
		err = os.Chmod(hidden, 0o600)
	}
	if err == nil {
		err = os.Rename(hidden, path)
	}
	if err != nil {
		_ = inner.Close()
		_ = os.Remove(hidden)
		return nil, err
	}
	return &Listener{Listener: inner, path: path, inode: about.Sys().(*syscall.Stat_t).Ino}, nil
}

// Activated wraps a socket that systemd holds.
func Activated(inner net.Listener, peers []uint32) *Listener {
	return &Listener{Listener: inner, peers: peers}
}

// Close ends listening and removes the file, if it is still ours.
func (l *Listener) Close() error {
	if l.inode != 0 {
		if about, err := os.Lstat(l.path); err == nil && about.Sys().(*syscall.Stat_t).Ino == l.inode {
			_ = os.Remove(l.path)
		}
	}
	return l.Listener.Close()
}

// Accept refuses callers that are not among the peers.
func (l *Listener) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if l.peers == nil || l.mayCall(conn) {
			return conn, nil
		}
		_ = conn.Close()
	}
}

func (l *Listener) mayCall(conn net.Conn) bool {
	raw, err := conn.(*net.UnixConn).SyscallConn()
	if err != nil {
		return false
	}
	var caller *unix.Ucred
	if err := raw.Control(func(fd uintptr) { caller, err = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED) }); err != nil || caller == nil {
		return false
	}
	for _, uid := range l.peers {
		if caller.Uid == uid {
			return true
		}
	}
	return false
}

// checkDirectory wants a directory in which nobody else can put or rename things.
func checkDirectory(path string) error {
	about, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("the directory %s of the socket is not there: mkdir -m 0700 %s", path, path)
	}
	if err != nil {
		return err
	}
	if about.Mode()&fs.ModeSymlink != 0 {
		return fmt.Errorf("the directory %s of the socket is a symbolic link: name the directory itself", path)
	}
	if !about.IsDir() {
		return fmt.Errorf("%s is no directory", path)
	}
	if open := about.Mode().Perm() & 0o022; open != 0 {
		return fmt.Errorf("the directory %s of the socket has mode %#o, so others can put a socket of theirs there: chmod go-w %s", path, about.Mode().Perm(), path)
	}
	if owner := about.Sys().(*syscall.Stat_t).Uid; owner != 0 && int(owner) != os.Geteuid() {
		return fmt.Errorf("the directory %s of the socket belongs to uid %d: it must be root's or that of uid %d", path, owner, os.Geteuid())
	}
	return nil
}

// removeStale takes away what a plugin that is gone left behind, and nothing else.
func removeStale(ctx context.Context, path string) error {
	about, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if about.Mode()&fs.ModeSymlink != 0 {
		return fmt.Errorf("%s is a symbolic link, a socket is needed: remove it if nobody needs it", path)
	}
	if about.Mode()&fs.ModeSocket == 0 {
		return fmt.Errorf("%s is there and no socket: remove it if nobody needs it", path)
	}
	ctx, cancel := context.WithTimeout(ctx, dialTime)
	defer cancel()
	conn, err := new(net.Dialer).DialContext(ctx, "unix", path)
	if err == nil {
		_ = conn.Close()
		return fmt.Errorf("%s: %w", path, ErrServed)
	}
	if !errors.Is(err, unix.ECONNREFUSED) {
		return fmt.Errorf("%s: it is not clear whether a plugin serves this socket: %w", path, err)
	}
	if owner := about.Sys().(*syscall.Stat_t).Uid; int(owner) != os.Geteuid() && os.Geteuid() != 0 {
		return fmt.Errorf("%s was left behind by uid %d, not by this plugin: remove it if nobody needs it", path, owner)
	}
	return os.Remove(path)
}

func lock(path string) (unlock func(), err error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		_ = file.Close()
		return nil, fmt.Errorf("%s is locked: another plugin starts on this socket right now", path)
	}
	return func() { _ = file.Close() }, nil
}
