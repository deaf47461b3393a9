// Package proof keeps what a run has proven: one line for each kind of evidence, with how often it was seen.
package proof

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
)

// Row is one line of the table.
type Row struct {
	Step, What string
	Count      int
}

// Proof collects rows. Steps add to it in any order, also at the same time.
type Proof struct {
	Out   io.Writer
	mu    sync.Mutex
	rows  []Row
	took  map[string]time.Duration
	start time.Time
}

// New begins to collect; out is told as it goes.
func New(out io.Writer) *Proof {
	return &Proof{Out: out, took: make(map[string]time.Duration), start: time.Now()}
}

// Say tells the reader what happens now.
func (p *Proof) Say(format string, arguments ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	elapsed := time.Since(p.start).Round(time.Second)
	fmt.Fprintf(p.Out, "%5s  %s\n", elapsed, fmt.Sprintf(format, arguments...))
}

// Add counts evidence.
func (p *Proof) Add(step, what string, count int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := range p.rows {
		if p.rows[i].Step == step && p.rows[i].What == what {
			p.rows[i].Count += count
			return
		}
	}
	p.rows = append(p.rows, Row{step, what, count})
}

// Took notes how long a step was.
func (p *Proof) Took(step string, took time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.took[step] = took
}

// Table writes what was proven, and how long each step was.
func (p *Proof) Table() {
	p.mu.Lock()
	defer p.mu.Unlock()
	// Steps run beside each other; their rows belong together, in the order in which the steps began to prove something.
	first := map[string]int{}
	for i, row := range p.rows {
		if _, seen := first[row.Step]; !seen {
			first[row.Step] = i
		}
	}
	slices.SortStableFunc(p.rows, func(a, b Row) int { return first[a.Step] - first[b.Step] })
	widest, name := 0, 0
	for _, row := range p.rows {
		widest, name = max(widest, len(row.What)), max(name, len(row.Step))
	}
	last := ""
	for _, row := range p.rows {
		step := row.Step
		if step == last {
			step = ""
		}
		last = row.Step
		fmt.Fprintf(p.Out, "%-*s  %-*s  %7d\n", name, step, widest, row.What, row.Count)
	}
	fmt.Fprintln(p.Out, strings.Repeat("-", name+widest+11))
	var times []string
	for _, step := range slices.Sorted(maps.Keys(p.took)) {
		times = append(times, fmt.Sprintf("%s %s", step, p.took[step].Round(time.Second)))
	}
	fmt.Fprintf(p.Out, "took %s: %s\n", time.Since(p.start).Round(time.Second), strings.Join(times, ", "))
}
