package main

import "fmt"

func wireSecretbox(s *Suite) {
	prefix := prefixBox + "key1:"
	k := seq(0, 32)
	nonce := seq(0x80, 24)
	conf := config("secretbox", secrets(keyed("secretbox", key{"key1", k})))
	for _, n := range edgeLengths {
		s.read(read{id: fmt.Sprintf("plain-%d", n), why: fmt.Sprintf("plaintext of %d bytes", n), config: conf, stored: cat(prefix, box(k, nonce, bytesOf("box", n)))})
	}
	s.read(read{id: "spec-example", why: "the worked example of the format description", config: conf, key: []byte("/registry/secrets/default/foo"), stored: cat(prefix, box(k, nonce, []byte("{}\n")))})
	whole := box(k, nonce, []byte("{}\n")) // 43 bytes
	for n := range len(whole) {
		s.read(read{id: fmt.Sprintf("cut-%d", n), why: fmt.Sprintf("a 43-byte payload cut to %d bytes", n), config: conf, stored: cat(prefix, whole[:n])})
	}
	for i := range len(whole) {
		part := "nonce"
		if i >= 24 {
			part = "tag"
		}
		if i >= 40 {
			part = "ciphertext"
		}
		s.read(read{id: fmt.Sprintf("flip-%d", i), why: fmt.Sprintf("one bit of payload byte %d (%s) turned over", i, part), config: conf, stored: flip(cat(prefix, whole), len(prefix)+i, uint(i%8))})
	}
	for _, n := range []int{1, 16} {
		s.read(read{id: fmt.Sprintf("extra-%d", n), why: fmt.Sprintf("%d zero bytes after the payload", n), config: conf, stored: cat(prefix, whole, make([]byte, n))})
	}
	tagLast := cat(whole[:24], whole[40:], whole[24:40])
	s.read(read{id: "tag-last", why: "the tag stands before the ciphertext, not after it", config: conf, stored: cat(prefix, tagLast)})
	s.read(read{id: "other-etcd-key", why: "the etcd key is not part of the value: a copy elsewhere opens", config: conf, key: []byte("/registry/secrets/other/b"), stored: cat(prefix, whole)})
	s.read(read{id: "empty-etcd-key", why: "an empty etcd key changes nothing", config: conf, noKey: true, stored: cat(prefix, whole)})
	for i := range 4 {
		s.read(read{id: fmt.Sprintf("wrong-key-%d", i), why: "the right key name over another key", config: conf, stored: cat(prefix, box(bytesOf(fmt.Sprintf("box-wrong-%d", i), 32), nonce, []byte("{}")))})
	}
	s.read(read{id: "gcm-payload", why: "an aesgcm payload under the secretbox prefix", config: conf, stored: cat(prefix, gcm(k, seq(0x60, 12), bytesOf("box-gcm", 40), []byte(defaultKey)))})
	s.read(read{id: "name-unknown", why: "a key name that is not configured", config: conf, stored: cat(prefixBox, "key2:", whole)})
	s.read(read{id: "nothing-after-prefix", why: "the provider prefix alone", config: conf, stored: []byte(prefixBox)})
	s.read(read{id: "nothing-after-name", why: "provider prefix and key name, no payload", config: conf, stored: []byte(prefix)})
	for i, name := range oddNames {
		c := config(fmt.Sprintf("secretbox-name-%d", i), secrets(keyed("secretbox", key{name, k})))
		s.read(read{id: fmt.Sprintf("odd-name-%d", i), why: fmt.Sprintf("key name %q", name), config: c, stored: cat(prefixBox, name, ":", whole)})
	}
}
