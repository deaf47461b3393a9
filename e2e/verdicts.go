package main

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"k8senc.dev/e2e/internal/stage"
)

// verdict is what `k8senc validate --format json` says of a file.
type verdict struct {
	File     string
	OK       bool
	Stage    string
	Upstream string
	Exact    bool
	Redacted bool
}

// asked is one configuration and how the server is started.
type asked struct {
	Path   string `json:"path"`
	Reload bool   `json:"reload"`
	KMSv1  bool   `json:"kmsv1"`
}

// verdicts compares what real servers and the real loader say of configurations with `k8senc validate`.
func verdicts(ctx context.Context, r *run) error {
	if err := r.loaded(ctx); err != nil {
		return err
	}
	return r.started(ctx)
}

// validate asks k8senc about files that are started alike.
func (r *run) validate(ctx context.Context, like asked, release string, paths ...string) (map[string]verdict, error) {
	arguments := []string{"validate", "--format", "json", "--kmsv1", strconv.FormatBool(like.KMSv1)}
	if like.Reload {
		arguments = append(arguments, "--reload")
	} else {
		arguments = append(arguments, "--no-reload")
	}
	if release != "" {
		parts := strings.SplitN(release, ".", 3)
		arguments = append(arguments, "--kubernetes", parts[0]+"."+parts[1])
	}
	said, err := r.k8senc(ctx, append(arguments, paths...)...)
	if err != nil {
		return nil, err
	}
	var made struct{ Files []verdict }
	if err := json.Unmarshal([]byte(said.stdout), &made); err != nil {
		return nil, fmt.Errorf("k8senc validate ended with %d: %s", said.code, said.stderr)
	}
	found := make(map[string]verdict, len(made.Files))
	for _, one := range made.Files {
		one.Upstream = unescape(one.Upstream)
		found[one.File] = one
	}
	return found, nil
}

