package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"go.opentelemetry.io/otel/trace"

	"github.com/k8senc/k8senc/kms-plugin/compat"
	"github.com/k8senc/k8senc/kms-plugin/config"
	"github.com/k8senc/k8senc/kms-plugin/kek"
	"github.com/k8senc/k8senc/kms-plugin/keyset"
	"github.com/k8senc/k8senc/kms-plugin/secret"
)

// Parts are what a configuration is turned into; Close ends all of them.
type Parts struct {
	Options keyset.Options
	Keys    []keyset.Key
	secrets []*secret.Bytes
}

// Open reads the secrets that a configuration names and opens its backends. What is on this machine must be there; a KMS may
// come later.
func Open(c *config.Config, backends Backends, log *slog.Logger) (parts *Parts, err error) {
	parts = &Parts{}
	defer func() {
		if err != nil {
			_ = parts.Close()
		}
	}()
	options := keyset.Options{
		Cluster: c.Cluster, Generation: c.Generation, MaxInFlight: c.Calls.MaxInFlight, Queue: c.Calls.Queue, Budget: c.Calls.Budget,
		HedgeAfter: c.Calls.HedgeAfter, CacheTTL: c.UnwrapCache.TTL, CacheEntries: c.UnwrapCache.Entries, KeepFor: c.OnOutage.KeepFor,
		StopOnRevocation: c.OnRevocation == config.Stop, Store: keyset.File(c.StateFile), Log: log,
	}
	if c.SetKey != nil {
		if options.SetKey, err = parts.secret("setKey", c.SetKey.SecretSource); err != nil {
			return parts, err
		}
		options.RequireMAC = c.SetKey.Require
	}
	for i, retired := range c.RetiredSetKeys {
		key, err := parts.secret(fmt.Sprintf("retiredSetKeys[%d]", i), retired)
		if err != nil {
			return parts, err
		}
		options.RetiredSetKeys = append(options.RetiredSetKeys, key)
	}
	for _, recovery := range c.RecoveryKeys {
		options.Recipients = append(options.Recipients, keyset.Recipient{Name: recovery.Name, Slot: recovery.Slot, PublicKey: recovery.PublicKey})
	}
	for _, one := range c.Compat {
		options.Compat = append(options.Compat, compat.Reader(one))
	}
	for i, key := range c.Keys {
		kind := backends[key.Backend]
		var opened kek.Backend
		if kind.Kind == kek.Local {
			if opened, err = kind.Open(context.Background(), key.Block); err != nil {
				return parts, fmt.Errorf("keys[%d] (%s): %w", i, key.Name, err)
			}
		} else {
			opened = openLazily(log, key.Name, kind, key.Block)
		}
		made := keyset.Key{Name: key.Name, Slot: key.Slot, Priority: key.Priority, Retired: key.Retired, Backend: opened}
		if owner, ok := key.Block.(kek.Owner); ok {
			made.Owns = owner.Owns
		}
		parts.Keys = append(parts.Keys, made)
	}
	parts.Options = options
	return parts, nil
}

func (p *Parts) secret(path string, source config.SecretSource) (*secret.Bytes, error) {
	read, from := secret.ReadFile, source.File
	if source.Credential != "" {
		read, from = secret.ReadCredential, source.Credential
	}
	text, err := read(from)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	key, err := secret.Key32(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %s: %w", path, from, err)
	}
	held, err := secret.Take(key)
	if err != nil {
		return nil, err
	}
	p.secrets = append(p.secrets, held)
	return held, nil
}

// Engine makes an engine of the parts.
func (p *Parts) Engine(recorder keyset.Recorder, traces trace.TracerProvider) (*keyset.Engine, error) {
	options := p.Options
	options.Recorder = recorder
	if traces != nil {
		options.Tracer = traces.Tracer("github.com/k8senc/k8senc/kms-plugin")
	}
	return keyset.New(options, p.Keys)
}

// Close wipes the secrets and closes the backends.
func (p *Parts) Close() error {
	var failures []error
	for _, key := range p.Keys {
		failures = append(failures, key.Backend.Close())
	}
	for _, held := range p.secrets {
		failures = append(failures, held.Close())
	}
	return errors.Join(failures...)
}
