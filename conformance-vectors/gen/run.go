package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"sort"
	"strings"

	"k8s.io/apimachinery/pkg/runtime/schema"
	utilerrors "k8s.io/apimachinery/pkg/util/errors"
	"k8s.io/apiserver/pkg/server/options/encryptionconfig"
	"k8s.io/apiserver/pkg/storage/value"
)

// workDir holds the configuration file while the real loader reads it.
var workDir string

// load runs the real LoadEncryptionConfig on text.
func load(ctx context.Context, text string, reload bool) (*encryptionconfig.EncryptionConfiguration, string, error) {
	path := filepath.Join(workDir, "enc.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		fatal("%v", err)
	}
	c, err := encryptionconfig.LoadEncryptionConfig(ctx, path, reload, "gen")
	return c, path, err
}

// read is the question of a reading case.
type read struct {
	id, why, config string
	resource        string // default secrets
	key             []byte // default defaultKey
	noKey           bool   // the empty etcd key
	stored          []byte
	v1              []*plugin // in file order
	v1names         []string
	v2              map[string]*plugin
}

const defaultKey = "/registry/secrets/default/a"

type outcome struct {
	out   []byte
	stale bool
	err   error
	panic string
}

func (r *read) run() outcome {
	undo := installPlugins(r.v1, r.v2)
	defer undo()
	for _, p := range r.plugins() {
		p.asked = nil
	}
	randomTape.rewind("load:" + r.id)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	c, _, err := load(ctx, configTexts[r.config], false)
	if err != nil {
		fatal("%s: configuration %s does not load: %v", r.id, r.config, err)
	}
	t := encryptionconfig.StaticTransformers(c.Transformers).TransformerForResource(schema.ParseGroupResource(r.resource))
	return open(ctx, t, r.stored, r.key)
}

func open(ctx context.Context, t value.Transformer, stored, key []byte) (o outcome) {
	defer func() {
		if p := recover(); p != nil {
			o = outcome{panic: fmt.Sprint(p)}
		}
	}()
	o.out, o.stale, o.err = t.TransformFromStorage(ctx, bytes.Clone(stored), value.DefaultContext(key))
	return o
}

func (r *read) plugins() map[string]*plugin {
	all := map[string]*plugin{}
	for i, p := range r.v1 {
		p.v1 = true
		all[fmt.Sprintf("v1-%d", i)] = p
	}
	for n, p := range r.v2 {
		all["v2-"+n] = p
	}
	return all
}

func (r *read) sides() map[string]KMSSide {
	sides := map[string]KMSSide{}
	for i, p := range r.v1 {
		name := r.v1names[i]
		s := sides[name]
		s.APIVersion = "v1"
		s.Answers = append(s.Answers, p.asked...)
		sides[name] = s
	}
	for name, p := range r.v2 {
		if _, taken := sides[name]; taken {
			fatal("%s: two API versions under one provider name", r.id)
		}
		s := KMSSide{APIVersion: "v2", Never: p.never, Answers: p.asked}
		if !p.never {
			s.Status = &KMSStatus{KeyID: p.keyID, UsesSeed: !p.useKey}
		}
		sides[name] = s
	}
	if len(sides) == 0 {
		return nil
	}
	return sides
}

// read runs the question on the real code and records the answer.
func (s *Suite) read(r read) {
	if r.resource == "" {
		r.resource = "secrets"
	}
	if r.key == nil && !r.noKey {
		r.key = []byte(defaultKey)
	}
	o := r.run()
	c := ReadCase{ID: r.id, Why: r.why, Config: r.config, Resource: r.resource, Stored: *hexed(r.stored), KMS: r.sides()}
	c.EtcdKey, c.EtcdKeyHex = keyFields(r.key)
	c.Expect = expectation(r.id, o, c.KMS)
	if c.Expect.Compare == "map-order" {
		// Go walks the annotations in random order: take the smallest text of many runs.
		for range 400 {
			if again := expectation(r.id, r.run(), r.sides()); again.Upstream < c.Expect.Upstream {
				c.Expect = again
			}
		}
	} else if again := expectation(r.id, r.run(), r.sides()); !same(c.Expect, again) {
		fatal("%s/%s: two runs differ: %+v %+v", s.name, r.id, c.Expect, again)
	}
	s.add(r.id, c)
}

