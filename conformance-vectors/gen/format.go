package main

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"unicode/utf8"
)

// formatVersion is the "format" field of every file; loaders refuse any other.
const formatVersion = 1

// Manifest lists every suite file with its number of cases.
type Manifest struct {
	Format int                      `json:"format"`
	Source map[string]string        `json:"source"`
	Suites map[string]ManifestSuite `json:"suites"`
	Total  int                      `json:"total"`
}

// ManifestSuite is one line of the manifest.
type ManifestSuite struct {
	File  string `json:"file"`
	Kind  string `json:"kind"`
	Cases int    `json:"cases"`
}

// SuiteFile is one vector file; Cases holds one type only, named by Kind.
type SuiteFile struct {
	Format int               `json:"format"`
	Suite  string            `json:"suite"`
	Kind   string            `json:"kind"`
	Source map[string]string `json:"source"`
	Cases  []any             `json:"cases"`
}

// ReadCase asks what one stored value opens to.
type ReadCase struct {
	ID         string             `json:"id"`
	Why        string             `json:"why"`
	Config     string             `json:"config"`
	Resource   string             `json:"resource"`
	EtcdKey    *string            `json:"etcdKey,omitempty"`
	EtcdKeyHex *string            `json:"etcdKeyHex,omitempty"`
	Stored     string             `json:"stored"`
	KMS        map[string]KMSSide `json:"kms,omitempty"`
	Expect     ReadExpect         `json:"expect"`
}

// KMSSide is what one plugin says while a value is read.
type KMSSide struct {
	APIVersion string      `json:"apiVersion"`
	Status     *KMSStatus  `json:"status,omitempty"`
	Never      bool        `json:"neverHealthy,omitempty"`
	Answers    []KMSAnswer `json:"answers"`
}

// KMSStatus is the KMS v2 state an API server holds for a plugin.
type KMSStatus struct {
	KeyID    string `json:"keyId"`
	UsesSeed bool   `json:"usesSeed"`
}

// KMSAnswer is one Decrypt call with its answer: a DEK (or seed), or a refusal.
type KMSAnswer struct {
	Ciphertext  string            `json:"ciphertext"`
	KeyID       *string           `json:"keyId,omitempty"`
	Annotations map[string]string `json:"annotations,omitempty"`
	DEK         *string           `json:"dek,omitempty"`
	Error       *string           `json:"error,omitempty"`
}

// ReadExpect is what the real code did.
type ReadExpect struct {
	Result         string   `json:"result"`
	Plaintext      *string  `json:"plaintext,omitempty"`
	Stale          *bool    `json:"stale,omitempty"`
	Upstream       string   `json:"upstream,omitempty"`
	Compare        string   `json:"compare,omitempty"`
	UpstreamPrefix string   `json:"upstreamPrefix,omitempty"`
	UpstreamParts  []string `json:"upstreamParts,omitempty"`
}

// MarshalJSON writes "status": null for a plugin that was never healthy.
func (k KMSSide) MarshalJSON() ([]byte, error) {
	m := struct {
		APIVersion string      `json:"apiVersion"`
		Status     any         `json:"status,omitempty"`
		Answers    []KMSAnswer `json:"answers"`
	}{APIVersion: k.APIVersion, Answers: k.Answers}
	if k.Status != nil {
		m.Status = k.Status
	}
	if k.Never {
		m.Status = json.RawMessage("null")
	}
	if m.Answers == nil {
		m.Answers = []KMSAnswer{}
	}
	return encode(m)
}

func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimRight(b.Bytes(), "\n"), nil
}

// writeJSON writes v with one space of indent and a final newline.
func writeJSON(path string, v any) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	raw, err := encode(v)
	if err != nil {
		return err
	}
	var b bytes.Buffer
	if err := json.Indent(&b, raw, "", " "); err != nil {
		return err
	}
	b.WriteByte('\n')
	return os.WriteFile(path, b.Bytes(), 0o644)
}

func hexed(b []byte) *string { s := hex.EncodeToString(b); return &s }

// keyFields splits an etcd key into its text or hex field.
func keyFields(key []byte) (text, hexText *string) {
	if utf8.Valid(key) {
		s := string(key)
		return &s, nil
	}
	return nil, hexed(key)
}

// Suite collects the cases of one file.
type Suite struct {
	name, kind, program string
	cases               []any
	ids                 map[string]bool
}

func (s *Suite) add(id string, c any) {
	if s.ids[id] {
		fatal("%s: case id %q used twice", s.name, id)
	}
	s.ids[id] = true
	s.cases = append(s.cases, c)
}

func fatal(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "gen: "+format+"\n", args...)
	os.Exit(1)
}
