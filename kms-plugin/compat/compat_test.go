package compat_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/k8senc/k8senc/kms-plugin/compat"
	"github.com/k8senc/k8senc/kms-plugin/config"
	"github.com/k8senc/k8senc/kms-plugin/kek"
	"github.com/k8senc/k8senc/kms-plugin/kektest"
	"github.com/k8senc/k8senc/kms-plugin/keyset"
)

func hash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

var vaultText = []byte("vault:v1:AAECAwQFBgcICQoLizXqnxVB1URNjoClE6qfJZhzkoD9hm8rCP9oTPdKYHA0LVKirGVkBnsHceEx/l5y")

func TestDecode(t *testing.T) {
	azure := bytes.Repeat([]byte{0xfb}, 256)
	for name, one := range map[string]struct {
		config  config.Compat
		request keyset.Request
		call    keyset.CompatCall
		other   bool
	}{
		"aws": {
			config.Compat{Plugin: "aws-encryption-provider", EncryptionContext: map[string]string{"a": "b"}}, keyset.Request{Record: []byte("1\x01\x02blob")},
			keyset.CompatCall{Ciphertext: []byte("\x01\x02blob"), EncryptionContext: map[string]string{"a": "b"}}, false,
		},
		"aws, not its": {config.Compat{Plugin: "aws-encryption-provider"}, keyset.Request{Record: vaultText}, keyset.CompatCall{}, true},
		"azure": {
			config.Compat{Plugin: "kubernetes-kms"},
			keyset.Request{Record: []byte(base64.RawURLEncoding.EncodeToString(azure)), Annotations: map[string][]byte{"algorithm.azure.akv.io": []byte("RSA-OAEP-256")}},
			keyset.CompatCall{Ciphertext: azure}, false,
		},
		"azure of v1": {config.Compat{Plugin: "kubernetes-kms"}, keyset.Request{Record: []byte(base64.RawURLEncoding.EncodeToString(azure))}, keyset.CompatCall{}, true},
		"google":      {config.Compat{Plugin: "k8s-cloudkms-plugin"}, keyset.Request{Record: []byte("\x0a\x24\x00raw")}, keyset.CompatCall{Ciphertext: []byte("\x0a\x24\x00raw")}, false},
		"vault":       {config.Compat{Plugin: "vault-kubernetes-kms"}, keyset.Request{Record: vaultText}, keyset.CompatCall{Ciphertext: vaultText}, false},
		"kleidi":      {config.Compat{Plugin: "kleidi-hvault"}, keyset.Request{Record: []byte("1blob")}, keyset.CompatCall{}, true},
		"softhsm": {
			config.Compat{Plugin: "kleidi-softhsm"}, keyset.Request{Record: azure[:64], KeyID: "kms-test"},
			keyset.CompatCall{Ciphertext: azure[:64], AssociatedData: []byte("kms-test")}, false,
		},
	} {
		call, ok := compat.Reader(one.config).Decode(one.request)
		if ok == one.other {
			t.Errorf("%s: taken %v", name, ok)
		}
		if ok && (!bytes.Equal(call.Ciphertext, one.call.Ciphertext) || !bytes.Equal(call.AssociatedData, one.call.AssociatedData) || len(call.EncryptionContext) != len(one.call.EncryptionContext)) {
			t.Errorf("%s: %+v", name, call)
		}
	}
}

