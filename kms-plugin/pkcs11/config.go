package pkcs11

import (
	"bytes"
	"encoding/hex"
	"fmt"

	"github.com/k8senc/k8senc/kms-plugin/connect"
	"github.com/k8senc/k8senc/kms-plugin/kek"
)

// Config names one AES-256 key on one token. The PIN comes from a file or a systemd credential and from nowhere else.
type Config struct {
	// Module is the maker's shared library.
	Module string `yaml:"module"`
	// TokenLabel chooses the token. Two tokens of one label are refused.
	TokenLabel string `yaml:"tokenLabel"`
	// KeyID is the key's CKA_ID in hexadecimal digits. Two keys of one id are refused.
	KeyID string `yaml:"keyID"`
	// PINFile and PINCredential are where the user PIN is: exactly one of them is set.
	PINFile       string `yaml:"pinFile"`
	PINCredential string `yaml:"pinCredential"`
	// Sessions bounds how many calls the token gets at once; 4 without it.
	Sessions int `yaml:"sessions"`
}

func (c *Config) sessions() int {
	if c.Sessions == 0 {
		return 4
	}
	return c.Sessions
}

// Owns compares token label and CKA_ID; the check value tells versions apart.
func (c *Config) Owns(identity [][]byte) bool {
	id, err := hex.DecodeString(c.KeyID)
	return err == nil && len(identity) == 3 && string(identity[0]) == c.TokenLabel && bytes.Equal(identity[1], id)
}

// Validate says which field is wrong.
func (c *Config) Validate() []kek.Problem {
	var found []kek.Problem
	report := func(field, what, hint string) {
		found = append(found, kek.Problem{Field: field, What: what, Hint: hint})
	}
	if c.Module == "" {
		report("module", "is missing", "the maker's library, as /usr/lib/softhsm/libsofthsm2.so")
	} else if problem, wrong := connect.NotAbsolute("module", c.Module); wrong {
		found = append(found, problem)
	}
	if c.TokenLabel == "" || len(c.TokenLabel) > 32 {
		report("tokenLabel", fmt.Sprintf("%q is no label of a token", c.TokenLabel), "1 to 32 bytes, as pkcs11-tool --list-token-slots says it")
	}
	if id, err := hex.DecodeString(c.KeyID); err != nil || len(id) == 0 || len(id) > 64 {
		report("keyID", fmt.Sprintf("%q is no key id", c.KeyID), "hexadecimal digits of CKA_ID, as pkcs11-tool --list-objects says it")
	}
	found = append(found, connect.OneSecret("", [2]string{"pinFile", "pinCredential"}, c.PINFile, c.PINCredential)...)
	if c.Sessions < 0 || c.Sessions > 64 {
		report("sessions", fmt.Sprintf("%d is here, 1 to 64 are possible", c.Sessions), "")
	}
	return found
}
