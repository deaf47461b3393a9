package main

import (
	"encoding/base64"
	"strconv"
	"strings"
)

// configTexts holds every EncryptionConfiguration used by a case, by file name.
var configTexts = map[string]string{}

// config registers text under configs/<name>.yaml and returns that path.
func config(name, text string) string {
	path := "configs/" + name + ".yaml"
	if old, seen := configTexts[path]; seen && old != text {
		fatal("configuration %s has two texts", path)
	}
	configTexts[path] = text
	return path
}

// key is one element of `keys`.
type key struct {
	name   string
	secret []byte
}

// doc writes a whole configuration out of entries.
func doc(entries ...string) string {
	return "apiVersion: apiserver.config.k8s.io/v1\nkind: EncryptionConfiguration\nresources:\n" + strings.Join(entries, "")
}

// entry writes one element of `resources`.
func entry(resources []string, providers ...string) string {
	var b strings.Builder
	b.WriteString("  - resources:\n")
	for _, r := range resources {
		b.WriteString("      - " + strconv.Quote(r) + "\n")
	}
	b.WriteString("    providers:\n")
	for _, p := range providers {
		b.WriteString(p)
	}
	return b.String()
}

// secrets is the commonest entry: the chain of core secrets.
func secrets(providers ...string) string { return doc(entry([]string{"secrets"}, providers...)) }

const identityProvider = "      - identity: {}\n"

// keyed writes an aescbc, aesgcm or secretbox provider.
func keyed(provider string, keys ...key) string {
	var b strings.Builder
	b.WriteString("      - " + provider + ":\n          keys:\n")
	for _, k := range keys {
		b.WriteString("            - name: " + strconv.Quote(k.name) + "\n")
		b.WriteString("              secret: " + base64.StdEncoding.EncodeToString(k.secret) + "\n")
	}
	return b.String()
}

// kms writes a kms provider; extra lines are added as they are, at field depth.
func kms(version, name string, extra ...string) string {
	b := "      - kms:\n          apiVersion: " + version + "\n          name: " + strconv.Quote(name) + "\n          endpoint: unix:///run/kms.sock\n"
	for _, e := range extra {
		b += "          " + e + "\n"
	}
	return b
}
