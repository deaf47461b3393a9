package main

import (
	"encoding/binary"
	"errors"
	"fmt"
)

func wireKMSv1(s *Suite) {
	prefix := prefixV1 + "p:"
	aad := []byte(defaultKey)
	dek := seq(0, 32)
	edek := toyWrap(dek)
	nonce, iv := seq(0x60, 12), seq(0x40, 16)
	conf := config("kmsv1", secrets(kms("v1", "p")))
	ask := func(id, why string, stored []byte, p *plugin) {
		s.read(read{id: id, why: why, config: conf, stored: cat(prefix, stored), v1: []*plugin{p}, v1names: []string{"p"}})
	}
	for _, n := range edgeLengths {
		ask(fmt.Sprintf("gcm-plain-%d", n), fmt.Sprintf("GCM body as written since 1.25, plaintext of %d bytes", n), v1Body(edek, gcm(dek, nonce, bytesOf("v1", n), aad)), &plugin{})
		ask(fmt.Sprintf("cbc-plain-%d", n), fmt.Sprintf("CBC body as written by 1.8 to 1.24, plaintext of %d bytes: stale", n), v1Body(edek, cbc(dek, iv, bytesOf("v1", n))), &plugin{})
	}
	foo := []byte("/registry/secrets/default/foo")
	s.read(read{id: "spec-example", why: "the worked example of the format description", config: conf, key: foo,
		stored: cat(prefix, v1Body(edek, gcm(dek, nonce, []byte("{}\n"), foo))), v1: []*plugin{{}}, v1names: []string{"p"}})

	for _, n := range []int{0, 1, 15, 16, 17, 24, 31, 32, 33, 48, 64} {
		d := seq(7, n)
		var body []byte
		if n == 16 || n == 24 || n == 32 {
			body = gcm(d, nonce, []byte("{}"), aad)
		} else {
			body = bytesOf("v1-dek", 30)
		}
		ask(fmt.Sprintf("dek-%d", n), fmt.Sprintf("a DEK of %d bytes: only the AES rule is checked", n), v1Body(toyWrap(d), body), &plugin{})
		if n == 16 || n == 24 {
			ask(fmt.Sprintf("dek-%d-cbc", n), fmt.Sprintf("a DEK of %d bytes over a CBC body", n), v1Body(toyWrap(d), cbc(d, iv, []byte("{}"))), &plugin{})
		}
	}
	for n := range 45 {
		ask(fmt.Sprintf("body-%d", n), fmt.Sprintf("a body of %d random bytes: both readers' errors, joined", n), v1Body(edek, bytesOf("v1-body", n)), &plugin{})
	}
	whole := v1Body(edek, gcm(dek, nonce, []byte("{}"), aad))
	for _, n := range []int{0, 1, 2, 3, 20, 37} {
		ask(fmt.Sprintf("cut-%d", n), fmt.Sprintf("a value cut to %d bytes, inside its length or its encrypted DEK", n), whole[:n], &plugin{})
	}
	for _, n := range []uint16{37, 255, 0x7fff, 0xffff} {
		ask(fmt.Sprintf("length-%d", n), fmt.Sprintf("a length of %d where fewer or other bytes follow", n), cat(binary.BigEndian.AppendUint16(nil, n), whole[2:]), &plugin{})
	}
	ask("length-little-endian", "the length is big-endian", cat([]byte{0x24, 0x00}, whole[2:]), &plugin{})
	for _, n := range []int{0, 1, 255, 256, 1024, 1025, 4096} {
		e := bytesOf("v1-edek", n)
		open := &plugin{unwrap: func(question) ([]byte, error) { return dek, nil }}
		ask(fmt.Sprintf("edek-%d", n), fmt.Sprintf("an encrypted DEK of %d bytes: v1 has no limit of its own", n), v1Body(e, gcm(dek, nonce, []byte("{}"), aad)), open)
	}
	for i, text := range []string{"rpc error: code = Unavailable desc = kms is away", "denied", "a, b", "[x]"} {
		ask(fmt.Sprintf("refused-%d", i), "the plugin's error is shown unwrapped", whole, &plugin{unwrap: func(question) ([]byte, error) { return nil, errors.New(text) }})
	}
	for _, i := range []int{2, 6, 37} {
		ask(fmt.Sprintf("edek-flip-%d", i), "a changed encrypted DEK gives another DEK or a refusal", flip(whole, i, 0), &plugin{})
	}
	for _, i := range []int{38, 49, 50, 51, 52, 67} {
		ask(fmt.Sprintf("body-flip-%d", i), "a changed GCM body fails in both readers", flip(whole, i, 0), &plugin{})
	}
	s.read(read{id: "gcm-other-etcd-key", why: "a GCM body is bound to its etcd key", config: conf, key: []byte("/registry/secrets/default/b"), stored: cat(prefix, whole), v1: []*plugin{{}}, v1names: []string{"p"}})
	old := v1Body(edek, cbc(dek, iv, []byte("{\"kind\":\"Secret\"}")))
	s.read(read{id: "cbc-other-etcd-key", why: "a CBC body is bound to nothing", config: conf, key: []byte("/registry/secrets/default/b"), stored: cat(prefix, old), v1: []*plugin{{}}, v1names: []string{"p"}})
	s.read(read{id: "gcm-empty-etcd-key", why: "an empty etcd key is legal here", config: conf, noKey: true, stored: cat(prefix, v1Body(edek, gcm(dek, nonce, []byte("{}"), nil))), v1: []*plugin{{}}, v1names: []string{"p"}})
	ask("cbc-iv-flip", "a bit of a CBC body's IV flips that bit of the plaintext", flip(old, 38, 5), &plugin{})
	for _, p := range []int{17, 32, 33} {
		padded := make([]byte, 48)
		for i := 48 - p; i < 48; i++ {
			padded[i] = byte(p)
		}
		ask(fmt.Sprintf("cbc-pad-%d", p), "the CBC fallback accepts pads beyond a block", v1Body(edek, cbcRaw(dek, iv, padded)), &plugin{})
	}
	// A GCM body of 12 + n + 16 bytes is whole blocks when n is 4 modulo 16; about one tampering in 256 then opens as CBC.
	sealed := gcm(dek, nonce, bytesOf("v1-tamper", 36), aad)
	for i := 0; ; i++ {
		bad := cat(sealed[:len(sealed)-16], bytesOf(fmt.Sprintf("v1-tamper-%d", i), 16))
		if _, ok := cbcOpen(dek, bad); ok {
			ask("tampered-gcm-opens", "a tampered GCM body that the CBC fallback takes: garbage, stale", v1Body(edek, bad), &plugin{})
			break
		}
	}
	for _, size := range []string{"-1", "1", "1000", "2147483647"} {
		c := config("kmsv1-cache-"+size, secrets(kms("v1", "p", "cachesize: "+size)))
		s.read(read{id: "cachesize-" + size, why: "the DEK cache changes no result", config: c, stored: cat(prefix, whole), v1: []*plugin{{}}, v1names: []string{"p"}})
	}
	colon := config("kmsv1-colon", secrets(kms("v1", "a:b")))
	s.read(read{id: "name-with-colon", why: "a KMS v1 provider name may hold a colon", config: colon, stored: cat(prefixV1, "a:b:", whole), v1: []*plugin{{}}, v1names: []string{"a:b"}})
	s.read(read{id: "name-unknown", why: "a provider name that is not configured: no prefix matches", config: conf, stored: cat(prefixV1, "q:", whole), v1: []*plugin{{}}, v1names: []string{"p"}})
	s.read(read{id: "name-longer", why: "a provider name that only begins like the configured one", config: conf, stored: cat(prefixV1, "pp:", whole), v1: []*plugin{{}}, v1names: []string{"p"}})
	s.read(read{id: "nothing-after-prefix", why: "the prefix without a provider name", config: conf, stored: []byte(prefixV1), v1: []*plugin{{}}, v1names: []string{"p"}})
	two := config("kmsv1-twice", secrets(kms("v1", "p"), kms("v1", "p")))
	deny := func(text string) *plugin {
		return &plugin{unwrap: func(question) ([]byte, error) { return nil, errors.New(text) }}
	}
	names := []string{"p", "p"}
	s.read(read{id: "same-name-first", why: "two blocks of one name: the first opens, not stale", config: two, stored: cat(prefix, whole), v1: []*plugin{{}, deny("unused")}, v1names: names})
	s.read(read{id: "same-error-twice", why: "two blocks of one name refuse with one text: shown once", config: two, stored: cat(prefix, whole), v1: []*plugin{deny("no"), deny("no")}, v1names: names})
}
