package main

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sort"
	"time"
)

// A differential run asks the real Kubernetes code and ours the same questions and stops at the first difference that
// no rule explains. docs/fuzzing.md says what is compared.

// differ is one run.
type differ struct {
	peer     *peer
	r        *rand.Rand
	vectors  string // folder of the vectors
	findings string // folder for what was found
	seed     uint64
	limit    int
	deadline time.Time

	done  int
	kinds map[string]int // questions by kind and answer
	rules map[string]int
	begun time.Time
	said  time.Time
}

const batchQuestions = 400

// runDiffer is the command: it prints what ran, or the first difference.
func runDiffer(what, peerPath, findings string, seed uint64, limit int, limitTime time.Duration) bool {
	d, err := newDiffer(peerPath, "..", findings, seed, limit, limitTime)
	must(err)
	defer d.peer.close()
	switch what {
	case "values":
		err = d.values()
	case "configs":
		err = d.configs()
	default:
		fatal("-differ takes values or configs, not %q", what)
	}
	if err == nil {
		d.report(what)
		return true
	}
	fmt.Fprintf(os.Stderr, "%s: %s\n%v\n", what, d.progress(), err)
	var f *finding
	if errors.As(err, &f) {
		fmt.Fprintf(os.Stderr, "written to %s\n", d.save(f))
	}
	return false
}

func newDiffer(peerPath, vectors, findings string, seed uint64, limit int, limitTime time.Duration) (*differ, error) {
	p, err := startPeer(peerPath)
	if err != nil {
		return nil, err
	}
	d := &differ{peer: p, r: rand.New(rand.NewPCG(seed, 0)), vectors: vectors, findings: findings, seed: seed, limit: limit, kinds: map[string]int{}, rules: map[string]int{}, begun: time.Now(), said: time.Now()}
	if limitTime > 0 {
		d.deadline = d.begun.Add(limitTime)
	}
	return d, nil
}

// finding is a difference that no rule explains, with all that is needed to see it again.
type finding struct {
	Kind     string            `json:"kind"`
	Problem  string            `json:"problem"`
	Seed     uint64            `json:"seed"`
	Config   string            `json:"config"`
	TextHex  string            `json:"configHex,omitempty"`
	Reload   bool              `json:"reload,omitempty"`
	KMSv1    bool              `json:"kmsv1,omitempty"`
	Resource string            `json:"resource,omitempty"`
	Plugins  map[string]string `json:"plugins,omitempty"`
	EtcdKey  string            `json:"etcdKeyHex,omitempty"`
	Stored   string            `json:"storedHex,omitempty"`
	Plain    string            `json:"plaintextHex,omitempty"`
	Go       string            `json:"go"`
	Ours     string            `json:"ours"`
}

func (f *finding) Error() string {
	b, _ := json.MarshalIndent(f, "", " ")
	return string(b)
}

func (d *differ) enough() bool {
	if now := time.Now(); now.Sub(d.said) > 5*time.Second {
		d.said = now
		fmt.Fprintf(os.Stderr, "%s\n", d.progress())
	}
	return d.limit > 0 && d.done >= d.limit || !d.deadline.IsZero() && time.Now().After(d.deadline)
}

func (d *differ) progress() string {
	seconds := time.Since(d.begun).Seconds()
	return fmt.Sprintf("%d executions in %.0f s, %.0f a second", d.done, seconds, float64(d.done)/seconds)
}

func (d *differ) count(kind string, rules []string) {
	d.done++
	d.kinds[kind]++
	for _, r := range rules {
		d.rules[r]++
	}
}

// report prints what ran.
func (d *differ) report(name string) {
	fmt.Printf("%s: %s, seed %d, no unexplained difference\n", name, d.progress(), d.seed)
	list := func(title string, counts map[string]int) {
		names := make([]string, 0, len(counts))
		for n := range counts {
			names = append(names, n)
		}
		sort.Strings(names)
		for _, n := range names {
			fmt.Printf("  %-10s %-28s %10d\n", title, n, counts[n])
		}
	}
	list("answer", d.kinds)
	list("explained", d.rules)
}

// save writes a finding and returns where.
func (d *differ) save(f *finding) string {
	_ = os.MkdirAll(d.findings, 0o755)
	path := filepath.Join(d.findings, fmt.Sprintf("%s-%d-%d.json", f.Kind, d.seed, d.done))
	_ = os.WriteFile(path, []byte(f.Error()+"\n"), 0o644)
	return path
}

// batch is one world with the questions about it.
type batch struct {
	w         *world
	questions []valueQuestion
}

// valueQuestion is one value to open, or one plaintext to seal, with Go's answer.
type valueQuestion struct {
	seal        bool
	key, bytes  []byte
	random      []byte
	at          int
	goSide      outcome
	goAsked     map[string]bool
	description []byte
}

