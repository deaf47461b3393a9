package config

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// compatBackends are the plugins whose data can be read, and the backends that can decrypt it.
var compatBackends = map[string][]string{
	"aws-encryption-provider": {"aws"},
	"kubernetes-kms":          {"azure"},
	"k8s-cloudkms-plugin":     {"gcp"},
	"vault-kubernetes-kms":    {"vault"},
	"openbao-kubernetes-kms":  {"vault"},
	"kleidi-hvault":           {"vault"},
	"kleidi-softhsm":          {"pkcs11"},
}

func (d *decoder) compat(path string, c Compat, keys []Key) {
	backends, ok := compatBackends[c.Plugin]
	if !ok {
		d.wrong(path+".plugin", fmt.Sprintf("%q is no plugin that can be read", c.Plugin), "one of "+strings.Join(slices.Sorted(maps.Keys(compatBackends)), ", ")+" is needed")
		return
	}
	i := slices.IndexFunc(keys, func(k Key) bool { return k.Slot == c.Slot })
	if i < 0 {
		d.wrong(path+".slot", fmt.Sprintf("no key has slot %d", c.Slot), "name the slot of the key that the other plugin used; it may be retired")
	} else if !slices.Contains(backends, keys[i].Backend) {
		d.wrong(path+".slot", fmt.Sprintf("slot %d is a key of %s, %s wrote with %s", c.Slot, keys[i].Backend, c.Plugin, backends[0]), "")
	}
	if (c.OpenBao != nil) != (c.Plugin == "openbao-kubernetes-kms") {
		d.wrong(path+".openbao", "belongs to openbao-kubernetes-kms, and only there", "")
	}
	if c.EncryptionContext != nil && c.Plugin != "aws-encryption-provider" {
		d.wrong(path+".encryptionContext", "belongs to aws-encryption-provider only", "")
	}
}
