// Package local is the KEK in a file or a systemd credential of this machine: a kek.Backend that makes no call to anybody.
package local

import (
	"context"
	"errors"
	"fmt"

	k8senc "github.com/k8senc/k8senc/bindings-c/go"

	"github.com/k8senc/k8senc/kms-plugin/connect"
	"github.com/k8senc/k8senc/kms-plugin/kek"
	"github.com/k8senc/k8senc/kms-plugin/secret"
)

// WrapLen is how long a wrap is: nonce, 32 bytes, tag.
const WrapLen = 60

// Config names the KEK: exactly one field is set.
type Config struct {
	// File holds 32 random bytes or their base64, has mode 0600 and belongs to the plugin's user or root.
	File string `yaml:"file"`
	// Credential is the name of a systemd credential with the same content.
	Credential string `yaml:"credential"`
}

// Validate says which field is wrong.
func (c *Config) Validate() []kek.Problem {
	found := connect.OneSecret("", [2]string{"file", "credential"}, c.File, c.Credential)
	if c.File == "" && c.Credential == "" {
		found[0].Hint = "make a KEK with: k8senc-kms-plugin init"
	}
	return found
}

// Backend is the local KEK.
type Backend struct {
	held *k8senc.KEK
}

// New reads the KEK.
func New(_ context.Context, config Config) (*Backend, error) {
	var text []byte
	var err error
	if config.Credential != "" {
		text, err = secret.ReadCredential(config.Credential)
	} else {
		text, err = secret.ReadFile(config.File)
	}
	if err != nil {
		return nil, err
	}
	key, err := secret.Key32(text)
	if err != nil {
		return nil, fmt.Errorf("%s%s: %w", config.File, config.Credential, err)
	}
	defer clear(key)
	held, err := k8senc.NewKEK(key)
	if err != nil {
		return nil, err
	}
	return &Backend{held: held}, nil
}

// Kind is kek.Local.
func (b *Backend) Kind() kek.Kind { return kek.Local }

// Held is the KEK itself, from which a set takes the identity.
func (b *Backend) Held() *k8senc.KEK { return b.held }

// Current has no identity: the set derives it from Held.
func (b *Backend) Current(context.Context) (kek.Version, error) {
	return kek.Version{Name: "local", WrapLen: WrapLen}, nil
}

// Wrap wraps under the KEK.
func (b *Backend) Wrap(_ context.Context, _ kek.Version, key []byte, label string) ([]byte, error) {
	held, err := k8senc.UnwrappedKey(key)
	if err != nil {
		return nil, failure("wrap", err)
	}
	defer held.Close()
	wrap, err := b.held.Wrap(held, label)
	if err != nil {
		return nil, failure("wrap", err)
	}
	return wrap, nil
}

// Unwrap unwraps; the caller clears the answer.
func (b *Backend) Unwrap(_ context.Context, wrap []byte, label string) ([]byte, error) {
	held, err := b.held.Unwrap(wrap, label)
	if err != nil {
		return nil, failure("unwrap", err)
	}
	defer held.Close()
	key, err := held.Expose()
	if err != nil {
		return nil, failure("unwrap", err)
	}
	return key, nil
}

// Close wipes the KEK.
func (b *Backend) Close() error { return b.held.Close() }

func failure(op string, err error) error {
	class := kek.Misconfigured
	switch {
	case errors.Is(err, k8senc.ErrKeysetIntegrity):
		class = kek.Integrity
	case errors.Is(err, k8senc.ErrClosed):
		class = kek.Unavailable
	}
	return &kek.Error{Class: class, Op: op, Err: err}
}
