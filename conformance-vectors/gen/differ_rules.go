package main

import (
	"context"
	"fmt"
	"regexp"
	"sort"
	"strings"
)

// Rules name every way in which the two sides may differ. They are counted and printed; docs/fuzzing.md explains each.
// A difference without a rule ends the run.
const (
	ruleProtoSpace      = "proto-space"      // U+0020 or U+00A0 after "proto:", by the build of protobuf-go
	ruleAnnotationOrder = "annotation-order" // Go walks a map: parts of a text, or annotations of a sealed value, in random order
	rulePanic           = "panic"            // Go panics; ours is an error with the code for it
	ruleRememberedDEK   = "remembered-dek"   // Go does not ask again for a DEK it had before
	ruleRedacted        = "redacted"         // Go prints key material, ours REDACTED
	ruleSchemeName      = "scheme-name"      // Go prints the source line of a scheme
	ruleYAMLWording     = "go-yaml-wording"  // go-yaml's own words behind "yaml: "; ours says that they are not exact
	ruleBadKeyValue     = "bad-key-value"    // the value beside a key that JSON cannot have, in Go's %v; ours says that it is not exact
	ruleOtherKind       = "other-kind"       // a file of another kind is refused by both; ours does not look into its fields, and says so
	ruleProtobufFile    = "protobuf-file"    // a configuration that begins as Kubernetes protobuf is refused by both, in other words
	ruleUTF16           = "utf-16"           // a damaged UTF-16 file is refused by both; ours reads it whole at first, and says that its text is not exact
	ruleNesting         = "nesting"          // ours refuses nesting over 200, Go over 10,000
	ruleMapOrder        = "map-order"        // Go itself answers differently from run to run; ours is one of its answers
)

// oursOpened is the peer's answer to one value.
type oursOpened struct {
	letter    byte
	plaintext []byte
	stale     byte
	refusal
	requests []string
}

type refusal struct {
	code    string
	hasText bool
	text    string
}

func readRefusal(a *answers) refusal {
	return refusal{string(a.bytes()), a.byte() == 1, string(a.bytes())}
}

func readOpened(a *answers) (o oursOpened) {
	switch o.letter = a.byte(); o.letter {
	case '+':
		o.plaintext, o.stale = a.bytes(), a.byte()
	case '-':
		o.refusal = readRefusal(a)
	default:
		o.text = string(a.bytes())
		return o
	}
	for range a.count() {
		before := a.rest
		a.bytes()
		a.byte()
		a.bytes()
		a.bytes()
		for range a.count() {
			a.bytes()
			a.bytes()
		}
		o.requests = append(o.requests, string(before[:len(before)-len(a.rest)]))
	}
	return o
}

// String is for findings.
func (o oursOpened) String() string {
	switch o.letter {
	case '+':
		return fmt.Sprintf("opened to %d bytes %.80x, stale %d, %d requests", len(o.plaintext), o.plaintext, o.stale, len(o.requests))
	case '-':
		return fmt.Sprintf("refused with %s %q, %d requests", o.code, o.text, len(o.requests))
	}
	return "panicked: " + o.text
}

func (o outcome) String() string {
	switch {
	case o.panic != "":
		return "panicked: " + o.panic
	case o.err != nil:
		return fmt.Sprintf("refused with %q", o.err.Error())
	}
	return fmt.Sprintf("%d bytes %.80x, stale %v", len(o.out), o.out, o.stale)
}

var panicCodes = map[string]string{
	"runtime error: index out of range [-1]": "cbc-iv-only",
	"authenticated data must not be empty":   "aad-empty",
}

// sameRefusal compares texts and codes; problem is empty when they agree, rule when that needed none.
func sameRefusal(o outcome, ours refusal) (rule, problem string) {
	if o.panic != "" {
		if code := panicCodes[o.panic]; code == "" || code != ours.code {
			return "", "Go panics, ours has another code"
		}
		return rulePanic, ""
	}
	text := o.err.Error()
	if !ours.hasText {
		return "", "ours has no text of upstream's"
	}
	if text != ours.text {
		spaced := protoSpace.ReplaceAllString(text, "proto: ")
		switch {
		case spaced == ours.text:
			rule = ruleProtoSpace
		case sameInAnyOrder(spaced, ours.text):
			rule = ruleAnnotationOrder
		default:
			return "", "the texts differ"
		}
	}
	if code := knownCode(text); code != "" && code != ours.code {
		return "", "the text stands for " + code
	}
	return rule, ""
}

// knownCode is our stable code for a text of upstream's; empty where the text alone does not tell.
func knownCode(text string) string {
	if code, ok := exactCodes[text]; ok {
		return code
	}
	for _, p := range prefixCodes {
		if strings.HasPrefix(text, p[0]) {
			return p[1]
		}
	}
	return ""
}

// sameInAnyOrder compares two aggregates of annotation faults.
func sameInAnyOrder(a, b string) bool {
	const start = "failed to validate annotations: ["
	beforeA, listA, okA := strings.Cut(a, start)
	beforeB, listB, okB := strings.Cut(b, start)
	if !okA || !okB || beforeA != beforeB || len(listA) != len(listB) {
		return false
	}
	parts := func(s string) string {
		list := strings.Split(strings.TrimRight(s, "]"), ", ")
		sort.Strings(list)
		return strings.Join(list, "\n")
	}
	return parts(listA) == parts(listB)
}

