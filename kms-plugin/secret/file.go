package secret

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"
)

const longest = 64 << 10

// ReadFile reads a file that holds a secret: no symbolic link, a regular file of this user or root, that nobody else may read or
// write. The caller clears the answer.
func ReadFile(path string) ([]byte, error) {
	return read(path, 0o077)
}

// ReadCredential reads a credential that systemd hands over (LoadCredential=, LoadCredentialEncrypted=). The directory is the
// service's own, so a file that its group may read is taken too.
func ReadCredential(name string) ([]byte, error) {
	directory := os.Getenv("CREDENTIALS_DIRECTORY")
	if directory == "" {
		return nil, fmt.Errorf("credential %q: CREDENTIALS_DIRECTORY is not set: the unit needs LoadCredential=%s:FILE", name, name)
	}
	if name == "" || name != filepath.Base(name) || name == "." || name == ".." {
		return nil, fmt.Errorf("credential %q: a plain name is needed, as in LoadCredential=NAME:FILE", name)
	}
	return read(filepath.Join(directory, name), 0o027)
}

func read(path string, forbidden os.FileMode) ([]byte, error) {
	file, err := os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		if errors.Is(err, unix.ELOOP) {
			return nil, fmt.Errorf("%s is a symbolic link: name the file itself", path)
		}
		return nil, err
	}
	defer file.Close()
	about, err := file.Stat()
	if err != nil {
		return nil, err
	}
	if !about.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is no regular file", path)
	}
	if open := about.Mode().Perm() & forbidden; open != 0 {
		return nil, fmt.Errorf("%s has mode %#o, so others can reach the secret in it: chmod 600 %s", path, about.Mode().Perm(), path)
	}
	if owner, ok := about.Sys().(*syscall.Stat_t); ok && owner.Uid != 0 && int(owner.Uid) != os.Geteuid() {
		return nil, fmt.Errorf("%s belongs to uid %d, and this process is uid %d: its owner must be that or root", path, owner.Uid, os.Geteuid())
	}
	if about.Size() > longest {
		return nil, fmt.Errorf("%s has %d bytes, a secret here has at most %d", path, about.Size(), longest)
	}
	text := make([]byte, about.Size())
	if _, err := io.ReadFull(file, text); err != nil {
		clear(text)
		return nil, fmt.Errorf("%s changed while it was read", path)
	}
	return text, nil
}

// Key32 reads text as a key of 32 bytes: either these bytes alone, or their standard base64 with or without a line end. It clears text.
func Key32(text []byte) ([]byte, error) {
	defer clear(text)
	if len(text) == 32 {
		return append([]byte(nil), text...), nil
	}
	end := len(text)
	for end > 0 && (text[end-1] == '\n' || text[end-1] == '\r') {
		end--
	}
	key := make([]byte, base64.StdEncoding.DecodedLen(end))
	n, err := base64.StdEncoding.Decode(key, text[:end])
	if err != nil || n != 32 {
		clear(key)
		return nil, fmt.Errorf("%d bytes are no key: 32 bytes, or the base64 of 32 bytes, are needed (openssl rand -base64 32)", len(text))
	}
	return key[:32:32], nil
}

// WriteNew writes a secret into a new file of mode 0600 and never over an old one. It leaves no half-written file.
func WriteNew(path string, text []byte) error {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return err
	}
	_, err = file.Write(text)
	if err == nil {
		err = file.Sync()
	}
	if closed := file.Close(); err == nil {
		err = closed
	}
	if err != nil {
		_ = os.Remove(path)
	}
	return err
}
