package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"
)

// podWithFileMount is a static pod whose configuration is mounted as a single file.
const podWithFileMount = `apiVersion: v1
kind: Pod
metadata: {name: kube-apiserver, namespace: kube-system}
spec:
  containers:
    - name: kube-apiserver
      image: registry.k8s.io/kube-apiserver:v1.37.2
      command:
        - kube-apiserver
        - --encryption-provider-config=/etc/kubernetes/enc.yaml
        - --encryption-provider-config-automatic-reload=true
      volumeMounts: [{name: enc, mountPath: /etc/kubernetes/enc.yaml, readOnly: true}]
  volumes: [{name: enc, hostPath: {path: %s, type: File}}]
`

// fileMount starts a server with automatic reload whose configuration is a single-file bind mount, in a mount namespace of
// its own, and looks whether a renamed file is taken: rule K8M007 says that it is not.
func fileMount(ctx context.Context, r *run) error {
	box, identity := localProvider("secretbox", 32), provider{name: "identity", kind: "identity"}
	first, second := configOf(box, identity), configOf(identity, box)
	host := r.Path("config", "on-the-host.yaml")
	manifest := r.Path("config", "kube-apiserver.yaml")
	if err := os.WriteFile(host, first, 0o600); err != nil {
		return err
	}
	if err := os.WriteFile(manifest, fmt.Appendf(nil, podWithFileMount, host), 0o600); err != nil {
		return err
	}
	said, err := r.k8senc(ctx, "lint", manifest, "--format", "json")
	if err != nil {
		return err
	}
	if !strings.Contains(said.stdout, "K8M007") {
		return fmt.Errorf("k8senc lint does not see the file mount: %s%s", said.stdout, said.stderr)
	}
	namespace := "-m"
	if os.Geteuid() != 0 {
		namespace = "-Urm"
	}
	p := &pair{run: r, name: "mount", reload: true}
	p.before = func(path string) []string {
		return []string{"unshare", namespace, "sh", "-c", `mount --bind "$1" "$2" && shift 2 && exec "$@"`, "sh", host, path}
	}
	if err := p.begin(ctx, first); err != nil {
		return err
	}
	defer p.end()
	a := p.members[0]
	if err := p.waitForHash(ctx, a, first); err != nil {
		return err
	}
	if err := replaceFile(host, second); err != nil {
		return err
	}
	// The file is looked at once a minute.
	wait(ctx, 150*time.Second)
	if hash, err := a.configHash(ctx); err != nil || hash != hashOf(first) {
		return fmt.Errorf("a file that was renamed over a mounted one was taken: %s, %w", hash, err)
	}
	r.Add("rotation", "single-file bind mounts whose renamed file a reload does not see, as rule K8M007 says", 1)
	// Written in place, by the name that the server has for it, it is.
	inside := fmt.Sprintf("/proc/%d/root%s", a.server.PID(), a.path)
	if err := os.WriteFile(inside, second, 0o600); err != nil {
		return err
	}
	if err := p.waitForHash(ctx, a, second); err != nil {
		return err
	}
	// A restart mounts again, and has the newest file.
	third := configOf(box, identity, localProvider("aesgcm", 32))
	if err := replaceFile(host, third); err != nil {
		return err
	}
	b := p.members[1]
	if err := p.restarts(ctx, b); err != nil {
		return err
	}
	return p.waitForHash(ctx, b, third)
}
