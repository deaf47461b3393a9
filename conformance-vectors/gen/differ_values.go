package main

import (
	"encoding/binary"
	"math/rand/v2"
	"strings"
)

// The functions here make the inputs of a differential run: configurations, values close to what their chain can
// open, and damage.

func pick[T any](r *rand.Rand, from []T) T { return from[r.IntN(len(from))] }

func randomBytes(r *rand.Rand, n int) []byte {
	b := make([]byte, n+8)
	for i := 0; i < n; i += 8 {
		binary.LittleEndian.PutUint64(b[i:], r.Uint64())
	}
	return b[:n]
}

var (
	differKeyNames  = append([]string{"key1", "key1", "key", "key2", "k", "key1:b"}, oddNames...)
	differKMSNames  = []string{"p", "q", "p2", "my-plugin", "p.q", "aws-encryption-provider"}
	differV1Names   = append([]string{"a:b", "p:"}, differKMSNames...)
	differResources = []string{"secrets", "secrets", "secrets", "configmaps", "deployments.apps", "widgets.example.com"}
	goodAnnotations = []string{"a.b", "a.bb", "aa.b", "a.example.com", "a.b."}
	keyIDs          = [][]byte{[]byte("1"), []byte("2"), []byte("schlüssel-鍵"), {}, []byte("\xff"), []byte(strings.Repeat("k", 1024)), []byte(strings.Repeat("k", 1025)), []byte(strings.Repeat("é", 512)), []byte("arn:aws:kms:eu-west-1:111122223333:key/1")}
	oddAnnotations  = [][]byte{[]byte("a.b"), []byte("a.example.com"), []byte("a"), {}, []byte("A.b"), []byte("a..b"), []byte("a.b."), []byte("a.b.."), []byte("."), []byte("-a.b"), []byte("a-.b"), []byte("a_b.c"), []byte("1.2"), []byte("*.b"), []byte("a b.c"), []byte("\xc3\x28.b"), []byte("é.b"), []byte(strings.Repeat("a", 63) + ".b"), []byte(strings.Repeat("a", 64) + ".b"), []byte(strings.Repeat("a.", 126) + "b"), []byte(strings.Repeat("a.", 127) + "b")}
	etcdKeys        = [][]byte{[]byte(defaultKey), []byte(defaultKey), []byte(defaultKey), []byte("/registry/secrets/default/b"), {}, []byte("/"), []byte("\xff\x00"), []byte("/registry/configmaps/kube-system/" + strings.Repeat("n", 253))}
	differPrefixes  = []string{prefixCBC, prefixGCM, prefixBox, prefixV1, prefixV2, "k8s:enc:", "k8s:enc", "k8s:", "k8s:enc:identity:v1:", "k8s:enc:aescbc:v2:", "k8s:enc:aesgcm:v1", "K8s:enc:aesgcm:v1:", ""}
)

// differSecrets are the static keys that configurations share, so that one key stands in several places.
var differSecrets = [][]byte{seq(0, 32), seq(1, 32), seq(0, 16), seq(0, 24), seq(0x80, 32)}

// differDEKs are in use in several values, so that what one side remembers matters.
var differDEKs = [][]byte{seq(0, 32), seq(7, 32), seq(0, 16), seq(0, 24), seq(3, 64)}

// randomConfig writes a configuration whose chains overlap often.
func randomConfig(r *rand.Rand) (text, resource string) {
	resource = pick(r, differResources)
	taken := map[string]bool{}
	var entries []string
	for range 1 + r.IntN(2) {
		var providers []string
		for range 1 + r.IntN(4) {
			providers = append(providers, randomProvider(r, taken))
		}
		names := []string{pick(r, []string{resource, resource, resource, "*.*", "*.apps", "*."})}
		entries = append(entries, entry(names, providers...))
	}
	return doc(entries...), resource
}

