package apiservertest

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/k8senc/k8senc/kms-plugin/internal/clustertest"
)

const secretObject = `{"kind":"Secret","apiVersion":"v1","metadata":{"name":"a","namespace":"default"},"data":{"password":"aHVudGVyMg=="}}`

// command is the Python package's, which make test-kms-plugin builds.
func command(t *testing.T, args ...string) (out, errs string, err error) {
	t.Helper()
	program := os.Getenv("K8SENC_TEST_COMMAND")
	if program == "" {
		program = filepath.Join("..", "..", ".venv", "bin", "k8senc")
	}
	if _, err := os.Stat(program); err != nil {
		t.Fatalf("%v: scripts/python-env makes it", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	run := exec.CommandContext(ctx, program, args...)
	var stdout, stderr strings.Builder
	run.Stdout, run.Stderr = &stdout, &stderr
	err = run.Run()
	return stdout.String(), stderr.String(), err
}

// What kube-apiserver has just written through the plugin under three KMSs is read by the command with the recovery key, when there is
// neither plugin nor KMS any more.
func TestTheCommandReadsWithTheRecoveryKeyAlone(t *testing.T) {
	p := newPlugin(t, threeAndRecovery(t)).start()
	stored := p.Apiserver().Writes(secretObject)
	p.Stop()

	room := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(room, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	config := write("encryption.yaml", fmt.Sprintf(`apiVersion: apiserver.config.k8s.io/v1
kind: EncryptionConfiguration
resources:
- resources: [secrets]
  providers:
  - kms: {apiVersion: v2, name: %s, endpoint: "unix://%s/none.sock"}
`, clustertest.Provider, room))
	value, key := write("value", string(stored)), write("recovery.key", recoveryPrivate)
	args := func(cluster string) []string {
		return []string{"decrypt", "--value", value, "--etcd-key", string(clustertest.Place), "-c", config, "--recovery-key", "file:" + key, "--cluster-label", cluster, "--format", "json"}
	}
	out, errs, err := command(t, args("test-1")...)
	if err != nil || !strings.Contains(out, `"aHVudGVyMg=="`) {
		t.Fatalf("%v\n%s\n%s", err, out, errs)
	}
	if strings.Contains(errs, recoveryPrivate) || strings.Contains(out, recoveryPrivate) {
		t.Error("the recovery key is in the output")
	}
	if out, errs, err := command(t, args("test-2")...); err == nil || strings.Contains(out, "aHVudGVyMg") {
		t.Fatalf("another cluster's label opens it: %s %s", out, errs)
	}
}