// values runs until the limit; batches are made while the peer works on the one before.
func (d *differ) values() error {
	seeds, err := readValueSeeds(d.vectors)
	if err != nil {
		return err
	}
	gateOnce(true)
	var waiting *batch
	for {
		next := (*batch)(nil)
		if !d.enough() {
			next = d.makeBatch(seeds)
			if err := d.peer.send(next.encode()); err != nil {
				return err
			}
		}
		if waiting != nil {
			if err := d.judgeBatch(waiting); err != nil {
				return err
			}
			waiting.w.stop()
		}
		if next == nil {
			return nil
		}
		waiting = next
	}
}

func letterQuestion(to []byte, letter byte, body []byte) []byte {
	return appendBytes(append(to, letter), body)
}

func (b *batch) encode() []byte {
	out := letterQuestion(nil, 'L', b.w.question0)
	for _, q := range b.questions {
		out = append(out, q.description...)
	}
	return out
}

func (d *differ) makeBatch(seeds []valueSeeds) *batch {
	s := valueSeeds{}
	if d.r.IntN(2) == 0 {
		s = pick(d.r, seeds)
	} else {
		s.text, s.resource = randomConfig(d.r)
	}
	b := &batch{w: newWorld(s.text, s.resource, d.r)}
	b.w.question0 = b.w.question()
	if b.w.chain == nil {
		return b
	}
	pool := s.stored
	for range batchQuestions {
		var q valueQuestion
		var stored []byte
		switch n := d.r.IntN(20); {
		case n < 3:
			q = b.w.sealQuestion(randomPlain(d.r), pick(d.r, etcdKeys), fmt.Sprint(d.seed, d.done, len(b.questions)))
			if q.goSide.out != nil {
				pool = append(pool, valueSeed{q.key, q.goSide.out})
			}
		case n < 6 && len(pool) > 0:
			v := pick(d.r, pool)
			q.key, stored = v.key, v.stored
		case n < 11 && len(pool) > 0:
			v := pick(d.r, pool)
			q.key, stored = v.key, mutate(d.r, v.stored, [][]byte{pick(d.r, pool).stored})
		case n < 13:
			stored, q.key = b.w.randomValue(d.r)
			other, _ := b.w.randomValue(d.r)
			stored = mutate(d.r, stored, [][]byte{other})
		default:
			stored, q.key = b.w.randomValue(d.r)
		}
		if !q.seal {
			q = b.w.openQuestion(stored, q.key)
		}
		b.questions = append(b.questions, q)
	}
	return b
}

func (w *world) openQuestion(stored, key []byte) valueQuestion {
	q := valueQuestion{key: key, bytes: stored}
	q.goSide, q.goAsked = w.open(stored, key)
	q.at = w.at
	q.description = letterQuestion(nil, 'O', appendBytes(appendBytes(nil, key), stored))
	return q
}

func (w *world) sealQuestion(plain, key []byte, label string) valueQuestion {
	q := valueQuestion{seal: true, key: key, bytes: plain}
	q.goSide, q.random = w.seal(plain, key, label)
	q.at = w.at
	with, argument := byte(0), []byte(nil)
	if len(w.providers) > 0 && w.providers[0].plugin != nil {
		p := w.providers[0].plugin
		switch {
		case p.v1:
			with, argument = 1, p.encrypted
		case !p.never:
			with, argument = 2, []byte(p.name)
			if q.goSide.out != nil {
				p.writes++
			}
		}
	}
	body := appendBytes(appendBytes(appendBytes(nil, key), plain), q.random)
	q.description = letterQuestion(nil, 'S', appendBytes(append(body, with), argument))
	return q
}

// judgeBatch compares the peer's answers with Go's.
func (d *differ) judgeBatch(b *batch) error {
	a, err := d.peer.receive()
	if err != nil {
		return err
	}
	if ours := readRefusalOfLoad(a); ours != b.w.refusal {
		f := b.w.finding("load", "the worlds differ", d.seed)
		f.Go, f.Ours = b.w.refusal, ours
		return f
	}
	if b.w.chain == nil {
		d.count("load refused", nil)
		return nil
	}
	for i := range b.questions {
		q := &b.questions[i]
		rules, problem, said := b.w.compare(q, a)
		if a.err != nil {
			return a.err
		}
		if problem == "" {
			d.count(q.kind(), rules)
			continue
		}
		f := b.w.finding("value", problem, d.seed)
		f.Go, f.Ours = q.goSide.String(), said
		f.EtcdKey = hex.EncodeToString(q.key)
		if q.seal {
			f.Kind, f.Plain = "seal", hex.EncodeToString(q.bytes)
			return f
		}
		small := d.shrinkValue(b.w, q)
		f.Stored = hex.EncodeToString(small)
		return f
	}
	return nil
}

func (q *valueQuestion) kind() string {
	verb := "open"
	if q.seal {
		verb = "seal"
	}
	switch {
	case q.goSide.panic != "":
		return verb + " panics"
	case q.goSide.err != nil:
		return verb + " refused"
	case !q.seal && q.goSide.stale:
		return verb + " stale"
	}
	return verb + " good"
}

