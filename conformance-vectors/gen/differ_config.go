package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"math/rand/v2"
	"regexp"
	"strconv"
	"strings"
	"time"

	"k8s.io/apiserver/pkg/server/options/encryptionconfig"
	"k8s.io/apiserver/pkg/storage/value/encrypt/envelope"
	kmsservice "k8s.io/kms/pkg/service"
	kmsutil "k8s.io/kms/pkg/util"
)

// stillPlugin never answers anything; loading does not wait for it.
type stillPlugin struct{}

var errStill = errors.New("toy: still")

func (stillPlugin) Decrypt(context.Context, string, *kmsservice.DecryptRequest) ([]byte, error) {
	return nil, errStill
}
func (stillPlugin) Encrypt(context.Context, string, []byte) (*kmsservice.EncryptResponse, error) {
	return nil, errStill
}
func (stillPlugin) Status(context.Context) (*kmsservice.StatusResponse, error) { return nil, errStill }

// installStillPlugins keeps the one check that the real factories make before they dial.
func installStillPlugins() {
	envelopeServiceFactory = func(_ context.Context, endpoint string, _ time.Duration) (envelope.Service, error) {
		_, err := kmsutil.ParseEndpoint(endpoint)
		return nil, err
	}
	encryptionconfig.EnvelopeKMSv2ServiceFactory = func(_ context.Context, endpoint, _ string, _ time.Duration) (kmsservice.Service, error) {
		_, err := kmsutil.ParseEndpoint(endpoint)
		return stillPlugin{}, err
	}
}

var gateIs *bool

// gateOnce sets the KMSv1 gate if it stands otherwise: setting is slow.
func gateOnce(on bool) {
	if gateIs == nil || *gateIs != on {
		gate(on)
		gateIs = &on
	}
}

// configWords are put into configurations: what the format knows, what YAML knows, and edges of every scalar.
var configWords = strings.Split(strings.NewReplacer(`\n`, "\n", `\t`, "\t", `\r`, "\r", `\bom`, "\ufeff", `\nbsp`, "\u00a0", `\nel`, "\u0085", `\ls`, "\u2028", `\bad`, "\xff", `\zero`, "\x00").Replace(
	`resources|providers|aescbc|aesgcm|secretbox|identity|kms|keys|name|secret|apiVersion|kind|timeout|endpoint|cachesize|`+
		`EncryptionConfiguration|EncryptionConfig|apiserver.config.k8s.io/v1|v1|v2|v2beta1|List|Status|__internal|Resources|KIND|`+
		`*.*|*.|"*"|*.apps|pods.*|secrets|Secrets|events|events.events.k8s.io|a.extensions|pods/status|deployments.apps|`+
		`~|null|Null|{}|[]|yes|no|on|True|false|0|-0|1|-5|1.5|1.0|1e3|0x1F|0o17|017|0b11|1_0|+1|.inf|-.INF|.nan|9223372036854775807|9223372036854775808|-9223372036854775809|2147483648|1e400|190:20:30|`+
		`2020-01-01|2020-01-01T00:00:00Z|=|-|--|:|: |::|?|? |,|, |{|}|[|]|"|'|''|#| #|#\n|&a|&a |*a|*a |<<|<<: *a|<<: [*a, *a]|!|!!|!!str |!!int |!!binary |!!null |!!map |!!set |!<tag:yaml.org,2002:str> |!local |`+
		`\||>|\|-|\|+|\|2|>-\n|---\n|--- |...\n|%YAML 1.1\n---\n|%YAML 1.2\n---\n|%TAG ! tag:x,2000:\n---\n|\n|\n\n|\r\n|\r|\t|  |\nbsp|\bom|\nel|\ls|\bad|\zero|\|\|`+"`"+`|@|%|\\|\\n|"\\u00e9"|"\\x41"|"\\U0001F600"|"\\ud83d"|"\\q"|"\\\n|é|鍵|😀|`+
		`unix:///a|unix:///@a|unix://h:1/p|unix:a|http://a|UNIX:///a|unix://[::1]/p|unix:///%zz|`+
		`3s|0s|-1m|1h1d|1.5h|1µs|1us|1ns|.5s|s|9223372036854775807ns|9223372036854775808ns|2562047h48m|`+
		`AAAAAAAAAAAAAAAAAAAAAA==|AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=|AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8|AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh9=|AAECAwQFBgcICQoLDA0ODxAREhMUFRYX|AAEC\nAwQF|A===|====|_-_-`), "|")

var wordAt = regexp.MustCompile(`[A-Za-z0-9*./=+-]+`)

