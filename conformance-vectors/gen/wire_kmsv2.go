package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
)

// v2set is what the KMS v2 suites share: one provider p, key_id 1, toy plugin.
type v2set struct {
	s                     *Suite
	conf, prefix          string
	aad, dek, edek        []byte
	nonce, info           []byte
	sealedKey, sealedSeed []byte
}

func newV2set(s *Suite) *v2set {
	v := &v2set{s: s, conf: config("kmsv2", secrets(kms("v2", "p"))), prefix: prefixV2 + "p:", aad: []byte(defaultKey), dek: seq(0, 32), nonce: seq(0x60, 12), info: seq(0xa0, 32)}
	v.edek = toyWrap(v.dek)
	v.sealedKey = gcm(v.dek, v.nonce, []byte("{}\n"), v.aad)
	v.sealedSeed = xnonce(v.dek, v.info, v.nonce, []byte("{}\n"), v.aad)
	return v
}

func (v *v2set) ask(id, why string, body []byte) { v.askPlugin(id, why, body, &plugin{keyID: "1"}) }

func (v *v2set) askPlugin(id, why string, body []byte, p *plugin) {
	v.s.read(read{id: id, why: why, config: v.conf, stored: cat(v.prefix, body), v2: map[string]*plugin{"p": p}})
}

// seedObject is a good value in seed form; change what the case is about.
func (v *v2set) seedObject() object {
	return object{data: v.sealedSeed, keyID: "1", edek: v.edek, typ: 1}
}

// keyObject is a good value in key form.
func (v *v2set) keyObject() object { return object{data: v.sealedKey, keyID: "1", edek: v.edek} }

