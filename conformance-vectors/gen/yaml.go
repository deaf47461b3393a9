package main

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"sigs.k8s.io/yaml"
)

// YAMLCase asks what JSON one YAML text becomes on kube-apiserver's way.
type YAMLCase struct {
	ID      string     `json:"id"`
	Why     string     `json:"why"`
	Text    *string    `json:"text,omitempty"`
	TextHex *string    `json:"textHex,omitempty"`
	Lax     YAMLResult `json:"lax"`
	Strict  YAMLResult `json:"strict"`
}

// YAMLResult is the JSON text, the error, or that Go's map order decides.
type YAMLResult struct {
	JSON   *string `json:"json,omitempty"`
	Error  *string `json:"error,omitempty"`
	Varies bool    `json:"varies,omitempty"`
}

func convert(text string, f func([]byte) ([]byte, error)) YAMLResult {
	once := func() (r YAMLResult) {
		defer func() {
			if p := recover(); p != nil {
				fatal("yaml: panic on %q: %v", text, p)
			}
		}()
		out, err := f([]byte(text))
		if err != nil {
			return YAMLResult{Error: errorText(err)}
		}
		s := string(out)
		return YAMLResult{JSON: &s}
	}
	first := once()
	for range 40 {
		if again := once(); *encoded(again) != *encoded(first) {
			return YAMLResult{Varies: true}
		}
	}
	return first
}

func (s *Suite) yaml(id, why, text string) {
	c := YAMLCase{ID: id, Why: why, Lax: convert(text, yaml.YAMLToJSON), Strict: convert(text, yaml.YAMLToJSONStrict)}
	if utf8.ValidString(text) {
		c.Text = &text
	} else {
		c.TextHex = hexed([]byte(text))
	}
	s.add(id, c)
}

func yamlScalars(s *Suite) {
	more := []string{"", "0o8", "0x", "0b2", "0xg", "-0x1F", "+0x1F", "0x1_F", "-010", "0_1", "1e", "e1", "1e1e1", "--1", "+-1", "1..0", "+.inf", ".Inf", ".INF", ".iNF", "-.INF", "+.nan", "0.1", "1_0.5", "1.5_0", "1e1_0", "9007199254740993", "123456789012345678901234567890", "0.30000000000000004", "1e-400", "4.9e-324", "1.7976931348623157e308", "100000000000000000000", "1e20", "1e21", "1e-6", "1e-7", "-0.0", "2001-12-14t21:59:43.10-05:00", "2001-12-14", "02:30:02", "685.230_15", "!!int \"5\"", "!!int '0x1F'", "!!float 1", "!!bool yes", "!!bool 1", "!!null ''", "!!str ~", "!!str 1e3", "!!timestamp 2001-12-14", "!!binary aGVsbG8=", "!!binary '%%'", "!!set {a, b}", "!!omap [a: 1]", "!foo bar", "!<tag:yaml.org,2002:str> 5", "'it''s'", "\"tab\\tend\"", "\"\\x41\\u0042\\U00000043\"", "\"\\/\"", "\"\\e\"", "\"\\N\\_\\L\\P\"", "\"\\q\"", "\"\\ud83d\\ude00\"", "\"\\ud800\"", "\"\\uZZZZ\"", "<a>&", "\u00e9", "\u2028", "\u0085", "\ufeff", "\U0001f600", "a\\b", "[]", "{}", "[a, b]", "{a: 1}", "[a?b]", "{a: :b}", "[1, ]", "[, 1]", "[[[]]]", "{a}", "{a, b: 1}", "{? a : b}", "[a: b]", "[-]", "[-1]", "[]#c", "[] #c", "*a", "&a 1", "&a", "%x", "@x", "`x", "|", ">", "|\n  a\n  b", ">\n  a\n  b", "|-\n  a\n", "|+\n  a\n\n", "|2\n    a", ">-\n  a\n\n  b\n   c", "|#c\n  a", "| #c\n  a", "|9\n  a", "|0\n  a", "5.6843418860808015e-14", "-5.6843418860808015e-14", "1.5e300", "123456.5", "16567313E-1", ".2_0", "._2", ".2_", ".2__0", ".2_e1", ".2e1_0", ".2_.5"}
	for i, v := range append(append([]string{}, scalars...), more...) {
		s.yaml(fmt.Sprintf("value-%d", i), fmt.Sprintf("the text %q as a value", v), "a: "+v+"\n")
		if i < len(scalars) || len(v) < 12 && !strings.ContainsAny(v, "|>\n") {
			s.yaml(fmt.Sprintf("key-%d", i), fmt.Sprintf("the text %q as a key", v), v+": 1\n")
		}
	}
	ctl := []rune{0x00, 0x01, 0x08, 0x09, 0x0a, 0x0b, 0x0c, 0x0d, 0x1b, 0x1f, 0x7f, 0x80, 0x84, 0x85, 0x86, 0x9f, 0xa0, 0xad, 0x2028, 0x2029, 0xd7ff, 0xe000, 0xfeff, 0xfffd, 0xfffe, 0xffff, 0x10000, 0x10ffff}
	for _, r := range ctl {
		s.yaml(fmt.Sprintf("char-quoted-%04x", r), fmt.Sprintf("U+%04X in double quotes", r), "a: \"x"+string(r)+"y\"\n")
		s.yaml(fmt.Sprintf("char-plain-%04x", r), fmt.Sprintf("U+%04X in a plain scalar", r), "a: x"+string(r)+"y\n")
		s.yaml(fmt.Sprintf("char-comment-%04x", r), fmt.Sprintf("U+%04X in a comment", r), "a: 1 # x"+string(r)+"y\n")
	}
	for i, b := range []string{"\xff", "\xc3", "\xc0\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xe2\x82", "\x80"} {
		s.yaml(fmt.Sprintf("bytes-%d", i), fmt.Sprintf("the bytes %x are no UTF-8", b), "a: "+b+"\n")
	}
}

