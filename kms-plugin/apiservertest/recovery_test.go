package apiservertest

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"k8s.io/apiserver/pkg/storage/value"
	kmstypes "k8s.io/apiserver/pkg/storage/value/encrypt/envelope/kmsv2/v2"

	k8senc "github.com/k8senc/k8senc/bindings-c/go"

	"github.com/k8senc/k8senc/kms-plugin/internal/clustertest"
	"github.com/k8senc/k8senc/kms-plugin/kek"
)

// sample is a value that kube-apiserver wrote through the plugin under three KMSs and a recovery key. The tests of the Python package
// open it without any KMS. With K8SENC_WRITE_SAMPLE set this test makes it anew.
type sample struct {
	Cluster     string `json:"cluster"`
	EtcdKey     string `json:"etcdKey"`
	Stored      string `json:"stored"`
	KeyID       string `json:"keyId"`
	RecoveryKey string `json:"recoveryKey"`
	Plaintext   string `json:"plaintext"`
}

const sampleFile = "testdata/three-wraps.json"

// A key of the tests and of nothing else: the one of RFC 9180, appendix A.
const recoveryPrivate = "497b4502664cfea5d5af0b39934dac72242a74f8480451e1aee7d6a53320333d"

func threeAndRecovery(t *testing.T) string {
	t.Helper()
	private, err := hex.DecodeString(recoveryPrivate)
	if err != nil {
		t.Fatal(err)
	}
	public, err := k8senc.RecoveryPublicKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return three + "recoveryKeys:\n  - {name: offline, slot: 200, publicKey: " + base64.StdEncoding.EncodeToString(public) + "}\n"
}

// object is the stored value's protobuf, without what stands before it.
func object(t *testing.T, stored []byte) *kmstypes.EncryptedObject {
	t.Helper()
	at := strings.Index(string(stored), "kms:v2:k8senc:")
	if at < 0 {
		t.Fatalf("%q", stored[:min(len(stored), 40)])
	}
	var found kmstypes.EncryptedObject
	if err := proto.Unmarshal(stored[at+len("kms:v2:k8senc:"):], &found); err != nil {
		t.Fatal(err)
	}
	return &found
}

func TestRecoveryKeyOpensWithoutAnyKMS(t *testing.T) {
	if os.Getenv("K8SENC_WRITE_SAMPLE") != "" {
		writeSample(t)
	}
	text, err := os.ReadFile(sampleFile)
	if err != nil {
		t.Fatal(err)
	}
	var known sample
	if err := json.Unmarshal(text, &known); err != nil {
		t.Fatal(err)
	}
	stored, err := hex.DecodeString(known.Stored)
	if err != nil {
		t.Fatal(err)
	}
	found := object(t, stored)
	record, err := k8senc.InspectRecord(found.EncryptedDEKSource, known.Cluster)
	if err != nil || len(record.Wraps) != 4 {
		t.Fatalf("%+v %v", record, err)
	}
	last := record.Wraps[3]
	private, err := hex.DecodeString(known.RecoveryKey)
	if err != nil {
		t.Fatal(err)
	}
	key, err := k8senc.UnwrapWithRecoveryKey(private, last.Wrap, last.Context)
	if err != nil {
		t.Fatal(err)
	}
	defer key.Close()
	if _, err := k8senc.OpenRecord(found.EncryptedDEKSource, last.Slot, key, found.KeyID, known.Cluster, nil); err == nil {
		t.Fatal("it opens online")
	}
	seed, _, err := k8senc.RecoverRecord(found.EncryptedDEKSource, last.Slot, key, found.KeyID, known.Cluster, nil)
	if err != nil || len(seed) != 32 {
		t.Fatal(err)
	}

	// The same value opens with each KMS alone.
	p := newPlugin(t, threeAndRecovery(t)).start()
	for alone := range p.fakes {
		for _, fake := range p.fakes {
			fake.Heal()
		}
		p.Stop()
		p.start()
		reader := p.Apiserver()
		reader.Writes("a seed of its own")
		for name, fake := range p.fakes {
			if name != alone {
				fake.FailAs(kek.Deleted)
			}
		}
		if got, _, err := reader.Secrets.TransformFromStorage(t.Context(), stored, value.DefaultContext(known.EtcdKey)); err != nil || string(got) != known.Plaintext {
			t.Fatalf("%s alone: %q %v", alone, got, err)
		}
	}
}

func writeSample(t *testing.T) {
	t.Helper()
	p := newPlugin(t, threeAndRecovery(t)).start()
	server := p.Apiserver()
	const plaintext = "a Secret that outlives its KMSs"
	stored := server.Writes(plaintext)
	p.Stop()
	text, err := json.MarshalIndent(sample{
		Cluster: "test-1", EtcdKey: string(clustertest.Place), Stored: hex.EncodeToString(stored), KeyID: object(t, stored).KeyID, RecoveryKey: recoveryPrivate, Plaintext: plaintext,
	}, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Dir(sampleFile), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(sampleFile, append(text, '\n'), 0o644); err != nil {
		t.Fatal(err)
	}
}
