// Package config reads the plugin's one configuration file: strictly, and with a place and a hint for everything that is wrong.
package config

import (
	"encoding/base64"
	"fmt"
	"time"

	"github.com/k8senc/k8senc/kms-plugin/kek"
)

// Config is the whole file. docs/kms-plugin.md explains every option.
type Config struct {
	Cluster        string         `yaml:"cluster"`
	Generation     uint64         `yaml:"generation"`
	Socket         Socket         `yaml:"socket"`
	StateFile      string         `yaml:"stateFile"`
	Keys           []Key          `yaml:"keys"`
	RecoveryKeys   []RecoveryKey  `yaml:"recoveryKeys"`
	SetKey         *SetKey        `yaml:"setKey"`
	RetiredSetKeys []SecretSource `yaml:"retiredSetKeys"`
	OnOutage       OnOutage       `yaml:"onOutage"`
	OnRevocation   Revocation     `yaml:"onRevocation"`
	UnwrapCache    UnwrapCache    `yaml:"unwrapCache"`
	Calls          Calls          `yaml:"calls"`
	Observe        Observe        `yaml:"observe"`
	Compat         []Compat       `yaml:"compat"`
}

// Socket is where kube-apiserver calls.
type Socket struct {
	Path string `yaml:"path"`
	// AllowAbstract takes a path that begins with @; then only PeerUIDs may call.
	AllowAbstract bool     `yaml:"allowAbstract"`
	PeerUIDs      []uint32 `yaml:"peerUIDs"`
}

// Key is one KEK. Its slot is its number in the records of this cluster for ever.
type Key struct {
	Name     string
	Slot     uint8
	Priority int
	// Retired keys open what was written with them and wrap nothing any more.
	Retired bool
	// Backend is the name of the block, as "vault", and Block what it holds.
	Backend string
	Block   kek.Validator
}

// RecoveryKey is an offline recovery recipient.
type RecoveryKey struct {
	Name      string    `yaml:"name"`
	Slot      uint8     `yaml:"slot"`
	PublicKey PublicKey `yaml:"publicKey"`
}

// PublicKey is an X25519 public key of 32 bytes, in base64 in the file.
type PublicKey []byte

// UnmarshalText takes standard base64 of 32 bytes.
func (k *PublicKey) UnmarshalText(text []byte) error {
	key, err := base64.StdEncoding.DecodeString(string(text))
	if err != nil || len(key) != 32 {
		return fmt.Errorf("%q is no public key: the base64 of 32 bytes is needed, as k8senc-kms-plugin recovery-key new prints it", text)
	}
	*k = key
	return nil
}

// SecretSource is where 32 secret bytes are: exactly one field is set.
type SecretSource struct {
	File       string `yaml:"file"`
	Credential string `yaml:"credential"`
}

// SetKey is the key of the set's MAC (docs/keyset.md).
type SetKey struct {
	SecretSource `yaml:",inline"`
	// Require refuses records without a MAC, whatever wraps they have.
	Require bool `yaml:"require"`
}

// OnOutage says what happens while no KMS answers.
type OnOutage struct {
	// KeepFor is how long Status keeps its key_id, so that writes go on.
	KeepFor time.Duration `yaml:"keepFor"`
}

// Revocation says what happens when every KMS says that its key is denied, disabled or deleted.
type Revocation string

// Rules for revocation.
const (
	Stop Revocation = "stop"
	Keep Revocation = "keep"
)

// UnmarshalText takes stop and keep.
func (r *Revocation) UnmarshalText(text []byte) error {
	switch Revocation(text) {
	case Stop, Keep:
		*r = Revocation(text)
		return nil
	}
	return fmt.Errorf("%q is here, stop or keep is needed", text)
}

// UnwrapCache holds unwrapped wrap keys, so that a crashed kube-apiserver can read during an outage.
type UnwrapCache struct {
	TTL     time.Duration `yaml:"ttl"`
	Entries int           `yaml:"entries"`
}

// Calls bounds what goes to a KMS.
type Calls struct {
	MaxInFlight int           `yaml:"maxInFlight"`
	Queue       int           `yaml:"queue"`
	Budget      time.Duration `yaml:"budget"`
	HedgeAfter  time.Duration `yaml:"hedgeAfter"`
}

// Observe is what others see of the plugin.
type Observe struct {
	Listen   string  `yaml:"listen"`
	LogLevel Level   `yaml:"logLevel"`
	Tracing  Tracing `yaml:"tracing"`
}

// Level is a level of the log.
type Level string

// UnmarshalText takes debug, info, warn and error.
func (l *Level) UnmarshalText(text []byte) error {
	switch string(text) {
	case "debug", "info", "warn", "error":
		*l = Level(text)
		return nil
	}
	return fmt.Errorf("%q is here, debug, info, warn or error is needed", text)
}

// Tracing sends OpenTelemetry traces; none without an endpoint.
type Tracing struct {
	// Endpoint is host:port of an OTLP receiver over gRPC.
	Endpoint string  `yaml:"endpoint"`
	Insecure bool    `yaml:"insecure"`
	Sample   float64 `yaml:"sample"`
}

// Compat reads what another plugin wrote under the same provider name.
type Compat struct {
	// Plugin is the name of the other plugin, as k8senc inspect says it.
	Plugin string `yaml:"plugin"`
	// Slot is that of the key in keys that decrypts.
	Slot uint8 `yaml:"slot"`
	// EncryptionContext is the one of aws-encryption-provider.
	EncryptionContext map[string]string `yaml:"encryptionContext"`
	// OpenBao are the labels of openbao-kubernetes-kms.
	OpenBao *OpenBaoLabels `yaml:"openbao"`
}

// OpenBaoLabels is what openbao-kubernetes-kms was configured with.
type OpenBaoLabels struct {
	ProviderName string `yaml:"providerName"`
	ClusterID    string `yaml:"clusterID"`
	InstanceID   string `yaml:"instanceID"`
	Namespace    string `yaml:"namespace"`
}

// Defaults of what a file leaves out.
func defaults() Config {
	return Config{
		Generation:   1,
		Socket:       Socket{Path: "/run/k8senc-kms-plugin/kms.sock", PeerUIDs: []uint32{0}},
		StateFile:    "/var/lib/k8senc-kms-plugin/state.json",
		OnOutage:     OnOutage{KeepFor: 24 * time.Hour},
		OnRevocation: Stop,
		UnwrapCache:  UnwrapCache{Entries: 512},
		Calls:        Calls{MaxInFlight: 8, Queue: 256, Budget: 2500 * time.Millisecond, HedgeAfter: 150 * time.Millisecond},
		Observe:      Observe{Listen: "127.0.0.1:9464", LogLevel: "info", Tracing: Tracing{Sample: 1}},
	}
}