func wireKMSv2(s *Suite) {
	v := newV2set(s)
	for _, n := range edgeLengths {
		o := v.seedObject()
		o.data = xnonce(v.dek, v.info, v.nonce, bytesOf("v2", n), v.aad)
		v.ask(fmt.Sprintf("seed-plain-%d", n), fmt.Sprintf("seed form, plaintext of %d bytes", n), o.marshal())
		o = v.keyObject()
		o.data = gcm(v.dek, v.nonce, bytesOf("v2", n), v.aad)
		v.askPlugin(fmt.Sprintf("key-plain-%d", n), fmt.Sprintf("key form, plaintext of %d bytes", n), o.marshal(), &plugin{keyID: "1", useKey: true})
	}
	foo := []byte("/registry/secrets/default/foo")
	counter := cat(seq(0xd0, 4), []byte{0x01, 0xca, 0x9a, 0x3b, 0, 0, 0, 0})
	s.read(read{id: "spec-example-key", why: "the worked example of the key form", config: v.conf, key: foo, v2: map[string]*plugin{"p": {keyID: "1", useKey: true}},
		stored: cat(v.prefix, object{data: gcm(v.dek, counter, []byte("{}\n"), foo), keyID: "1", edek: v.edek}.marshal())})
	s.read(read{id: "spec-example-seed", why: "the worked example of the seed form, with an annotation", config: v.conf, key: foo, v2: map[string]*plugin{"p": {keyID: "1"}},
		stored: cat(v.prefix, object{data: xnonce(v.dek, v.info, v.nonce, []byte("{}\n"), foo), keyID: "1", edek: v.edek, annotations: [][2]string{{"a.b", "x"}}, typ: 1}.marshal())})

	// Staleness is key_id and type against the state.
	for _, stateSeed := range []bool{true, false} {
		for _, valueSeed := range []bool{true, false} {
			for _, stateKey := range []string{"1", "2", "", "11", "I"} {
				o := v.keyObject()
				if valueSeed {
					o = v.seedObject()
				}
				p := &plugin{keyID: stateKey, useKey: !stateSeed, never: stateKey == ""}
				if stateKey == "" && !stateSeed {
					continue
				}
				v.askPlugin(fmt.Sprintf("stale-state-%s-%s-value-%s", form(stateSeed), orNone(stateKey), form(valueSeed)),
					fmt.Sprintf("a value of key_id 1 in %s form while the state is key_id %q in %s form", form(valueSeed), stateKey, form(stateSeed)), o.marshal(), p)
			}
		}
	}
	bad := v.seedObject()
	bad.keyID = ""
	v.askPlugin("validation-before-state", "a malformed value is reported even when the plugin was never healthy", bad.marshal(), &plugin{never: true})
	v.askPlugin("malformed-before-state", "unparsable bytes are reported even when the plugin was never healthy", []byte{0xff}, &plugin{never: true})
	o := v.seedObject()
	o.edek = toyWrap(seq(9, 32))
	o.data = xnonce(seq(9, 32), v.info, v.nonce, []byte("{}"), v.aad)
	v.ask("other-seed", "another seed under the same key_id is not stale", o.marshal())
	o = v.seedObject()
	o.annotations = [][2]string{{"a.b", "x"}}
	v.ask("annotations-not-stale", "annotations that the state has not are no staleness", o.marshal())

	// Sizes of what the plugin answers.
	for _, n := range []int{0, 1, 15, 16, 17, 24, 31, 32, 33, 64} {
		d := seq(3, n)
		o := v.keyObject()
		o.edek = toyWrap(d)
		if n == 16 || n == 24 || n == 32 {
			o.data = gcm(d, v.nonce, []byte("{}"), v.aad)
		}
		v.ask(fmt.Sprintf("key-size-%d", n), fmt.Sprintf("key form, the plugin answers %d bytes", n), o.marshal())
	}
	for _, n := range []int{0, 1, 16, 24, 31, 32, 33, 64, 65, 100} {
		d := seq(3, n)
		o := v.seedObject()
		o.edek = toyWrap(d)
		o.data = xnonce(d, v.info, v.nonce, []byte("{}"), v.aad)
		v.ask(fmt.Sprintf("seed-size-%d", n), fmt.Sprintf("seed form, the plugin answers %d bytes", n), o.marshal())
	}
	for n := range 64 {
		o := v.seedObject()
		o.data = v.sealedSeed[:min(n, len(v.sealedSeed))]
		v.ask(fmt.Sprintf("seed-data-%d", n), fmt.Sprintf("seed form, encryptedData cut to %d bytes", n), o.marshal())
	}
	for n := range 31 {
		o := v.keyObject()
		o.data = v.sealedKey[:n]
		v.ask(fmt.Sprintf("key-data-%d", n), fmt.Sprintf("key form, encryptedData cut to %d bytes", n), o.marshal())
	}
	for i := 0; i < len(v.sealedSeed); i += 3 {
		o := v.seedObject()
		o.data = flip(v.sealedSeed, i, uint(i%8))
		v.ask(fmt.Sprintf("seed-flip-%d", i), fmt.Sprintf("seed form, one bit of encryptedData byte %d turned over", i), o.marshal())
	}
	o = v.seedObject()
	o.typ = 0
	v.ask("seed-labelled-key", "a seed value labelled as key form", o.marshal())
	o = v.keyObject()
	o.typ = 1
	v.ask("key-labelled-seed", "a key value labelled as seed form", o.marshal())

	// The etcd key.
	at := func(id, why string, key []byte, noKey bool, body []byte) {
		s.read(read{id: id, why: why, config: v.conf, key: key, noKey: noKey, stored: cat(v.prefix, body), v2: map[string]*plugin{"p": {keyID: "1"}}})
	}
	at("seed-other-etcd-key", "a seed value is bound to its etcd key", []byte("/registry/secrets/default/b"), false, v.seedObject().marshal())
	at("key-other-etcd-key", "a key value is bound to its etcd key", []byte("/registry/secrets/default/b"), false, v.keyObject().marshal())
	at("seed-empty-etcd-key", "the seed form panics on an empty etcd key", nil, true, v.seedObject().marshal())
	o = v.keyObject()
	o.data = gcm(v.dek, v.nonce, []byte("{}"), nil)
	at("key-empty-etcd-key", "the key form opens with an empty etcd key", nil, true, o.marshal())
	o = v.seedObject()
	o.data = v.sealedSeed[:31]
	at("short-before-empty-etcd-key", "a value too short for its info is refused before the etcd key matters", nil, true, o.marshal())
	utf := []byte{0xff, '/', 0x00}
	o = v.seedObject()
	o.data = xnonce(v.dek, v.info, v.nonce, []byte("{}"), utf)
	at("seed-binary-etcd-key", "an etcd key is bytes, not text", utf, false, o.marshal())

	// Refusals of the plugin.
	for i, text := range []string{"rpc error: code = Unavailable desc = kms is away", "denied", "[a, b]", ""} {
		v.askPlugin(fmt.Sprintf("refused-%d", i), "the plugin's error is wrapped", v.seedObject().marshal(), &plugin{keyID: "1", unwrap: func(question) ([]byte, error) { return nil, errors.New(text) }})
	}
	// What is asked: the plugin is given everything the value holds.
	o = v.seedObject()
	o.keyID, o.annotations = "old-key", [][2]string{{"z.example.com", "1"}, {"a.example.com", "\x00\xff"}, {"m.example.com", ""}}
	v.ask("asks-with-annotations", "Decrypt is asked with the value's key_id and annotations", o.marshal())
	o = v.seedObject()
	o.keyID = "schlüssel-鍵"
	v.ask("key-id-unicode", "a key_id is any UTF-8 text", o.marshal())
	o.keyID = "a\nb\x00c"
	v.ask("key-id-control", "a key_id may hold control characters", o.marshal())

	limits(v)
	validationOrder(v)
	malformed(v)

	// Names.
	s.read(read{id: "name-unknown", why: "a provider name that is not configured: no prefix matches", config: v.conf, stored: cat(prefixV2, "q:", v.seedObject().marshal()), v2: map[string]*plugin{"p": {keyID: "1"}}})
	s.read(read{id: "name-longer", why: "a provider name that only begins like the configured one", config: v.conf, stored: cat(prefixV2, "pp:", v.seedObject().marshal()), v2: map[string]*plugin{"p": {keyID: "1"}}})
	s.read(read{id: "nothing-after-prefix", why: "the prefix without a provider name", config: v.conf, stored: []byte(prefixV2), v2: map[string]*plugin{"p": {keyID: "1"}}})
	odd := config("kmsv2-odd-name", secrets(kms("v2", "schlüssel 鍵")))
	s.read(read{id: "name-odd", why: "a provider name may hold blanks and any UTF-8 but no colon", config: odd, stored: cat(prefixV2, "schlüssel 鍵:", v.seedObject().marshal()), v2: map[string]*plugin{"schlüssel 鍵": {keyID: "1"}}})
}

