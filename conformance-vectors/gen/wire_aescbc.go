package main

import (
	"bytes"
	"fmt"
)

// keySizes are the AES key sizes the configuration allows.
var keySizes = []int{16, 24, 32}

// edgeLengths are plaintext lengths around block borders.
var edgeLengths = []int{0, 1, 2, 3, 7, 8, 14, 15, 16, 17, 18, 30, 31, 32, 33, 47, 48, 49, 63, 64, 65, 127, 128, 129, 255, 256, 257, 1023, 1024, 1025}

func wireAESCBC(s *Suite) {
	prefix := prefixCBC + "key1:"
	var k32 []byte
	var conf string
	for _, size := range keySizes {
		k := seq(0, size)
		conf = config(fmt.Sprintf("aescbc-%d", size*8), secrets(keyed("aescbc", key{"key1", k})))
		for _, n := range edgeLengths {
			plain := bytesOf("cbc", n)
			s.read(read{id: fmt.Sprintf("aes%d-plain-%d", size*8, n), why: fmt.Sprintf("AES-%d-CBC, plaintext of %d bytes", size*8, n),
				config: conf, stored: cat(prefix, cbc(k, seq(0x40, 16), plain))})
		}
		k32 = k
	}
	iv := seq(0x40, 16)
	s.read(read{id: "spec-example", why: "the worked example of the format description", config: conf,
		key: []byte("/registry/secrets/default/foo"), stored: cat(prefix, cbc(k32, iv, []byte("{}\n")))})

	whole := cbc(k32, iv, bytesOf("cbc-cut", 20)) // 16 + 32 bytes
	for n := range len(whole) {
		s.read(read{id: fmt.Sprintf("cut-%d", n), why: fmt.Sprintf("a 48-byte payload cut to %d bytes", n), config: conf, stored: cat(prefix, whole[:n])})
	}
	for _, n := range []int{1, 15, 16, 17, 32} {
		s.read(read{id: fmt.Sprintf("extra-%d", n), why: fmt.Sprintf("%d zero bytes after the payload", n), config: conf, stored: cat(prefix, whole, make([]byte, n))})
	}

	// Padding: the last byte and the bytes it covers, over one, two and three blocks.
	for _, blocks := range []int{1, 2, 3} {
		size := 16 * blocks
		for _, p := range []int{0, 1, 2, 15, 16, 17, 31, 32, 33, 47, 48, 49, 64, 128, 255} {
			padded := bytesOf(fmt.Sprintf("cbc-pad-%d", size), size)
			for i := range padded {
				if padded[i] == byte(p) {
					padded[i]++
				}
			}
			for i := max(0, size-p); i < size; i++ {
				padded[i] = byte(p)
			}
			padded[size-1] = byte(p)
			s.read(read{id: fmt.Sprintf("pad-%d-of-%d", p, size), why: fmt.Sprintf("pad byte %d over %d bytes: upstream bounds the pad by the data, not by the block", p, size),
				config: conf, stored: cat(prefix, cbcRaw(k32, iv, padded))})
		}
	}
	for _, p := range []int{2, 16, 20, 32} {
		for _, at := range []int{1, p / 2, p - 1} {
			if at == 0 {
				continue
			}
			padded := bytes.Repeat([]byte{byte(p)}, 48)
			padded[48-1-at] ^= 0x01
			id := fmt.Sprintf("pad-%d-wrong-at-%d", p, at)
			if s.ids[id] {
				continue
			}
			s.read(read{id: id, why: fmt.Sprintf("pad %d with a wrong byte %d before the last", p, at), config: conf, stored: cat(prefix, cbcRaw(k32, iv, padded))})
		}
	}
	for _, size := range []int{16, 32, 48, 240, 256} {
		p := min(size, 255)
		s.read(read{id: fmt.Sprintf("all-pad-%d", size), why: fmt.Sprintf("%d bytes that are all %d", size, p), config: conf,
			stored: cat(prefix, cbcRaw(k32, iv, bytes.Repeat([]byte{byte(p)}, size)))})
	}

	// Nothing is authenticated.
	value := cat(prefix, cbc(k32, iv, []byte("{\"kind\":\"Secret\",\"data\":{}}\n")))
	at := len(prefix)
	s.read(read{id: "other-etcd-key", why: "the etcd key is not part of the value: a copy elsewhere opens", config: conf, key: []byte("/registry/secrets/other/b"), stored: value})
	s.read(read{id: "empty-etcd-key", why: "an empty etcd key changes nothing", config: conf, noKey: true, stored: value})
	for _, i := range []int{0, 1, 15} {
		s.read(read{id: fmt.Sprintf("iv-flip-%d", i), why: "a bit of the IV flips that bit of the first block, unseen", config: conf, stored: flip(value, at+i, 0)})
	}
	for i := range 32 {
		s.read(read{id: fmt.Sprintf("ciphertext-flip-%d", i), why: fmt.Sprintf("one bit of ciphertext byte %d turned over", i), config: conf, stored: flip(value, at+16+i, 3)})
	}
	for i := range 8 {
		other := bytesOf(fmt.Sprintf("cbc-wrong-key-%d", i), 32)
		s.read(read{id: fmt.Sprintf("wrong-key-%d", i), why: "the right key name over another key", config: conf, stored: cat(prefix, cbc(other, iv, []byte("{}\n")))})
	}
	lucky := luckyCBC(k32)
	s.read(read{id: "wrong-key-opens", why: "about one wrong key in 256 opens to garbage and is not noticed", config: conf, stored: cat(prefix, lucky)})

	// Key names.
	s.read(read{id: "name-unknown", why: "a key name that is not configured", config: conf, stored: cat(prefixCBC, "key2:", whole)})
	s.read(read{id: "name-case", why: "key names are case-sensitive", config: conf, stored: cat(prefixCBC, "KEY1:", whole)})
	s.read(read{id: "name-no-colon", why: "the provider prefix and a name without its colon", config: conf, stored: cat(prefixCBC, "key1")})
	s.read(read{id: "name-empty", why: "the provider prefix and an empty name", config: conf, stored: cat(prefixCBC, ":", whole)})
	s.read(read{id: "nothing-after-prefix", why: "the provider prefix alone", config: conf, stored: []byte(prefixCBC)})
	s.read(read{id: "prefix-cut", why: "the provider prefix without its last colon", config: conf, stored: []byte("k8s:enc:aescbc:v1")})
	for i, name := range oddNames {
		c := config(fmt.Sprintf("aescbc-name-%d", i), secrets(keyed("aescbc", key{name, k32})))
		s.read(read{id: fmt.Sprintf("odd-name-%d", i), why: fmt.Sprintf("key name %q", name), config: c, stored: cat(prefixCBC, name, ":", whole)})
	}
}

// oddNames are legal key names that a careless parser splits in the wrong place.
var oddNames = []string{"a:b", ":", "::", "a:", " ", "key 1", "schlüssel", "鍵", "aescbckey-2026-01-02T03:04:05Z", "k8s:enc:aescbc:v1:key1", "\x01", "\"", "a\nb"}

// luckyCBC is a value under some other key that k opens all the same.
func luckyCBC(k []byte) []byte {
	for i := range 100_000 {
		v := bytesOf(fmt.Sprintf("cbc-lucky-%d", i), 48)
		if _, ok := cbcOpen(k, v); ok {
			return v
		}
	}
	fatal("no lucky value found")
	return nil
}

// cbcOpen tells whether v would pass the padding check; it only searches inputs.
func cbcOpen(k, v []byte) ([]byte, bool) {
	p := cbcPlain(k, v)
	n := int(p[len(p)-1])
	if n == 0 || n > len(p) {
		return nil, false
	}
	for _, b := range p[len(p)-n:] {
		if int(b) != n {
			return nil, false
		}
	}
	return p[:len(p)-n], true
}
