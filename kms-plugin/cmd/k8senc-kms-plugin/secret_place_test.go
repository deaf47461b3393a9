package main

import (
	"fmt"
	"strings"
	"testing"

	"github.com/k8senc/k8senc/kms-plugin/config"
)

// Where a secret is, is one decision for all blocks: exactly one place, and no path that depends on where the plugin was started.
func TestWhereSecretsMayBe(t *testing.T) {
	vault := "vault: {address: 'https://v.example', key: kek, instance: prod, auth: {appRole: {roleID: r%s}}}"
	azure := "azure: {vault: 'https://made-up.vault.azure.net', key: kek, auth: {clientSecret: {tenantID: a, clientID: b%s}}}"
	pkcs11 := "pkcs11: {module: /m.so, tokenLabel: tok, keyID: a001%s}"
	for _, one := range []struct{ block, file, credential, wrong string }{
		{"local: {%s}", "file", "credential", "keys[0].local"},
		{vault, ", secretIDFile", ", secretIDCredential", "keys[0].vault.auth.appRole"},
		{azure, ", file", ", credential", "keys[0].azure.auth.clientSecret"},
		{pkcs11, ", pinFile", ", pinCredential", "keys[0].pkcs11"},
		{"local: {file: /kek}\nsetKey: {%s}", "file", "credential", "setKey"},
	} {
		both := one.file + ": /a, " + strings.TrimPrefix(one.credential, ", ") + ": b"
		for place, told := range map[string]string{
			one.file + ": /a": "", one.credential + ": b": "", one.file + ": a": `"a" is not absolute`, both: "exactly one of ", "": "exactly one of ",
		} {
			text := fmt.Sprintf("cluster: c\nkeys:\n- slot: 1\n  "+one.block+"\n", place)
			_, err := config.Parse("test.yaml", []byte(text), backends().Kinds())
			if told == "" && err != nil {
				t.Errorf("%s: %v", text, err)
			} else if told != "" && (err == nil || !strings.Contains(err.Error(), one.wrong) || !strings.Contains(err.Error(), told)) {
				t.Errorf("%s: %v, %s with %s is right", text, err, one.wrong, told)
			}
		}
	}
}
