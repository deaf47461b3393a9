package main

import (
	"fmt"
	"strings"
)

// body is the part of a good configuration below apiVersion and kind.
const body = "resources:\n- resources: [secrets]\n  providers:\n  - identity: {}\n"

// head is the part above.
const head = "apiVersion: apiserver.config.k8s.io/v1\nkind: EncryptionConfiguration\n"

const k32 = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="

func configDecode(s *Suite) {
	// Which pairs of apiVersion and kind are known.
	versions := []string{"apiserver.config.k8s.io/v1", "v1", "/v1", "apiserver.config.k8s.io/v1alpha1", "apiserver.config.k8s.io/v1beta1", "apiserver.config.k8s.io/__internal", "apiserver.k8s.io/v1", "a/b/c", "v2", "\"\"", "~", "1", "apiserver.config.k8s.io/", "APISERVER.config.k8s.io/v1", "-"}
	kinds := []string{"EncryptionConfiguration", "EncryptionConfig", "AdmissionConfiguration", "AuthorizationConfiguration", "Status", "ListOptions", "encryptionconfiguration", "\"\"", "~", "7", "-"}
	for _, v := range versions {
		for _, k := range kinds {
			text := ""
			if v != "-" {
				text += "apiVersion: " + v + "\n"
			}
			if k != "-" {
				text += "kind: " + k + "\n"
			}
			s.config(conf{id: fmt.Sprintf("gvk-%s-%s", name(v), name(k)), why: fmt.Sprintf("apiVersion %s with kind %s (- is absent)", v, k), text: text + body})
		}
	}
	// Whole documents.
	docs := []struct{ id, why, text string }{
		{"good-yaml", "a good YAML file", head + body},
		{"good-json", "a good JSON file", goodJSON},
		{"json-leading-space", "JSON after blanks, tabs and newlines", " \t\r\n" + goodJSON},
		{"json-trailing-newline", "JSON and a newline", goodJSON + "\n"},
		{"json-trailing-text", "JSON and a letter", goodJSON + "x"},
		{"json-trailing-object", "two JSON objects", goodJSON + goodJSON},
		{"json-trailing-comma", "a comma too many in JSON", strings.Replace(goodJSON, "}}]", "},}]", 1)},
		{"json-comment", "a comment in JSON", "{ # c\n" + goodJSON[1:]},
		{"json-slash-comment", "a // comment in JSON", "{ // c\n" + goodJSON[1:]},
		{"json-unquoted", "a flow mapping without quotes at the start of the file is bad JSON", "{apiVersion: apiserver.config.k8s.io/v1, kind: EncryptionConfiguration}"},
		{"json-cut", "JSON cut in the middle", goodJSON[:len(goodJSON)/2]},
		{"json-single-quotes", "JSON with single quotes", strings.ReplaceAll(goodJSON, "\"", "'")},
		{"json-bom", "a byte order mark before JSON makes it YAML", "\ufeff" + goodJSON},
		{"json-dup-top", "a field twice at the top of JSON", strings.Replace(goodJSON, "{\"api", "{\"kind\":\"EncryptionConfiguration\",\"api", 1)},
		{"json-dup-provider", "a field twice deep in JSON", strings.Replace(goodJSON, "\"identity\":{}", "\"identity\":{},\"identity\":{}", 1)},
		{"json-unknown", "an unknown field in JSON", strings.Replace(goodJSON, "\"identity\":{}", "\"identity\":{\"x\":1}", 1)},
		{"json-unknown-order", "unknown fields in JSON come in file order", strings.Replace(goodJSON, "{\"api", "{\"zz\":1,\"aa\":1,\"api", 1)},
		{"json-case", "field names of JSON are case-sensitive", strings.Replace(goodJSON, "\"kind\"", "\"Kind\"", 1)},
		{"json-escape", "escapes in JSON names and values", strings.Replace(strings.Replace(goodJSON, "secrets", "secret\\u0073", 1), "\"kind\"", "\"k\\u0069nd\"", 1)},
		{"json-surrogate", "a lone surrogate escape in JSON", strings.Replace(goodJSON, "secrets", "secrets\\ud800", 1)},
		{"json-bad-utf8", "bytes that are no UTF-8 in JSON", strings.Replace(goodJSON, "secrets", "secrets\xff", 1)},
		{"json-number-name", "a number where JSON wants a string", strings.Replace(goodJSON, "\"secrets\"", "5", 1)},
		{"json-array", "a JSON array", "[]"},
		{"json-empty-object", "an empty JSON object", "{}"},
		{"json-null-resources", "null for the list of resources", strings.Replace(goodJSON, "[{\"res", "null,\"x\":[{\"res", 1)},
		{"empty", "an empty file", ""},
		{"newline", "a file with one newline", "\n"},
		{"blank", "a file with one blank", " "},
		{"tab", "a file with one tab", "\t"},
		{"comment", "a file with a comment", "# nothing\n"},
		{"marker", "a document marker alone", "---\n"},
		{"two-markers", "an empty first document", "---\n---\n" + head + body},
		{"marker-first", "a document marker before the document", "---\n" + head + body},
		{"marker-comment-first", "comments around the marker", "# a\n---\n# b\n" + head + body},
		{"end-marker", "a document end marker", head + body + "...\n"},
		{"second-document", "a second document is never read", head + body + "---\nkind: Nonsense\n"},
		{"second-document-broken", "a second document is never read, not even a broken one", head + body + "---\n{ [ bad\n"},
		{"second-document-good", "the first of two good documents counts", head + body + "---\n" + head + strings.Replace(body, "secrets", "configmaps", 1)},
		{"directive", "a %YAML 1.1 directive", "%YAML 1.1\n---\n" + head + body},
		{"directive-12", "a %YAML 1.2 directive", "%YAML 1.2\n---\n" + head + body},
		{"directive-tag", "a %TAG directive", "%TAG ! tag:example.com,2026:\n---\n" + head + body},
		{"bom", "a byte order mark before YAML", "\ufeff" + head + body},
		{"crlf", "lines ended by CR LF", strings.ReplaceAll(head+body, "\n", "\r\n")},
		{"cr", "lines ended by CR", strings.ReplaceAll(head+body, "\n", "\r")},
		{"no-final-newline", "no newline at the end", strings.TrimSuffix(head+body, "\n")},
		{"tab-indent", "a tab as indent", strings.Replace(head+body, "  providers", "\tproviders", 1)},
		{"bad-indent", "a line indented between two levels", strings.Replace(head+body, "  providers", " providers", 1)},
		{"nul", "a NUL byte", head + body + "\x00"},
		{"control", "a control character", head + "# \x01\n" + body},
		{"del", "a DEL character", head + "# \x7f\n" + body},
		{"bad-utf8", "bytes that are no UTF-8", head + "# \xff\n" + body},
		{"utf16", "UTF-16 little endian with its mark", utf16le(head + body)},
		{"utf16-no-bom", "UTF-16 without its mark", utf16le(head + body)[2:]},
		{"nel", "NEL as a line break", head + "# a\u0085" + body},
		{"protobuf-prefix", "the prefix of Kubernetes protobuf", "k8s\x00\n"},
		{"string", "a bare word", "hello\n"},
		{"number", "a bare number", "5\n"},
		{"float", "a bare float", "5.5\n"},
		{"bool", "a bare boolean", "yes\n"},
		{"null", "a bare null", "~\n"},
		{"list", "a list at the top", "- a\n- b\n"},
		{"flow", "a flow mapping after a marker", "---\n{apiVersion: apiserver.config.k8s.io/v1, kind: EncryptionConfiguration, resources: [{resources: [secrets], providers: [{identity: {}}]}]}\n"},
		{"quoted-keys", "quoted keys in YAML", strings.ReplaceAll(head+body, "kind:", "\"kind\":")},
		{"explicit-keys", "explicit keys in YAML", "? apiVersion\n: apiserver.config.k8s.io/v1\n? kind\n: EncryptionConfiguration\n" + body},
		{"unclosed-quote", "a quote that is never closed", head + "resources: \"\n"},
		{"unclosed-flow", "a bracket that is never closed", head + "resources: [\n"},
		{"colon-in-plain", "a colon and a blank in a plain scalar", head + "resources: a: b\n"},
		{"at-sign", "a scalar that starts with @", head + "resources: @x\n"},
		{"backtick", "a scalar that starts with a backtick", head + "resources: `x\n"},
		{"unknown-anchor", "an alias without anchor", head + "resources: *x\n"},
		{"anchor", "an anchor and its alias", head + "resources:\n- resources: &r [secrets]\n  providers: &p\n  - identity: {}\n- resources: [configmaps]\n  providers: *p\n"},
		{"merge", "a merge key", head + "resources:\n- &b\n  resources: [secrets]\n  providers:\n  - identity: {}\n- <<: *b\n"},
		{"merge-override", "a merge key and an explicit one", head + "resources:\n- &b\n  resources: [secrets]\n  providers:\n  - identity: {}\n- <<: *b\n  resources: [configmaps]\n"},
		{"merge-list", "a merge of a list of mappings", head + "resources:\n- &b\n  resources: [secrets]\n- &c\n  providers:\n  - identity: {}\n- <<: [*b, *c]\n"},
		{"merge-scalar", "a merge of a scalar", head + "<<: 3\n" + body},
		{"binary", "a !!binary name", head + strings.Replace(body, "secrets", "!!binary c2VjcmV0cw==", 1)},
		{"tag-str", "a !!str number", head + strings.Replace(body, "secrets", "!!str 5", 1)},
		{"tag-int", "a !!int string", head + strings.Replace(body, "secrets", "!!int secrets", 1)},
		{"tag-own", "a private tag", head + strings.Replace(body, "secrets", "!mine secrets", 1)},
		{"block-scalar", "a literal block as a name", head + "resources:\n- resources:\n  - |\n    secrets\n  providers:\n  - identity: {}\n"},
		{"folded-scalar", "a folded block as a name", head + "resources:\n- resources:\n  - >-\n    secrets\n  providers:\n  - identity: {}\n"},
	}
	for _, d := range docs {
		s.config(conf{id: "doc-" + d.id, why: d.why, text: d.text})
	}
	configTypes(s)
	configStrict(s)
	configScalars(s)
}