func form(seed bool) string {
	if seed {
		return "seed"
	}
	return "key"
}

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}

// limits asks at and around every bound.
func limits(v *v2set) {
	for _, n := range []int{0, 1, 2, 1023, 1024, 1025, 2048} {
		e := bytesOf("v2-edek", n)
		o := v.seedObject()
		o.edek = e
		v.askPlugin(fmt.Sprintf("edek-%d", n), fmt.Sprintf("an encrypted DEK source of %d bytes; 1,024 is the most", n), o.marshal(), &plugin{keyID: "1", unwrap: func(question) ([]byte, error) { return v.dek, nil }})
		o = v.seedObject()
		o.keyID = strings.Repeat("k", n)
		v.ask(fmt.Sprintf("key-id-%d", n), fmt.Sprintf("a key_id of %d bytes; 1,024 is the most", n), o.marshal())
	}
	o := v.seedObject()
	o.keyID = strings.Repeat("é", 512)
	v.ask("key-id-1024-utf8", "the limit of key_id counts bytes: 512 two-byte letters pass", o.marshal())
	o.keyID = strings.Repeat("é", 513)
	v.ask("key-id-1026-utf8", "the limit of key_id counts bytes: 513 two-byte letters do not", o.marshal())
	for _, total := range []int{32767, 32768, 32769} {
		o := v.seedObject()
		o.annotations = [][2]string{{"a.b", strings.Repeat("x", total-3)}}
		v.ask(fmt.Sprintf("annotations-%d", total), fmt.Sprintf("annotations of %d bytes in all; 32,768 is the most", total), o.marshal())
	}
	o = v.seedObject()
	o.annotations = [][2]string{{"a.b", strings.Repeat("x", 20000)}, {"a.c", strings.Repeat("x", 20000)}}
	v.ask("annotations-two-too-big", "two annotations that are too big only together", o.marshal())
	o.annotations = [][2]string{{"a.b", strings.Repeat("x", 32766)}, {"a.b", "y"}}
	v.ask("annotations-repeated-key", "a repeated annotation counts once, with its last value", o.marshal())
}

