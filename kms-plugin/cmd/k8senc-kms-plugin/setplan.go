package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/k8senc/k8senc/kms-plugin/daemon"
	"github.com/k8senc/k8senc/kms-plugin/keyset"
)

// report is what a plan needs of `k8senc audit --format json`.
type report struct {
	Format int    `json:"format"`
	Kind   string `json:"kind"`
	Groups []struct {
		Resource string `json:"resource"`
		Provider string `json:"provider"`
		Key      string `json:"key"`
		KeyID    string `json:"keyId"`
		Live     uint64 `json:"live"`
		History  uint64 `json:"history"`
	} `json:"groups"`
}

func setPlan(ctx context.Context, p *program, args []string) error {
	file := p.flags.String("config", "", "the new configuration `FILE`")
	audit := p.flags.String("audit", "", "what k8senc audit --format json wrote, as a `FILE`: then objects are counted")
	if err := p.parse(args, 0); err != nil {
		return err
	}
	if *file == "" {
		return misuse("--config is missing")
	}
	c, _, err := daemon.Read(*file, backends())
	if err != nil {
		return err
	}
	parts, err := daemon.Open(c, backends(), quiet())
	if err != nil {
		return err
	}
	defer parts.Close()
	state, err := keyset.File(c.StateFile).Load()
	if err != nil {
		return err
	}
	misplaced, err := state.Misplaced(parts.Keys)
	if err != nil {
		return err
	}
	if len(misplaced) > 0 {
		return errors.New(strings.Join(slices.Sorted(maps.Values(misplaced)), "; "))
	}
	versions, err := current(ctx, p.out, parts)
	if err != nil {
		return err
	}
	set, err := planned(parts, versions)
	if err != nil {
		return err
	}
	defer set.Close()
	now := ""
	if state != nil {
		now = state.KeyID
	}
	fmt.Fprintf(p.out, "key_id now    %s\nkey_id then   %s\nrecord        at most %d bytes (1023 are possible); every object stores one\n", orUnknown(now), set.KeyID, set.MaxRecordLen)
	if state != nil && state.IsRetired(set.KeyID) {
		return fmt.Errorf("this key_id was in use and left: raise generation above %d, because kube-apiserver takes no key_id twice", c.Generation)
	}
	if now == set.KeyID {
		fmt.Fprintln(p.out, "the key_id stays: nothing has to be rewritten")
		return nil
	}
	if *audit == "" {
		fmt.Fprintln(p.out, "every object of this provider becomes stale and has to be rewritten; to count them give --audit (k8senc audit SNAPSHOT --format json)")
		return nil
	}
	return count(p, *audit, set.KeyID)
}

func orUnknown(keyID string) string {
	if keyID == "" {
		return "none in the state file yet"
	}
	return keyID
}

func count(p *program, file, keyID string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	var found report
	if err := json.Unmarshal(text, &found); err != nil || found.Kind != "k8senc-audit" || found.Format != 1 {
		return fmt.Errorf("%s is no report of k8senc audit --format json in format 1", file)
	}
	var live, history uint64
	for _, group := range found.Groups {
		if group.Provider != "kms-v2" {
			continue
		}
		// Older revisions keep their wraps until etcd is compacted, so a key may go only after that.
		history += group.History
		if group.KeyID != keyID && group.Live > 0 {
			live += group.Live
			fmt.Fprintf(p.out, "rewrite       %8d  %s, written by provider %s under %s\n", group.Live, group.Resource, group.Key, group.KeyID)
		}
	}
	fmt.Fprintf(p.out, "rewrite       %8d  objects in all; %d older revisions go with the next compaction\n", live, history)
	return nil
}
