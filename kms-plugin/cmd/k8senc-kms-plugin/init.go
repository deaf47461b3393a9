package main

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"

	k8senc "github.com/k8senc/k8senc/bindings-c/go"

	"github.com/k8senc/k8senc/kms-plugin/config"
	"github.com/k8senc/k8senc/kms-plugin/secret"
)

const sample = `# k8senc-kms-plugin; docs/kms-plugin.md explains every option.
# Bound into every record: never change it.
cluster: %s
socket:
  path: %s
stateFile: %s

# A slot is a key's number in the records of this cluster for ever. Add a KMS as another entry; all keys wrap what is written.
keys:
  - name: local
    slot: 1
    local:
      file: %s
%s`

const sampleRecovery = `
recoveryKeys:
  - name: offline
    slot: 200
    publicKey: %s
`

var label = regexp.MustCompile(`^[A-Za-z0-9._-]{1,63}$`)

func initialise(_ context.Context, p *program, args []string) error {
	cluster := p.flags.String("cluster", "", "a `LABEL` for the cluster that is never changed")
	recovery := p.flags.String("recovery-key", "", "a `PUBLIC` key of recovery-key new, to be able to open everything without any KMS")
	withSetKey := p.flags.Bool("set-key", false, "also make the set key that RSA keys (Azure) need; the same file belongs on every node")
	if err := p.parse(args, 1); err != nil {
		return err
	}
	if !label.MatchString(*cluster) {
		return misuse("--cluster %q: 1 to 63 letters, digits, dots, underscores or hyphens are needed", *cluster)
	}
	extra := ""
	if *recovery != "" {
		var public config.PublicKey
		if err := public.UnmarshalText([]byte(*recovery)); err != nil {
			return misuse("--recovery-key: %v", err)
		}
		extra = fmt.Sprintf(sampleRecovery, *recovery)
	}
	room, err := filepath.Abs(p.flags.Arg(0))
	if err != nil {
		return err
	}
	kek, file, run := filepath.Join(room, "kek"), filepath.Join(room, "config.yaml"), filepath.Join(room, "run")
	for _, folder := range []string{room, run} {
		if err := os.MkdirAll(folder, 0o700); err != nil {
			return err
		}
	}
	if err := writeKey(kek); err != nil {
		if errors.Is(err, os.ErrExist) {
			return fmt.Errorf("%s is there already, and may be the last copy of a key: nothing was changed", kek)
		}
		return err
	}
	made := []string{kek}
	if *withSetKey {
		path := filepath.Join(room, "set-key")
		if err := writeKey(path); err != nil {
			return discard(made, err)
		}
		made = append(made, path)
		extra += fmt.Sprintf("\nsetKey:\n  file: %s\n", path)
	}
	endpoint := filepath.Join(run, "kms.sock")
	text := fmt.Sprintf(sample, *cluster, endpoint, filepath.Join(room, "state.json"), kek, extra)
	if err := secret.WriteNew(file, []byte(text)); err != nil {
		return discard(made, err)
	}
	fmt.Fprintf(p.out, `made %s    the KEK: whoever has it can open everything, and without it nothing opens. Back it up.
made %s

next: k8senc-kms-plugin serve --config %s

and in the EncryptionConfiguration of kube-apiserver, first in the list of providers:
    - kms:
        apiVersion: v2
        name: k8senc
        endpoint: unix://%s
`, kek, file, file, endpoint)
	return nil
}

// discard takes away what was made a moment ago and nobody has used.
func discard(made []string, err error) error {
	for _, path := range made {
		_ = os.Remove(path)
	}
	return err
}

func writeKey(path string) error {
	key := make([]byte, 32)
	defer clear(key)
	if _, err := rand.Read(key); err != nil {
		return err
	}
	text := base64.StdEncoding.AppendEncode(nil, key)
	defer clear(text)
	return secret.WriteNew(path, append(text, '\n'))
}

func recoveryKey(_ context.Context, p *program, args []string) error {
	if err := p.parse(args, 2); err != nil {
		return err
	}
	path := p.flags.Arg(1)
	switch p.flags.Arg(0) {
	case "new":
		if err := writeKey(path); err != nil {
			return err
		}
	case "public":
	default:
		return misuse("%q is neither new nor public", p.flags.Arg(0))
	}
	text, err := secret.ReadFile(path)
	if err != nil {
		return err
	}
	private, err := secret.Key32(text)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	defer clear(private)
	public, err := k8senc.RecoveryPublicKey(private)
	if err != nil {
		return err
	}
	fmt.Fprintln(p.out, base64.StdEncoding.EncodeToString(public))
	if p.flags.Arg(0) == "new" {
		fmt.Fprintf(p.err, "%s opens every object and every backup, alone and without any KMS: take it off this machine.\n"+
			"The line above is its public key, for recoveryKeys in the configuration.\n", path)
	}
	return nil
}