// compare reads the peer's answer to q and judges it; said is that answer in words.
func (w *world) compare(q *valueQuestion, a *answers) (rules []string, problem, said string) {
	if q.seal {
		ours := readSealed(a)
		rules, problem = w.compareSealed(q.goSide, q.bytes, q.key, q.random, ours)
		return rules, problem, ours.String()
	}
	ours := readOpened(a)
	rules, problem = w.compareOpened(q.goSide, q.goAsked, q.at, ours)
	return rules, problem, ours.String()
}

func readRefusalOfLoad(a *answers) string {
	switch letter := a.byte(); letter {
	case '+':
		return ""
	case '-':
		if text := string(a.bytes()); text != "" {
			return text
		}
		return "refused without a text"
	default:
		return "panicked: " + string(a.bytes())
	}
}

func (w *world) finding(kind, problem string, seed uint64) *finding {
	f := &finding{Kind: kind, Problem: problem, Seed: seed, Config: w.text, Resource: w.resource}
	for name, p := range w.v2 {
		if f.Plugins == nil {
			f.Plugins = map[string]string{}
		}
		f.Plugins[name] = fmt.Sprintf("never %v, key_id %q, key form %v, %d annotations", p.never, p.keyID, p.useKey, len(p.annotations))
	}
	return f
}

// shrinkValue cuts pieces out of a value as long as the difference stays. The peer still holds this world only if no
// other was loaded since, so it is loaded again with each try.
func (d *differ) shrinkValue(w *world, q *valueQuestion) []byte {
	p, err := startPeer(d.peer.path)
	if err != nil {
		return q.bytes
	}
	defer p.close()
	differs := func(stored []byte) bool {
		try := w.openQuestion(stored, q.key)
		a, err := p.ask(append(letterQuestion(nil, 'L', w.question()), try.description...))
		if err != nil || readRefusalOfLoad(a) != "" {
			return false
		}
		_, problem, _ := w.compare(&try, a)
		return problem != "" && a.err == nil
	}
	return shrink(q.bytes, differs)
}

// shrink is the smallest input found by cutting pieces out that still makes differs true.
func shrink(input []byte, differs func([]byte) bool) []byte {
	for size := len(input) / 2; size > 0; size /= 2 {
		for at := 0; at+size <= len(input); {
			try := append(append([]byte{}, input[:at]...), input[at+size:]...)
			if differs(try) {
				input = try
			} else {
				at += size
			}
		}
	}
	return input
}

// configs judges configurations until the limit.
func (d *differ) configs() error {
	seeds, configs, err := readConfigSeeds(d.vectors)
	if err != nil {
		return err
	}
	type asked struct {
		c      conf
		goSide judged
	}
	var waiting []asked
	for {
		var next []asked
		if !d.enough() {
			var frame []byte
			for range batchQuestions / 2 {
				c := randomConf(d.r, seeds, configs)
				next = append(next, asked{c, c.judge()})
				frame = letterQuestion(frame, 'C', c.question())
			}
			if err := d.peer.send(frame); err != nil {
				return err
			}
		}
		if waiting != nil {
			a, err := d.peer.receive()
			if err != nil {
				return err
			}
			for _, q := range waiting {
				ours := readJudged(a)
				if a.err != nil {
					return a.err
				}
				rules, problem := q.c.compareJudged(q.goSide, ours, 400)
				if problem != "" {
					return d.configFinding(q.c, problem)
				}
				kind := "loads"
				switch {
				case q.goSide.panic != "":
					kind = "panics"
				case !q.goSide.ok:
					kind = "refused at " + ours.stage
				}
				d.count(kind, rules)
			}
		}
		if next == nil {
			return nil
		}
		waiting = next
	}
}

// configFinding makes the configuration small and says what both sides make of it.
func (d *differ) configFinding(c conf, problem string) error {
	p, err := startPeer(d.peer.path)
	if err != nil {
		return err
	}
	defer p.close()
	var goSide judged
	var ours oursJudged
	differs := func(text []byte) bool {
		try := c
		try.text = string(text)
		e := try.judge()
		a, err := p.ask(letterQuestion(nil, 'C', try.question()))
		if err != nil {
			return false
		}
		o := readJudged(a)
		_, found := try.compareJudged(e, o, 10)
		if found == problem {
			goSide, ours = e, o
		}
		return found == problem
	}
	if differs([]byte(c.text)) {
		c.text = string(shrink([]byte(c.text), differs))
	}
	f := &finding{Kind: "config", Problem: problem, Seed: d.seed, Config: c.text, TextHex: hex.EncodeToString([]byte(c.text)), Reload: c.reload, KMSv1: c.kmsv1, Go: goSide.text + goSide.panic, Ours: ours.String()}
	return f
}
