package main

import (
	"context"
	"encoding/base64"
	"fmt"

	"k8s.io/apiserver/pkg/storage/value"
)

// sampleSet is what belongs to the sample besides the rows.
type sampleSet struct {
	config    string
	keks      localKEKs
	cloud, v1 *localKMS
	compacted int64
	copied    string // the etcd key whose value was copied
}

// Names in the sample: k3s names its keys with a time, so key names hold colons.
const (
	cbcNew, cbcOld = "aescbckey-2026-10-05T08:15:30Z", "aescbckey"
	kekNow, kekOld = "kek-2026-10", "kek-2025-10"
)

// fillSample plays the life of a cluster: no encryption, then one scheme after
// another, each rotation left unfinished.
func fillSample(f *filling) *sampleSet {
	secret := func(name string) []byte { return bytesOf("sample-key:"+name, 32) }
	k := func(name string) key { return key{name, secret(name)} }
	cloud := &localKMS{keks: map[string][]byte{kekNow: secret(kekNow), kekOld: secret(kekOld)}}
	legacy := &localKMS{keks: map[string][]byte{"main": secret("legacy-kek")}}
	retired := k("events-2024")

	cloudKMS, legacyKMS := kms("v2", "cloud-kms", "timeout: 5s"), kms("v1", "legacy-kms", "cachesize: 200")
	s := &sampleSet{cloud: cloud, v1: legacy}
	s.config = "# Opens snapshot.db. Every rotation in it is unfinished. The keys are made up and guard nothing.\n" + doc(
		entry([]string{"secrets"}, cloudKMS, keyed("aescbc", k(cbcNew), k(cbcOld)), keyed("secretbox", k("sb-2024")), identityProvider),
		entry([]string{"configmaps"}, keyed("aesgcm", k("2026-q4"), k("2026-q3")), legacyKMS, identityProvider),
		entry([]string{"*.example.com"}, keyed("secretbox", k("crd-2026-07-01T00:00:00Z"), k("crd")), identityProvider),
		entry([]string{"events"}, keyed("aescbc", k("events-2026"), k("events-2025")), identityProvider),
	)
	b64 := func(b []byte) string { return base64.StdEncoding.EncodeToString(b) }
	seeds := true
	s.keks = localKEKs{Format: 1, Note: "Toy KEKs for the sample snapshot; they guard nothing. An encrypted DEK is nonce (12 bytes), AES-256-GCM ciphertext, tag (16 bytes), with empty AAD, under the KEK named by key_id (KMS v2) or under any KEK of the plugin (KMS v1). Secrets are base64.",
		Plugins: map[string]localPlugin{
			"cloud-kms":  {APIVersion: "v2", CurrentKeyID: kekNow, UsesSeed: &seeds, KEKs: map[string]string{kekNow: b64(secret(kekNow)), kekOld: b64(secret(kekOld))}},
			"legacy-kms": {APIVersion: "v1", KEKs: map[string]string{"main": b64(secret("legacy-kek"))}},
		}}

	ns := []string{"default", "kube-system", "payments", "shop", "team-a", "team-b"}
	at := func(resource, namespace, name string) string {
		return "/registry/" + resource + "/" + namespace + "/" + name
	}
	secretKey := func(n int) (string, string, string) {
		namespace, name := ns[n%len(ns)], fmt.Sprintf("app-%04d", n)
		return at("secrets", namespace, name), namespace, name
	}
	putSecrets := func(e *era, from, to int) {
		for n := from; n < to; n++ {
			path, namespace, name := secretKey(n)
			e.put("secrets", path, secretObject(namespace, name, n))
		}
	}
	cmKey := func(n int) (string, string, string) {
		namespace, name := ns[n%len(ns)], fmt.Sprintf("settings-%04d", n)
		return at("configmaps", namespace, name), namespace, name
	}
	putMaps := func(e *era, from, to int) {
		for n := from; n < to; n++ {
			path, namespace, name := cmKey(n)
			e.put("configmaps", path, configMapObject(namespace, name, n))
		}
	}
	putCustom := func(e *era, resource, kind string, from, to int) {
		for n := from; n < to; n++ {
			namespace, name := ns[n%len(ns)], fmt.Sprintf("%s-%04d", resource, n)
			e.put(resource+".example.com", "/registry/example.com/"+resource+"/"+namespace+"/"+name, customObject(kind, namespace, name, n))
		}
	}
	eventKey := func(n int) (string, string, string) {
		namespace, name := ns[n%len(ns)], fmt.Sprintf("app-%04d.%016x", n, 0x17a0000000000000+n)
		return at("events", namespace, name), namespace, name
	}
	putEvents := func(e *era, from, to int) {
		for n := from; n < to; n++ {
			path, namespace, name := eventKey(n)
			e.put("events", path, eventObject(namespace, name, n))
		}
	}
	putLeases := func(e *era, from, to int) {
		for n := from; n < to; n++ {
			name := fmt.Sprintf("node-%d", n)
			e.put("leases.coordination.k8s.io", at("leases", "kube-node-lease", name), leaseObject("kube-node-lease", name, n))
		}
	}

	// Before any encryption.
	e := f.start(secrets(identityProvider), nil, nil, nil, nil)
	f.store(row{key: "compact_rev_key", value: []byte("1"), label: label{Provider: "identity"}, plain: []byte("1")})
	putLeases(e, 0, 230)
	putSecrets(e, 0, 60)
	putMaps(e, 0, 20)
	e.stop()

	// First scheme. The configmaps' plaintext history is compacted away; that of the secrets below is not.
	firstLabels := map[string]label{"secrets": {Provider: "secretbox", Key: "sb-2024"}, "events": {Provider: "aescbc", Key: "events-2025"},
		"widgets.example.com": {Provider: "secretbox", Key: "crd"}, "gadgets.example.com": {Provider: "secretbox", Key: "crd"}}
	e = f.start(doc(
		entry([]string{"secrets"}, keyed("secretbox", k("sb-2024")), identityProvider),
		entry([]string{"*.example.com"}, keyed("secretbox", k("crd")), identityProvider),
		entry([]string{"events"}, keyed("aescbc", k("events-2025")), identityProvider)), nil, nil, nil, firstLabels)
	old := oldEnvelope(legacy.plugin("main", false, nil))
	putOld := func(n int) { // KMS v1 as 1.24 wrote it: the real envelope over a CBC body
		path, namespace, name := cmKey(n)
		plain := configMapObject(namespace, name, n)
		body, err := old.TransformToStorage(context.Background(), plain, value.DefaultContext(path))
		must(err)
		f.store(row{key: path, value: cat(prefixV1, "legacy-kms:", body), plain: plain, dek: legacy.last, label: label{Resource: "configmaps", Provider: "kmsv1", Key: "legacy-kms", Form: "cbc"}})
	}
	for n := range 40 {
		putOld(n)
	}
	s.compacted = f.compact()
	putSecrets(e, 7, 30) // 0..6 stay plaintext; the others' plaintext becomes history
	putSecrets(e, 60, 90)
	putCustom(e, "widgets", "Widget", 0, 120)
	putEvents(e, 0, 120)
	e.stop()

	// k3s-style aescbc for secrets, KMS v1 with GCM bodies for configmaps.
	e = f.start(doc(
		entry([]string{"secrets"}, keyed("aescbc", k(cbcOld)), keyed("secretbox", k("sb-2024")), identityProvider),
		entry([]string{"configmaps"}, legacyKMS, identityProvider)), []*plugin{legacy.plugin("main", false, nil)}, nil, legacy,
		map[string]label{"secrets": {Provider: "aescbc", Key: cbcOld}, "configmaps": {Provider: "kmsv1", Key: "legacy-kms", Form: "gcm"}})
	putSecrets(e, 30, 60)
	putSecrets(e, 90, 180)
	putMaps(e, 30, 110)
	e.stop()

	// The new aescbc key, the first aesgcm key, the new secretbox key.
	e = f.start(doc(
		entry([]string{"secrets"}, keyed("aescbc", k(cbcNew), k(cbcOld)), keyed("secretbox", k("sb-2024")), identityProvider),
		entry([]string{"configmaps"}, keyed("aesgcm", k("2026-q3")), legacyKMS, identityProvider),
		entry([]string{"*.example.com"}, keyed("secretbox", k("crd-2026-07-01T00:00:00Z"), k("crd")), identityProvider)),
		[]*plugin{legacy.plugin("main", false, nil)}, nil, legacy, map[string]label{"secrets": {Provider: "aescbc", Key: cbcNew}, "configmaps": {Provider: "aesgcm", Key: "2026-q3"},
			"widgets.example.com": {Provider: "secretbox", Key: "crd-2026-07-01T00:00:00Z"}, "gadgets.example.com": {Provider: "secretbox", Key: "crd-2026-07-01T00:00:00Z"}})
	putSecrets(e, 160, 260)
	putMaps(e, 100, 220)
	putCustom(e, "widgets", "Widget", 100, 300)
	putCustom(e, "gadgets", "Gadget", 0, 60)
	e.stop()

	// KMS v2: first one key per server (1.27), then a seed per server and per start.
	start := func(id string, useKey bool, annotations map[string][]byte) *era {
		return f.start(s.config, []*plugin{legacy.plugin("main", false, nil)}, map[string]*plugin{"cloud-kms": cloud.plugin(id, useKey, annotations)}, cloud,
			map[string]label{"secrets": {Provider: "kmsv2", Key: "cloud-kms", KeyID: id, Form: form(!useKey)}, "configmaps": {Provider: "aesgcm", Key: "2026-q4"},
				"events": {Provider: "aescbc", Key: "events-2026"}, "widgets.example.com": {Provider: "secretbox", Key: "crd-2026-07-01T00:00:00Z"}, "gadgets.example.com": {Provider: "secretbox", Key: "crd-2026-07-01T00:00:00Z"}})
	}
	for i, n := range []int{250, 300} {
		e = start(kekOld, true, nil)
		putSecrets(e, n, n+60+10*i)
		e.stop()
	}
	for i, n := range []int{370, 400, 430} {
		var annotations map[string][]byte
		if i == 1 {
			annotations = map[string][]byte{"version.cloud-kms.example.com": []byte("7"), "region.cloud-kms.example.com": []byte("north")}
		}
		e = start(kekOld, false, annotations)
		putSecrets(e, n, n+40)
		e.stop()
	}
	for i, n := range []int{470, 500, 540, 580} {
		e = start(kekNow, false, nil)
		putSecrets(e, n, n+50)
		putMaps(e, 200+50*i, 260+50*i)
		putEvents(e, 120+70*i, 190+70*i)
		if i == 3 {
			oddities(f, e, s, retired)
		}
		e.stop()
	}
	return s
}

