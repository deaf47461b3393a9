package connect

import (
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/k8senc/k8senc/kms-plugin/kek"
)

// KeyLen is the size of what is wrapped: a wrap key, in bytes.
const KeyLen = 32

// CheckKey refuses to wrap anything but a wrap key.
func CheckKey(key []byte) error {
	if len(key) != KeyLen {
		return &kek.Error{Class: kek.Misconfigured, Op: "wrap", Err: fmt.Errorf("%d bytes are to be wrapped, %d are needed", len(key), KeyLen)}
	}
	return nil
}

// CheckUnwrapped refuses, and wipes, what is no wrap key: a wrap of something else under the same key.
func CheckUnwrapped(key []byte) error {
	if len(key) != KeyLen {
		got := len(key)
		clear(key)
		return &kek.Error{Class: kek.Integrity, Op: "unwrap", Err: fmt.Errorf("the wrap holds %d bytes, a wrap key has %d", got, KeyLen)}
	}
	return nil
}

// Gate refuses calls after Close.
type Gate struct{ closed atomic.Bool }

// Check is nil as long as the gate is open.
func (g *Gate) Check(op string) error {
	if g.closed.Load() {
		return &kek.Error{Class: kek.Unavailable, Op: op, Err: errors.New("the backend is closed")}
	}
	return nil
}

// Shut closes the gate and says whether this call did it.
func (g *Gate) Shut() bool { return g.closed.CompareAndSwap(false, true) }

// Foreign is the error of a version that another key described.
func Foreign() error {
	return &kek.Error{Class: kek.Misconfigured, Op: "wrap", Err: errors.New("the version is not one of the configured key")}
}

// OneSecret is what is wrong with where a secret is: exactly one of a file, by its absolute path, and a credential of systemd. options are
// the names of the two, within block.
func OneSecret(block string, options [2]string, file, credential string) []kek.Problem {
	within := func(option string) string {
		if block == "" {
			return option
		}
		return block + "." + option
	}
	if (file == "") == (credential == "") {
		field := block
		if field == "" {
			field = options[0]
		}
		return []kek.Problem{{Field: field, What: fmt.Sprintf("exactly one of %s and %s is needed", options[0], options[1])}}
	}
	if problem, wrong := NotAbsolute(within(options[0]), file); wrong {
		return []kek.Problem{problem}
	}
	return nil
}
