// Package compat reads what other KMS v2 plugins wrote, with the key they wrote it with.
package compat

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"

	"github.com/k8senc/k8senc/kms-plugin/config"
	"github.com/k8senc/k8senc/kms-plugin/keyset"
)

// Reader is that of one entry of the configuration, which was checked.
func Reader(c config.Compat) keyset.Reader {
	return keyset.Reader{Plugin: c.Plugin, Slot: c.Slot, Decode: decoder(c)}
}

func decoder(c config.Compat) func(keyset.Request) (keyset.CompatCall, bool) {
	switch c.Plugin {
	case "aws-encryption-provider":
		return func(r keyset.Request) (keyset.CompatCall, bool) {
			blob, ok := bytes.CutPrefix(r.Record, []byte("1"))
			return keyset.CompatCall{Ciphertext: blob, EncryptionContext: c.EncryptionContext}, ok && len(blob) > 0
		}
	case "kubernetes-kms":
		return azure
	case "vault-kubernetes-kms", "kleidi-hvault":
		return transit
	case "openbao-kubernetes-kms":
		return func(r keyset.Request) (keyset.CompatCall, bool) {
			call, ok := transit(r)
			if ok {
				call.AssociatedData = openBaoData(*c.OpenBao, r)
			}
			return call, ok
		}
	case "kleidi-softhsm":
		return func(r keyset.Request) (keyset.CompatCall, bool) {
			return keyset.CompatCall{Ciphertext: r.Record, AssociatedData: []byte(r.KeyID)}, len(r.Record) > 0
		}
	default: // k8s-cloudkms-plugin stores what Cloud KMS answered.
		return func(r keyset.Request) (keyset.CompatCall, bool) {
			return keyset.CompatCall{Ciphertext: r.Record}, len(r.Record) > 0
		}
	}
}

// transit is the text of Vault, as Vault takes it back.
func transit(r keyset.Request) (keyset.CompatCall, bool) {
	return keyset.CompatCall{Ciphertext: r.Record}, bytes.HasPrefix(r.Record, []byte("vault:v"))
}

// azure is the base64url of what RSA-OAEP-256 gave.
func azure(r keyset.Request) (keyset.CompatCall, bool) {
	if string(r.Annotations["algorithm.azure.akv.io"]) != "RSA-OAEP-256" {
		return keyset.CompatCall{}, false
	}
	blob, err := base64.RawURLEncoding.DecodeString(string(r.Record))
	return keyset.CompatCall{Ciphertext: blob}, err == nil
}

// openBaoData rebuilds what openbao-kubernetes-kms bound: its labels from the configuration, the rest from the annotations.
func openBaoData(labels config.OpenBaoLabels, r keyset.Request) []byte {
	hash := func(text string) string {
		sum := sha256.Sum256([]byte(text))
		return base64.RawURLEncoding.EncodeToString(sum[:])
	}
	annotation := func(name string) string { return string(r.Annotations[name+".kms.openbao.org"]) }
	namespace := ""
	if labels.Namespace != "" {
		namespace = hash(labels.Namespace)
	}
	// The fields stand in the order in which it wrote them. A struct of texts always marshals.
	data, _ := json.Marshal(struct {
		Version   string `json:"aad_version"`
		Purpose   string `json:"purpose"`
		Provider  string `json:"provider"`
		Name      string `json:"provider_name"`
		Cluster   string `json:"cluster_id_hash"`
		Instance  string `json:"openbao_instance_hash"`
		Namespace string `json:"openbao_namespace_hash,omitempty"`
		Mount     string `json:"transit_mount_hash"`
		Key       string `json:"transit_key_hash"`
		KeyID     string `json:"key_id_hash"`
		Number    string `json:"key_version"`
	}{
		annotation("aad-version"), "kubernetes-etcd-kms-v2", annotation("provider"), labels.ProviderName, hash(labels.ClusterID), hash(labels.InstanceID),
		namespace, annotation("transit-mount-hash"), annotation("transit-key-hash"), annotation("key-id-hash"), annotation("transit-key-version"),
	})
	return data
}