func randomProvider(r *rand.Rand, taken map[string]bool) string {
	switch n := r.IntN(12); {
	case n == 0:
		return identityProvider
	case n < 3:
		return kms("v1", pick(r, differV1Names), pick(r, []string{"cachesize: -1", "cachesize: 1", "cachesize: 1000"}))
	case n < 6:
		name := pick(r, differKMSNames)
		if taken[name] {
			return identityProvider
		}
		taken[name] = true
		return kms("v2", name)
	}
	provider := pick(r, []string{"aescbc", "aesgcm", "secretbox"})
	var keys []key
	for range 1 + r.IntN(3) {
		k := key{pick(r, differKeyNames), pick(r, differSecrets)}
		if provider == "secretbox" {
			k.secret = pick(r, [][]byte{differSecrets[0], differSecrets[1], differSecrets[4]})
		}
		keys = append(keys, k)
	}
	return keyed(provider, keys...)
}

func randomPlain(r *rand.Rand) []byte {
	switch n := r.IntN(100); {
	case n < 30:
		return pick(r, [][]byte{[]byte("{}\n"), []byte("{}"), []byte("k8s\x00\x0a\x00"), []byte("k8s:enc:aescbc:v1:key1:x"), {}, []byte("k8s:enc:")})
	case n < 80:
		return randomBytes(r, r.IntN(70))
	case n < 97:
		return randomBytes(r, r.IntN(600))
	default:
		return randomBytes(r, r.IntN(9000))
	}
}

// randomValue makes a stored value that the chain of w has a fair chance to open, or nearly.
func (w *world) randomValue(r *rand.Rand) (stored, key []byte) {
	key = pick(r, etcdKeys)
	sealedAt := key
	if r.IntN(10) == 0 {
		sealedAt = pick(r, etcdKeys)
	}
	s := shape{kind: "identity"}
	if len(w.providers) > 0 && r.IntN(12) != 0 {
		s = pick(r, w.providers)
	} else {
		s.kind = pick(r, []string{"aescbc", "aesgcm", "secretbox", "kms-v1", "kms-v2", "identity"})
		s.name = pick(r, differV1Names)
	}
	if s.plugin == nil {
		s.plugin = &differPlugin{keyID: "1"}
	}
	k := key1(r, s)
	plain := randomPlain(r)
	switch s.kind {
	case "aescbc":
		return cat(prefixCBC, k.name, ":", randomCBC(r, k.secret, plain)), key
	case "aesgcm":
		return cat(prefixGCM, k.name, ":", gcm(k.secret, randomBytes(r, 12), plain, sealedAt)), key
	case "secretbox":
		return cat(prefixBox, k.name, ":", box(k.secret, randomBytes(r, 24), plain)), key
	case "kms-v1":
		dek, edek := randomDEK(r)
		body := randomBytes(r, r.IntN(60))
		if aesKey(dek) {
			body = gcm(dek, randomBytes(r, 12), plain, sealedAt)
			if r.IntN(3) == 0 {
				body = randomCBC(r, dek, plain)
			}
		}
		return cat(prefixV1, s.name, ":", v1Body(edek, body)), key
	case "kms-v2":
		return cat(prefixV2, s.name, ":", randomObject(r, s, plain, sealedAt)), key
	}
	return plain, key
}

func aesKey(k []byte) bool { return len(k) == 16 || len(k) == 24 || len(k) == 32 }

// key1 is a key of the provider, now and then with another's name or secret.
func key1(r *rand.Rand, s shape) key {
	k := key{pick(r, differKeyNames), pick(r, differSecrets)}
	if len(s.keys) > 0 {
		k = pick(r, s.keys)
		switch r.IntN(20) {
		case 0:
			k.name = pick(r, differKeyNames)
		case 1:
			k.secret = pick(r, differSecrets)
		}
	}
	if !aesKey(k.secret) || s.kind == "secretbox" && len(k.secret) != 32 {
		k.secret = differSecrets[0]
	}
	return k
}