func yamlStructure(s *Suite) {
	docs := []struct{ id, why, text string }{
		{"empty", "no text at all", ""}, {"newline", "a newline alone", "\n"}, {"comment", "a comment alone", "# c\n"}, {"marker", "a document marker alone", "---\n"}, {"two-markers", "two markers, then a mapping", "---\n---\na: 1\n"},
		{"end", "a document end alone", "...\n"}, {"end-then", "text after a document end", "a: 1\n...\nb: 2\n"}, {"second", "a second document is not read", "a: 1\n---\nb: 2\n"}, {"second-bad", "a broken second document is not read", "a: 1\n---\n{ bad\n"},
		{"second-bad-scan", "a second document with a forbidden character", "a: 1\n---\nb: \x01\n"}, {"marker-inline", "a mapping on the marker's line", "--- a: 1\n"}, {"marker-flow", "a flow mapping on the marker's line", "--- {a: 1}\n"},
		{"flow-then-junk", "text after a flow mapping", "{\"a\":1} x\n"}, {"flow-then-line", "a line after a flow mapping", "{\"a\":1}\nx: 1\n"}, {"scalar-then-map", "a mapping after a scalar", "x\na: 1\n"},
		{"dup", "a key twice", "a: 1\na: 2\n"}, {"dup-thrice", "a key three times", "a: 1\na: 2\na: 3\n"}, {"dup-flow", "a key twice in a flow mapping", "{a: 1, a: 2}\n"}, {"dup-nested", "keys twice at two levels", "a:\n  b: 1\n  b: 2\na: 3\n"},
		{"dup-bool", "yes and true are one key", "yes: 1\ntrue: 2\n"}, {"dup-null", "~ and null are one key", "~: 1\nnull: 2\n"}, {"dup-int", "1 and 0x1 are one key", "1: a\n0x1: b\n"}, {"dup-int-string", "1 and '1' are two keys of one JSON name", "1: a\n'1': b\n"},
		{"dup-bool-string", "true and 'true' are two keys of one JSON name", "true: a\n'true': b\n"}, {"dup-float-int", "1 and 1.0 are two keys", "1: a\n1.0: b\n"}, {"dup-alias", "an anchored key and its alias", "&k a: 1\n*k : 2\n"}, {"dup-quotes", "a and 'a' are one key", "a: 1\n'a': 2\n"},
		{"merge", "a merge key", "b: &b {x: 1, y: 2}\nc:\n  <<: *b\n  z: 3\n"}, {"merge-override-after", "a merge, then an explicit key", "b: &b {x: 1}\nc:\n  <<: *b\n  x: 2\n"}, {"merge-override-before", "an explicit key, then a merge", "b: &b {x: 1}\nc:\n  x: 2\n  <<: *b\n"},
		{"merge-list", "a merge of a list", "a: &a {x: 1}\nb: &b {x: 2, y: 3}\nc:\n  <<: [*a, *b]\n"}, {"merge-twice", "two merge keys", "a: &a {x: 1}\nb: &b {y: 2}\nc:\n  <<: *a\n  <<: *b\n"}, {"merge-twice-same", "two merge keys with one name", "a: &a {x: 1}\nb: &b {x: 2}\nc:\n  <<: *a\n  <<: *b\n"},
		{"merge-scalar", "a merge of a scalar", "<<: 3\n"}, {"merge-null", "a merge of null", "<<: ~\n"}, {"merge-list-scalar", "a merge of a list with a scalar", "<<: [3]\n"}, {"merge-inline", "a merge of an inline mapping", "<<: {a: 1}\nb: 2\n"}, {"merge-quoted", "a quoted << is a key", "'<<': {a: 1}\n"}, {"merge-tagged", "a !!merge tag", "!!merge <<: {a: 1}\n"},
		{"anchor", "an anchor and an alias", "a: &x [1, 2]\nb: *x\n"}, {"anchor-again", "an anchor defined twice", "a: &x 1\nb: &x 2\nc: *x\n"}, {"anchor-unknown", "an alias without anchor", "a: *x\n"}, {"anchor-self", "an anchor that holds itself", "a: &x [*x]\n"}, {"anchor-self-map", "a mapping that holds itself", "&x a: *x\n"}, {"anchor-map-self", "a mapping anchored and used inside itself", "a: &x\n  b: *x\n"},
		{"complex-key", "a list as a key", "? [a, b]\n: 1\n"}, {"map-key", "a mapping as a key", "? {a: b}\n: 1\n"}, {"explicit-no-value", "an explicit key without value", "? a\n"}, {"empty-key", "an empty key", ": 1\n"}, {"null-value", "a key without value", "a:\n"}, {"null-items", "items without value", "-\n-\n"},
		{"nested-dash", "a list in a list on one line", "- - a\n  - b\n- c\n"}, {"dash-map", "a mapping in a list", "- a: 1\n  b: 2\n"}, {"list-same-indent", "a list at the indent of its key", "a:\n- 1\n- 2\n"}, {"list-less-indent", "a list left of its key", "  a:\n - 1\n"},
		{"bad-indent", "a key between two levels", "a:\n    b: 1\n  c: 2\n"}, {"bad-list-mix", "a key after items", "- a\nb: 1\n"}, {"bad-map-mix", "an item after a key", "a: 1\n- b\n"}, {"no-space", "a colon without a blank", "a:1\n"}, {"colon-in-value", "a colon and a blank in a value", "a: b: c\n"}, {"hash-no-space", "# without a blank before it", "a: b#c\n"}, {"quoted-then-text", "text after a quoted value", "a: \"b\" c\n"}, {"quoted-key-no-space", "a quoted key and a colon without a blank", "\"a\":1\n"}, {"flow-quoted-no-space", "the same inside a flow mapping", "{\"a\":1}\n"},
		{"tab-after-colon", "a tab after a colon", "a:\t1\n"}, {"tab-end", "a tab at the end of a line", "a: 1\t\n"}, {"tab-comment", "a tab before a comment", "a: 1\t# c\n"}, {"tab-indent", "a tab as indent", "a:\n\tb: 1\n"}, {"tab-after-dash", "a tab after a dash", "-\ta\n"}, {"tab-after-dash-map", "a tab after a dash before a mapping", "-\ta: 1\n"}, {"tab-blank-line", "a tab on a blank line between keys", "a: 1\n\t\nb: 2\n"}, {"tab-blank-line-end", "a tab on a blank line at the end", "a: 1\n\t\n"}, {"tab-flow", "tabs inside a flow list", "a: [\t1,\t2\t]\n"}, {"tab-flow-indent", "a tab as indent inside a flow list", "a: [\n\t1\n\t]\n"}, {"tab-flow-item", "a tab before an item of a flow list on a line of its own", "a: [\n\t1\n]\n"}, {"tab-flow-close", "a tab before the bracket that closes a flow list", "a: [\n1\n\t]\n"}, {"tab-flow-space-close", "a blank and a tab before the bracket that closes a flow list", "a: [\n1\n \t]\n"}, {"tab-flow-map", "a tab before a key of a flow mapping", "a: {\n\tb: 1}\n"}, {"tab-flow-map-close", "a tab before the brace that closes a flow mapping", "a: {\nb: 1\n\t}\n"}, {"tab-flow-comma", "a tab before a comma that starts a line", "a: [1\n\t, 2]\n"}, {"tab-flow-top", "tabs as indent of JSON over lines", "{\n\t\"a\": 1\n}\n"}, {"tab-flow-top-nested", "tabs as indent of nested JSON over lines", "{\n\t\"a\": [\n\t\t1\n\t]\n}\n"}, {"tab-first", "a tab before the first key", "\ta: 1\n"}, {"tab-in-quotes", "a tab in quotes", "a: \"x\ty\"\n"}, {"tab-in-block", "a tab in a literal block", "a: |\n  x\ty\n"}, {"tab-block-indent", "a tab as indent of a literal block", "a: |\n\tx\n"},
		{"plain-multi", "a plain scalar over lines", "a: b\n  c\n\n  d\n"}, {"quoted-multi", "a quoted scalar over lines", "a: \"b\n  c\n\n  d\"\n"}, {"quoted-outdented", "a quoted scalar that goes on left of its key", "a:\n  b: \"x\ny\"\n"}, {"single-multi", "a single-quoted scalar over lines", "a: 'b\n  c'\n"}, {"quoted-escape-break", "an escaped line break", "a: \"b\\\n  c\"\n"}, {"flow-multi", "a flow list over lines", "a: [\n1,\n2\n]\n"}, {"flow-outdented", "a flow list that closes left of its key", "a:\n  b: [\n1\n]\n"}, {"flow-multi-key", "a flow key over lines", "{a\n b: 1}\n"}, {"marker-in-quotes", "a document marker inside quotes", "a: \"x\n---\ny\"\n"}, {"marker-in-block", "a document marker inside a block", "a: |\n  x\n---\nb: 1\n"},
		{"crlf", "lines ended by CR LF", "a: 1\r\nb:\r\n- x\r\n"}, {"cr", "lines ended by CR", "a: 1\rb: 2\r"}, {"mixed", "mixed line ends in a block", "a: |\n  x\r\n  y\r  z\n"}, {"bom", "a byte order mark", "\ufeffa: 1\n"}, {"bom-middle", "a byte order mark before the second key", "a: 1\n\ufeffb: 2\n"}, {"bom-second-doc", "a byte order mark in a second document", "a: 1\n---\n\ufeffb: 2\n"}, {"utf16le", "UTF-16 little endian", utf16le("a: 1\n")}, {"utf16be", "UTF-16 big endian", "\xfe\xff\x00a\x00:\x00 \x001\x00\n"}, {"utf16le-bom-only", "a UTF-16 mark alone", "\xff\xfe"}, {"utf16-odd", "UTF-16 with half a character", "\xff\xfea\x00:"}, {"utf16-surrogate", "UTF-16 with a lone surrogate", "\xff\xfe\x00\xd8a\x00"},
		{"directive-1.1", "a %YAML 1.1 directive", "%YAML 1.1\n---\na: 1\n"}, {"directive-1.2", "a %YAML 1.2 directive", "%YAML 1.2\n---\na: 1\n"}, {"directive-2.0", "a %YAML 2.0 directive", "%YAML 2.0\n---\na: 1\n"}, {"directive-twice", "the %YAML directive twice", "%YAML 1.1\n%YAML 1.1\n---\na: 1\n"}, {"directive-no-marker", "%YAML without a marker", "%YAML 1.1\na: 1\n"}, {"directive-unknown", "an unknown directive", "%FOO bar\n---\na: 1\n"}, {"directive-tag", "%TAG and a tag", "%TAG !e! tag:e.com,2026:\n---\na: !e!x 1\n"}, {"tag-unknown-handle", "a tag of an unknown handle", "a: !e!x 1\n"},
		{"json", "plain JSON", "{\"a\": [1, true, null, \"x\"]}\n"}, {"json-escapes", "JSON escapes", "{\"a\": \"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u0041\"}\n"}, {"html", "HTML in values and keys", "<a>: \"</script>&\"\n"}, {"order", "keys come out sorted", "b: 1\na: 2\nC: 3\n1: 4\n"}, {"int-keys-order", "number keys sort as text", "10: a\n9: b\n"}, {"float-key", "a float as a key", "1.5: a\n"}, {"big-key", "a large integer as a key", "18446744073709551615: a\n"}, {"huge-key", "an integer beyond 64 bits as a key", "18446744073709551616: a\n"}, {"exp-key", "an exponent as a key", "1e3: a\n"}, {"inf-key", "infinity as a key", ".inf: a\n"},
		{"scalar-root", "a scalar at the top", "hello\n"}, {"list-root", "a list at the top", "- 1\n- 2\n"}, {"unclosed-flow", "a list that is not closed", "a: [1\n"}, {"unclosed-quote", "a quote that is not closed", "a: \"x\n"}, {"closed-twice", "a bracket too many", "a: [1]]\n"}, {"wrong-close", "a list closed by a brace", "a: [1}\n"}, {"block-in-flow", "a block list inside a flow list", "a: [\n- 1\n]\n"}, {"nul-end", "a NUL byte at the end", "a: 1\n\x00"}, {"no-newline", "no newline at the end", "a: 1"},
	}
	for _, d := range docs {
		s.yaml(d.id, d.why, d.text)
	}
	for _, n := range []int{10, 1000, 9999, 10000, 10001} {
		s.yaml(fmt.Sprintf("flow-depth-%d", n), fmt.Sprintf("flow lists %d deep", n), strings.Repeat("[", n)+strings.Repeat("]", n)+"\n")
	}
	for _, n := range []int{10, 100} {
		var b strings.Builder
		for i := range n {
			b.WriteString(strings.Repeat(" ", i) + "a:\n")
		}
		s.yaml(fmt.Sprintf("block-depth-%d", n), fmt.Sprintf("block mappings %d deep", n), b.String())
	}
	for _, n := range []int{2, 4, 5, 6, 9} {
		b := "a0: &a0 [x, x, x, x, x, x, x, x, x]\n"
		for i := 1; i < n; i++ {
			b += fmt.Sprintf("a%d: &a%d [%s]\n", i, i, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*a%d, ", i-1), 9), ", "))
		}
		s.yaml(fmt.Sprintf("aliases-%d", n), fmt.Sprintf("%d levels of nine aliases each", n), b)
	}
	long := strings.Repeat("k", 1030)
	for _, n := range []int{1023, 1024, 1025, 1030} {
		s.yaml(fmt.Sprintf("simple-key-%d", n), fmt.Sprintf("a plain key of %d bytes; a key may not be longer than 1,024", n), long[:n]+": 1\n")
		s.yaml(fmt.Sprintf("explicit-key-%d", n), fmt.Sprintf("an explicit key of %d bytes", n), "? "+long[:n]+"\n: 1\n")
	}
}
