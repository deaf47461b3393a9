package main

import (
	"context"
	"fmt"
	"os"
	"slices"

	"k8senc.dev/e2e/internal/stage"
)

// world is an etcd that a release filled with every format it can write.
type world struct {
	label  string
	etcd   *stage.Etcd
	all    []provider
	last   provider
	server *stage.Server
	client clients
	// wrappers are the KMS plugins by provider.
	wrappers map[string]wrapper
	// each is how many objects of a resource stand in each namespace.
	each int
	kms  []string
	// encryptsWidgets: releases before 1.26 have no encryption of custom resources.
	encryptsWidgets bool
}

// formats fills an etcd with the newest release, provider by provider, and asks k8senc for everything back.
func formats(ctx context.Context, r *run) error {
	plugin, err := r.startOurs(ctx, "formats-plugin")
	if err != nil {
		return err
	}
	defer plugin.process.Stop()
	client, err := clientOf(plugin.socket())
	if err != nil {
		return err
	}
	defer client.conn.Close()
	toy := provider{name: "toy-v2", kind: "kms-v2", endpoint: r.toy.Endpoint()}
	ours := provider{name: "k8senc-v2", kind: "kms-v2", endpoint: plugin.Endpoint()}
	w := &world{
		label: "new", all: append(slices.Clone(r.local), toy, ours), encryptsWidgets: true,
		wrappers: map[string]wrapper{"toy-v1": r.toy, toy.name: r.toy, ours.name: client},
		kms:      []string{"--kms", "toy-v1=" + r.toy.Endpoint(), "--kms", "toy-v2=" + toy.endpoint, "--kms", "k8senc-v2=" + ours.endpoint},
	}
	defer w.end()
	if err := r.fillWorld(ctx, w, false); err != nil {
		return err
	}
	if err := r.collect(ctx, w, r.release); err != nil {
		return err
	}
	if err := r.giveBack(ctx, w); err != nil {
		return err
	}
	return r.sealed(ctx, w)
}

// oldest does the same with the oldest release, and has the newest one serve what it wrote.
func oldest(ctx context.Context, r *run) error {
	if r.OldAPIServer == "" {
		r.Say("no old release was given: nothing is proven with one")
		return nil
	}
	w := &world{label: "old", all: r.local, wrappers: map[string]wrapper{"toy-v1": r.toy}, kms: []string{"--kms", "toy-v1=" + r.toy.Endpoint()}}
	defer w.end()
	if err := r.fillWorld(ctx, w, true); err != nil {
		return err
	}
	if err := r.collect(ctx, w, r.oldRelease); err != nil {
		return err
	}
	if err := r.giveBack(ctx, w); err != nil {
		return err
	}
	return r.serveOld(ctx, w)
}

func (w *world) end() {
	if w.server != nil {
		w.server.Stop()
	}
	if w.etcd != nil {
		w.etcd.Stop()
	}
}

// fillWorld starts a server with each provider as the one that writes; the last server stays.
func (r *run) fillWorld(ctx context.Context, w *world, old bool) error {
	var err error
	if w.etcd, err = r.etcd(ctx, w.label); err != nil {
		return err
	}
	for _, p := range w.all {
		path := r.Path("config", w.label+"-"+p.name+".yaml")
		if err := os.WriteFile(path, configuration(w.all, p.name), 0o600); err != nil {
			return err
		}
		if w.server != nil {
			w.server.Stop()
		}
		options := stage.ServerOptions{Name: w.label + "-" + p.name, Old: old, Etcd: w.etcd, Config: path, KMSv1: !old}
		if w.server, err = r.StartServer(ctx, options); err != nil {
			return err
		}
		if w.client, err = clientsOf(w.server); err != nil {
			return err
		}
		if err := w.client.defineWidgets(ctx); err != nil {
			return err
		}
		if w.each, err = w.client.fill(ctx, p.name); err != nil {
			return err
		}
		w.last = p
	}
	release := r.release
	if old {
		release = r.oldRelease
	}
	r.Say("kube-apiserver %s wrote with %d providers", release, len(w.all))
	return nil
}

