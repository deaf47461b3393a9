package main

import "fmt"

// plaintexts are the forms a stored object may have.
var plaintexts = []struct {
	name, why string
	bytes     []byte
}{
	{"json", "JSON object", []byte("{\"apiVersion\":\"v1\",\"kind\":\"Secret\"}\n")},
	{"protobuf", "Kubernetes protobuf envelope", cat("k8s\x00", "\x0a\x0c\x0a\x02v1\x12\x06Secret\x12\x00\x1a\x00\x22\x00")},
	{"cbor", "self-described CBOR", []byte{0xd9, 0xd9, 0xf7, 0xa0}},
	{"empty", "the empty value", nil},
	{"one-zero", "a single NUL byte", []byte{0}},
	{"binary", "bytes that are no object", bytesOf("identity-binary", 64)},
	{"k8s-foo", "k8s:foo is not the reserved prefix", []byte("k8s:foo")},
	{"upper", "the reserved prefix is case-sensitive", []byte("K8S:ENC:aescbc:v1:key1:x")},
	{"seven-bytes", "seven of the eight bytes of the reserved prefix", []byte("k8s:enc")},
	{"leading-space", "the reserved prefix must be at offset 0", []byte(" k8s:enc:aescbc:v1:key1:x")},
	{"in-the-middle", "the reserved prefix later in a value means nothing", []byte("{\"a\":\"k8s:enc:aescbc:v1:\"}\n")},
}

// encryptedLooking values start with the reserved prefix.
var encryptedLooking = []struct {
	name, why string
	bytes     []byte
}{
	{"bare", "the eight reserved bytes alone", []byte("k8s:enc:")},
	{"unknown-provider", "a provider nobody knows", []byte("k8s:enc:rot13:v1:key1:uryyb")},
	{"unknown-version", "a version of a provider nobody knows", []byte("k8s:enc:aescbc:v2:key1:x")},
	{"unstable", "the text 1.30 used as a configuration hash label is no format", []byte("k8s:enc:unstable:1:00")},
	{"aescbc", "aescbc prefix", []byte(prefixCBC + "key1:")},
	{"aesgcm", "aesgcm prefix", []byte(prefixGCM + "key1:")},
	{"secretbox", "secretbox prefix", []byte(prefixBox + "key1:")},
	{"kmsv1", "KMS v1 prefix", []byte(prefixV1 + "p:")},
	{"kmsv2", "KMS v2 prefix", []byte(prefixV2 + "p:")},
	{"kmsv3", "a KMS version nobody knows", []byte("k8s:enc:kms:v3:p:")},
	{"json-after", "JSON right after the reserved prefix", []byte("k8s:enc:{}\n")},
}

func wireIdentity(s *Suite) {
	only := config("identity-only", secrets(identityProvider))
	k1 := key{"key1", seq(0, 32)}
	first := config("identity-then-aesgcm", secrets(identityProvider, keyed("aesgcm", k1)))
	second := config("aesgcm-then-identity", secrets(keyed("aesgcm", k1), identityProvider))
	none := config("aesgcm-only", secrets(keyed("aesgcm", k1)))
	for _, p := range plaintexts {
		s.read(read{id: "only-" + p.name, why: "identity alone, " + p.why, config: only, stored: p.bytes})
		s.read(read{id: "first-" + p.name, why: "identity before aesgcm, " + p.why, config: first, stored: p.bytes})
		s.read(read{id: "second-" + p.name, why: "identity after aesgcm makes plaintext stale, " + p.why, config: second, stored: p.bytes})
		s.read(read{id: "absent-" + p.name, why: "no identity in the chain, " + p.why, config: none, stored: p.bytes})
		s.read(read{id: "uncovered-" + p.name, why: "a resource without a rule gets a bare identity, " + p.why, config: none, resource: "configmaps", stored: p.bytes})
	}
	for _, p := range encryptedLooking {
		s.read(read{id: "only-refuses-" + p.name, why: "identity alone swallows its refusal: " + p.why, config: only, stored: p.bytes})
		s.read(read{id: "first-refuses-" + p.name, why: "identity before aesgcm: " + p.why, config: first, stored: p.bytes})
		s.read(read{id: "bare-refuses-" + p.name, why: "a resource without a rule shows identity's own refusal: " + p.why, config: none, resource: "configmaps", stored: p.bytes})
	}
	for _, n := range []int{1, 7, 8, 9} {
		v := []byte("k8s:enc:x")[:n]
		s.read(read{id: fmt.Sprintf("prefix-length-%d", n), why: fmt.Sprintf("the first %d bytes of k8s:enc:x under a bare identity", n), config: none, resource: "configmaps", stored: v})
	}
	s.read(read{id: "empty-etcd-key", why: "identity does not look at the etcd key", config: only, noKey: true, stored: []byte("{}")})
}
