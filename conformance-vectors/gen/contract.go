package main

import (
	"fmt"
	"strings"

	envelopekmsv2 "k8s.io/apiserver/pkg/storage/value/encrypt/envelope/kmsv2"
	kmstypes "k8s.io/apiserver/pkg/storage/value/encrypt/envelope/kmsv2/v2"
)

// ContractCase asks whether an answer of a KMS v2 plugin's Encrypt is acceptable.
type ContractCase struct {
	ID          string            `json:"id"`
	Why         string            `json:"why"`
	Ciphertext  string            `json:"ciphertext"`
	KeyID       string            `json:"keyId"`
	Annotations map[string]string `json:"annotations,omitempty"`
	Expect      ContractExpect    `json:"expect"`
}

// ContractExpect is what the real check said.
type ContractExpect struct {
	Result         string   `json:"result"`
	Upstream       string   `json:"upstream,omitempty"`
	Compare        string   `json:"compare,omitempty"`
	UpstreamPrefix string   `json:"upstreamPrefix,omitempty"`
	UpstreamParts  []string `json:"upstreamParts,omitempty"`
}

func (s *Suite) contract(id, why string, ciphertext []byte, keyID string, annotations map[string][]byte) {
	check := func() ContractExpect {
		err := envelopekmsv2.ValidateEncryptedObject(&kmstypes.EncryptedObject{EncryptedData: []byte{0}, EncryptedDEKSource: ciphertext, KeyID: keyID, Annotations: annotations})
		if err == nil {
			return ContractExpect{Result: "accepted"}
		}
		e := expectation(id, outcome{err: err}, nil)
		return ContractExpect{e.Result, e.Upstream, e.Compare, e.UpstreamPrefix, e.UpstreamParts}
	}
	e := check()
	for range 400 {
		again := check()
		if e.Compare != "map-order" && again.Upstream != e.Upstream {
			fatal("%s/%s: two runs differ", s.name, id)
		}
		if again.Upstream < e.Upstream {
			e = again
		}
		if e.Compare != "map-order" {
			break
		}
	}
	s.add(id, ContractCase{ID: id, Why: why, Ciphertext: *hexed(ciphertext), KeyID: keyID, Annotations: hexMap(annotations), Expect: e})
}

func contractEncrypt(s *Suite) {
	good := toyWrap(seq(0, 32))
	for _, n := range []int{0, 1, 2, 1023, 1024, 1025, 4096} {
		s.contract(fmt.Sprintf("ciphertext-%d", n), fmt.Sprintf("a ciphertext of %d bytes", n), bytesOf("contract", n), "1", nil)
		s.contract(fmt.Sprintf("key-id-%d", n), fmt.Sprintf("a key_id of %d bytes", n), good, strings.Repeat("k", n), nil)
	}
	for _, n := range []int{512, 513} {
		s.contract(fmt.Sprintf("key-id-utf8-%d", n), fmt.Sprintf("a key_id of %d two-byte letters", n), good, strings.Repeat("é", n), nil)
	}
	for i, id := range []string{" ", "\n", "\x00", "a b", "<>", "arn:aws:kms:eu-west-1:111122223333:key/x", "projects/p/locations/l"} {
		s.contract(fmt.Sprintf("key-id-text-%d", i), fmt.Sprintf("the key_id %q is any text", id), good, id, nil)
	}
	s.contract("nothing", "an empty answer: the ciphertext is looked at first", nil, "", nil)
	for _, total := range []int{32767, 32768, 32769} {
		s.contract(fmt.Sprintf("annotations-%d", total), fmt.Sprintf("annotations of %d bytes in all", total), good, "1", map[string][]byte{"a.b": make([]byte, total-3)})
	}
	many := map[string][]byte{}
	for i := range 200 {
		many[fmt.Sprintf("k%03d.example.com", i)] = []byte{byte(i)}
	}
	s.contract("annotations-200", "there is no limit on the number of annotations", good, "1", many)
	// Every key of up to three of these characters.
	alphabet := "a0-.A_/"
	keys := []string{""}
	for from, n := 0, 1; n <= 3; n++ {
		to := len(keys)
		for _, k := range keys[from:to] {
			for _, c := range alphabet {
				keys = append(keys, k+string(c))
			}
		}
		from = to
	}
	for _, k := range keys {
		s.contract("annotation-"+name3(k), fmt.Sprintf("the annotation key %q", k), good, "1", map[string][]byte{k: []byte("x")})
	}
	// Longer keys, at random from a fixed stream.
	stream := bytesOf("contract-keys", 4000)
	for i := range 200 {
		var b strings.Builder
		for j := range 4 + i%9 {
			b.WriteByte("abz09-..aA_"[int(stream[i*16+j])%11])
		}
		s.contract(fmt.Sprintf("annotation-random-%d", i), fmt.Sprintf("the annotation key %q", b.String()), good, "1", map[string][]byte{b.String(): nil})
	}
	for _, n := range []int{62, 63, 64, 65} {
		l := strings.Repeat("a", n)
		for i, k := range []string{l + ".b", "a." + l, l + "." + l, "a." + l + ".b", l + ".b."} {
			s.contract(fmt.Sprintf("annotation-label-%d-%d", n, i), fmt.Sprintf("an annotation key with labels of %d bytes, form %d", n, i), good, "1", map[string][]byte{k: nil})
		}
	}
}

// name3 spells a key of odd characters for a case id.
func name3(k string) string {
	if k == "" {
		return "empty"
	}
	return strings.NewReplacer("-", "~", ".", "+", "_", "=", "/", "%").Replace(k)
}