func same(a, b ReadExpect) bool {
	x, _ := encode(a)
	y, _ := encode(b)
	return bytes.Equal(x, y)
}

// protoSpace is the space protobuf-go puts after "proto:"; which one depends on the build.
var protoSpace = regexp.MustCompile("proto:[ \u00a0]")

// expectation turns an outcome into the recorded form.
func expectation(id string, o outcome, sides map[string]KMSSide) ReadExpect {
	if o.panic != "" {
		return ReadExpect{Result: "upstream-panics:" + panicCode(id, o.panic), Upstream: o.panic, Compare: "exact"}
	}
	if o.err == nil {
		stale := o.stale
		return ReadExpect{Result: "opened", Plaintext: hexed(o.out), Stale: &stale}
	}
	text := o.err.Error()
	e := ReadExpect{Upstream: text, Compare: "exact"}
	if protoSpace.MatchString(text) {
		e.Upstream, e.Compare = protoSpace.ReplaceAllString(text, "proto: "), "proto-space"
	}
	code := codeOf(id, o.err, sides)
	e.Result = "refused:" + code
	var agg utilerrors.Aggregate
	if code == "kmsv2-annotations" && errors.As(o.err, &agg) {
		distinct := map[string]bool{}
		for _, sub := range agg.Errors() {
			distinct[sub.Error()] = true
		}
		if len(distinct) > 1 {
			e.Compare = "map-order"
			e.UpstreamPrefix = strings.TrimSuffix(text, agg.Error())
			for t := range distinct {
				e.UpstreamParts = append(e.UpstreamParts, t)
			}
			sort.Strings(e.UpstreamParts)
		}
	}
	return e
}

func panicCode(id, text string) string {
	switch text {
	case "runtime error: index out of range [-1]":
		return "cbc-iv-only"
	case "authenticated data must not be empty":
		return "aad-empty"
	}
	fatal("%s: panic without a code: %s", id, text)
	return ""
}

var exactCodes = map[string]string{
	"the stored data was shorter than the required size":                                           "stored-too-short",
	"the stored data is not a multiple of the block size":                                          "not-block-aligned",
	"invalid PKCS7 data (empty or not padded)":                                                     "padding-length",
	"invalid padding on input":                                                                     "padding-bytes",
	"cipher: message authentication failed":                                                        "authentication",
	"output array was not large enough for encryption":                                             "authentication",
	"identity transformer tried to read encrypted data":                                            "identity-refused",
	"no matching prefix found":                                                                     "no-matching-prefix",
	"no matching key was found for the provided AES transformer":                                   "no-matching-key",
	"no matching key was found for the provided Secretbox transformer":                             "no-matching-key",
	"invalid data encountered by envelope transformer: failed to read uint16 length prefixed data": "kmsv1-length",
	"string field contains invalid UTF-8":                                                          "kmsv2-utf8",
	"encrypted data is empty":                                                                      "kmsv2-data-empty",
	"got unexpected nil transformer":                                                               "kms-never-healthy",
}

var prefixCodes = [][2]string{
	{"failed to decrypt DEK, error: ", "dek-refused"},
	{"crypto/aes: invalid key size ", "dek-size"},
	{"invalid seed length ", "seed-too-short"},
	{"unknown encryptedDEKSourceType: ", "kmsv2-dek-source-type"},
	{"failed to validate encrypted DEK source: ", "kmsv2-dek-source-size"},
	{"failed to validate key id: ", "kmsv2-key-id-size"},
	{"failed to validate annotations: ", "kmsv2-annotations"},
}

// codeOf names upstream's error by our stable code.
func codeOf(id string, err error, sides map[string]KMSSide) string {
	text := err.Error()
	if _, several := err.(utilerrors.Aggregate); several && strings.HasPrefix(text, "[") {
		return "several"
	}
	if code, ok := exactCodes[text]; ok {
		return code
	}
	for _, p := range prefixCodes {
		if strings.HasPrefix(text, p[0]) {
			return p[1]
		}
	}
	if protoSpace.MatchString(text) && strings.Contains(text, "cannot parse invalid wire-format data") {
		return "kmsv2-malformed"
	}
	for _, s := range sides {
		for _, a := range s.Answers {
			if a.Error != nil && *a.Error == text {
				return "dek-refused"
			}
		}
	}
	fatal("%s: error without a code: %s", id, text)
	return ""
}