const goodJSON = `{"apiVersion":"apiserver.config.k8s.io/v1","kind":"EncryptionConfiguration","resources":[{"resources":["secrets"],"providers":[{"identity":{}}]}]}`

// name makes a part of a case id out of a text.
func name(s string) string {
	switch s {
	case "-":
		return "absent"
	case "\"\"", "":
		return "empty"
	case "~":
		return "null"
	}
	return strings.NewReplacer("/", "_", " ", "_", "\"", "", ".", "_", "*", "star").Replace(s)
}

func utf16le(s string) string {
	out := []byte{0xff, 0xfe}
	for _, r := range s {
		out = append(out, byte(r), byte(r>>8))
	}
	return string(out)
}

// configTypes puts every kind of value in every place.
func configTypes(s *Suite) {
	values := []struct{ name, text string }{{"string", "word"}, {"quoted", "\"5\""}, {"number", "5"}, {"float", "5.5"}, {"bool", "yes"}, {"null", "~"}, {"list", "[a]"}, {"empty-list", "[]"}, {"map", "{a: b}"}, {"empty-map", "{}"}, {"list-of-null", "[~]"}}
	one := func(provider string) string {
		return head + "resources:\n- resources: [secrets]\n  providers:\n  - " + provider + "\n"
	}
	aes := func(field string) string { return one("aescbc: {keys: [{" + field + "}]}") }
	kmsBlock := func(field string) string {
		return one("kms: {apiVersion: v2, name: p, endpoint: \"unix:///x\", " + field + "}")
	}
	places := []struct{ name, text string }{
		{"resources", head + "resources: @\n"},
		{"entry", head + "resources: [@]\n"},
		{"names", head + "resources:\n- resources: @\n  providers:\n  - identity: {}\n"},
		{"name", head + "resources:\n- resources: [@]\n  providers:\n  - identity: {}\n"},
		{"providers", head + "resources:\n- resources: [secrets]\n  providers: @\n"},
		{"provider", head + "resources:\n- resources: [secrets]\n  providers: [@]\n"},
		{"identity", one("identity: @")},
		{"aescbc", one("aescbc: @")},
		{"aesgcm", one("aesgcm: @")},
		{"secretbox", one("secretbox: @")},
		{"kms", one("kms: @")},
		{"keys", one("aescbc: {keys: @}")},
		{"key", one("secretbox: {keys: [@]}")},
		{"key-name", aes("name: @, secret: " + k32)},
		{"key-secret", aes("name: a, secret: @")},
		{"kms-name", one("kms: {apiVersion: v2, name: @, endpoint: \"unix:///x\"}")},
		{"kms-version", one("kms: {apiVersion: @, name: p, endpoint: \"unix:///x\"}")},
		{"kms-endpoint", one("kms: {apiVersion: v2, name: p, endpoint: @}")},
		{"kms-timeout", kmsBlock("timeout: @")},
		{"kms-cachesize", one("kms: {apiVersion: v1, name: p, endpoint: \"unix:///x\", cachesize: @}")},
	}
	for _, p := range places {
		for _, v := range values {
			s.config(conf{id: "type-" + p.name + "-" + v.name, why: fmt.Sprintf("the value %s in the place of %s", v.text, p.name), text: strings.Replace(p.text, "@", v.text, 1), kmsv1: true})
		}
	}
}