// The golden case of openbao-kubernetes-kms: its associated data has 469 bytes, in its order of fields.
func TestOpenBaoAssociatedData(t *testing.T) {
	const keyID = "obk2.ig7zS9_yvQrdlcvWgJUhA5q_fQYupc5jRX5MzhAMQSk"
	annotations := map[string][]byte{}
	for name, value := range map[string]string{
		"provider": "openbao-transit", "aad-version": "v1", "transit-key-version": "3", "key-id-hash": hash(keyID),
		"transit-mount-hash": hash("transit-prod-primary"), "transit-key-hash": hash("01HXEXAMPLEKEYLINEAGEID"),
	} {
		annotations[name+".kms.openbao.org"] = []byte(value)
	}
	labels := config.OpenBaoLabels{ProviderName: "openbao-kms-workload-a", ClusterID: "workload-a", InstanceID: "bao-prod-a"}
	call, ok := compat.Reader(config.Compat{Plugin: "openbao-kubernetes-kms", OpenBao: &labels}).Decode(keyset.Request{Record: vaultText, KeyID: keyID, Annotations: annotations})
	if !ok || len(call.AssociatedData) != 469 {
		t.Fatalf("%d bytes: %s", len(call.AssociatedData), call.AssociatedData)
	}
	want := `{"aad_version":"v1","purpose":"kubernetes-etcd-kms-v2","provider":"openbao-transit","provider_name":"openbao-kms-workload-a","cluster_id_hash":"` + hash("workload-a") +
		`","openbao_instance_hash":"` + hash("bao-prod-a") + `","transit_mount_hash":"` + hash("transit-prod-primary") + `","transit_key_hash":"` + hash("01HXEXAMPLEKEYLINEAGEID") +
		`","key_id_hash":"` + hash(keyID) + `","key_version":"3"}`
	if string(call.AssociatedData) != want {
		t.Fatalf("%s", call.AssociatedData)
	}
	labels.Namespace = "team"
	call, _ = compat.Reader(config.Compat{Plugin: "openbao-kubernetes-kms", OpenBao: &labels}).Decode(keyset.Request{Record: vaultText, KeyID: keyID, Annotations: annotations})
	if !strings.Contains(string(call.AssociatedData), `_hash":"`+hash("bao-prod-a")+`","openbao_namespace_hash":"`+hash("team")+`","transit_mount`) {
		t.Fatalf("%s", call.AssociatedData)
	}
}

// raw is a KMS that also decrypts other plugins' data.
type raw struct {
	*kektest.Fake
	calls int
	err   error
}

func (r *raw) Decrypt(_ context.Context, ciphertext, _ []byte, _ map[string]string) ([]byte, error) {
	r.calls++
	return bytes.Repeat(ciphertext[:1], 32), r.err
}

type store struct{}

func (store) Load() (*keyset.State, error) { return nil, nil }
func (store) Save(*keyset.State) error     { return nil }

func TestReadsWhatOthersWrote(t *testing.T) {
	backend := &raw{Fake: kektest.New("vault", kek.Transit, time.Now())}
	engine, err := keyset.New(keyset.Options{
		Cluster: "c", Generation: 1, Store: store{},
		Compat: []keyset.Reader{compat.Reader(config.Compat{Plugin: "vault-kubernetes-kms", Slot: 1})},
	}, []keyset.Key{{Name: "vault", Slot: 1, Retired: true, Backend: backend}, {Name: "new", Slot: 2, Backend: kektest.New("new", kek.GCP, time.Now())}})
	if err != nil {
		t.Fatal(err)
	}
	seed, err := engine.Decrypt(t.Context(), keyset.Request{Record: vaultText, KeyID: "1"})
	if err != nil || !bytes.Equal(seed, bytes.Repeat([]byte("v"), 32)) {
		t.Fatalf("%x %v", seed, err)
	}
	if _, err := engine.Decrypt(t.Context(), keyset.Request{Record: []byte("1blob"), KeyID: "1"}); status.Code(err) != codes.InvalidArgument || backend.calls != 1 {
		t.Fatalf("%v after %d calls", err, backend.calls)
	}
	backend.err = &kek.Error{Class: kek.Denied, Op: "unwrap", Err: context.Canceled}
	if _, err := engine.Decrypt(t.Context(), keyset.Request{Record: append(bytes.Clone(vaultText), 'x'), KeyID: "1"}); status.Code(err) == codes.OK {
		t.Fatal("it was opened")
	}
}
