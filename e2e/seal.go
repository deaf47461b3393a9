package main

import (
	"bufio"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"

	k8senc "github.com/k8senc/k8senc/bindings-c/go"
)

// hexBytes are hex in JSON.
type hexBytes []byte

func (b hexBytes) MarshalJSON() ([]byte, error) { return json.Marshal(hex.EncodeToString(b)) }

func (b *hexBytes) UnmarshalJSON(text []byte) error {
	var digits string
	if err := json.Unmarshal(text, &digits); err != nil {
		return err
	}
	var err error
	*b, err = hex.DecodeString(digits)
	return err
}

// plain is a value to seal.
type plain struct {
	Resource  string   `json:"resource"`
	Key       string   `json:"key"`
	Plaintext hexBytes `json:"plaintext"`
}

// job is what a sealer is asked.
type job struct {
	Package string `json:"package,omitempty"`
	// Chromium is whether JavaScript runs there.
	Chromium bool                 `json:"chromium,omitempty"`
	Config   string               `json:"config"`
	KMS      map[string][2]string `json:"kms"`
	Values   []plain              `json:"values"`
}

// wrapper is a KMS plugin, as far as a sealer needs it: it wraps a DEK or seed, and unwraps it.
type wrapper interface {
	Seal(plaintext []byte) (sealed []byte, keyID string, err error)
	Unwrap(sealed []byte, keyID string) ([]byte, error)
}

// sealer is one of our libraries.
type sealer struct {
	// short is part of the names of what it seals.
	name, short string
	seal        func(context.Context, *run, wrapper, job) ([][]byte, error)
}

var sealers = []sealer{
	{"Python package", "python", sealByPython},
	{"Go package", "go", sealByGo},
	{"JavaScript package in Node.js", "node", sealInNode},
	{"JavaScript package in Chromium", "chromium", sealInChromium},
}

func sealByPython(ctx context.Context, r *run, _ wrapper, j job) ([][]byte, error) {
	text, err := json.Marshal(j)
	if err != nil {
		return nil, err
	}
	said, err := command(ctx, string(text), r.tools.python, filepath.Join(r.tools.source, "e2e", "seal.py"))
	if err != nil {
		return nil, err
	}
	if said.code != 0 {
		return nil, fmt.Errorf("seal.py ended with %d: %s", said.code, said.stderr)
	}
	var all [][]byte
	for line := range strings.Lines(said.stdout) {
		value, err := hex.DecodeString(strings.TrimSpace(line))
		if err != nil {
			return nil, err
		}
		all = append(all, value)
	}
	return all, nil
}

func sealByGo(_ context.Context, _ *run, plugin wrapper, j job) ([][]byte, error) {
	config, err := k8senc.ParseConfig([]byte(j.Config), k8senc.ConfigOptions{})
	if err != nil {
		return nil, err
	}
	defer config.Close()
	var version string
	for _, one := range j.KMS {
		version = one[1]
	}
	var all [][]byte
	for _, value := range j.Values {
		sealed, err := sealOneByGo(config, plugin, version, value)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", value.Key, err)
		}
		all = append(all, sealed)
	}
	return all, nil
}

func sealOneByGo(config *k8senc.Config, plugin wrapper, version string, value plain) ([]byte, error) {
	chain, err := config.Chain(value.Resource)
	if err != nil {
		return nil, err
	}
	defer chain.Close()
	var key *k8senc.WriteKey
	if version != "" {
		seed := make([]byte, 32)
		if _, err := rand.Read(seed); err != nil {
			return nil, err
		}
		encrypted, keyID, err := plugin.Seal(seed)
		if err != nil {
			return nil, err
		}
		if version == "v1" {
			key, err = k8senc.NewKMSv1Key(seed, encrypted)
		} else {
			key, err = k8senc.NewSeedKey(seed, k8senc.EncryptAnswer{Ciphertext: encrypted, KeyID: keyID})
		}
		if err != nil {
			return nil, err
		}
		defer key.Close()
	}
	return chain.Seal(key, value.Plaintext, []byte(value.Key))
}

func sealInNode(ctx context.Context, r *run, plugin wrapper, j job) ([][]byte, error) {
	return sealByJavaScript(ctx, r, plugin, j)
}

func sealInChromium(ctx context.Context, r *run, plugin wrapper, j job) ([][]byte, error) {
	j.Chromium = true
	return sealByJavaScript(ctx, r, plugin, j)
}

func sealByJavaScript(ctx context.Context, r *run, plugin wrapper, j job) ([][]byte, error) {
	j.Package = filepath.Join(r.tools.source, "bindings-wasm")
	cmd := exec.CommandContext(ctx, r.tools.node, filepath.Join(r.tools.source, "e2e", "seal.mjs"))
	diagnostics := &strings.Builder{}
	cmd.Stderr = diagnostics
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	say := json.NewEncoder(in)
	if err := say.Encode(j); err != nil {
		return nil, err
	}
	var all [][]byte
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		var said struct {
			Encrypt hexBytes
			Sealed  []hexBytes
			Browser string
		}
		if err := json.Unmarshal(lines.Bytes(), &said); err != nil {
			return nil, fmt.Errorf("seal.mjs: %w", err)
		}
		for _, value := range said.Sealed {
			all = append(all, value)
		}
		if said.Browser != "" {
			r.browser = said.Browser
		}
		if said.Encrypt == nil {
			continue
		}
		encrypted, keyID, err := plugin.Seal(said.Encrypt)
		if err != nil {
			return nil, err
		}
		if err := say.Encode(map[string]any{"ciphertext": hexBytes(encrypted), "keyId": keyID}); err != nil {
			return nil, err
		}
	}
	if err := cmd.Wait(); err != nil {
		return nil, fmt.Errorf("seal.mjs: %w: %s", err, diagnostics)
	}
	return all, nil
}