// configStrict looks for unknown and repeated fields at every level.
func configStrict(s *Suite) {
	good := head + "resources:\n- resources: [secrets]\n  providers:\n  - aescbc:\n      keys:\n      - name: a\n        secret: " + k32 + "\n  - kms:\n      apiVersion: v2\n      name: p\n      endpoint: unix:///x\n  - identity: {}\n"
	s.config(conf{id: "strict-good", why: "the file that the strict cases change", text: good})
	after := []struct{ level, line, indent string }{
		{"top", "kind: EncryptionConfiguration\n", ""}, {"entry", "- resources: [secrets]\n", "  "}, {"provider", "  - aescbc:\n      keys:\n      - name: a\n        secret: " + k32 + "\n", "    "},
		{"aes", "  - aescbc:\n", "      "}, {"key", "      - name: a\n", "        "}, {"kms", "  - kms:\n", "      "},
	}
	fields := map[string][]string{"top": {"pandas: 1", "Kind: x", "metadata: {}", "resource: []", "Resources: []"}, "entry": {"pandas: 1", "Providers: []", "provider: []"}, "provider": {"pandas: 1", "AESCBC: {}", "aesCBC: {}"},
		"aes": {"pandas: 1", "Keys: []"}, "key": {"pandas: 1", "Name: x", "Secret: x"}, "kms": {"pandas: 1", "cacheSize: 5", "apiversion: v2", "Timeout: 3s", "zebras: 1"}}
	for _, a := range after {
		for _, f := range fields[a.level] {
			s.config(conf{id: "unknown-" + a.level + "-" + strings.SplitN(f, ":", 2)[0], why: "an unknown field, " + f + ", at level " + a.level, text: strings.Replace(good, a.line, a.line+a.indent+f+"\n", 1)})
		}
	}
	s.config(conf{id: "unknown-two-sorted", why: "unknown fields of YAML are reported by name, not by place", text: strings.Replace(good, "  - kms:\n", "  - kms:\n      zebras: 1\n      bears: 2\n", 1)})
	s.config(conf{id: "unknown-everywhere", why: "unknown fields at several levels", text: "zoo: 1\n" + strings.Replace(strings.Replace(good, "  - kms:\n", "  - kms:\n      zebras: 1\n", 1), "      - name: a\n", "      - name: a\n        ant: 1\n", 1)})
	s.config(conf{id: "unknown-null", why: "an unknown field whose value is null", text: good + "pandas:\n"})
	s.config(conf{id: "unknown-int-key", why: "a number as a field name", text: good + "1: 2\n"})
	s.config(conf{id: "unknown-bool-key", why: "a boolean as a field name", text: good + "yes: 2\n"})
	s.config(conf{id: "unknown-null-key", why: "null as a field name", text: good + "~: 2\n"})
	s.config(conf{id: "unknown-float-key", why: "a float as a field name", text: good + "1.5: 2\n"})
	for _, n := range []int{99, 100, 101, 130} {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, "x%03d: 1\n", i)
		}
		s.config(conf{id: fmt.Sprintf("unknown-%d", n), why: fmt.Sprintf("%d unknown fields: 100 are listed at most", n), text: good + b.String()})
	}
	dups := []struct{ id, line, again string }{
		{"kind", "kind: EncryptionConfiguration\n", "kind: EncryptionConfiguration\n"}, {"apiVersion", "apiVersion: apiserver.config.k8s.io/v1\n", "apiVersion: v1\n"},
		{"key-name", "      - name: a\n", "        name: b\n"}, {"kms-name", "      name: p\n", "      name: q\n"}, {"endpoint", "      endpoint: unix:///x\n", "      endpoint: unix:///y\n"}, {"keys", "      keys:\n", ""},
	}
	for _, d := range dups {
		if d.again != "" {
			s.config(conf{id: "dup-" + d.id, why: "the field " + d.id + " twice with one value or two", text: strings.Replace(good, d.line, d.line+d.again, 1)})
		}
	}
	two := strings.Replace(strings.Replace(good, "      - name: a\n", "      - name: a\n        name: a\n", 1), "      name: p\n", "      name: p\n      name: p\n", 1)
	s.config(conf{id: "dup-two", why: "two fields twice: one item with two lines", text: two})
	s.config(conf{id: "dup-thrice", why: "one field three times", text: strings.Replace(good, "      - name: a\n", "      - name: a\n        name: a\n        name: a\n", 1)})
	s.config(conf{id: "dup-and-unknown", why: "a repeated and an unknown field", text: strings.Replace(good, "      - name: a\n", "      - name: a\n        name: a\n        foo: b\n", 1)})
	s.config(conf{id: "dup-and-type", why: "a type error hides a repeated field", text: strings.Replace(good, "      - name: a\n", "      - name: 5\n        name: 5\n", 1)})
	s.config(conf{id: "two-type-errors", why: "only the first type error is shown", text: strings.Replace(strings.Replace(good, "name: a", "name: 5", 1), "name: p", "name: 6", 1)})
	s.config(conf{id: "type-before-unknown", why: "a type error hides an unknown field", text: "zoo: 1\n" + strings.Replace(good, "name: a", "name: 5", 1)})
}

