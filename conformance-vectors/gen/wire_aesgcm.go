package main

import "fmt"

func wireAESGCM(s *Suite) {
	prefix := prefixGCM + "key1:"
	aad := []byte(defaultKey)
	nonce := seq(0x60, 12)
	var k []byte
	var conf string
	for _, size := range keySizes {
		k = seq(0, size)
		conf = config(fmt.Sprintf("aesgcm-%d", size*8), secrets(keyed("aesgcm", key{"key1", k})))
		for _, n := range edgeLengths {
			s.read(read{id: fmt.Sprintf("aes%d-plain-%d", size*8, n), why: fmt.Sprintf("AES-%d-GCM, plaintext of %d bytes", size*8, n),
				config: conf, stored: cat(prefix, gcm(k, nonce, bytesOf("gcm", n), aad))})
		}
	}
	foo := []byte("/registry/secrets/default/foo")
	s.read(read{id: "spec-example", why: "the worked example of the format description", config: conf, key: foo, stored: cat(prefix, gcm(k, nonce, []byte("{}\n"), foo))})

	whole := gcm(k, nonce, []byte("{}\n"), aad) // 31 bytes
	for n := range len(whole) {
		s.read(read{id: fmt.Sprintf("cut-%d", n), why: fmt.Sprintf("a 31-byte payload cut to %d bytes", n), config: conf, stored: cat(prefix, whole[:n])})
	}
	for _, n := range []int{1, 16} {
		s.read(read{id: fmt.Sprintf("extra-%d", n), why: fmt.Sprintf("%d zero bytes after the payload", n), config: conf, stored: cat(prefix, whole, make([]byte, n))})
	}
	for i := range len(whole) {
		part := "nonce"
		if i >= 12 {
			part = "ciphertext"
		}
		if i >= 15 {
			part = "tag"
		}
		s.read(read{id: fmt.Sprintf("flip-%d", i), why: fmt.Sprintf("one bit of payload byte %d (%s) turned over", i, part), config: conf, stored: flip(cat(prefix, whole), len(prefix)+i, uint(i%8))})
	}
	keys := []string{"/registry/secrets/default/b", "/registry/secrets/default/a/", "registry/secrets/default/a", "/registry/secrets/default/A", "/registry//secrets/default/a", "/other/secrets/default/a", "/"}
	for i, other := range keys {
		s.read(read{id: fmt.Sprintf("other-etcd-key-%d", i), why: "the etcd key is authenticated: the value of " + defaultKey + " at " + other, config: conf, key: []byte(other), stored: cat(prefix, whole)})
		s.read(read{id: fmt.Sprintf("own-etcd-key-%d", i), why: "a value sealed for " + other + " opens there", config: conf, key: []byte(other), stored: cat(prefix, gcm(k, nonce, []byte("{}"), []byte(other)))})
	}
	s.read(read{id: "empty-aad", why: "an empty etcd key is legal for aesgcm", config: conf, noKey: true, stored: cat(prefix, gcm(k, nonce, []byte("{}"), nil))})
	s.read(read{id: "empty-aad-refused", why: "a value sealed for a key does not open at the empty key", config: conf, noKey: true, stored: cat(prefix, whole)})
	binary := []byte{0xff, 0xfe, 0x00, '/', 0x80}
	s.read(read{id: "binary-etcd-key", why: "an etcd key is bytes, not text", config: conf, key: binary, stored: cat(prefix, gcm(k, nonce, []byte("{}"), binary))})
	long := cat("/registry/secrets/default/", bytesOf("long-key", 1000))
	s.read(read{id: "long-etcd-key", why: "an etcd key of 1,026 bytes", config: conf, key: long, stored: cat(prefix, gcm(k, nonce, []byte("{}"), long))})
	s.read(read{id: "counter-nonce", why: "nobody checks how a nonce was made", config: conf, stored: cat(prefix, gcm(k, cat(seq(0xd0, 4), []byte{1, 0xca, 0x9a, 0x3b, 0, 0, 0, 0}), []byte("{}"), aad))})
	s.read(read{id: "zero-nonce", why: "a nonce of zeros reads as any other", config: conf, stored: cat(prefix, gcm(k, make([]byte, 12), []byte("{}"), aad))})
	for i := range 4 {
		s.read(read{id: fmt.Sprintf("wrong-key-%d", i), why: "the right key name over another key", config: conf, stored: cat(prefix, gcm(bytesOf(fmt.Sprintf("gcm-wrong-%d", i), 32), nonce, []byte("{}"), aad))})
	}
	s.read(read{id: "wrong-key-size", why: "sealed with AES-128 of the first half of the key", config: conf, stored: cat(prefix, gcm(k[:16], nonce, []byte("{}"), aad))})
	s.read(read{id: "cbc-payload", why: "an aescbc payload under the aesgcm prefix", config: conf, stored: cat(prefix, cbc(k, seq(0x40, 16), []byte("{}")))})
	s.read(read{id: "name-unknown", why: "a key name that is not configured", config: conf, stored: cat(prefixGCM, "key2:", whole)})
	s.read(read{id: "nothing-after-prefix", why: "the provider prefix alone", config: conf, stored: []byte(prefixGCM)})
	s.read(read{id: "nothing-after-name", why: "provider prefix and key name, no payload", config: conf, stored: []byte(prefix)})
	for i, name := range oddNames {
		c := config(fmt.Sprintf("aesgcm-name-%d", i), secrets(keyed("aesgcm", key{name, k})))
		s.read(read{id: fmt.Sprintf("odd-name-%d", i), why: fmt.Sprintf("key name %q", name), config: c, stored: cat(prefixGCM, name, ":", whole)})
	}
}
