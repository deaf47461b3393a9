package main

import (
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"

	"sigs.k8s.io/yaml"
)

// Configurations made field by field: most decode, so that what is asked are the rules of validation and of building.

var (
	fieldNames     = []string{"secrets", "secrets", "configmaps", "events", "events.events.k8s.io", "pods.", "*.*", "*.", "*.apps", "*.extensions", "*", "deployments.apps", "deployments.extensions", "pods.*", "Secrets", "secrets.V1", "", ".", "..", "a.b.c.example.com", "pods/status", "*.a b", "customresourcedefinitions.apiextensions.k8s.io", "apiservices.apiregistration.k8s.io", "serviceipallocations", "a,b", "ü", "*.*.*", "*.events.k8s.io"}
	fieldVersions  = []string{"v1", "v2", "v2", "v2", "v3", "", "V2", "v2beta1", " v2"}
	fieldKMSNames  = []string{"p", "q", "p", "a:b", "", "kms-v2", strings.Repeat("n", 300), "p\n", "ü"}
	fieldEndpoints = []string{"unix:///run/a.sock", "unix:///@a", "unix://a", "", "http://h/p", "unix:", "/run/a.sock", "unix:///run/a b", "unix:///%41"}
	fieldTimeouts  = []string{"3s", "0s", "-1s", "1ns", "2562047h", "1h1m1.5s", "3", "", "3 s", "1d"}
	fieldKeyNames  = []string{"key1", "key1", "key2", "a:b", "", " ", "ü", "k\u0000"}
)

// fieldList is a JSON object whose fields may repeat, in any order.
type fieldList []string

func (f *fieldList) add(name, value string) { *f = append(*f, strconv.Quote(name)+":"+value) }

func (f fieldList) text(r *rand.Rand) string {
	if r.IntN(150) == 0 {
		f.add(pick(r, configWords), pick(r, []string{"1", `"x"`, "null", "{}", "[]"}))
	}
	if len(f) > 0 && r.IntN(200) == 0 {
		f = append(f, pick(r, f))
	}
	if r.IntN(4) == 0 {
		r.Shuffle(len(f), func(i, j int) { f[i], f[j] = f[j], f[i] })
	}
	return "{" + strings.Join(f, ",") + "}"
}

// sometimes gives the value, or now and then one of another type.
func sometimes(r *rand.Rand, value string) string {
	if r.IntN(250) == 0 {
		return pick(r, []string{"null", "0", "true", `""`, "{}", "[]", "-1", "1.5", `"1"`, "[null]", "{\"a\":1}"})
	}
	return value
}

func list(parts []string) string { return "[" + strings.Join(parts, ",") + "]" }

func times(r *rand.Rand, most int, one func() string) []string {
	var out []string
	for range r.IntN(most + 1) {
		out = append(out, one())
	}
	return out
}

func quoted(r *rand.Rand, from []string) string { return sometimes(r, strconv.Quote(pick(r, from))) }

func fieldKey(r *rand.Rand) string {
	var f fieldList
	if r.IntN(15) != 0 {
		f.add("name", quoted(r, fieldKeyNames))
	}
	secret := base64.StdEncoding.EncodeToString(randomBytes(r, pick(r, []int{16, 24, 32, 32, 32, 32, 0, 1, 15, 33})))
	switch r.IntN(12) {
	case 0:
		secret = strings.TrimRight(secret, "=")
	case 1:
		secret = base64.URLEncoding.EncodeToString(randomBytes(r, 32))
	case 2:
		at := r.IntN(len(secret) + 1)
		secret = secret[:at] + pick(r, []string{"\n", "\r\n", " ", "=", "!", "ü"}) + secret[at:]
	}
	if r.IntN(15) != 0 {
		f.add("secret", sometimes(r, strconv.Quote(secret)))
	}
	return sometimes(r, f.text(r))
}

func fieldKMS(r *rand.Rand) string {
	var f fieldList
	if r.IntN(6) != 0 {
		f.add("apiVersion", quoted(r, fieldVersions))
	}
	if r.IntN(15) != 0 {
		f.add("name", quoted(r, fieldKMSNames))
	}
	if r.IntN(15) != 0 {
		endpoint := fieldEndpoints[0]
		switch r.IntN(8) {
		case 0:
			endpoint = randomEndpoint(r)
		case 1, 2:
			endpoint = pick(r, fieldEndpoints)
		}
		f.add("endpoint", sometimes(r, strconv.Quote(endpoint)))
	}
	if r.IntN(3) == 0 {
		f.add("cachesize", sometimes(r, pick(r, []string{"0", "-1", "1", "1000", "2147483647", "2147483648", "-2147483649", "1e3", "1.0", `"7"`})))
	}
	if r.IntN(3) == 0 {
		timeout := pick(r, fieldTimeouts)
		if r.IntN(3) == 0 {
			timeout = randomScalar(r)
		}
		f.add("timeout", sometimes(r, strconv.Quote(timeout)))
	}
	return sometimes(r, f.text(r))
}

func fieldProvider(r *rand.Rand) string {
	var f fieldList
	for range pick(r, []int{1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 2}) {
		switch kind := pick(r, []string{"identity", "aescbc", "aesgcm", "secretbox", "kms", "kms"}); kind {
		case "identity":
			f.add(kind, sometimes(r, "{}"))
		case "kms":
			f.add(kind, fieldKMS(r))
		default:
			var keys fieldList
			if r.IntN(20) != 0 {
				keys.add("keys", sometimes(r, list(append(times(r, 2, func() string { return fieldKey(r) }), fieldKey(r)))))
			}
			f.add(kind, sometimes(r, keys.text(r)))
		}
	}
	return sometimes(r, f.text(r))
}

// fieldConfig is one such configuration, as JSON or as the YAML of it.
func fieldConfig(r *rand.Rand) string {
	version, kind := "apiserver.config.k8s.io/v1", "EncryptionConfiguration"
	switch r.IntN(20) {
	case 0:
		version = pick(r, []string{"v1", "apiserver.config.k8s.io/__internal", "apiserver.config.k8s.io/__internal", "apiserver.k8s.io/v1"})
	case 1:
		kind = pick(r, []string{"EncryptionConfig", "List", "Status"})
	}
	var top fieldList
	top.add("apiVersion", sometimes(r, strconv.Quote(version)))
	top.add("kind", sometimes(r, strconv.Quote(kind)))
	entries := times(r, 3, func() string {
		var f fieldList
		names := times(r, 3, func() string { return quoted(r, fieldNames) })
		if r.IntN(10) != 0 {
			names = append(names, quoted(r, fieldNames[:12]))
		}
		f.add("resources", sometimes(r, list(names)))
		providers := times(r, 3, func() string { return fieldProvider(r) })
		if r.IntN(10) != 0 {
			providers = append(providers, fieldProvider(r))
		}
		f.add("providers", sometimes(r, list(providers)))
		return sometimes(r, f.text(r))
	})
	top.add("resources", sometimes(r, list(entries)))
	text := top.text(r)
	switch r.IntN(3) {
	case 0:
		return text
	case 1:
		return " " + text // YAML in flow style
	}
	block, err := yaml.JSONToYAML([]byte(text))
	if err != nil {
		return fmt.Sprintf("# %d\n%s", len(text), text)
	}
	return string(block)
}
