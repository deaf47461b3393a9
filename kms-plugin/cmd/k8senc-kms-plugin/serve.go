package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"runtime/debug"
	"slices"
	"time"

	k8senc "github.com/k8senc/k8senc/bindings-c/go"

	"github.com/k8senc/k8senc/kms-plugin/daemon"
	"github.com/k8senc/k8senc/kms-plugin/kek"
	"github.com/k8senc/k8senc/kms-plugin/keyset"
)

func serve(ctx context.Context, p *program, args []string) error {
	file := p.flags.String("config", defaultConfig, "the configuration `FILE`")
	if err := p.parse(args, 0); err != nil {
		return err
	}
	if os.Getenv("GOGC") == "" {
		// There is little that lives long, so that half as many collections cost a few MiB.
		debug.SetGCPercent(200)
	}
	one := &daemon.Daemon{File: *file, Backends: backends(), Version: version(), Log: p.err}
	return one.Run(ctx)
}

func checkConfig(ctx context.Context, p *program, args []string) error {
	file := p.flags.String("config", defaultConfig, "the configuration `FILE`")
	open := p.flags.Bool("open", false, "also read the secrets of this machine that it names")
	live := p.flags.Bool("live", false, "also ask each KMS for its current version")
	if err := p.parse(args, 0); err != nil {
		return err
	}
	c, _, err := daemon.Read(*file, backends())
	if err != nil {
		return err
	}
	if *open || *live {
		parts, err := daemon.Open(c, backends(), quiet())
		if err != nil {
			return err
		}
		defer parts.Close()
		if *live {
			versions, err := current(ctx, p.out, parts)
			if err != nil {
				return err
			}
			set, err := planned(parts, versions)
			if err != nil {
				return err
			}
			defer set.Close()
			fmt.Fprintf(p.out, "key_id %s\nrecords of at most %d bytes; 1023 are possible\n", set.KeyID, set.MaxRecordLen)
		}
	}
	active := slices.DeleteFunc(slices.Clone(c.Keys), func(k configKey) bool { return k.Retired })
	fmt.Fprintf(p.out, "%s: no problem; %d keys wrap, %d only open, %d recovery keys\n", *file, len(active), len(c.Keys)-len(active), len(c.RecoveryKeys))
	return nil
}

func quiet() *slog.Logger { return slog.New(slog.NewTextHandler(io.Discard, nil)) }

// current asks every key that wraps for its version, and waits for those that are just being opened.
func current(ctx context.Context, out io.Writer, parts *daemon.Parts) (map[uint8]kek.Version, error) {
	versions := map[uint8]kek.Version{}
	for _, key := range parts.Keys {
		if key.Retired {
			continue
		}
		version, err := patient(ctx, key)
		if err != nil {
			return nil, fmt.Errorf("%s (slot %d): %w", key.Name, key.Slot, err)
		}
		fmt.Fprintf(out, "slot %d  %-16s %s\n", key.Slot, key.Name, version.Name)
		versions[key.Slot] = version
	}
	return versions, nil
}

func patient(ctx context.Context, key keyset.Key) (version kek.Version, err error) {
	ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	for {
		if version, err = key.Backend.Current(ctx); err == nil || kek.ClassOf(err) != kek.Unavailable {
			return version, err
		}
		select {
		case <-ctx.Done():
			return version, err
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// planned is the set that the configuration makes with the versions that are current now.
func planned(parts *daemon.Parts, versions map[uint8]kek.Version) (*k8senc.Keyset, error) {
	var members []k8senc.Member
	for _, key := range parts.Keys {
		if key.Retired {
			continue
		}
		one := k8senc.Member{Slot: key.Slot}
		if held, ok := key.Backend.(interface{ Held() *k8senc.KEK }); ok {
			one.KEK = held.Held()
		} else {
			version := versions[key.Slot]
			one.Remote = &k8senc.RemoteKEK{Kind: k8senc.WrapKind(key.Backend.Kind()), Identity: version.Identity, WrapLen: version.WrapLen}
		}
		members = append(members, one)
	}
	for _, recipient := range parts.Options.Recipients {
		members = append(members, k8senc.Member{Slot: recipient.Slot, Recipient: recipient.PublicKey})
	}
	var set *k8senc.Keyset
	make := func(setKey []byte) (err error) {
		set, err = k8senc.NewKeyset(parts.Options.Cluster, parts.Options.Generation, members, setKey)
		return err
	}
	if parts.Options.SetKey != nil {
		return set, parts.Options.SetKey.Use(make)
	}
	err := make(nil)
	return set, err
}
