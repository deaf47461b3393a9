package main

import (
	"fmt"
	"strings"
)

// configFound asks again what differential runs found (docs/fuzzing.md), made small.
func configFound(s *Suite) {
	// go-yaml reads pieces of 512 bytes; a character that does not fit whole is left for the next one.
	bad := head + "resources: x: y #"
	bad += strings.Repeat("-", 511-len(bad))
	many := ""
	for i := range 101 {
		many += fmt.Sprintf("x%03d: 1\n", i)
	}
	for _, c := range []struct{ id, why, text string }{
		{"other-kind-unknown-twice", "an unknown field twice in a file of another kind is reported once", `{"kind":"Status","apiVersion":"v1","x":1,"x":2,"y":3}`},
		{"other-kind-known-twice", "a known field twice in a file of another kind", `{"kind":"Status","apiVersion":"v1","code":1,"code":2,"code":3}`},
		{"other-kind-101-unknown", "of 101 unknown fields of another kind 100 are reported", "kind: Status\napiVersion: v1\n" + many},
		{"piece-bad-inside", "a bad byte in the first 512 is found before anything is read", bad[:510] + "\xc2\"\n"},
		{"piece-bad-across", "a bad character across the border of 512 is not seen by an error before it", bad + "\xc2\"\n"},
		{"piece-bad-behind", "a bad character behind the border of 512 is not seen by an error before it", bad + "-\xc2\"\n"},
		{"piece-control-last", "a control character as byte 512", bad + "\x01\n"},
		{"piece-control-next", "a control character as byte 513", bad + "-\x01\n"},
		{"piece-drift", "a good character across the border moves the next border", bad + "é" + strings.Repeat("-", 510) + "\x01\n"},
		{"piece-drift-wide", "a wide one moves it further", bad[:509] + "😀" + strings.Repeat("-", 509) + "\x01\n"},
		{"duration-wraps", "two durations of 2^63 ns add up to none", head + "resources:\n- resources: [secrets]\n  providers:\n  - kms: {apiVersion: v2, name: p, endpoint: 'unix:///p', timeout: 9223372036854775808ns9223372036854775808ns}\n"},
		{"endpoint-zone-order", "a bad escape before and in the zone of an endpoint: the first is named", head + "resources:\n- resources: [secrets]\n  providers:\n  - kms: {apiVersion: v2, name: p, endpoint: 'p://[%%25%:]'}\n"},
		{"json-end-escape", "JSON that ends within an escape", `{"":"\`},
		{"json-end-hex", "JSON that ends within a hexadecimal escape", `{"":"\u00`},
		{"json-end-literal", "JSON that ends within a literal", `{"":tru`},
		{"json-end-minus", "JSON that ends after a sign", `{"":-`},
		{"json-end-point", "JSON that ends after a decimal point", `{"":1.`},
		{"json-end-exponent", "JSON that ends within an exponent", `{"":1e`},
		{"json-end-number", "JSON that ends after a number", `{"":1`},
		{"json-end-string", "JSON that ends within a string", `{"":"x`},
		{"float-key-twice", "large and small floats as a field name, twice", head + body + "-9223372036854775809: 1\n-9223372036854775809: 2\n1234567.5: 1\n1234567.5: 2\n"},
		{"float-key-tie", "a float as a field name, halfway between two shortest forms", head + body + "16567313E-1: x\n33554435e-1: y\n"},
	} {
		s.config(conf{id: c.id, why: c.why, text: c.text})
	}
}