// compareOpened judges one value that both sides read; at is the number of the question.
func (w *world) compareOpened(o outcome, asked map[string]bool, at int, ours oursOpened) (rules []string, problem string) {
	switch ours.letter {
	case '+':
		if o.panic != "" || o.err != nil {
			return nil, "ours opens it, Go does not"
		}
		if string(o.out) != string(ours.plaintext) {
			return nil, "the plaintexts differ"
		}
		if ours.stale == 2 || o.stale != (ours.stale == 1) {
			return nil, "the stale flags differ"
		}
	case '-':
		if o.panic == "" && o.err == nil {
			return nil, "Go opens it, ours does not"
		}
		rule, problem := sameRefusal(o, ours.refusal)
		if problem != "" {
			return nil, problem
		}
		if rule != "" {
			rules = append(rules, rule)
		}
	default:
		return nil, "ours panics"
	}
	made := map[string]bool{}
	remembered := false
	for _, q := range ours.requests {
		made[q] = true
		if asked[q] {
			continue
		}
		if since, known := w.known[q]; !(known && since < at) && o.panic == "" {
			return nil, "ours asks the plugin what Go does not ask"
		}
		remembered = true
	}
	for q := range asked {
		if !made[q] {
			return nil, "Go asks the plugin what ours does not ask"
		}
	}
	if remembered {
		rules = append(rules, ruleRememberedDEK)
	}
	return rules, ""
}

// oursSealed is the peer's answer to one plaintext.
type oursSealed struct {
	letter byte
	stored []byte
	random int
	refusal
}

func readSealed(a *answers) (o oursSealed) {
	switch o.letter = a.byte(); o.letter {
	case '+':
		o.stored, o.random = a.bytes(), a.count()
	case '-':
		o.refusal = readRefusal(a)
	default:
		o.text = string(a.bytes())
	}
	return o
}

func (o oursSealed) String() string {
	switch o.letter {
	case '+':
		return fmt.Sprintf("%d bytes %.200x with %d random bytes", len(o.stored), o.stored, o.random)
	case '-':
		return fmt.Sprintf("refused with %s %q", o.code, o.text)
	}
	return "panicked: " + o.text
}

// compareSealed judges one plaintext that both sides sealed with the same random bytes.
func (w *world) compareSealed(o outcome, plain, key, random []byte, ours oursSealed) (rules []string, problem string) {
	switch ours.letter {
	case '-':
		if o.panic == "" && o.err == nil {
			return nil, "Go seals it, ours does not"
		}
		if o.err != nil && o.err.Error() == "cryptobyte: pending child length 65536 exceeds 2-byte length prefix" {
			if ours.text != o.err.Error() {
				return nil, "the texts differ"
			}
			return nil, ""
		}
		rule, problem := sameRefusal(o, ours.refusal)
		if rule != "" {
			rules = append(rules, rule)
		}
		return rules, problem
	case '+':
		if o.panic != "" || o.err != nil {
			return nil, "ours seals it, Go does not"
		}
	default:
		return nil, "ours panics"
	}
	if ours.random != len(random) {
		return nil, "ours draws another number of random bytes"
	}
	if string(o.out) == string(ours.stored) {
		return nil, ""
	}
	if len(o.out) != len(ours.stored) || len(w.providers) == 0 || w.providers[0].plugin == nil || len(w.providers[0].plugin.annotations) < 2 {
		return nil, "the sealed bytes differ"
	}
	again, _ := w.open(ours.stored, key)
	if again.err != nil || again.panic != "" || string(again.out) != string(plain) || again.stale {
		return nil, "Go does not open what ours sealed: " + again.String()
	}
	return []string{ruleAnnotationOrder}, ""
}

// withoutPath takes the place of the file out of a text of the loader.
func withoutPath(text, path string) string { return strings.ReplaceAll(text, path, differPath) }

// differPath is where the peer believes the configuration lies.
const differPath = "/etc/kubernetes/enc.yaml"

// otherKind is what tells a file of another kind in either text: its type, or where a type error stands.
var otherKind = regexp.MustCompile(`got unexpected config type: |into Go (?:struct field|value of type) (?:v1\.)?(?:Status|List|API|Get|Patch|Update|Create|Delete|Watch|Admission|Authorization|Authentication|Tracing|Egress)`)

var printedSecret = regexp.MustCompile(`"Secret":"(?:[^"\\]|\\.)+"`)

// oursJudged is the peer's answer to one configuration.
type oursJudged struct {
	letter byte
	stage  string
	exact  bool
	text   string
}

func readJudged(a *answers) (o oursJudged) {
	switch o.letter = a.byte(); o.letter {
	case '-':
		o.stage, o.exact, o.text = string(a.bytes()), a.byte() == 1, string(a.bytes())
	default:
		o.text = string(a.bytes())
	}
	return o
}