func randomDEK(r *rand.Rand) (dek, encrypted []byte) {
	dek = pick(r, differDEKs)
	switch r.IntN(10) {
	case 0:
		dek = randomBytes(r, r.IntN(70))
	case 1:
		dek = randomBytes(r, 32)
	}
	switch r.IntN(16) {
	case 0:
		return dek, cat("no:", randomBytes(r, r.IntN(8)))
	case 1:
		return dek, randomBytes(r, r.IntN(50))
	case 2:
		return dek, differWrap(dek, pick(r, []int{1, 100, 1024 - 6 - len(dek), 1025 - 6 - len(dek)}))
	}
	return dek, differWrap(dek, 0)
}

// randomCBC pads as a writer does, or as none would.
func randomCBC(r *rand.Rand, k, plain []byte) []byte {
	iv := randomBytes(r, 16)
	if r.IntN(3) != 0 {
		return cbc(k, iv, plain)
	}
	padded := pad(plain)
	last := len(padded) - 1
	switch r.IntN(6) {
	case 0:
		padded[last] = byte(r.IntN(256))
	case 1:
		padded = padded[:0]
	case 2:
		n := byte(min(len(padded), 255))
		for i := len(padded) - int(n); i < len(padded); i++ {
			padded[i] = n
		}
	case 3:
		padded[r.IntN(len(padded))] ^= 1
	case 4:
		padded[last] = 0
	case 5:
		n := 16 * (1 + r.IntN(20))
		padded = make([]byte, n)
		for i := range padded {
			padded[i] = byte(min(n, 255) - r.IntN(2))
		}
	}
	return cbcRaw(k, iv, padded)
}

// randomObject is a KMS v2 message: good fields first, then what protobuf allows and writers do not do.
func randomObject(r *rand.Rand, s shape, plain, aad []byte) []byte {
	dek, edek := randomDEK(r)
	typ := uint64(1)
	data := randomBytes(r, r.IntN(80))
	keyID := []byte(s.plugin.keyID)
	if r.IntN(3) == 0 {
		keyID = pick(r, keyIDs)
	}
	switch {
	case r.IntN(2) == 0 && len(dek) >= 32:
		data = xnonce(dek, randomBytes(r, 32), randomBytes(r, 12), plain, aad)
		if r.IntN(20) == 0 {
			data = data[:r.IntN(len(data))]
		}
	case aesKey(dek):
		typ, data = 0, gcm(dek, randomBytes(r, 12), plain, aad)
	}
	if r.IntN(25) == 0 {
		typ = pick(r, []uint64{0, 1, 2, 3, 255, 1 << 31, 1<<32 - 1, 1 << 32, 1<<32 + 1, 1<<64 - 1})
	}
	fields := [][]byte{field(1, data), field(2, keyID), field(3, edek)}
	if typ != 0 {
		fields = append(fields, varintField(5, typ))
	}
	if r.IntN(4) == 0 {
		for range 1 + r.IntN(3) {
			fields = append(fields, randomAnnotation(r))
		}
	}
	if r.IntN(4) == 0 {
		for range 1 + r.IntN(3) {
			fields = oddField(r, fields)
		}
	}
	if r.IntN(8) == 0 {
		r.Shuffle(len(fields), func(i, j int) { fields[i], fields[j] = fields[j], fields[i] })
	}
	if r.IntN(12) == 0 {
		i := r.IntN(len(fields))
		fields = append(fields[:i:i], fields[i+1:]...)
	}
	var out []byte
	for _, f := range fields {
		out = append(out, f...)
	}
	return out
}

func randomAnnotation(r *rand.Rand) []byte {
	k := []byte(pick(r, goodAnnotations))
	if r.IntN(3) == 0 {
		k = pick(r, oddAnnotations)
	}
	v := randomBytes(r, r.IntN(30))
	if r.IntN(30) == 0 {
		v = randomBytes(r, 32*1024-len(k)-1+r.IntN(3))
	}
	parts := [][]byte{field(1, k), field(2, v)}
	switch r.IntN(12) {
	case 0:
		parts = parts[:1]
	case 1:
		parts = parts[1:]
	case 2:
		parts[0], parts[1] = parts[1], parts[0]
	case 3:
		parts = append(parts, field(1, pick(r, oddAnnotations)))
	case 4:
		parts = append(parts, varintField(uint64(1+r.IntN(4)), r.Uint64()))
	case 5:
		parts = append(parts, oddField(r, nil)...)
	}
	var entry []byte
	for _, p := range parts {
		entry = append(entry, p...)
	}
	return field(4, entry)
}