func (w *world) configPath(r *run) string {
	return r.Path("config", w.label+"-"+w.last.name+".yaml")
}

// giveBack takes a snapshot, and holds what k8senc says of it against what was written and what the API says.
func (r *run) giveBack(ctx context.Context, w *world) error {
	snapshot, folder := r.Path(w.label+".db"), r.Path("recovered-"+w.label)
	before, err := w.etcd.Client.Get(ctx, "/")
	if err != nil {
		return err
	}
	if err := w.etcd.SaveSnapshot(ctx, snapshot); err != nil {
		return err
	}
	made, said, err := r.audit(ctx, snapshot, w.configPath(r), w.kms)
	if err != nil {
		return err
	}
	if made.Snapshot.Sha256.Status != "match" || said.code != 1 {
		return fmt.Errorf("k8senc audit ended with %d, hash %s: stale values and plaintext are there, so 1 is right", said.code, made.Snapshot.Sha256.Status)
	}
	if err := w.judge(made); err != nil {
		return fmt.Errorf("k8senc audit of %s: %w", snapshot, err)
	}
	release, step := r.release, "formats"
	if w.label == "old" {
		release, step = r.oldRelease, "oldest"
	}
	r.Add(step, "values of kube-apiserver "+release+" that k8senc audit judges as they were written", made.Totals.Live)
	entries, err := r.decryptAll(ctx, snapshot, w.configPath(r), folder, w.kms)
	if err != nil {
		return err
	}
	found, err := r.compare(ctx, w.client, folder, entries)
	if err != nil {
		return err
	}
	if err := faultsOf("k8senc decrypt of "+snapshot, found.faults); err != nil {
		return err
	}
	for resource := range found.changed {
		if resource != "leases.coordination.k8s.io" {
			return fmt.Errorf("%d %s changed since the snapshot at revision %d, which nobody should have done", found.changed[resource], resource, before.Header.Revision)
		}
	}
	written := 3 * len(w.all) * w.each
	if found.same < written {
		return fmt.Errorf("k8senc decrypt gave %d objects back, %d were written by the run alone", found.same, written)
	}
	r.Add(step, "objects of kube-apiserver "+release+" that k8senc decrypt gives back as the API does", found.same)
	return nil
}

// judge compares the audit's counts with what was written.
func (w *world) judge(made report) error {
	var faults []string
	expect := func(what string, found, wanted int) {
		if found != wanted {
			faults = append(faults, fmt.Sprintf("%s: %d, %d is right", what, found, wanted))
		}
	}
	for _, p := range w.all {
		key := p.name
		if p.kind == "identity" {
			key = ""
		}
		expect("secrets under "+p.name, made.live("secrets", p.kind, key), w.each)
		if w.encryptsWidgets {
			expect("widgets under "+p.name, made.live("widgets.e2e.k8senc.dev", p.kind, key), w.each)
		}
		if found := made.live("configmaps", p.kind, key); found < w.each {
			faults = append(faults, fmt.Sprintf("configmaps under %s: %d, at least %d is right", p.name, found, w.each))
		}
	}
	if !w.encryptsWidgets {
		expect("widgets in plaintext", made.live("widgets.e2e.k8senc.dev", "identity", ""), w.each*len(w.all))
	}
	fresh := w.each
	if w.label == "old" {
		// 1.24 is the last release whose KMS v1 bodies are CBC: newer ones read them, and call them stale.
		fresh = 0
		for _, g := range made.Groups {
			if g.Resource == "secrets" && g.Provider == "kms-v1" {
				expect("secrets whose KMS v1 body is of the old kind", g.StaleWhy["legacy-body"], w.each)
			}
		}
	}
	for _, one := range made.Resources {
		if one.Resource == "secrets" {
			expect("stale secrets", one.Stale, w.each*len(w.all)-fresh)
			expect("exposed secrets", one.Exposed, w.each)
		}
	}
	expect("unreadable values", made.Totals.Unreadable, 0)
	expect("undecided values", made.Totals.Undecided, 0)
	expect("values of another name", made.Totals.Moved, 0)
	expect("values of unknown staleness", made.Totals.StaleUnknown, 0)
	return faultsOf("counts", faults)
}
