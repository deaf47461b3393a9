package main

import (
	"errors"
	"fmt"
)

// wireMux asks what the ordered chain of providers and keys does.
func wireMux(s *Suite) {
	muxKeys(s)
	muxProviders(s)
	muxPairs(s)
	muxKMS(s)
	muxResources(s)
}

// sealers make a small value of each static provider under a named key.
var sealers = []struct {
	provider, prefix string
	seal             func(k []byte) []byte
}{
	{"aescbc", prefixCBC, func(k []byte) []byte { return cbc(k, seq(0x40, 16), []byte("{\"kind\":\"Secret\"}\n")) }},
	{"aesgcm", prefixGCM, func(k []byte) []byte {
		return gcm(k, seq(0x60, 12), []byte("{\"kind\":\"Secret\"}\n"), []byte(defaultKey))
	}},
	{"secretbox", prefixBox, func(k []byte) []byte { return box(k, seq(0x80, 24), []byte("{\"kind\":\"Secret\"}\n")) }},
}

// muxKeys: several keys in one provider.
func muxKeys(s *Suite) {
	a, b, c := seq(1, 32), seq(2, 32), seq(3, 32)
	for _, p := range sealers {
		ask := func(id, why string, keys []key, stored []byte) {
			id = p.provider + "-" + id
			s.read(read{id: id, why: p.provider + ": " + why, config: config("mux-"+id, secrets(keyed(p.provider, keys...))), stored: stored})
		}
		three := []key{{"one", a}, {"two", b}, {"three", c}}
		for i, k := range three {
			ask("key-"+k.name, fmt.Sprintf("sealed by key %d of 3; only the first is not stale", i+1), three, cat(p.prefix, k.name, ":", p.seal(k.secret)))
		}
		ask("right-name-wrong-key", "the name of key one over key two", three, cat(p.prefix, "one:", p.seal(b)))
		ask("name-gone", "a key that was taken out of the configuration", three, cat(p.prefix, "zero:", p.seal(a)))
		same := []key{{"k", a}, {"k", b}}
		ask("same-name-first", "two keys of one name: the first opens", same, cat(p.prefix, "k:", p.seal(a)))
		ask("same-name-second", "two keys of one name: the first fails, the second opens, stale", same, cat(p.prefix, "k:", p.seal(b)))
		ask("same-name-neither", "two keys of one name, both wrong: one text", same, cat(p.prefix, "k:", p.seal(c)))
		ask("same-key-twice", "one key twice", []key{{"k", a}, {"k", a}}, cat(p.prefix, "k:", p.seal(a)))
		ask("two-names-one-key", "one secret under two names: the second is stale", []key{{"new", a}, {"old", a}}, cat(p.prefix, "old:", p.seal(a)))
		colon := []key{{"a", a}, {"a:b", b}}
		ask("prefix-name-short", "names a and a:b, value of a", colon, cat(p.prefix, "a:", p.seal(a)))
		ask("prefix-name-long", "names a and a:b, value of a:b: a is tried first and fails", colon, cat(p.prefix, "a:b:", p.seal(b)))
		reversed := []key{{"a:b", b}, {"a", a}}
		ask("prefix-name-long-first", "names a:b and a, value of a:b", reversed, cat(p.prefix, "a:b:", p.seal(b)))
		ask("prefix-name-short-second", "names a:b and a, value of a", reversed, cat(p.prefix, "a:", p.seal(a)))
		ask("prefix-name-neither", "names a and a:b, value of a:b under another key: both errors", colon, cat(p.prefix, "a:b:", p.seal(c)))
		ask("prefix-name-only-short", "only a is configured, value of a:b", []key{{"a", a}}, cat(p.prefix, "a:b:", p.seal(b)))
		ask("no-colon-overlap", "names k and k1 do not overlap: the colon ends a name", []key{{"k", a}, {"k1", b}}, cat(p.prefix, "k1:", p.seal(b)))
		ask("colon-names", "names :, :: and :::", []key{{":", a}, {"::", b}, {":::", c}}, cat(p.prefix, "::::", p.seal(c)))
		k3s := []key{{p.provider + "key-2026-03-04T05:06:07Z", b}, {p.provider + "key", a}}
		ask("k3s-new", "key names with RFC 3339 times, the new key", k3s, cat(p.prefix, k3s[0].name, ":", p.seal(b)))
		ask("k3s-old", "key names with RFC 3339 times, the old key", k3s, cat(p.prefix, k3s[1].name, ":", p.seal(a)))
	}
}