// scalars are YAML 1.1 texts that are, or are not, what they seem.
var scalars = []string{"y", "Y", "yes", "Yes", "YES", "n", "no", "on", "On", "off", "true", "True", "tRue", "false", "null", "Null", "NULL", "nULL", "~", "0", "-0", "+1", "-1", "007", "08", "09", "0o17", "0x1F", "0b101", "1_000", "1__0", "_1", "1_", "1.0", "1.", ".5", ".", "-.5", "1e3", "1E3", "1e-3", "1e+3", "1.5e300", "1e400", "1234e56", "1234e567", "18446744073709551615", "18446744073709551616", "-9223372036854775808", "-9223372036854775809", ".inf", "-.inf", ".nan", ".NaN", "inf", "nan", "12:30:45", "190:20:30", "2026-01-01", "2026-01-01T00:00:00Z", "=", "<<", "0.1.2", "1,000", "a:b", "a#b", "'yes'", "\"1\"", "!!str yes", "-", "?", "a b"}

// configScalars puts each of them where a string is wanted.
func configScalars(s *Suite) {
	for i, v := range scalars {
		s.config(conf{id: fmt.Sprintf("scalar-name-%d", i), why: fmt.Sprintf("the plain scalar %s as a key name", v), text: head + "resources:\n- resources: [secrets]\n  providers:\n  - aescbc:\n      keys:\n      - name: " + v + "\n        secret: " + k32 + "\n"})
		s.config(conf{id: fmt.Sprintf("scalar-resource-%d", i), why: fmt.Sprintf("the plain scalar %s as a resource", v), text: head + "resources:\n- resources:\n  - " + v + "\n  providers:\n  - identity: {}\n"})
	}
}
