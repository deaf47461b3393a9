//go:build !race

package pkcs11

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"testing"

	"github.com/miekg/pkcs11"
	"k8s.io/kms/pkg/service"

	"github.com/k8senc/k8senc/kms-plugin/daemon"
	"github.com/k8senc/k8senc/kms-plugin/internal/clustertest"
	"github.com/k8senc/k8senc/kms-plugin/kek"
)

// kleidi stores what kleidi's SoftHSM provider does: a nonce of 16 bytes, ciphertext and tag, bound to the key_id, with one annotation.
type kleidi struct{ with *Backend }

const kleidiKeyID = "kleidi-kms-plugin"

func (k *kleidi) Status(context.Context) (*service.StatusResponse, error) {
	return &service.StatusResponse{Version: "v2", Healthz: "ok", KeyID: kleidiKeyID}, nil
}

func (k *kleidi) Encrypt(_ context.Context, _ string, seed []byte) (*service.EncryptResponse, error) {
	nonce := make([]byte, 16)
	if _, err := rand.Read(nonce); err != nil {
		return nil, err
	}
	in, err := k.with.login.open()
	if err != nil {
		return nil, err
	}
	defer k.with.back(in)
	parameters := pkcs11.NewGCMParams(nonce, []byte(kleidiKeyID), 128)
	defer parameters.Free()
	if err := hsm.keep.EncryptInit(in.session, []*pkcs11.Mechanism{pkcs11.NewMechanism(pkcs11.CKM_AES_GCM, parameters)}, in.key); err != nil {
		return nil, err
	}
	sealed, err := hsm.keep.Encrypt(in.session, seed)
	if err != nil {
		return nil, err
	}
	return &service.EncryptResponse{Ciphertext: append(nonce, sealed...), KeyID: kleidiKeyID, Annotations: map[string][]byte{"v2.kleidi.beezy.dev": []byte("1")}}, nil
}

func (k *kleidi) Decrypt(context.Context, string, *service.DecryptRequest) ([]byte, error) {
	return nil, errors.New("it was replaced")
}

func TestMigrates(t *testing.T) {
	fault(t)
	config := config(t, newKey(t))
	key := fmt.Sprintf("pkcs11: {module: %s, tokenLabel: %s, keyID: %q, pinFile: %s}", config.Module, config.TokenLabel, config.KeyID, config.PINFile)
	clustertest.Migrates(t, &kleidi{open(t, config)}, daemon.Backends{"pkcs11": daemon.Of(kek.PKCS11, New)}, key, "plugin: kleidi-softhsm")
}