// muxProviders: several providers of one kind, and identity around them.
func muxProviders(s *Suite) {
	a, b, c := seq(1, 32), seq(2, 32), seq(3, 32)
	for _, p := range sealers {
		ask := func(id, why string, providers []string, stored []byte) {
			id = p.provider + "-" + id
			s.read(read{id: id, why: p.provider + ": " + why, config: config("mux-"+id, secrets(providers...)), stored: stored})
		}
		two := []string{keyed(p.provider, key{"b", b}), keyed(p.provider, key{"a", a})}
		ask("twice-first", "two providers of one kind, value of the first", two, cat(p.prefix, "b:", p.seal(b)))
		ask("twice-second", "two providers of one kind, value of the second: stale", two, cat(p.prefix, "a:", p.seal(a)))
		ask("twice-neither", "two providers of one kind, key of neither: one text", two, cat(p.prefix, "c:", p.seal(c)))
		ask("twice-bad", "two providers of one kind, a damaged value of the second: two texts", two, flip(cat(p.prefix, "a:", p.seal(a)), -1, 0))
		ask("twice-bad-first", "two providers of one kind, a damaged value of the first: two texts", two, flip(cat(p.prefix, "b:", p.seal(b)), -1, 0))
		ask("twice-short", "two providers of one kind, a value of the second cut to nothing", two, cat(p.prefix, "a:"))
		same := []string{keyed(p.provider, key{"k", b}), keyed(p.provider, key{"k", a})}
		ask("twice-same-name", "two providers of one kind and one key name: the second opens, stale", same, cat(p.prefix, "k:", p.seal(a)))
		ask("twice-same-name-neither", "two providers of one kind and one key name, both wrong: one text", same, cat(p.prefix, "k:", p.seal(c)))
		around := []string{identityProvider, keyed(p.provider, key{"a", a}), identityProvider}
		ask("identity-around", "identity before and after: a sealed value", around, cat(p.prefix, "a:", p.seal(a)))
		ask("identity-around-plain", "identity before and after: a plaintext", around, []byte("{}\n"))
		ask("identity-around-bad", "identity before and after: a value of an unknown key shows no word of identity", around, cat(p.prefix, "b:", p.seal(a)))
		ask("identity-around-unknown", "identity before and after: a provider nobody knows", around, []byte("k8s:enc:rot13:v1:a:x"))
		after := []string{keyed(p.provider, key{"a", a}), identityProvider}
		ask("identity-after-bad", "identity after: a value that does not open", after, cat(p.prefix, "a:", p.seal(b)))
		ask("identity-after-empty", "identity after: the empty value is plaintext", after, nil)
		ask("no-identity-plain", "no identity: a plaintext matches nothing", []string{keyed(p.provider, key{"a", a})}, []byte("{}\n"))
		ask("no-identity-empty", "no identity: the empty value matches nothing", []string{keyed(p.provider, key{"a", a})}, nil)
		ask("twice-identity", "identity twice: a plaintext is not stale", []string{identityProvider, identityProvider, keyed(p.provider, key{"a", a})}, []byte("{}\n"))
	}
}

// muxPairs: every ordered pair of kinds, reading the value of each.
func muxPairs(s *Suite) {
	kinds := []string{"identity", "aescbc", "aesgcm", "secretbox", "kmsv1", "kmsv2"}
	k := seq(9, 32)
	provider := func(kind string) string {
		switch kind {
		case "identity":
			return identityProvider
		case "kmsv1":
			return kms("v1", "p1")
		case "kmsv2":
			return kms("v2", "p2")
		}
		return keyed(kind, key{"k", k})
	}
	value := func(kind string) []byte {
		plain, aad := []byte("{\"kind\":\"Secret\"}\n"), []byte(defaultKey)
		switch kind {
		case "identity":
			return plain
		case "kmsv1":
			return cat(prefixV1, "p1:", v1Body(toyWrap(k), gcm(k, seq(0x60, 12), plain, aad)))
		case "kmsv2":
			return cat(prefixV2, "p2:", object{data: xnonce(k, seq(0xa0, 32), seq(0x60, 12), plain, aad), keyID: "1", edek: toyWrap(k), typ: 1}.marshal())
		}
		for _, p := range sealers {
			if p.provider == kind {
				return cat(p.prefix, "k:", p.seal(k))
			}
		}
		return nil
	}
	for _, first := range kinds {
		for _, second := range kinds {
			if first == second {
				continue
			}
			conf := config("mux-pair-"+first+"-"+second, secrets(provider(first), provider(second)))
			for _, of := range kinds {
				r := read{id: "pair-" + first + "-" + second + "-reads-" + of, why: "providers " + first + ", " + second + ": a value of " + of, config: conf, stored: value(of)}
				if first == "kmsv1" || second == "kmsv1" {
					r.v1, r.v1names = []*plugin{{}}, []string{"p1"}
				}
				if first == "kmsv2" || second == "kmsv2" {
					r.v2 = map[string]*plugin{"p2": {keyID: "1"}}
				}
				s.read(r)
			}
		}
	}
}