// validationOrder shows two faults at once: the earlier check speaks.
func validationOrder(v *v2set) {
	faults := []struct {
		name string
		set  func(*object)
	}{
		{"type", func(o *object) { o.typ = 2 }},
		{"data", func(o *object) { o.data = nil }},
		{"edek", func(o *object) { o.edek = nil }},
		{"key-id", func(o *object) { o.keyID = "" }},
		{"annotation", func(o *object) { o.annotations = [][2]string{{"foo", ""}} }},
	}
	for i, a := range faults {
		o := v.seedObject()
		a.set(&o)
		v.ask("fault-"+a.name, "one fault: "+a.name, o.marshal())
		for _, b := range faults[i+1:] {
			o := v.seedObject()
			a.set(&o)
			b.set(&o)
			v.ask("order-"+a.name+"-"+b.name, "two faults, "+a.name+" and "+b.name+": the first check speaks", o.marshal())
		}
	}
	o := object{typ: 7, annotations: [][2]string{{"foo", ""}}}
	v.ask("order-all", "every fault at once", o.marshal())
	for _, t := range []uint64{2, 3, 127, 128, 1<<31 - 1, 1 << 31, 1<<32 - 1, 1 << 32, 1<<32 + 1, 1<<33 + 1, 1<<63 - 1, 1 << 63, 1<<64 - 1} {
		o := v.seedObject()
		o.typ = t
		v.ask(fmt.Sprintf("type-%d", t), fmt.Sprintf("encryptedDEKSourceType %d as a varint: 64 bits cut to 32", t), o.marshal())
	}
}

