package main

import (
	_ "embed"
	"encoding/json"
)

// inputsJSON holds configurations collected while the rules were described; only
// the inputs are kept, what they mean is recorded anew.
//
//go:embed inputs/config.json
var inputsJSON []byte

func configCollected(s *Suite) {
	var inputs []struct {
		ID, Why, Text string
		Reload, KMSv1 bool
	}
	must(json.Unmarshal(inputsJSON, &inputs))
	for _, in := range inputs {
		s.config(conf{id: in.ID, why: "collected input: " + in.Why, text: in.Text, reload: in.Reload, kmsv1: in.KMSv1})
	}
}