// muxKMS: several plugins, and plugins beside static keys.
func muxKMS(s *Suite) {
	k, aad := seq(9, 32), []byte(defaultKey)
	v2value := func(name, id string) []byte {
		return cat(prefixV2, name, ":", object{data: xnonce(k, seq(0xa0, 32), seq(0x60, 12), []byte("{}"), aad), keyID: id, edek: toyWrap(k), typ: 1}.marshal())
	}
	v1value := func(name string) []byte {
		return cat(prefixV1, name, ":", v1Body(toyWrap(k), gcm(k, seq(0x60, 12), []byte("{}"), aad)))
	}
	deny := func(text string) func(question) ([]byte, error) {
		return func(question) ([]byte, error) { return nil, errors.New(text) }
	}
	two := config("mux-kmsv2-two", secrets(kms("v2", "new"), kms("v2", "old"), identityProvider))
	plugins := func() map[string]*plugin { return map[string]*plugin{"new": {keyID: "n1"}, "old": {keyID: "o1"}} }
	s.read(read{id: "kmsv2-two-first", why: "two KMS v2 providers, a value of the first", config: two, stored: v2value("new", "n1"), v2: plugins()})
	s.read(read{id: "kmsv2-two-second", why: "two KMS v2 providers, a current value of the second: stale by its place", config: two, stored: v2value("old", "o1"), v2: plugins()})
	s.read(read{id: "kmsv2-two-second-old", why: "two KMS v2 providers, an older key_id of the second", config: two, stored: v2value("old", "o0"), v2: plugins()})
	s.read(read{id: "kmsv2-two-plain", why: "two KMS v2 providers, then identity: a plaintext", config: two, stored: []byte("{}"), v2: plugins()})
	s.read(read{id: "kmsv2-two-first-never", why: "the first plugin was never healthy: the second's values still open", config: two, stored: v2value("old", "o1"), v2: map[string]*plugin{"new": {never: true}, "old": {keyID: "o1"}}})
	s.read(read{id: "kmsv2-two-second-never", why: "the plugin of the value was never healthy", config: two, stored: v2value("old", "o1"), v2: map[string]*plugin{"new": {keyID: "n1"}, "old": {never: true}}})
	s.read(read{id: "kmsv2-shared-kek", why: "the plugins are told apart by name alone", config: two, stored: v2value("new", "o1"), v2: plugins()})
	overlap := config("mux-kmsv1-overlap", secrets(kms("v1", "a"), kms("v1", "a:b")))
	names := []string{"a", "a:b"}
	s.read(read{id: "kmsv1-overlap-long", why: "v1 names a and a:b, a value of a:b: a reads b: as a length and fails", config: overlap, stored: v1value("a:b"), v1: []*plugin{{}, {}}, v1names: names})
	s.read(read{id: "kmsv1-overlap-short", why: "v1 names a and a:b, a value of a", config: overlap, stored: v1value("a"), v1: []*plugin{{}, {}}, v1names: names})
	s.read(read{id: "kmsv1-overlap-refused", why: "v1 names a and a:b, a value of a:b that is refused: two texts", config: overlap, stored: v1value("a:b"), v1: []*plugin{{}, {unwrap: deny("gone")}}, v1names: names})
	long := cat(prefixV1, "a:b:", make([]byte, 0x623a)) // "b:" read as a length is 0x623a
	s.read(read{id: "kmsv1-overlap-asks-first", why: "v1 names a and a:b: a long value of a:b makes the first plugin be asked too", config: overlap, stored: long, v1: []*plugin{{}, {}}, v1names: names})
	mixed := config("mux-kms-mixed", secrets(kms("v2", "v2"), kms("v1", "v1"), keyed("aesgcm", key{"k", k}), identityProvider))
	both := func() ([]*plugin, []string, map[string]*plugin) {
		return []*plugin{{}}, []string{"v1"}, map[string]*plugin{"v2": {keyID: "1"}}
	}
	for _, c := range []struct {
		id, why string
		stored  []byte
	}{
		{"v2", "a value of the v2 provider", v2value("v2", "1")},
		{"v1", "a value of the v1 provider", v1value("v1")},
		{"v2-name-under-v1", "the v2 provider's name under the v1 prefix", v1value("v2")},
		{"v1-name-under-v2", "the v1 provider's name under the v2 prefix", v2value("v1", "1")},
		{"static", "a value of the static provider", cat(prefixGCM, "k:", gcm(k, seq(0x60, 12), []byte("{}"), aad))},
		{"plain", "a plaintext", []byte("{}")},
	} {
		r := read{id: "kms-mixed-" + c.id, why: "v2, v1, aesgcm, identity: " + c.why, config: mixed, stored: c.stored}
		r.v1, r.v1names, r.v2 = both()
		s.read(r)
	}
}

