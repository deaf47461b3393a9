//go:build !race

package vault

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"testing"

	"k8s.io/kms/pkg/service"

	"github.com/k8senc/k8senc/kms-plugin/daemon"
	"github.com/k8senc/k8senc/kms-plugin/internal/clustertest"
	"github.com/k8senc/k8senc/kms-plugin/kek"
)

// transitPlugin stores what the plugins on Transit do: Vault's text, with a key_id, annotations and associated data of their own.
type transitPlugin struct {
	t           *testing.T
	key, keyID  string
	annotations map[string]string
	associated  string
}

func (p *transitPlugin) Status(context.Context) (*service.StatusResponse, error) {
	return &service.StatusResponse{Version: "v2", Healthz: "ok", KeyID: p.keyID}, nil
}

func (p *transitPlugin) Encrypt(ctx context.Context, _ string, seed []byte) (*service.EncryptResponse, error) {
	data := map[string]any{"plaintext": base64.StdEncoding.EncodeToString(seed)}
	if p.associated != "" {
		data["associated_data"] = base64.StdEncoding.EncodeToString([]byte(p.associated))
	}
	answer, err := shared.root.Logical().WriteWithContext(ctx, "transit/encrypt/"+p.key, data)
	if err != nil {
		return nil, err
	}
	text, _ := answer.Data["ciphertext"].(string)
	made := &service.EncryptResponse{Ciphertext: []byte(text), KeyID: p.keyID, Annotations: map[string][]byte{}}
	for name, value := range p.annotations {
		made.Annotations[name] = []byte(value)
	}
	return made, nil
}

func (p *transitPlugin) Decrypt(context.Context, string, *service.DecryptRequest) ([]byte, error) {
	return nil, errors.New("it was replaced")
}

func hashed(text string) string {
	sum := sha256.Sum256([]byte(text))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// openBao is the golden case of openbao-kubernetes-kms, whose associated data the compat package's test has byte for byte.
func openBao() *transitPlugin {
	const keyID = "obk2.ig7zS9_yvQrdlcvWgJUhA5q_fQYupc5jRX5MzhAMQSk"
	made := &transitPlugin{keyID: keyID, annotations: map[string]string{}}
	for name, value := range map[string]string{
		"provider": "openbao-transit", "aad-version": "v1", "transit-key-version": "1", "key-id-hash": hashed(keyID), "plugin-version": "v0.3.0",
		"transit-mount-hash": hashed("transit-prod-primary"), "transit-key-hash": hashed("01HXEXAMPLEKEYLINEAGEID"),
	} {
		made.annotations[name+".kms.openbao.org"] = value
	}
	made.associated = `{"aad_version":"v1","purpose":"kubernetes-etcd-kms-v2","provider":"openbao-transit","provider_name":"openbao-kms-workload-a","cluster_id_hash":"` +
		hashed("workload-a") + `","openbao_instance_hash":"` + hashed("bao-prod-a") + `","transit_mount_hash":"` + hashed("transit-prod-primary") +
		`","transit_key_hash":"` + hashed("01HXEXAMPLEKEYLINEAGEID") + `","key_id_hash":"` + hashed(keyID) + `","key_version":"1"}`
	return made
}

func TestMigrates(t *testing.T) {
	for plugin, other := range map[string]*transitPlugin{
		"vault-kubernetes-kms":   {keyID: "1"},
		"kleidi-hvault":          {keyID: "kleidi-kms-plugin_1_1715803200", annotations: map[string]string{"v2.kleidi.beezy.dev": "1"}},
		"openbao-kubernetes-kms": openBao(),
	} {
		t.Run(plugin, func(t *testing.T) {
			other.t, other.key = t, shared.key(t)
			file, _ := shared.token(t, other.key, nil)
			key := fmt.Sprintf("vault: {address: %q, key: %s, instance: test, auth: {token: {file: %s}}, caFile: %s, proxy: none, timeout: 30s}",
				shared.Address, other.key, file, shared.authority.File)
			compat := "plugin: " + plugin
			if plugin == "openbao-kubernetes-kms" {
				compat += ", openbao: {providerName: openbao-kms-workload-a, clusterID: workload-a, instanceID: bao-prod-a}"
			}
			clustertest.Migrates(t, other, daemon.Backends{"vault": daemon.Of(kek.Transit, New)}, key, compat)
		})
	}
}
