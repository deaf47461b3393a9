package main

import "fmt"

// wireFlips turns over single bits where a parser decides.
func wireFlips(s *Suite) {
	k, aad := seq(9, 32), []byte(defaultKey)
	all := config("flips-all", secrets(keyed("aescbc", key{"k1", k}), keyed("aesgcm", key{"k1", k}), keyed("secretbox", key{"k1", k}), kms("v1", "p1"), kms("v2", "p2"), identityProvider))
	plain := []byte("{\"kind\":\"Secret\"}\n")
	values := []struct {
		name, prefix string
		body         []byte
	}{
		{"aescbc", prefixCBC + "k1:", cbc(k, seq(0x40, 16), plain)},
		{"aesgcm", prefixGCM + "k1:", gcm(k, seq(0x60, 12), plain, aad)},
		{"secretbox", prefixBox + "k1:", box(k, seq(0x80, 24), plain)},
		{"kmsv1", prefixV1 + "p1:", v1Body(toyWrap(k), gcm(k, seq(0x60, 12), plain, aad))},
		{"kmsv2", prefixV2 + "p2:", object{data: xnonce(k, seq(0xa0, 32), seq(0x60, 12), plain, aad), keyID: "1", edek: toyWrap(k), typ: 1}.marshal()},
	}
	plugins := func() ([]*plugin, []string, map[string]*plugin) {
		return []*plugin{{}}, []string{"p1"}, map[string]*plugin{"p2": {keyID: "1"}}
	}
	ask := func(id, why string, stored []byte) {
		r := read{id: id, why: why, config: all, stored: stored}
		r.v1, r.v1names, r.v2 = plugins()
		s.read(r)
	}
	for _, v := range values {
		ask(v.name+"-whole", "the "+v.name+" value that the next cases change", cat(v.prefix, v.body))
		for i := range v.prefix {
			ask(fmt.Sprintf("%s-prefix-%d", v.name, i), fmt.Sprintf("one bit of byte %d of the prefix %s turned over", i, v.prefix), flip(cat(v.prefix, v.body), i, 0))
			ask(fmt.Sprintf("%s-prefix-cut-%d", v.name, i), fmt.Sprintf("the first %d bytes of the prefix %s and nothing more", i, v.prefix), []byte(v.prefix[:i]))
		}
	}
	// Every byte of a whole KMS v2 message, its framing included.
	v := newV2set(s)
	small := object{data: xnonce(v.dek, v.info, v.nonce, nil, v.aad), keyID: "k", edek: v.edek, annotations: [][2]string{{"a.b", "x"}}, typ: 1}.marshal()
	for i := range small {
		for _, bit := range []uint{0, 3, 7} {
			v.ask(fmt.Sprintf("kmsv2-message-%d-bit-%d", i, bit), fmt.Sprintf("bit %d of byte %d of a KMS v2 message turned over", bit, i), flip(small, i, bit))
		}
	}
	// The fields of a map entry with every wire type.
	good := v.seedObject().marshal()
	for number := uint64(1); number <= 3; number++ {
		for wire := uint64(0); wire <= 7; wire++ {
			tail := map[uint64][]byte{0: {1}, 1: make([]byte, 8), 2: {1, 'x'}, 3: tag(number, 4), 5: make([]byte, 4)}[wire]
			v.ask(fmt.Sprintf("entry-field-%d-wire-%d", number, wire), fmt.Sprintf("field %d with wire type %d at the end of a good map entry", number, wire), cat(good, field(4, cat(field(1, []byte("a.b")), field(2, []byte("y")), tag(number, wire), tail))))
		}
	}
	// Lengths of a KMS v1 value that lie.
	edek := toyWrap(k)
	whole := v1Body(edek, gcm(k, seq(0x60, 12), plain, aad))
	for i := range len(whole) {
		ask(fmt.Sprintf("kmsv1-cut-%d", i), fmt.Sprintf("a KMS v1 value cut to %d bytes after its name", i), cat(prefixV1+"p1:", whole[:i]))
	}
	for n := range 40 {
		ask(fmt.Sprintf("kmsv1-length-%d", n), fmt.Sprintf("a KMS v1 value whose length says %d instead of 36", n), cat(prefixV1+"p1:", []byte{0, byte(n)}, whole[2:]))
	}
}