// oddities adds what an audit must find: damaged, copied, retired and hostile rows, and deletions.
func oddities(f *filling, e *era, s *sampleSet, retired key) {
	// A secret whose ciphertext lost one bit.
	l := e.labels["secrets"]
	l.Resource = "secrets"
	key := "/registry/secrets/payments/damaged"
	plain := secretObject("payments", "damaged", 700)
	f.store(row{key: key, value: flip(e.seal("secrets", key, plain), 80, 4), label: l, plain: plain, why: "corrupt", dek: e.wraps.last})

	// A configmap value copied from another etcd key.
	from := f.live("/registry/configmaps/payments/settings-0302")
	s.copied = from.key
	f.store(row{key: "/registry/configmaps/payments/copied", value: from.value, label: from.label, why: "copied"})

	// An event under a key that the configuration no longer has.
	value := cat(prefixCBC, retired.name, ":", cbc(retired.secret, bytesOf("sample-iv", 16), eventObject("shop", "gone-0001.17a000000000ffff", 701)))
	f.store(row{key: "/registry/events/shop/gone-0001.17a000000000ffff", value: value, label: label{Resource: "events", Provider: "aescbc", Key: retired.name}, why: "retired key"})

	// An event under another key of a configured name, which opens by chance (1 in 256) to garbage.
	current := bytesOf("sample-key:events-2026", 32)
	for i := 0; ; i++ {
		v := bytesOf(fmt.Sprintf("sample-garbage-%d", i), 208)
		if _, ok := cbcOpen(current, v); ok {
			f.store(row{key: "/registry/events/shop/garbage.17a000000000fffe", value: cat(prefixCBC, "events-2026:", v), label: label{Resource: "events", Provider: "aescbc", Key: "events-2026"}, why: "opens to no object"})
			break
		}
	}

	// Names as an attacker would choose them.
	for i, name := range []string{"evil-\x1b[2J\x1b[31mall-is-well\x1b[0m", "<script>alert('k8senc')</script>", "line\nbreak,\"=cmd|' /C calc'!A0", "bytes-\xff\xfe"} {
		e.put("secrets", "/registry/secrets/default/"+name, secretObject("default", fmt.Sprintf("hostile-%d", i), 710+i))
	}

	// Deletions: some of plaintext, some of sealed objects, one written again.
	for n := 6; n > 4; n-- {
		f.remove(fmt.Sprintf("/registry/secrets/%s/app-%04d", []string{"default", "kube-system", "payments", "shop", "team-a", "team-b"}[n%6], n))
	}
	for n := 600; n < 618; n++ {
		f.remove(fmt.Sprintf("/registry/secrets/%s/app-%04d", []string{"default", "kube-system", "payments", "shop", "team-a", "team-b"}[n%6], n))
	}
	for n := 210; n < 230; n++ {
		f.remove(fmt.Sprintf("/registry/leases/kube-node-lease/node-%d", n))
	}
	e.put("secrets", "/registry/secrets/default/app-0600", secretObject("default", "app-0600", 720))
}