func (o oursJudged) String() string {
	switch o.letter {
	case '+':
		return fmt.Sprintf("loads: %q", o.text)
	case '-':
		return fmt.Sprintf("refused at %s (exact %v): %q", o.stage, o.exact, o.text)
	}
	return "panicked: " + o.text
}

// compareJudged judges one configuration that both sides read; Go is asked so many times again before a difference counts.
func (c conf) compareJudged(e judged, ours oursJudged, again int) (rules []string, problem string) {
	rule, problem := judgedAlike(c, e, ours)
	if problem == "" {
		return rule, ""
	}
	// Go's answer may depend on the order in which it walks a map.
	for range again {
		e := c.judge()
		if rule, other := judgedAlike(c, e, ours); other == "" {
			return append(rule, ruleMapOrder), ""
		}
	}
	return nil, problem
}

func judgedAlike(c conf, e judged, ours oursJudged) (rules []string, problem string) {
	switch {
	case ours.letter == '!':
		return nil, "ours panics"
	case e.panic != "":
		if ours.stage != "panic" {
			return nil, "Go panics, ours does not say so"
		}
		return []string{rulePanic}, ""
	case ours.letter == '-' && !ours.exact && strings.Contains(ours.text, "nesting deeper than 200 levels"):
		return []string{ruleNesting}, ""
	case e.ok != (ours.letter == '+'):
		return nil, "the verdicts differ"
	case e.ok:
		if e.text != ours.text {
			return nil, "what is loaded differs"
		}
		return nil, ""
	case strings.HasPrefix(c.text, "k8s\x00"):
		if !strings.HasPrefix(e.text, "error while parsing file: error decoding ") || ours.stage != "decode" {
			return nil, "the stages differ"
		}
		return []string{ruleProtobufFile}, ""
	}
	text := e.text
	if quoted := "is missing in '" + c.text + "'"; strings.Contains(text, quoted) {
		text = strings.ReplaceAll(text, quoted, "is missing in 'REDACTED'")
		rules = append(rules, ruleRedacted)
	} else if hidden := printedSecret.ReplaceAllString(text, `"Secret":"REDACTED"`); hidden != text {
		text = hidden
		rules = append(rules, ruleRedacted)
	}
	if text == ours.text {
		return rules, ""
	}
	upTo := func(mark string) bool {
		a, _, okA := strings.Cut(text, mark)
		b, _, okB := strings.Cut(ours.text, mark)
		return okA && okB && a == b
	}
	switch {
	case withRedactions(text, ours.text):
		return append(rules, ruleRedacted), ""
	case !ours.exact && strings.Contains(ours.text, "unsupported map key of type: ") && upTo(", value: "):
		return append(rules, ruleBadKeyValue), ""
	case !ours.exact && ours.stage == "decode" && otherKind.MatchString(text+ours.text):
		return append(rules, ruleOtherKind), ""
	case !ours.exact && ours.stage == "decode" && (strings.HasPrefix(c.text, "\xff\xfe") || strings.HasPrefix(c.text, "\xfe\xff")):
		return append(rules, ruleUTF16), ""
	case upTo(` in scheme "`):
		return append(rules, ruleSchemeName), ""
	case !ours.exact && upTo("yaml: "):
		return append(rules, ruleYAMLWording), ""
	}
	return nil, "the texts differ"
}

// withRedactions tells whether theirs is ours with something else for every REDACTED.
func withRedactions(theirs, ours string) bool {
	parts := strings.Split(ours, "REDACTED")
	if len(parts) < 2 || !strings.HasPrefix(theirs, parts[0]) {
		return false
	}
	theirs = theirs[len(parts[0]):]
	for _, part := range parts[1 : len(parts)-1] {
		_, rest, found := strings.Cut(theirs, part)
		if !found {
			return false
		}
		theirs = rest
	}
	return strings.HasSuffix(theirs, parts[len(parts)-1])
}

// judged is what the real loader made of a configuration; equal answers are equal values.
type judged struct {
	ok    bool
	text  string // the error, or what was loaded in the peer's form
	panic string
}

// judge runs the real loader. KMS plugins answer at once: nothing is dialled.
func (c conf) judge() (e judged) {
	gateOnce(c.kmsv1)
	installStillPlugins()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	defer func() {
		if p := recover(); p != nil {
			e = judged{panic: fmt.Sprint(p)}
		}
	}()
	loaded, path, err := load(ctx, c.text, c.reload)
	if err != nil {
		return judged{text: withoutPath(err.Error(), path)}
	}
	var lines []string
	for gr, t := range loaded.Transformers {
		lines = append(lines, ruleName(gr)+"\x00"+strings.Join(chainPrefixes("", t), "\x00")+"\x00")
	}
	sort.Strings(lines)
	var checks []string
	for _, h := range loaded.HealthChecks {
		checks = append(checks, h.Name())
	}
	lines = append(lines, strings.Join(checks, "\x00"), loaded.KMSCloseGracePeriod.String(), loaded.EncryptionFileContentHash)
	return judged{ok: true, text: strings.Join(lines, "\n")}
}