// mutateConfig damages a configuration by tokens, lines and bytes; seeds are what it may be joined with.
func mutateConfig(r *rand.Rand, text string, seeds []string) string {
	t := []byte(text)
	insert := func(at int, what string) {
		t = append(t[:at:at], append([]byte(what), t[at:]...)...)
	}
	for range pick(r, []int{1, 1, 1, 2, 2, 3, 5}) {
		at := r.IntN(len(t) + 1)
		switch n := r.IntN(100); {
		case n < 28:
			insert(at, pick(r, configWords))
		case n < 36:
			end := min(len(t), at+1+r.IntN(6))
			t = append(t[:at:at], t[end:]...)
		case n < 46 && len(t) > 0:
			t[at%len(t)] = pick(r, []byte(" :-{}[]\",'#&*!|>?%@\n\tabAZ09._=/"))
		case n < 50 && len(t) > 0:
			t[at%len(t)] = byte(r.IntN(256))
		case n < 68:
			t = mutateLines(r, t)
		case n < 86:
			if words := wordAt.FindAllIndex(t, -1); len(words) > 0 {
				w := pick(r, words)
				t = append(t[:w[0]:w[0]], append([]byte(pick(r, configWords)), t[w[1]:]...)...)
			}
		case n < 90:
			insert(at, strconv.Quote(randomEndpoint(r)))
		case n < 92:
			if words := wordAt.FindAllIndex(t, -1); len(words) > 0 {
				w := pick(r, words)
				t = append(t[:w[0]:w[0]], append([]byte(randomScalar(r)), t[w[1]:]...)...)
			}
		default:
			o := pick(r, seeds)
			from := r.IntN(len(o) + 1)
			insert(at, o[from:min(len(o), from+1+r.IntN(80))])
		}
	}
	return string(t)
}

func mutateLines(r *rand.Rand, t []byte) []byte {
	lines := bytes.Split(t, []byte("\n"))
	a, b := r.IntN(len(lines)), r.IntN(len(lines))
	switch r.IntN(6) {
	case 0:
		lines = append(lines[:b:b], append([][]byte{lines[a]}, lines[b:]...)...)
	case 1:
		lines = append(lines[:a:a], lines[a+1:]...)
	case 2:
		lines[a] = append(bytes.Repeat([]byte(" "), 1+r.IntN(4)), lines[a]...)
	case 3:
		lines[a] = lines[a][min(len(lines[a]), 1+r.IntN(3)):]
	case 4:
		lines[a], lines[b] = lines[b], lines[a]
	case 5:
		lines[a] = append(append([]byte{}, lines[a]...), pick(r, []string{" ", "\t", " # c", "#c", "\r", ":", ","})...)
	}
	return bytes.Join(lines, []byte("\n"))
}

var endpointParts = []string{"unix:", "//", "/", "///", "[", "]", ":", "::", "%", "%25", "%zz", "%41", "%2f", "@", "a", "b", "h", "eth0", "1", "12", "255", "256", "0", "ffff", "12345", ".", "1.2.3.4", " ", "#", "?", "x", "é", "<", "user", "UNIX", "http:", "https:", "*", "\\", "+", "-", "~", "\x7f", "\t"}

func randomEndpoint(r *rand.Rand) string {
	out := pick(r, []string{"", "unix://", "unix://[", "http://[", "https://", "unix:///"})
	for range 1 + r.IntN(8) {
		out += pick(r, endpointParts)
	}
	return out
}

// randomScalar is a duration, a number or base64 near the rules for them.
func randomScalar(r *rand.Rand) string {
	switch r.IntN(3) {
	case 0:
		out := pick(r, []string{"", "-", "+"})
		for range 1 + r.IntN(3) {
			out += fmt.Sprint(r.Uint64()>>r.IntN(64)) + pick(r, []string{"", ".", ".5", ".000000001"}) + pick(r, []string{"ns", "us", "µs", "ms", "s", "m", "h", "d", ""})
		}
		return out
	case 1:
		return pick(r, []string{"", "-", "+"}) + fmt.Sprint(r.Uint64()>>r.IntN(64)) + pick(r, []string{"", ".0", "e1", "E-1", "_0", ".", "e"})
	default:
		return base64.StdEncoding.EncodeToString(randomBytes(r, pick(r, []int{0, 1, 15, 16, 17, 24, 31, 32, 33})))
	}
}

// endpointConfig puts one endpoint into a configuration that is good otherwise.
func endpointConfig(r *rand.Rand) string {
	return doc(entry([]string{"secrets"}, "      - kms: {apiVersion: v2, name: p, endpoint: "+strconv.Quote(randomEndpoint(r))+"}\n"))
}

// nestedConfig goes deep, sideways of what a configuration is.
func nestedConfig(r *rand.Rand) string {
	n := 1 + r.IntN(260)
	open, shut := "[", "]"
	if r.IntN(2) == 0 {
		open, shut = "{a: ", "}"
	}
	return pick(r, []string{"x: ", "resources: ", ""}) + strings.Repeat(open, n) + strings.Repeat(shut, n-r.IntN(2)) + "\n"
}

// randomConf is one configuration to judge. Seeds of configurations stand before those of YAML alone.
func randomConf(r *rand.Rand, seeds []string, configs int) conf {
	c := conf{reload: r.IntN(5) == 0, kmsv1: r.IntN(4) == 0}
	switch n := r.IntN(100); {
	case n < 4:
		c.text = endpointConfig(r)
	case n < 6:
		c.text = nestedConfig(r)
	case n < 36:
		c.text = fieldConfig(r)
	case n < 44:
		c.text = mutateConfig(r, fieldConfig(r), seeds)
	case n < 50:
		text, _ := randomConfig(r)
		c.text = mutateConfig(r, text, seeds)
	default:
		from := seeds[:configs]
		if r.IntN(5) == 0 {
			from = seeds
		}
		c.text = mutateConfig(r, pick(r, from), seeds)
	}
	if len(c.text) > 8000 {
		c.text = c.text[:8000]
	}
	return c
}

func (c conf) question() []byte {
	b := appendBytes(nil, c.text)
	b = appendBytes(b, differPath)
	b = appendFlag(b, c.reload)
	return appendFlag(b, c.kmsv1)
}