// unescape undoes how our commands show text of unknown origin.
func unescape(text string) string {
	var out strings.Builder
	for text != "" {
		before, rest, found := strings.Cut(text, `\`)
		out.WriteString(before)
		if !found || rest == "" {
			break
		}
		text = rest[1:]
		switch rest[0] {
		case 't':
			out.WriteByte('\t')
		case 'n':
			out.WriteByte('\n')
		case 'r':
			out.WriteByte('\r')
		case '0':
			out.WriteByte(0)
		case 'u':
			digits, after, _ := strings.Cut(strings.TrimPrefix(text, "{"), "}")
			code, _ := strconv.ParseUint(digits, 16, 32)
			out.WriteRune(rune(code))
			text = after
		case 'x':
			code, _ := strconv.ParseUint(text[:2], 16, 8)
			out.WriteByte(byte(code))
			text = text[2:]
		default:
			out.WriteByte(rest[0])
		}
	}
	return out.String()
}

// loaded asks the loader and k8senc about recorded configurations and damaged copies of them.
func (r *run) loaded(ctx context.Context) error {
	dir := r.Path("verdicts")
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	questions, err := r.inputs(dir)
	if err != nil {
		return err
	}
	lines := &strings.Builder{}
	for _, one := range questions {
		text, err := json.Marshal(one)
		if err != nil {
			return err
		}
		lines.Write(append(text, '\n'))
	}
	said, err := command(ctx, lines.String(), r.tools.loader)
	if err != nil {
		return err
	}
	if said.code != 0 {
		return fmt.Errorf("the loader ended with %d: %s", said.code, said.stderr)
	}
	answers := json.NewDecoder(strings.NewReader(said.stdout))
	ours := map[asked]verdict{}
	for _, like := range []asked{{}, {Reload: true}, {KMSv1: true}, {Reload: true, KMSv1: true}} {
		var paths []string
		for _, one := range questions {
			if one.Reload == like.Reload && one.KMSv1 == like.KMSv1 {
				paths = append(paths, one.Path)
			}
		}
		if len(paths) == 0 {
			continue
		}
		found, err := r.validate(ctx, like, "", paths...)
		if err != nil {
			return err
		}
		for path, one := range found {
			ours[asked{path, like.Reload, like.KMSv1}] = one
		}
	}
	var faults []string
	starts, refusals := 0, 0
	for _, one := range questions {
		var real struct {
			OK, Panic bool
			Text      string
		}
		if err := answers.Decode(&real); err != nil {
			return fmt.Errorf("the loader: %w", err)
		}
		mine, found := ours[one]
		switch {
		case !found:
			faults = append(faults, one.Path+": k8senc validate says nothing of it")
		case real.Panic:
			if mine.Stage != "panic" {
				faults = append(faults, one.Path+": the loader panics")
			}
		case real.OK != mine.OK, !real.OK && !sameText(real.Text, mine):
			faults = append(faults, fmt.Sprintf("%s: the loader says %q, k8senc %q", one.Path, real.Text, mine.Upstream))
		case real.OK:
			starts++
		default:
			refusals++
		}
	}
	if err := faultsOf("k8senc validate and kube-apiserver's loader differ", faults); err != nil {
		return err
	}
	r.Add("verdicts", "configurations that the real loader takes, and k8senc validate", starts)
	r.Add("verdicts", "configurations that it refuses, in the same words", refusals)
	return nil
}

// sameText compares texts as far as they are not the release's own lines or go-yaml's wording.
func sameText(real string, ours verdict) bool {
	if real == ours.Upstream || ours.Redacted {
		return true
	}
	for _, mark := range []string{" in scheme ", "yaml: "} {
		a, _, inReal := strings.Cut(real, mark)
		b, _, inOurs := strings.Cut(ours.Upstream, mark)
		if inReal && inOurs && a == b {
			return true
		}
	}
	return false
}

// inputs writes some hundred configurations: recorded ones, each also with one line damaged.
func (r *run) inputs(dir string) ([]asked, error) {
	files, err := filepath.Glob(filepath.Join(r.tools.source, "conformance-vectors", "config", "*.json"))
	if err != nil || len(files) == 0 {
		return nil, errors.Join(err, errors.New("no recorded configurations"))
	}
	slices.Sort(files)
	random := rand.New(rand.NewPCG(9, 9))
	var questions []asked
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		var suite struct {
			Cases []struct {
				ID            string
				Text, TextHex *string
				Reload, KMSv1 bool
				Expect        struct{ OK bool }
			}
		}
		if err := json.Unmarshal(text, &suite); err != nil {
			return nil, err
		}
		for i, one := range suite.Cases {
			config := ""
			if one.Text != nil {
				config = *one.Text
			} else if bytes, err := hex.DecodeString(*one.TextHex); err == nil {
				config = string(bytes)
			}
			// A KMS that loads is waited for; nobody answers here.
			if i%5 != 0 || one.Expect.OK && strings.Contains(config, "kms") || len(config) > 20_000 {
				continue
			}
			for j, variant := range []string{config, damaged(random, config)} {
				if j == 1 && strings.Contains(config, "kms") {
					continue
				}
				path := filepath.Join(dir, fmt.Sprintf("%s-%d.yaml", one.ID, j))
				if err := os.WriteFile(path, []byte(variant), 0o600); err != nil {
					return nil, err
				}
				questions = append(questions, asked{path, one.Reload, one.KMSv1})
			}
		}
	}
	return questions, nil
}

// damaged is a text with one line taken out, doubled, indented or changed.
func damaged(random *rand.Rand, text string) string {
	lines := strings.SplitAfter(text, "\n")
	at := random.IntN(len(lines))
	switch random.IntN(4) {
	case 0:
		lines = slices.Delete(lines, at, at+1)
	case 1:
		lines = slices.Insert(lines, at, lines[at])
	case 2:
		lines[at] = "  " + lines[at]
	default:
		lines[at] = strings.Replace(lines[at], "e", "E", 1)
	}
	return strings.Join(lines, "")
}

// start is one start of a real server.
type serverStart struct {
	name   string
	config string
	reload bool
	kmsv1  bool
	old    bool
}

// started starts servers with configurations of every kind of verdict.
func (r *run) started(ctx context.Context) error {
	e, err := r.etcd(ctx, "verdicts")
	if err != nil {
		return err
	}
	defer e.Stop()
	// The old release cannot read what the new one leaves in etcd.
	before, err := r.etcd(ctx, "verdicts-old")
	if err != nil {
		return err
	}
	defer before.Stop()
	var faults []string
	for _, one := range starts() {
		in := e
		if one.old {
			in = before
		}
		if one.old && r.OldAPIServer == "" {
			continue
		}
		path := r.Path("config", "start-"+one.name+".yaml")
		if one.config != "" || one.name == "empty" {
			if err := os.WriteFile(path, []byte(one.config), 0o600); err != nil {
				return err
			}
		}
		release := ""
		if one.old {
			release = r.oldRelease
		}
		found, err := r.validate(ctx, asked{"", one.reload, one.kmsv1}, release, path)
		if err != nil {
			return err
		}
		mine, ok := found[path]
		if !ok && one.name == "missing" {
			mine.Upstream, ok = "error reading encryption provider configuration file", true
		}
		if !ok {
			return fmt.Errorf("k8senc validate says nothing of %s", path)
		}
		server, err := r.StartServer(ctx, stage.ServerOptions{Name: "start-" + one.name, Old: one.old, Etcd: in, Config: path, Reload: one.reload, KMSv1: one.kmsv1 && !one.old})
		var refused *stage.Refused
		switch {
		case err == nil:
			server.Stop()
			if !mine.OK {
				faults = append(faults, fmt.Sprintf("%s: kube-apiserver starts, k8senc says %q", path, mine.Upstream))
			}
			r.Add("verdicts", "real starts that go well, as k8senc validate says", 1)
		case errors.As(err, &refused):
			text := refused.Process.Text()
			if mine.OK || !saidIn(text, mine) {
				faults = append(faults, fmt.Sprintf("%s: k8senc says %q, kube-apiserver %s", path, mine.Upstream, refused))
			}
			r.Add("verdicts", "real starts that are refused, in the words of k8senc validate", 1)
		default:
			return err
		}
	}
	return faultsOf("k8senc validate and kube-apiserver differ", faults)
}

// saidIn is whether a log holds the text, as it is or quoted, up to where one of them may say something else. A text of several
// lines is indented in the log.
func saidIn(log string, ours verdict) bool {
	text, _, _ := strings.Cut(ours.Upstream, " in scheme ")
	if ours.Redacted {
		text, _, _ = strings.Cut(text, "REDACTED")
	}
	quoted := strconv.Quote(text)
	return text != "" && (strings.Contains(strings.ReplaceAll(log, "\n\t", "\n"), text) || strings.Contains(log, quoted[1:len(quoted)-1]))
}
