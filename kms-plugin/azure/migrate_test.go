//go:build !race

package azure

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"testing"

	"k8s.io/kms/pkg/service"

	"github.com/k8senc/k8senc/kms-plugin/daemon"
	"github.com/k8senc/k8senc/kms-plugin/internal/clustertest"
	"github.com/k8senc/k8senc/kms-plugin/kek"
)

// kubernetesKMS stores what Azure's kubernetes-kms does under KMS v2: the text that Key Vault answers, the hash of the key's URL, and
// five annotations.
type kubernetesKMS struct {
	key *rsa.PublicKey
	url string
}

func (k *kubernetesKMS) keyID() string {
	sum := sha256.Sum256([]byte(k.url))
	return hex.EncodeToString(sum[:])
}

func (k *kubernetesKMS) Status(context.Context) (*service.StatusResponse, error) {
	return &service.StatusResponse{Version: "v2beta1", Healthz: "ok", KeyID: k.keyID()}, nil
}

func (k *kubernetesKMS) Encrypt(_ context.Context, _ string, seed []byte) (*service.EncryptResponse, error) {
	sealed, err := rsa.EncryptOAEP(sha256.New(), rand.Reader, k.key, seed, nil)
	if err != nil {
		return nil, err
	}
	return &service.EncryptResponse{Ciphertext: []byte(base64.RawURLEncoding.EncodeToString(sealed)), KeyID: k.keyID(), Annotations: map[string][]byte{
		"date.azure.akv.io": []byte("Mon, 02 Nov 2026 10:00:00 GMT"), "x-ms-request-id.azure.akv.io": []byte("aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee"),
		"x-ms-keyvault-region.azure.akv.io": []byte("westeurope"), "version.azure.akv.io": []byte("1"), "algorithm.azure.akv.io": []byte("RSA-OAEP-256"),
	}}, nil
}

func (k *kubernetesKMS) Decrypt(context.Context, string, *service.DecryptRequest) ([]byte, error) {
	return nil, errors.New("it was replaced")
}

func TestMigrates(t *testing.T) {
	v := start(t)
	config := v.config(t, v.address)
	old := v.versions[0]
	other := &kubernetesKMS{&old.key.PublicKey, v.address + "/keys/" + keyOfTests + "/" + old.id}
	// The vault has moved on to a newer version since.
	v.rotate()
	key := fmt.Sprintf("azure: {vault: %q, key: %s, authorityHost: %q, anyVaultDomain: true, auth: {clientSecret: {tenantID: %s, clientID: %s, file: %s}}, caFile: %s, proxy: none, timeout: 30s}",
		v.address, keyOfTests, v.address, tenant, clientID, config.Auth.ClientSecret.File, v.authority.File)
	clustertest.Migrates(t, other, daemon.Backends{"azure": daemon.Of(kek.Azure, New)}, key, "plugin: kubernetes-kms")
}
