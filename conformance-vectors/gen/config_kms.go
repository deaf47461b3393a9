package main

import (
	"fmt"
	"strings"
)

func configKMS(s *Suite) {
	block := func(fields ...string) string { return "kms: {" + strings.Join(fields, ", ") + "}" }
	const v1, v2, named, socket = "apiVersion: v1", "apiVersion: v2", "name: p", "endpoint: \"unix:///run/kms.sock\""

	for _, version := range []string{"-", "v1", "v2", "v3", "V2", "\"\"", "~", "\"v2 \"", "v1beta1", "2"} {
		fields := []string{named, socket}
		if version != "-" {
			fields = append(fields, "apiVersion: "+version)
		}
		for _, on := range []bool{false, true} {
			s.config(conf{id: fmt.Sprintf("version-%s-gate-%v", name(version), on), why: fmt.Sprintf("apiVersion %s (- is absent) with the KMSv1 gate %v", version, on), text: provider(block(fields...)), kmsv1: on})
		}
	}
	for i, n := range []string{"p", "", "a:b", ":", "a b", "schlüssel", "\n", "<&>", "\"", "P", strings.Repeat("p", 300)} {
		for _, v := range []string{v1, v2, "apiVersion: v3"} {
			show := n
			if len(show) > 20 {
				show = show[:20] + "..."
			}
			s.config(conf{id: fmt.Sprintf("name-%d-%s", i, v[len(v)-2:]), why: fmt.Sprintf("provider name %q with %s", show, v), text: provider(block(v, "name: "+yamlQuote(n), socket)), kmsv1: true})
		}
	}
	s.config(conf{id: "name-absent", why: "no provider name", text: provider(block(v2, socket))})
	s.config(conf{id: "endpoint-absent", why: "no endpoint", text: provider(block(v2, named))})
	s.config(conf{id: "all-absent", why: "an empty kms block", text: provider(block()), kmsv1: true})
	s.config(conf{id: "many-faults", why: "every field wrong: the order of the reports", text: provider(block("apiVersion: v9", "name: \"a:b\"", "timeout: 0s", "endpoint: \"tcp://x\"", "cachesize: 5"))})

	// One name twice: by version, order, entry and reload.
	for _, first := range []string{v1, v2} {
		for _, second := range []string{v1, v2} {
			for _, apart := range []bool{false, true} {
				for _, reload := range []bool{false, true} {
					text := provider(block(first, named, socket), block(second, named, socket))
					if apart {
						text = provider(block(first, named, socket)) + "- resources: [configmaps]\n  providers:\n  - " + block(second, named, socket) + "\n"
					}
					s.config(conf{id: fmt.Sprintf("twice-%s-%s-apart-%v-reload-%v", first[len(first)-2:], second[len(second)-2:], apart, reload), why: fmt.Sprintf("one name under %s, then %s; in two entries: %v; reload: %v", first, second, apart, reload), text: text, reload: reload, kmsv1: true})
				}
			}
		}
	}
	s.config(conf{id: "thrice", why: "one v2 name three times", text: provider(block(v2, named, socket), block(v2, named, socket), block(v2, named, socket))})
	s.config(conf{id: "unnamed-twice", why: "two v2 blocks without name", text: provider(block(v2, socket), block(v2, socket))})
	s.config(conf{id: "names-differ", why: "two v2 blocks of two names", text: provider(block(v2, "name: a", socket), block(v2, "name: b", socket))})

	timeouts := []string{"3s", "1ns", "0", "0s", "-1s", "-1500ms", "-1h30m", "+.5ms", "1h30m", "1.5h", "1us", "1µs", "1μs", "1ms", "1m", "24h", "1d", "3", "\"3\"", "\"\"", "~", "\" 3s\"", "\"3 s\"", "\"3s \"", "3S", "1h-30m", ".s", "s", "-", "+", "1e3s", "0x1s", "10000000h", "9223372036854775807ns", "9223372036854775808ns", "-9223372036854775808ns", "-9223372036854775809ns", "2562047h47m16.854775807s", "2562047h47m16.854775808s", "0.3333333333333333333h", "1.s", "1.0.0s", "1_000s", "00003s", "1s1s", "1s1m", "1ss", "∞", "\"1\\u00a0s\"", "0.0000000001s", "-0s", "0.5", "1.5"}
	for i, t := range timeouts {
		s.config(conf{id: fmt.Sprintf("timeout-%d", i), why: "the duration text " + t + " as timeout", text: provider(block(v2, named, socket, "timeout: "+t))})
	}
	s.config(conf{id: "timeout-number", why: "a bare number is no duration", text: provider(block(v2, named, socket, "timeout: 3"))})
	s.config(conf{id: "timeout-v1", why: "the grace period counts a v1 timeout twice", text: provider(block(v1, named, socket, "timeout: 7s")), kmsv1: true})
	s.config(conf{id: "timeout-sum", why: "the grace period over v1 and v2", text: provider(block(v1, "name: a", socket, "timeout: 1s"), block(v2, "name: b", socket, "timeout: 20ms"), block(v2, "name: c", socket)), kmsv1: true})

	for i, c := range []string{"-2147483649", "-2147483648", "-1", "0", "1", "1000", "2147483647", "2147483648", "5.0", "5.5", "'5'", "~", "1e3", "0x10", "010", "true", "\"\""} {
		for _, v := range []string{v1, v2, "apiVersion: v3", "timeout: 3s"} {
			s.config(conf{id: fmt.Sprintf("cachesize-%d-%s", i, name(v[len(v)-2:])), why: fmt.Sprintf("cachesize %s with %s", c, v), text: provider(block(v, named, socket, "cachesize: "+c)), kmsv1: true})
		}
	}

	endpoints := []string{"unix:///run/kms.sock", "unix:///@kms", "unix:///@", "unix://@kms", "unix:kms.sock", "unix://kms.sock", "unix://", "unix:", "unix:///", "unix:////run//kms.sock", "UNIX:///run/kms.sock", "Unix:///x", "unix://host/run/kms.sock", "unix://user:pw@host/x", "unix://h:80/x", "unix://h:abc/x", "unix://h:/x", "unix://[::1]/x", "unix://[::1/x", "unix://[::1%25eth0]/x", "unix://[::1%eth0]/x", "unix:///a%20b", "unix:///a b", "unix:///%zz", "unix:///%", "unix:///%4", "unix://%zz/x", "unix://a%20b/x", "unix:///x?q=1", "unix:///x#f", "unix:///x#%zz", "unix:///x?%zz",
		"tcp://127.0.0.1:80", "http://x", "https://x/y", "localhost:8080", "127.0.0.1:8080", "/run/kms.sock", "./kms.sock", "kms.sock", ":///x", ":x", "://", "", " ", " unix:///x", "unix:///x ", "1unix:///x", "un_ix:///x", "un+ix:///x", "unix.1:///x", "-unix:///x", "unïx:///x", "unix:///\x7f", "unix:///a\nb", "unix:///a\tb", "\x00", "unix://a b/x", "unix://a\"b/x", "unix://a<b/x", "unix:///ü", "//host/x", "a/b:c", "?q", "#f", "unix:///" + strings.Repeat("x", 200), "mailto:a@b", "file:///x", "npipe:////./pipe/kms", "*", "%"}
	for i, e := range endpoints {
		show := e
		if len(show) > 40 {
			show = fmt.Sprintf("%s... of %d bytes", e[:20], len(e))
		}
		s.config(conf{id: fmt.Sprintf("endpoint-%d", i), why: fmt.Sprintf("the endpoint %q", show), text: provider(block(v2, named, "endpoint: "+yamlQuote(e)))})
	}
	for i, e := range []string{"unix:///run/kms.sock", "unix:///@kms", "unix:kms.sock", "unix://", "tcp://x", "", "unix:///%zz"} {
		s.config(conf{id: fmt.Sprintf("endpoint-v1-%d", i), why: fmt.Sprintf("KMS v1 endpoint %q", e), text: provider(block(v1, named, "endpoint: "+yamlQuote(e))), kmsv1: true})
	}

	// Which health checks there are, by versions and reload.
	mixes := [][]string{{}, {v1}, {v2}, {v1, v1}, {v2, v2}, {v1, v2}, {v2, v1}, {v2, v2, v1}}
	for i, m := range mixes {
		for _, reload := range []bool{false, true} {
			lines := []string{}
			for j, v := range m {
				lines = append(lines, block(v, fmt.Sprintf("name: p%d", j), socket))
			}
			lines = append(lines, "identity: {}")
			s.config(conf{id: fmt.Sprintf("health-%d-reload-%v", i, reload), why: fmt.Sprintf("health checks for the plugins %q, reload %v", m, reload), text: provider(lines...), reload: reload, kmsv1: true})
		}
	}
	s.config(conf{id: "gate-second-entry", why: "the gate refuses a v1 block in the second entry", text: provider("identity: {}") + "- resources: [configmaps]\n  providers:\n  - " + block(v1, named, socket) + "\n"})
	s.config(conf{id: "internal-no-timeout", why: "the internal version is not defaulted: a KMS block without timeout panics", text: "apiVersion: apiserver.config.k8s.io/__internal\nkind: EncryptionConfiguration\nResources:\n- Resources: [secrets]\n  Providers:\n  - KMS: {APIVersion: v2, Name: p, Endpoint: \"unix:///x\"}\n"})
	s.config(conf{id: "internal-good", why: "the internal version is read with Go field names", text: "apiVersion: apiserver.config.k8s.io/__internal\nkind: EncryptionConfiguration\nResources:\n- Resources: [secrets]\n  Providers:\n  - Identity: {}\n"})
	s.config(conf{id: "legacy-kms", why: "a kms block under the legacy kind, gate on", text: strings.Replace(provider(block(named, socket)), head, "apiVersion: v1\nkind: EncryptionConfig\n", 1), kmsv1: true})
}
