package main

import (
	"encoding/base64"
	"strings"
)

// starts are configurations of every kind of verdict, for real servers.
func starts() []serverStart {
	box, gcm, identity := localProvider("secretbox", 32), localProvider("aesgcm", 16), provider{name: "identity", kind: "identity"}
	good := string(configOf(box, identity))
	key := base64.StdEncoding.EncodeToString(box.key)
	v1 := provider{name: "cloud", kind: "kms-v1", endpoint: "unix:///nowhere.sock"}
	replaced := func(old, new string) string { return strings.Replace(good, old, new, 1) }
	return []serverStart{
		{name: "good", config: good},
		{name: "good-reload", config: good, reload: true},
		{name: "wildcard", config: string(configFor([]string{"*.*"}, gcm, identity))},
		{name: "first-wins", config: good + strings.Replace(string(configFor([]string{"secrets", "events"}, identity)), header, "", 1)},
		{name: "json", config: `{"kind":"EncryptionConfiguration","apiVersion":"apiserver.config.k8s.io/v1","resources":[{"resources":["secrets"],"providers":[{"identity":{}}]}]}`},
		{name: "old-kind", config: strings.NewReplacer("apiserver.config.k8s.io/v1", "v1", "EncryptionConfiguration", "EncryptionConfig").Replace(good)},
		{name: "missing"},
		{name: "empty"},
		{name: "no-kind", config: replaced("kind: EncryptionConfiguration\n", "")},
		{name: "other-version", config: replaced("apiserver.config.k8s.io/v1", "apiserver.config.k8s.io/v2")},
		{name: "tab", config: replaced("    providers:", "\tproviders:")},
		{name: "unknown-field", config: replaced("              secret:", "              colour: blue\n              secret:")},
		{name: "twice", config: replaced("            - name: secretbox-256", "            - name: secretbox-256\n              name: secretbox-256")},
		{name: "short-key", config: replaced(key, key[:40])},
		{name: "no-base64", config: replaced(key, "not base64!")},
		{name: "no-provider", config: replaced("      - identity: {}\n", "      - {}\n")},
		{name: "capital", config: replaced("- secrets", "- Secrets")},
		{name: "overlap", config: replaced("- secrets", "- \"*.*\"")},
		{name: "masked", config: string(configFor([]string{"*.*"}, identity)) + strings.Replace(string(configFor([]string{"secrets"}, box)), header, "", 1)},
		{name: "kms-v1-off", config: string(configOf(v1, identity))},
		{name: "kms-tcp", config: strings.Replace(string(configOf(v1, identity)), "unix:///nowhere.sock", "tcp://localhost:1", 1), kmsv1: true, reload: true},
		{name: "two-wrongs", config: string(configFor([]string{"secrets", "secrets"}, provider{kind: "aescbc", key: box.key[:5]}))},
		{name: "old-good", config: good, old: true},
		{name: "old-unknown-field", config: replaced("              secret:", "              colour: blue\n              secret:"), old: true},
		{name: "old-short-key", config: replaced(key, key[:40]), old: true},
	}
}
