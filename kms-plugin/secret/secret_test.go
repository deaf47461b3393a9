package secret_test

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/k8senc/k8senc/kms-plugin/secret"
)

func TestBytes(t *testing.T) {
	from := bytes.Repeat([]byte{7}, 32)
	held, err := secret.Take(from)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(from, make([]byte, 32)) {
		t.Fatal("the copy of the caller is not cleared")
	}
	err = held.Use(func(got []byte) error {
		if !bytes.Equal(got, bytes.Repeat([]byte{7}, 32)) {
			return fmt.Errorf("%x", got)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		if text := fmt.Sprintf(verb, held); text != "secret(32 bytes)" {
			t.Fatal(verb, text)
		}
	}
	if held.Close() != nil || held.Close() != nil {
		t.Fatal("close")
	}
	if err := held.Use(func([]byte) error { return nil }); !errors.Is(err, secret.ErrClosed) {
		t.Fatal(err)
	}
}

func TestFiles(t *testing.T) {
	room := t.TempDir()
	path := filepath.Join(room, "kek")
	if err := secret.WriteNew(path, []byte("text")); err != nil {
		t.Fatal(err)
	}
	if err := secret.WriteNew(path, []byte("other")); !errors.Is(err, os.ErrExist) {
		t.Fatal(err)
	}
	if text, err := secret.ReadFile(path); err != nil || string(text) != "text" {
		t.Fatalf("%q %v", text, err)
	}
	link := filepath.Join(room, "link")
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	refused := func(path, word string) {
		t.Helper()
		if _, err := secret.ReadFile(path); err == nil || !strings.Contains(err.Error(), word) {
			t.Fatalf("%v does not say %q", err, word)
		}
	}
	refused(link, "symbolic link")
	refused(room, "no regular file")
	refused(filepath.Join(room, "missing"), "no such file")
	for _, mode := range []os.FileMode{0o640, 0o604, 0o620, 0o602, 0o610} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		refused(path, "chmod 600")
	}
	if err := os.Chmod(path, 0o400); err != nil {
		t.Fatal(err)
	}
	if os.Geteuid() == 0 {
		if err := os.Chown(path, 12345, -1); err != nil {
			t.Fatal(err)
		}
		refused(path, "belongs to uid 12345")
		if err := os.Chown(path, 0, -1); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(path, 0o440); err != nil {
		t.Fatal(err)
	}
	t.Setenv("CREDENTIALS_DIRECTORY", room)
	if text, err := secret.ReadCredential("kek"); err != nil || string(text) != "text" {
		t.Fatalf("%q %v", text, err)
	}
	for _, name := range []string{"", ".", "..", "../" + filepath.Base(room) + "/kek", "missing"} {
		if _, err := secret.ReadCredential(name); err == nil {
			t.Fatalf("%q was read", name)
		}
	}
	t.Setenv("CREDENTIALS_DIRECTORY", "")
	if _, err := secret.ReadCredential("kek"); err == nil || !strings.Contains(err.Error(), "LoadCredential=kek:FILE") {
		t.Fatal(err)
	}
}

func TestKey32(t *testing.T) {
	want := []byte("0123456789abcdef0123456789abcdef")
	text := base64.StdEncoding.EncodeToString(want)
	for _, good := range []string{string(want), text, text + "\n", text + "\r\n"} {
		if got, err := secret.Key32([]byte(good)); err != nil || !bytes.Equal(got, want) {
			t.Fatalf("%q: %v", got, err)
		}
	}
	for _, bad := range []string{"", "short", string(want) + "\n", text[:40], text + text} {
		if _, err := secret.Key32([]byte(bad)); err == nil || (bad != "" && strings.Contains(err.Error(), bad)) {
			t.Fatalf("%d bytes: %v", len(bad), err)
		}
	}
}
