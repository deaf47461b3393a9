package main

import (
	"fmt"
	"strconv"
	"strings"
)

// rules writes a configuration with one entry per list of names.
func rules(lists ...[]string) string {
	var b strings.Builder
	b.WriteString(head + "resources:\n")
	for _, l := range lists {
		quoted := make([]string, len(l))
		for i, r := range l {
			quoted[i] = strconv.Quote(r)
		}
		b.WriteString("- resources: [" + strings.Join(quoted, ", ") + "]\n  providers:\n  - identity: {}\n")
	}
	return b.String()
}

func configResources(s *Suite) {
	names := []string{"secrets", "secrets.", "secrets.v1", "secrets.v1.", "deployments.apps", "*.apps", "*.", "*.*", "*", "**", "*.*.apps", "*.*.*", "", ".", "..", ".apps", " secrets", "secrets ", "sec*", "secret?", "pods/status", "Secrets", "SECRETS", "secrets.Apps", "é", "É", "ß", "ǅ", "İ", "ı", "Σ", "ς", "鍵", "a.b.c.d", "-", "_",
		"apiserveripinfo", "apiserveripinfo.", "serviceipallocations", "servicenodeportallocations", "serviceipallocations.apps", "events", "events.events.k8s.io", "*.events.k8s.io", "foo.events.k8s.io", "events.k8s.io", "events.", "ingresses.extensions", "*.extensions", "foo.my.extensions", "extensions", "pods.*", "pods.*.k8s.io", "*.*k8s.io", "leases.coordination.k8s.io", "widgets.example.com", "<b>", "a&b", "\"", "\\", "a\tb", "a\nb", "\x00", "\x7f", "\u200b", "\u2028", "\ufeff", strings.Repeat("a", 300)}
	for i, n := range names {
		show := n
		if len(show) > 40 {
			show = fmt.Sprintf("%s... of %d bytes", n[:10], len(n))
		}
		s.config(conf{id: fmt.Sprintf("one-%d", i), why: fmt.Sprintf("the single resource %q", show), text: rules([]string{n})})
		s.config(conf{id: fmt.Sprintf("with-secrets-%d", i), why: fmt.Sprintf("secrets and %q in one list", show), text: rules([]string{"secrets", n})})
	}
	s.config(conf{id: "no-entries", why: "an empty list of entries", text: head + "resources: []\n"})
	s.config(conf{id: "no-resources", why: "no list of entries", text: head})
	s.config(conf{id: "no-names", why: "an entry with an empty list of names", text: rules([]string{})})
	s.config(conf{id: "no-names-second", why: "the second entry has no names", text: rules([]string{"secrets"}, []string{})})
	s.config(conf{id: "empty-entry", why: "an entry with nothing in it", text: head + "resources: [{}]\n"})
	s.config(conf{id: "null-entry", why: "a null entry", text: head + "resources: [~, ~]\n"})
	s.config(conf{id: "no-providers", why: "an entry without providers", text: head + "resources: [{resources: [secrets]}]\n"})
	s.config(conf{id: "null-name", why: "null in the list of names is the empty name", text: head + "resources: [{resources: [~], providers: [{identity: {}}]}]\n"})

	pairs := []string{"secrets", "secrets.", "configmaps", "*.", "*.*", "*", "*.apps", "deployments.apps", "deployments.Apps", "*.extensions", "events.events.k8s.io", ""}
	for _, a := range pairs {
		for _, b := range pairs {
			s.config(conf{id: "list-" + name(a) + "-" + name(b), why: fmt.Sprintf("%q and %q in one list: duplicate, overlap, name rules", a, b), text: rules([]string{a, b})})
			s.config(conf{id: "mask-" + name(a) + "-" + name(b), why: fmt.Sprintf("%q, then %q in a later entry: masked or joined", a, b), text: rules([]string{a}, []string{b})})
		}
	}
	lists := [][]string{{"secrets", "secrets", "secrets"}, {"*.", "*.", "*."}, {"*.*", "*.*", "*.*"}, {"a", "b", "a", "b"}, {"secrets", "*.", "secrets", "*."}, {"*.apps", "deployments.apps", "*.", "secrets"}, {"secrets", "*.apps", "deployments.apps"}, {"*.*", "secrets", "configmaps"}, {"Secrets", "*", "foo.*", "apiserveripinfo", "a.extensions", "b.events.k8s.io"}}
	for i, l := range lists {
		s.config(conf{id: fmt.Sprintf("longer-list-%d", i), why: fmt.Sprintf("the list %q", l), text: rules(l)})
	}
	entries := [][][]string{{{"secrets"}, {"secrets"}, {"secrets"}}, {{"secrets"}, {"*."}, {"*.*"}}, {{"*."}, {"deployments.apps"}, {"*.*"}}, {{"*.apps"}, {"*.*"}, {"*.apps"}}, {{"secrets", "configmaps"}, {"configmaps", "pods"}}, {{"*.*"}, {"secrets"}, {"Secrets"}}, {{"pods"}, {"*."}, {"pods"}}}
	for i, e := range entries {
		s.config(conf{id: fmt.Sprintf("entries-%d", i), why: fmt.Sprintf("the entries %q", e), text: rules(e...)})
	}
	// A build error of the entry comes before its mask error.
	v1 := "  - kms: {name: p, endpoint: \"unix:///x\"}\n"
	masked := head + "resources:\n- resources: [\"*.*\"]\n  providers:\n  - identity: {}\n- resources: [secrets]\n  providers:\n" + v1
	s.config(conf{id: "mask-and-gate-off", why: "a masked entry whose KMS v1 provider the gate refuses: the gate speaks", text: masked})
	s.config(conf{id: "mask-and-gate-on", why: "a masked entry whose KMS v1 provider is allowed", text: masked, kmsv1: true})
}