// muxResources: which chain a resource gets.
func muxResources(s *Suite) {
	ks := []key{{"exact", seq(1, 32)}, {"group", seq(2, 32)}, {"all", seq(3, 32)}, {"second", seq(4, 32)}}
	plain := []byte("{}\n")
	value := func(i int) []byte {
		return cat(prefixGCM, ks[i].name, ":", gcm(ks[i].secret, seq(0x60, 12), plain, []byte(defaultKey)))
	}
	wild := config("mux-wildcards", doc(
		entry([]string{"deployments.apps", "secrets"}, keyed("aesgcm", ks[0])),
		entry([]string{"*.apps", "*."}, keyed("aesgcm", ks[1])),
		entry([]string{"*.*"}, keyed("aesgcm", ks[2])),
	))
	noAll := config("mux-wildcards-no-all", doc(
		entry([]string{"deployments.apps"}, keyed("aesgcm", ks[0])),
		entry([]string{"*.apps"}, keyed("aesgcm", ks[1])),
	))
	resources := []string{"secrets", "configmaps", "deployments.apps", "replicasets.apps", "deployments.extensions", "leases.coordination.k8s.io", "widgets.example.com", "apps", "deployments", "secrets.", "events"}
	for _, r := range resources {
		for i := range 3 {
			s.read(read{id: fmt.Sprintf("wildcards-%s-%s", r, ks[i].name), why: fmt.Sprintf("exact, *.apps, *. and *.* rules: %s against a value of the %s key", r, ks[i].name), config: wild, resource: r, stored: value(i)})
			if i < 2 {
				s.read(read{id: fmt.Sprintf("no-all-%s-%s", r, ks[i].name), why: fmt.Sprintf("deployments.apps and *.apps rules: %s against a value of the %s key", r, ks[i].name), config: noAll, resource: r, stored: value(i)})
			}
		}
	}
	twice := config("mux-two-entries", doc(
		entry([]string{"secrets"}, keyed("aesgcm", ks[0])),
		entry([]string{"configmaps", "secrets"}, keyed("aesgcm", ks[3]), identityProvider),
	))
	for i, k := range []int{0, 3} {
		s.read(read{id: "two-entries-" + ks[k].name, why: fmt.Sprintf("secrets in two entries: the lists are joined, value of list %d", i+1), config: twice, stored: value(k)})
		s.read(read{id: "two-entries-configmaps-" + ks[k].name, why: fmt.Sprintf("configmaps only in the second entry, value of list %d", i+1), config: twice, resource: "configmaps", stored: value(k)})
	}
	s.read(read{id: "two-entries-plain", why: "secrets in two entries, plaintext: the identity of the second list", config: twice, stored: plain})
	for _, r := range []string{"pods", "secrets.example.com", "configmaps.apps"} {
		s.read(read{id: "no-rule-plain-" + r, why: "a resource without a rule reads plaintext: " + r, config: twice, resource: r, stored: plain})
		s.read(read{id: "no-rule-sealed-" + r, why: "a resource without a rule refuses a sealed value: " + r, config: twice, resource: r, stored: value(0)})
	}
	core := config("mux-core-wildcard", doc(entry([]string{"*."}, keyed("aesgcm", ks[1])), entry([]string{"*.*"}, keyed("aesgcm", ks[2]))))
	for _, r := range []string{"secrets", "events", "deployments.apps", "events.events.k8s.io"} {
		s.read(read{id: "core-wildcard-" + r, why: "*. is the core group alone: " + r, config: core, resource: r, stored: value(1)})
	}
	legacy := config("mux-legacy-kind", "apiVersion: v1\nkind: EncryptionConfig\nresources:\n"+entry([]string{"secrets"}, keyed("aesgcm", ks[0])))
	s.read(read{id: "legacy-kind", why: "the kind of 1.7 to 1.12 is still read", config: legacy, stored: value(0)})
}
