package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

const migrated = 500

var migrations = schema.GroupVersionResource{Group: "storagemigration.k8s.io", Version: "v1", Resource: "storageversionmigrations"}

// migration has `k8senc reencrypt` rewrite through a StorageVersionMigration, which the controller of the real
// kube-controller-manager carries out while a client reads and writes.
func migration(ctx context.Context, r *run) error {
	identity := provider{name: "identity", kind: "identity"}
	one, two := localProvider("aescbc", 32), localProvider("secretbox", 32)
	p, err := r.newPair(ctx, "migration", false, configFor([]string{"secrets"}, one, two, identity))
	if err != nil {
		return err
	}
	defer p.end()
	if err := createMany(ctx, p.members[0].client, "migrated", migrated, 200); err != nil {
		return err
	}
	for _, m := range p.members {
		if err := p.takes(ctx, m, configFor([]string{"secrets"}, two, one, identity)); err != nil {
			return err
		}
	}
	before, err := digests(ctx, p.members[1].client, "migrated")
	if err != nil {
		return err
	}
	kubeconfig := p.Path("kubeconfig-migration")
	if err := p.members[0].server.Kubeconfig(kubeconfig); err != nil {
		return err
	}
	// The migrator takes the garbage collector's caches; without that controller it crashes.
	controllers, err := r.Start("controllers", r.tools.controllers, "--kubeconfig="+kubeconfig,
		"--controllers=storage-version-migrator-controller,garbage-collector-controller", "--leader-elect=false", "--secure-port=0")
	if err != nil {
		return err
	}
	defer controllers.Stop()
	// A StorageVersionMigration whose controller is gone stays at Running, and would be followed for ever.
	following, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	go func() {
		<-controllers.Done()
		cancel()
	}()
	l := underLoad(ctx, p)
	begin := time.Now()
	said, err := r.k8senc(following, "reencrypt", "--config", p.members[0].path, "--kubeconfig", kubeconfig, "--by", "migration", "--settled",
		"--journal", p.Path("migration.journal"), "--server", p.members[0].server.URL(), "--server", p.members[1].server.URL())
	took := time.Since(begin)
	reads, writes, failed := l.end()
	if err := errors.Join(err, failed); err != nil {
		return fmt.Errorf("%w; see %s", err, controllers.Log)
	}
	if said.code != 0 {
		return fmt.Errorf("k8senc reencrypt ended with %d: %s%s; see %s", said.code, said.stdout, said.stderr, controllers.Log)
	}
	made, err := p.members[0].client.dynamic.Resource(migrations).List(ctx, metav1.ListOptions{})
	if err != nil {
		return err
	}
	if len(made.Items) != 1 || !succeeded(made.Items[0]) {
		return fmt.Errorf("one StorageVersionMigration that succeeded is right, there are %d: %v", len(made.Items), made.Items)
	}
	if err := p.verify(ctx, "migrated", false); err != nil {
		return err
	}
	after, err := digests(ctx, p.members[1].client, "migrated")
	if err != nil {
		return err
	}
	for name, digest := range before {
		if after[name] != digest {
			return fmt.Errorf("secret migrated/%s is not what it was", name)
		}
	}
	r.Say("the controller rewrote in %s: %s", took.Round(time.Second), strings.TrimSpace(said.stdout))
	r.Add("migration", "StorageVersionMigrations of k8senc reencrypt that the real controller carried out", 1)
	r.Add("migration", "secrets that are rewritten after that, none stale, each as it was", len(after))
	r.Add("migration", "requests meanwhile, none failed", reads+writes)
	return nil
}

func succeeded(one unstructured.Unstructured) bool {
	conditions, _, _ := unstructured.NestedSlice(one.Object, "status", "conditions")
	for _, each := range conditions {
		condition, _ := each.(map[string]any)
		if condition["type"] == "Succeeded" && condition["status"] == "True" {
			return true
		}
	}
	return false
}
