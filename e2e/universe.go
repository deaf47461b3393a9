package main

import (
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
)

// provider is one way to encrypt: a provider with one key, a KMS plugin, or identity.
type provider struct {
	// name is also the key's name, and the namespace of what is written with it.
	name string
	kind string
	key  []byte
	// endpoint of a KMS plugin.
	endpoint string
}

func localProvider(kind string, size int) provider {
	key := make([]byte, size)
	_, _ = rand.Read(key)
	return provider{name: fmt.Sprintf("%s-%d", kind, size*8), kind: kind, key: key}
}

// everyProvider is each provider with each key size.
func everyProvider() []provider {
	all := []provider{{name: "identity", kind: "identity"}}
	for _, kind := range []string{"aescbc", "aesgcm"} {
		for _, size := range []int{16, 24, 32} {
			all = append(all, localProvider(kind, size))
		}
	}
	return append(all, localProvider("secretbox", 32))
}

// yaml is the provider as an element of a configuration's list.
func (p provider) yaml() string {
	switch p.kind {
	case "identity":
		return "      - identity: {}\n"
	case "kms-v1", "kms-v2":
		version := "          apiVersion: " + strings.TrimPrefix(p.kind, "kms-") + "\n"
		return "      - kms:\n" + version + fmt.Sprintf("          name: %s\n          endpoint: %s\n          timeout: 10s\n", p.name, p.endpoint)
	default:
		return fmt.Sprintf("      - %s:\n          keys:\n            - name: %s\n              secret: %s\n", p.kind, p.name, base64.StdEncoding.EncodeToString(p.key))
	}
}

// configuration has `first` write, and everything else of `all` read.
func configuration(all []provider, first string) []byte {
	ordered := slices.Clone(all)
	slices.SortStableFunc(ordered, func(a, b provider) int {
		rank := func(p provider) int {
			if p.name == first {
				return 0
			}
			return 1
		}
		return rank(a) - rank(b)
	})
	return configOf(ordered...)
}

// configOf is a configuration with these providers, in this order, for all that a run writes.
func configOf(providers ...provider) []byte {
	return configFor([]string{"secrets", "configmaps", widgets.Resource + "." + widgets.Group}, providers...)
}

const header = "apiVersion: apiserver.config.k8s.io/v1\nkind: EncryptionConfiguration\nresources:\n"

func configFor(resources []string, providers ...provider) []byte {
	text := header + "  - resources:\n"
	for _, resource := range resources {
		text += "      - " + resource + "\n"
	}
	text += "    providers:\n"
	for _, p := range providers {
		text += p.yaml()
	}
	return []byte(text)
}