// malformed asks what bytes that no writer makes are taken for.
func malformed(v *v2set) {
	good := v.seedObject().marshal()
	v.ask("empty", "no payload at all parses as an empty message", nil)
	junk := []struct {
		id, why string
		tail    []byte
	}{
		{"tail-zero", "a trailing zero byte is field number 0", []byte{0}},
		{"tail-unknown-varint", "an unknown varint field is skipped", varintField(99, 5)},
		{"tail-unknown-fixed64", "an unknown 64-bit field is skipped", cat(tag(99, 1), make([]byte, 8))},
		{"tail-unknown-bytes", "an unknown length-delimited field is skipped", field(99, []byte("xyz"))},
		{"tail-unknown-group", "an unknown group is skipped", cat(tag(99, 3), varintField(1, 1), tag(99, 4))},
		{"tail-unknown-nested-group", "a group in a group is skipped", cat(tag(99, 3), tag(98, 3), tag(98, 4), tag(99, 4))},
		{"tail-group-number-above-max", "inside a group a field number may be larger than outside", cat(tag(99, 3), varintField(1<<29, 1), varintField(1<<31-1, 1), tag(99, 4))},
		{"tail-group-number-too-large", "inside a group a field number above 2^31-1 is refused", cat(tag(99, 3), varintField(1<<31, 1), tag(99, 4))},
		{"tail-unknown-fixed32", "an unknown 32-bit field is skipped", cat(tag(99, 5), make([]byte, 4))},
		{"tail-wire-6", "wire type 6 does not exist", cat(tag(99, 6), make([]byte, 8))},
		{"tail-wire-7", "wire type 7 does not exist", cat(tag(99, 7), make([]byte, 8))},
		{"tail-group-open", "a group that never ends", tag(99, 3)},
		{"tail-group-wrong-end", "a group ended by another number", cat(tag(99, 3), tag(98, 4))},
		{"tail-group-end-alone", "an end without a group", tag(99, 4)},
		{"tail-number-zero-varint", "field number 0 with a value", []byte{0x00, 0x01}},
		{"tail-number-max", "the largest field number", varintField(1<<29-1, 1)},
		{"tail-number-too-large", "a field number one too large", varintField(1<<29, 1)},
		{"tail-tag-64-bit", "a tag of more than 32 bits", cat(binary.AppendUvarint(nil, 1<<40|2<<3), []byte{1})},
		{"tail-tag-cut", "a tag cut inside its varint", []byte{0x80}},
		{"tail-varint-cut", "a varint cut in the middle", cat(tag(99, 0), []byte{0x80})},
		{"tail-varint-10-bytes", "a varint of ten bytes whose last is 1", cat(tag(99, 0), []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01})},
		{"tail-varint-overflow", "a varint of ten bytes whose last is 2", cat(tag(99, 0), []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02})},
		{"tail-varint-11-bytes", "a varint of eleven bytes", cat(tag(99, 0), []byte{0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x00})},
		{"tail-fixed64-cut", "a 64-bit field cut to seven bytes", cat(tag(99, 1), make([]byte, 7))},
		{"tail-fixed32-cut", "a 32-bit field cut to three bytes", cat(tag(99, 5), make([]byte, 3))},
		{"tail-length-too-long", "a length one past the end", cat(tag(99, 2), []byte{2, 'x'})},
		{"tail-length-huge", "a length of 2^63", cat(tag(99, 2), binary.AppendUvarint(nil, 1<<63), []byte("x"))},
		{"tail-length-max", "a length of 2^64-1", cat(tag(99, 2), binary.AppendUvarint(nil, 1<<64-1), []byte("x"))},
		{"tail-json", "JSON after the message: 0x7b is field 15 with wire type 3", []byte("{}\n")},
		{"data-again-empty", "the last encryptedData wins, even when it is empty", field(1, nil)},
		{"key-id-again-empty", "the last keyID wins, even when it is empty", field(2, nil)},
		{"edek-again-empty", "the last encryptedDEKSource wins, even when it is empty", field(3, nil)},
		{"key-id-again", "the last keyID wins", field(2, []byte("2"))},
		{"edek-again", "the last encryptedDEKSource wins", field(3, []byte("kek:short"))},
		{"data-again", "the last encryptedData wins", field(1, v.sealedKey)},
		{"type-again-zero", "the last type wins", varintField(5, 0)},
		{"type-again-one", "the same type again", varintField(5, 1)},
		{"type-again-unknown", "the last type wins, known or not", varintField(5, 9)},
	}
	for _, j := range junk {
		v.ask(j.id, j.why, cat(good, j.tail))
		v.ask("lead-"+strings.TrimPrefix(j.id, "tail-"), "before the message: "+j.why, cat(j.tail, good))
	}
	// A known field with another wire type is an unknown field.
	for number := uint64(1); number <= 5; number++ {
		for wire := uint64(0); wire <= 7; wire++ {
			var body []byte
			switch wire {
			case 0:
				body = []byte{1}
			case 1:
				body = make([]byte, 8)
			case 2:
				body = []byte{0}
			case 3:
				body = tag(number, 4)
			case 5:
				body = make([]byte, 4)
			}
			v.ask(fmt.Sprintf("field-%d-wire-%d", number, wire), fmt.Sprintf("field %d with wire type %d after a good message", number, wire), cat(good, tag(number, wire), body))
		}
	}
	// Cut at every byte.
	small := object{data: gcm(v.dek, v.nonce, nil, v.aad), keyID: "1", edek: v.edek, annotations: [][2]string{{"a.b", "x"}}}.marshal()
	for n := 0; n < len(small); n++ {
		v.ask(fmt.Sprintf("cut-%d", n), fmt.Sprintf("a good message cut to %d of %d bytes", n, len(small)), small[:n])
	}
	// Order of fields.
	d, k, e, t := field(1, v.sealedSeed), field(2, []byte("1")), field(3, v.edek), varintField(5, 1)
	v.ask("fields-backwards", "fields may come in any order", cat(t, e, k, d))
	v.ask("fields-shuffled", "fields may come in any order, once more", cat(k, t, d, e))
	v.ask("type-zero-explicit", "an explicit zero type", cat(v.keyObject().marshal(), varintField(5, 0)))
	v.ask("type-overlong", "an overlong varint for the type", cat(d, k, e, tag(5, 0), []byte{0x81, 0x80, 0x00}))
	v.ask("type-ten-bytes", "a ten-byte varint for the type", cat(d, k, e, tag(5, 0), []byte{0x81, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x00}))
	v.ask("type-negative", "type -1, which a varint writes in ten bytes", cat(d, k, e, varintField(5, 1<<64-1)))
	v.ask("type-packed", "the type as a packed list is an unknown field", cat(d, k, e, field(5, []byte{1})))
	v.ask("tag-overlong", "an overlong varint for a tag", cat(d, []byte{0x92, 0x00, 0x01, '1'}, e, t))
	v.ask("length-overlong", "an overlong varint for a length", cat(d, []byte{0x12, 0x81, 0x00, '1'}, e, t))
	for i, b := range [][]byte{{0xff}, {0xc3}, {0xc0, 0x80}, {0xed, 0xa0, 0x80}, {0xf4, 0x90, 0x80, 0x80}, {'a', 0x80}} {
		v.ask(fmt.Sprintf("key-id-utf8-%d", i), fmt.Sprintf("key_id bytes %x are not UTF-8", b), cat(d, field(2, b), e, t))
		v.ask(fmt.Sprintf("key-id-utf8-%d-then-good", i), fmt.Sprintf("key_id bytes %x are refused even when a later key_id is good", b), cat(d, field(2, b), e, t, k))
		v.ask(fmt.Sprintf("annotation-utf8-%d", i), fmt.Sprintf("annotation key bytes %x are not UTF-8", b), cat(d, k, e, t, field(4, cat(field(1, b), field(2, []byte("x"))))))
	}
	// Map entries.
	entries := []struct {
		id, why string
		entry   []byte
	}{
		{"entry-empty", "a map entry without key and value: the key is empty", nil},
		{"entry-key-only", "a map entry without value: the value is empty", field(1, []byte("a.b"))},
		{"entry-value-only", "a map entry without key: the key is empty", field(2, []byte("x"))},
		{"entry-backwards", "value before key", cat(field(2, []byte("x")), field(1, []byte("a.b")))},
		{"entry-key-twice", "the last key of an entry wins", cat(field(1, []byte("foo")), field(1, []byte("a.b")), field(2, []byte("x")))},
		{"entry-value-twice", "the last value of an entry wins", cat(field(1, []byte("a.b")), field(2, []byte("x")), field(2, []byte("y")))},
		{"entry-unknown", "an unknown field in an entry is skipped", cat(field(1, []byte("a.b")), field(2, []byte("x")), varintField(3, 1))},
		{"entry-key-varint", "a key with another wire type is skipped", cat(varintField(1, 1), field(2, []byte("x")))},
		{"entry-value-varint", "a value with another wire type is skipped", cat(field(1, []byte("a.b")), varintField(2, 1))},
		{"entry-cut", "an entry whose value is cut", cat(field(1, []byte("a.b")), []byte{0x12, 0x05, 'x'})},
		{"entry-zero", "field number 0 in an entry", cat(field(1, []byte("a.b")), []byte{0x00})},
		{"entry-group", "a group in an entry", cat(field(1, []byte("a.b")), tag(3, 3), tag(3, 4))},
		{"entry-group-open", "an open group in an entry", cat(field(1, []byte("a.b")), tag(3, 3))},
		{"entry-group-end", "an end of a group in an entry", cat(field(1, []byte("a.b")), tag(3, 4))},
	}
	for _, e := range entries {
		v.ask(e.id, e.why, cat(good, field(4, e.entry)))
	}
	v.ask("annotation-twice", "the last value of a repeated annotation wins", cat(good, field(4, cat(field(1, []byte("a.b")), field(2, []byte("x")))), field(4, cat(field(1, []byte("a.b")), field(2, []byte("y"))))))
	v.ask("annotation-twice-then-empty", "a repeated annotation without value is empty", cat(good, field(4, cat(field(1, []byte("a.b")), field(2, []byte("x")))), field(4, field(1, []byte("a.b")))))
	depth := func(n int) []byte {
		var b []byte
		for range n {
			b = append(b, tag(99, 3)...)
		}
		for range n {
			b = append(b, tag(99, 4)...)
		}
		return b
	}
	for _, n := range []int{100, 10000, 10001, 10002} {
		v.ask(fmt.Sprintf("groups-%d-deep", n), fmt.Sprintf("unknown groups %d deep", n), cat(good, depth(n)))
	}
	annotationKeys(v)
}