// oddField adds one field that a decoder has to skip, join or refuse.
func oddField(r *rand.Rand, fields [][]byte) [][]byte {
	number := pick(r, []uint64{0, 1, 2, 3, 4, 5, 6, 15, 16, 1000, 1<<29 - 1, 1 << 29, 1<<32 + 1})
	var f []byte
	switch r.IntN(10) {
	case 0:
		f = varintField(number, r.Uint64()>>r.IntN(64))
	case 1:
		f = cat(tag(number, 1), randomBytes(r, 8))
	case 2:
		f = field(number, randomBytes(r, r.IntN(20)))
	case 3:
		f = cat(tag(number, 5), randomBytes(r, 4))
	case 4:
		inner := tag(pick(r, []uint64{1, 2, number}), uint64(r.IntN(8)))
		f = cat(tag(number, 3), varintField(7, 1), inner, randomBytes(r, r.IntN(6)), tag(number, 4))
	case 5:
		depth := 1 + r.IntN(20)
		for range depth {
			f = append(f, tag(number, 3)...)
		}
		for range depth {
			f = append(f, tag(number, 4)...)
		}
	case 6:
		f = tag(number, uint64(r.IntN(8)))
	case 7:
		// A varint longer than it has to be, up to ten bytes and one more.
		f = tag(number, 0)
		for range r.IntN(11) {
			f = append(f, 0x80)
		}
		f = append(f, byte(r.IntN(3)))
	case 8:
		f = cat(tag(number, 2), binary.AppendUvarint(nil, r.Uint64()>>r.IntN(64)), randomBytes(r, r.IntN(6)))
	case 9:
		if len(fields) > 0 {
			f = pick(r, fields)
		}
	}
	return append(fields, f)
}

// mutate damages a stored value; others are what it may be joined with.
func mutate(r *rand.Rand, stored []byte, others [][]byte) []byte {
	b := append([]byte{}, stored...)
	for range 1 + r.IntN(3) {
		at := r.IntN(len(b) + 1)
		switch n := r.IntN(11); {
		case n < 3 && len(b) > 0:
			b[at%len(b)] ^= 1 << r.IntN(8)
		case n == 3:
			b = b[:at]
		case n == 4 && len(b) > 0:
			end := min(len(b), at+1+r.IntN(4))
			b = append(b[:at:at], b[end:]...)
		case n == 5:
			b = append(b[:at:at], append(randomBytes(r, 1+r.IntN(17)), b[at:]...)...)
		case n == 6:
			b = cat(pick(r, differPrefixes), afterPrefix(b))
		case n == 7:
			b = append(b[:at:at], append([]byte(pick(r, []string{":", "::", "key1:", "p:", "k8s:enc:", "\x00"})), b[at:]...)...)
		case n == 8 && len(others) > 0:
			o := pick(r, others)
			b = append(b[:at:at], o[min(len(o), r.IntN(len(o)+1)):]...)
		case n == 9 && len(b) > 0:
			b[at%len(b)] = pick(r, []byte{0, 1, 0x7f, 0x80, 0xff, ':'})
		case n == 10:
			b = append(b, randomBytes(r, 1+r.IntN(20))...)
		}
	}
	if len(b) > 1<<17 {
		b = b[:1<<17]
	}
	return b
}

// afterPrefix is what follows the provider prefix of a value.
func afterPrefix(b []byte) []byte {
	for _, p := range differPrefixes[:5] {
		if rest, ok := cutPrefix(b, p); ok {
			return rest
		}
	}
	return b
}
