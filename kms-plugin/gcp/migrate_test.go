//go:build !race

package gcp

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"cloud.google.com/go/kms/apiv1/kmspb"
	"k8s.io/kms/pkg/service"

	"github.com/k8senc/k8senc/kms-plugin/daemon"
	"github.com/k8senc/k8senc/kms-plugin/internal/clustertest"
	"github.com/k8senc/k8senc/kms-plugin/kek"
)

// cloudPlugin stores what k8s-cloudkms-plugin does: the ciphertext as Cloud KMS answers it, with the version's name as key_id.
type cloudPlugin struct{ with *Backend }

func (p *cloudPlugin) encrypt(ctx context.Context, seed []byte) (*kmspb.EncryptResponse, error) {
	return p.with.client.Encrypt(ctx, &kmspb.EncryptRequest{Name: keyName, Plaintext: seed})
}

func (p *cloudPlugin) Status(ctx context.Context) (*service.StatusResponse, error) {
	made, err := p.encrypt(ctx, make([]byte, 16))
	if err != nil {
		return nil, err
	}
	return &service.StatusResponse{Version: "v2beta1", Healthz: "ok", KeyID: made.GetName()}, nil
}

func (p *cloudPlugin) Encrypt(ctx context.Context, _ string, seed []byte) (*service.EncryptResponse, error) {
	made, err := p.encrypt(ctx, seed)
	if err != nil {
		return nil, err
	}
	return &service.EncryptResponse{Ciphertext: made.GetCiphertext(), KeyID: made.GetName()}, nil
}

func (p *cloudPlugin) Decrypt(context.Context, string, *service.DecryptRequest) ([]byte, error) {
	return nil, errors.New("it was replaced")
}

func TestMigrates(t *testing.T) {
	c := start(t)
	config := c.config(t)
	key := fmt.Sprintf("gcp: {key: %s, credentialsFile: %s, endpoint: %q, caFile: %s, proxy: none, timeout: 30s}", keyName, config.CredentialsFile, config.Endpoint, config.Connect.CAFile)
	clustertest.Migrates(t, &cloudPlugin{open(t, config)}, daemon.Backends{"gcp": daemon.Of(kek.GCP, New)}, key, "plugin: k8s-cloudkms-plugin")
}
