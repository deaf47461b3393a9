package main

import (
	"math/rand/v2"
	"os"
	"testing"
)

// The targets for `go test -fuzz`, which keeps what reaches new code. K8SENC_PEER names the program k8senc-peer. The
// driver (-differ) is much faster; this finds what its mutations do not think of.

func testPeer(t testing.TB) *peer {
	path := os.Getenv("K8SENC_PEER")
	if path == "" {
		t.Fatal("K8SENC_PEER has to name the program k8senc-peer: cargo build -p k8senc-peer")
	}
	p, err := startPeer(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.close)
	return p
}

func TestMain(m *testing.M) {
	var err error
	if workDir, err = os.MkdirTemp("", "differ-test-"); err != nil {
		fatal("%v", err)
	}
	code := m.Run()
	_ = os.RemoveAll(workDir)
	os.Exit(code)
}

func FuzzValue(f *testing.F) {
	seeds, err := readValueSeeds("..")
	if err != nil {
		f.Fatal(err)
	}
	for i, s := range seeds {
		for _, v := range s.stored[:min(3, len(s.stored))] {
			f.Add(uint16(i), v.key, v.stored)
		}
	}
	p := testPeer(f)
	f.Fuzz(func(t *testing.T, config uint16, key, stored []byte) {
		gateOnce(true)
		s := seeds[int(config)%len(seeds)]
		w := newWorld(s.text, s.resource, rand.New(rand.NewPCG(uint64(config), 0)))
		defer w.stop()
		load := letterQuestion(nil, 'L', w.question())
		q := w.openQuestion(stored, key)
		a, err := p.ask(append(load, q.description...))
		if err != nil {
			t.Fatal(err)
		}
		if refusal := readRefusalOfLoad(a); refusal != "" {
			t.Fatalf("ours does not load what Go loads: %s", refusal)
		}
		if _, problem, said := w.compare(&q, a); problem != "" {
			t.Fatalf("%s: Go %s, ours %s\n%s", problem, q.goSide, said, s.text)
		}
	})
}

func FuzzConfig(f *testing.F) {
	seeds, _, err := readConfigSeeds("..")
	if err != nil {
		f.Fatal(err)
	}
	for i, s := range seeds {
		f.Add(s, i%5 == 0, i%3 == 0)
	}
	p := testPeer(f)
	f.Fuzz(func(t *testing.T, text string, reload, kmsv1 bool) {
		c := conf{text: text, reload: reload, kmsv1: kmsv1}
		goSide := c.judge()
		a, err := p.ask(letterQuestion(nil, 'C', c.question()))
		if err != nil {
			t.Fatal(err)
		}
		ours := readJudged(a)
		if _, problem := c.compareJudged(goSide, ours, 400); problem != "" {
			t.Fatalf("%s: Go %+v, ours %s", problem, goSide, ours)
		}
	})
}

// TestDifferencesAreSeen gives the comparison answers that are wrong in one way each.
func TestDifferencesAreSeen(t *testing.T) {
	gateOnce(true)
	r := rand.New(rand.NewPCG(1, 0))
	w := newWorld(secrets(keyed("aesgcm", key{"key1", seq(0, 32)})), "secrets", r)
	defer w.stop()
	good := w.openQuestion(cat(prefixGCM, "key1:", gcm(seq(0, 32), seq(0, 12), []byte("{}"), []byte(defaultKey))), []byte(defaultKey))
	bad := w.openQuestion([]byte(prefixGCM+"key1:x"), []byte(defaultKey))
	text := bad.goSide.err.Error()
	code := exactCodes[text]
	refused := func(code, text string) oursOpened {
		return oursOpened{letter: '-', refusal: refusal{code, true, text}}
	}
	for _, c := range []struct {
		name string
		q    *valueQuestion
		ours oursOpened
		same bool
	}{
		{"the same plaintext", &good, oursOpened{letter: '+', plaintext: []byte("{}")}, true},
		{"another plaintext", &good, oursOpened{letter: '+', plaintext: []byte("{}\n")}, false},
		{"stale", &good, oursOpened{letter: '+', plaintext: []byte("{}"), stale: 1}, false},
		{"unknown staleness", &good, oursOpened{letter: '+', plaintext: []byte("{}"), stale: 2}, false},
		{"a request too many", &good, oursOpened{letter: '+', plaintext: []byte("{}"), requests: []string{"x"}}, false},
		{"refused", &good, refused(code, text), false},
		{"a panic", &good, oursOpened{letter: '!'}, false},
		{"the same text", &bad, refused(code, text), true},
		{"another code", &bad, refused("authentication", text), false},
		{"another text", &bad, refused(code, text+"."), false},
		{"opened", &bad, oursOpened{letter: '+'}, false},
	} {
		_, problem := w.compareOpened(c.q.goSide, c.q.goAsked, c.q.at, c.ours)
		if (problem == "") != c.same {
			t.Errorf("%s: %q", c.name, problem)
		}
	}
	c := conf{text: "kind: x\n"}
	goSide := c.judge()
	for _, o := range []oursJudged{{letter: '+'}, {letter: '!'}, {letter: '-', stage: "decode", exact: true, text: goSide.text + "."}} {
		if _, problem := c.compareJudged(goSide, o, 3); problem == "" {
			t.Errorf("%s passes for %s", o, goSide.text)
		}
	}
}