// annotationKeys asks which annotation keys are fully qualified names.
func annotationKeys(v *v2set) {
	label63, label64 := strings.Repeat("a", 63), strings.Repeat("a", 64)
	long := func(n int) string { // n bytes in labels of at most 63
		s := strings.Repeat(label63+".", 4)[:n-2]
		return strings.TrimSuffix(s, ".") + strings.Repeat("a", 2+len(s)-len(strings.TrimSuffix(s, ".")))
	}
	keys := []string{"", ".", "..", "a", "a.", "a.b", "a.b.", "a.b..", ".a.b", "a..b", "foo", "Foo.bar", "foo.Bar", "a_b.c", "a.b_c", "-a.b", "a-.b", "a.-b", "a.b-", "a-b.c-d", "1.2", "1.2.3.4",
		"xn--a.b", "a.b/c", "a/b.c", "a b.c", " a.b", "a.b ", "ä.b", "例.jp", "a.b\x00", "a.b\n", "a:b.c", "a.b:c", "*.b", "k8s.io", "kubernetes.io", "encryption.apiserver.k8s.io", "version.encryption.remote.io",
		label63 + ".b", label64 + ".b", "a." + label63, "a." + label64, label64, label64 + "." + label64, long(252), long(253), long(254), long(253) + ".", long(254) + ".", "A." + label64}
	for i, k := range keys {
		show := k
		if len(show) > 40 {
			show = fmt.Sprintf("%s... of %d bytes", k[:20], len(k))
		}
		o := v.seedObject()
		o.annotations = [][2]string{{k, "x"}}
		v.ask(fmt.Sprintf("annotation-key-%d", i), fmt.Sprintf("annotation key %q", show), o.marshal())
	}
	combos := [][]string{{"foo", "bar"}, {"foo", "a.b"}, {"foo", "A.b", ""}, {"", "."}}
	for i, c := range combos {
		o := v.seedObject()
		for _, k := range c {
			o.annotations = append(o.annotations, [2]string{k, "x"})
		}
		v.ask(fmt.Sprintf("annotation-keys-%d", i), fmt.Sprintf("annotation keys %q: one error per bad key, in map order", c), o.marshal())
	}
	o := v.seedObject()
	o.annotations = [][2]string{{"foo", strings.Repeat("x", 32768)}}
	v.ask("annotation-key-and-size", "a bad key and a total too large: both, size last", o.marshal())
}
