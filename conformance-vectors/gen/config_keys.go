package main

import (
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"
)

// provider writes a configuration with the given provider lines under secrets.
func provider(lines ...string) string {
	return head + "resources:\n- resources: [secrets]\n  providers:\n  - " + strings.Join(lines, "\n  - ") + "\n"
}

func configKeys(s *Suite) {
	// Every subset of the five provider fields in one element.
	five := []string{"identity: {}", "aescbc: {keys: [{name: a, secret: " + k32 + "}]}", "aesgcm: {keys: [{name: b, secret: " + k32 + "}]}", "secretbox: {keys: [{name: c, secret: " + k32 + "}]}", "kms: {apiVersion: v2, name: p, endpoint: \"unix:///x\"}"}
	for mask := range 32 {
		var in []string
		for i, f := range five {
			if mask>>i&1 == 1 {
				in = append(in, f)
			}
		}
		s.config(conf{id: fmt.Sprintf("fields-%02d", mask), why: fmt.Sprintf("%d of the five provider fields in one element", len(in)), text: provider("{" + strings.Join(in, ", ") + "}")})
	}
	for i, f := range five {
		field := strings.SplitN(f, ":", 2)[0]
		s.config(conf{id: "null-" + field, why: "a null " + field + " counts as absent", text: provider(field + ":")})
		s.config(conf{id: "empty-" + field, why: "an empty " + field + " counts as present", text: provider(field + ": {}"), kmsv1: true})
		for j, g := range five {
			if i != j {
				s.config(conf{id: fmt.Sprintf("then-%d-%d", i, j), why: fmt.Sprintf("%s, then %s: the chain", field, strings.SplitN(g, ":", 2)[0]), text: provider(f, g)})
			}
		}
	}
	s.config(conf{id: "several-bad", why: "three providers in one element, two without keys: only the first one's keys are looked at", text: provider("{aesgcm: {keys: []}, aescbc: {keys: []}, secretbox: {keys: []}}")})
	s.config(conf{id: "empty-element", why: "an element with nothing in it", text: provider("{}")})
	s.config(conf{id: "null-element", why: "a null element", text: provider("~")})
	s.config(conf{id: "secret-shown", why: "the error about two providers prints their secrets", text: provider("{identity: {}, aescbc: {keys: [{name: \"<a>&\", secret: " + k32 + "}, {name: b, secret: bad}]}}")})

	for _, p := range []string{"aescbc", "aesgcm", "secretbox"} {
		ask := func(id, why, keys string) {
			s.config(conf{id: p + "-" + id, why: p + ": " + why, text: provider(p + ": {keys: [" + keys + "]}")})
		}
		ask("no-keys", "an empty list of keys", "")
		ask("null-key", "a null key", "~")
		ask("no-name", "a key without name", "{secret: "+k32+"}")
		ask("no-secret", "a key without secret", "{name: a}")
		ask("no-both", "a key without both", "{}")
		ask("empty-name", "an empty name", "{name: \"\", secret: "+k32+"}")
		ask("empty-secret", "an empty secret", "{name: a, secret: \"\"}")
		ask("same-names", "two keys of one name pass", "{name: a, secret: "+k32+"}, {name: a, secret: "+k32+"}")
		ask("second-bad", "the second key is bad", "{name: a, secret: "+k32+"}, {name: b, secret: x}")
		ask("two-bad", "two bad keys: both are reported", "{secret: x}, {name: b, secret: AAAA}")
		ask("same-bad-twice", "two errors of different index are two errors", "{name: a, secret: x}, {name: b, secret: x}")
		ask("colon", "a colon in a key name passes", "{name: \"a:b\", secret: "+k32+"}")
		ask("k3s", "a time in a key name passes", "{name: \"2026-01-02T03:04:05Z\", secret: "+k32+"}")
		for _, n := range []int{0, 1, 8, 15, 16, 17, 23, 24, 25, 31, 32, 33, 48, 64} {
			ask(fmt.Sprintf("size-%d", n), fmt.Sprintf("a secret of %d bytes", n), "{name: a, secret: "+strconv.Quote(base64.StdEncoding.EncodeToString(make([]byte, n)))+"}")
		}
	}
	// Base64 as encoding/base64 takes it.
	texts := []struct{ id, why, text string }{
		{"newline-inside", "a newline inside is skipped", k32[:20] + "\n" + k32[20:]},
		{"newline-end", "a newline at the end is skipped", k32 + "\n"},
		{"newline-start", "a newline at the start is skipped", "\n" + k32},
		{"crlf", "CR LF is skipped", k32[:20] + "\r\n" + k32[20:]},
		{"cr", "CR alone is skipped", k32[:20] + "\r" + k32[20:]},
		{"newline-in-padding", "a newline before the padding is skipped", k32[:43] + "\n="},
		{"newline-after-padding", "newlines after the padding are skipped", k32 + "\n\r\n"},
		{"only-newlines", "only newlines are zero bytes", "\n\n"},
		{"space-inside", "a blank inside is an error", k32[:20] + " " + k32[20:]},
		{"space-end", "a blank at the end is an error", k32 + " "},
		{"space-start", "a blank at the start is an error", " " + k32},
		{"tab", "a tab is an error", k32 + "\t"},
		{"vertical-tab", "a vertical tab is an error", k32 + "\v"},
		{"nel", "NEL is an error", k32 + "\u0085"},
		{"no-padding", "padding is required", k32[:43]},
		{"too-much-padding", "one = too many", k32 + "="},
		{"padding-only", "only padding", "="},
		{"padding-four", "four = signs", "===="},
		{"padding-inside", "padding in the middle", "AA==" + k32},
		{"url-safe", "the URL alphabet is an error", strings.Repeat("_-", 21) + "_="},
		{"plus-slash", "the standard alphabet's + and /", strings.Repeat("+/", 21) + "+w="},
		{"trailing-bits", "trailing bits that are not zero are accepted", k32[:42] + "9="},
		{"trailing-bits-all", "all trailing bits set", k32[:42] + "/="},
		{"one-letter", "one letter", "A"},
		{"two-letters", "two letters without padding", "AA"},
		{"two-letters-padded", "two letters with padding are one byte", "AA=="},
		{"two-letters-one-pad", "two letters with one =", "AA="},
		{"three-letters", "three letters with padding are two bytes", "AAA="},
		{"hex", "hex is base64 of another length", strings.Repeat("00", 32)},
		{"unicode", "a letter outside ASCII", "ä" + k32[1:]},
		{"nul", "a NUL byte inside", k32[:20] + "\x00" + k32[20:]},
		{"pem", "a PEM marker", "-----BEGIN KEY-----"},
	}
	for _, t := range texts {
		s.config(conf{id: "base64-" + t.id, why: "base64: " + t.why, text: provider("aesgcm: {keys: [{name: a, secret: " + yamlQuote(t.text) + "}]}")})
	}
	s.config(conf{id: "base64-block", why: "a literal block as a secret", text: provider("aescbc:\n      keys:\n      - name: a\n        secret: |\n          " + k32)})
	s.config(conf{id: "base64-folded", why: "a folded block over two lines puts a blank into the secret", text: provider("aescbc:\n      keys:\n      - name: a\n        secret: >-\n          " + k32[:20] + "\n          " + k32[20:])})
	s.config(conf{id: "base64-plain-two-lines", why: "a plain scalar over two lines has a blank in it", text: provider("aescbc:\n      keys:\n      - name: a\n        secret: " + k32[:20] + "\n          " + k32[20:])})
	s.config(conf{id: "base64-quoted-two-lines", why: "a quoted scalar with an escaped line break has none", text: provider("aescbc:\n      keys:\n      - name: a\n        secret: \"" + k32[:20] + "\\\n          " + k32[20:] + "\"")})
}

// yamlQuote writes a double-quoted YAML scalar.
func yamlQuote(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r < 0x20 || r >= 0x7f && r < 0xa0 || r == 0x2028 || r == 0x2029 || r == 0xfeff:
			fmt.Fprintf(&b, "\\u%04x", r)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}
