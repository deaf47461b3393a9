package main

import (
	"bytes"
	_ "embed"
	"encoding/hex"
	"encoding/json"
	"errors"
)

// e2eJSON holds values that real kube-apiservers stored in a real etcd; `scripts/e2e --record` writes it.
//
//go:embed inputs/e2e.json
var e2eJSON []byte

// wireE2E asks today's code about them.
func wireE2E(s *Suite) {
	var in struct {
		Config string
		KeyIDs map[string]string
		Values []struct{ ID, Why, Resource, EtcdKey, Stored, EncryptedDEK, DEK string }
	}
	must(json.Unmarshal(e2eJSON, &in))
	unhex := func(t string) []byte {
		b, err := hex.DecodeString(t)
		must(err)
		return b
	}
	file := config("e2e", in.Config)
	for _, v := range in.Values {
		unwrap := func(q question) ([]byte, error) {
			if !bytes.Equal(q.ciphertext, unhex(v.EncryptedDEK)) {
				return nil, errors.New("this was not asked in the run")
			}
			return unhex(v.DEK), nil
		}
		r := read{
			id: v.ID, why: v.Why, config: file, resource: v.Resource, key: []byte(v.EtcdKey), stored: unhex(v.Stored),
			v1: []*plugin{{unwrap: unwrap}}, v1names: []string{"toy-v1"}, v2: map[string]*plugin{},
		}
		for name, keyID := range in.KeyIDs {
			r.v2[name] = &plugin{keyID: keyID, unwrap: unwrap}
		}
		if got := r.run(); got.err != nil || got.panic != "" {
			fatal("%s does not open: %v %s", v.ID, got.err, got.panic)
		}
		s.read(r)
	}
}
