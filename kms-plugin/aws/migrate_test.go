//go:build !race

package aws

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/kms"
	"k8s.io/kms/pkg/service"

	"github.com/k8senc/k8senc/kms-plugin/daemon"
	"github.com/k8senc/k8senc/kms-plugin/internal/clustertest"
	"github.com/k8senc/k8senc/kms-plugin/kek"
)

// encryptionProvider stores what aws-encryption-provider does: a one in front of the blob, the key as it was named, no annotation.
type encryptionProvider struct {
	key   string
	pairs map[string]string
}

func (p *encryptionProvider) Status(context.Context) (*service.StatusResponse, error) {
	return &service.StatusResponse{Version: "v2beta1", Healthz: "ok", KeyID: p.key}, nil
}

func (p *encryptionProvider) Encrypt(ctx context.Context, _ string, seed []byte) (*service.EncryptResponse, error) {
	made, err := moto.admin.Encrypt(ctx, &kms.EncryptInput{KeyId: &p.key, Plaintext: seed, EncryptionContext: p.pairs})
	if err != nil {
		return nil, err
	}
	return &service.EncryptResponse{Ciphertext: append([]byte("1"), made.CiphertextBlob...), KeyID: p.key}, nil
}

func (p *encryptionProvider) Decrypt(context.Context, string, *service.DecryptRequest) ([]byte, error) {
	return nil, errors.New("it was replaced")
}

func TestMigrates(t *testing.T) {
	for _, pairs := range []map[string]string{nil, {"cluster": "prod", "purpose": "etcd"}} {
		arn := newKey(t)
		key := fmt.Sprintf("aws: {key: %q, endpoint: %q, proxy: none, timeout: 30s}", arn, moto.address)
		compat := "plugin: aws-encryption-provider"
		if pairs != nil {
			compat += ", encryptionContext: {cluster: prod, purpose: etcd}"
		}
		clustertest.Migrates(t, &encryptionProvider{arn, maps.Clone(pairs)}, daemon.Backends{"aws": daemon.Of(kek.AWS, New)}, key, compat)
	}
}
