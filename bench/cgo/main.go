// Cgo measures what the Go package costs beside pure Go, in one process, round by round: the bare crossing, then opening and
// sealing one value and batches of 256. Above 1 is faster than pure Go. Time is time on the CPU of the whole process, the threads
// of Go's garbage collector included: on a busy machine it says what a clock says on an idle one.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"

	k8senc "github.com/k8senc/k8senc/bindings-c/go"
	"golang.org/x/sys/unix"
)

const (
	batch   = 256
	etcdKey = "/registry/secrets/default/a"
)

var sizes = []int{64, 1 << 10, 4 << 10, 64 << 10, 1 << 20}

func main() {
	rounds := flag.Int("rounds", 7, "interleaved rounds; the median ratio is shown")
	flag.Float64Var(&sample, "sample", sample, "milliseconds of each side in a round, at least")
	only := flag.String("only", "", "providers to measure, with commas between; all if empty")
	flag.Parse()
	if err := run(*rounds, *only); err != nil {
		fmt.Fprintln(os.Stderr, "bench-cgo:", err)
		os.Exit(1)
	}
}

// sample is long enough for each side to pay for its own garbage.
var sample = 20.0

func run(rounds int, only string) error {
	bare, ours := compare(rounds, func(n int) {
		for range n {
			bareCall()
		}
	}, func(n int) {
		for range n {
			k8senc.ABIVersion()
		}
	})
	fmt.Printf("crossing: bare cgo call %.1f ns, ours %.1f ns: %.2fx (target at most 1.2x)\n\n", median(bare), median(ours), median(ratios(ours, bare)))
	fmt.Printf("%-10s %-5s %9s  %14s %14s\n", "provider", "way", "bytes", "one value", "batch of 256")
	for _, provider := range []string{"aescbc", "aesgcm", "secretbox", "kms-v2"} {
		if only != "" && !strings.Contains(only, provider) {
			continue
		}
		side, err := newSide(provider)
		if err != nil {
			return err
		}
		for _, size := range sizes {
			if err := side.row(rounds, size); err != nil {
				return fmt.Errorf("%s at %d bytes: %w", provider, size, err)
			}
		}
		side.close()
	}
	return nil
}

func (s *side) row(rounds, size int) error {
	plain := make([]byte, size)
	sealed, err := s.chain.Seal(s.key, plain, []byte(etcdKey))
	if err != nil {
		return err
	}
	if opened, err := s.pure.open(sealed); err != nil || len(opened) != size {
		return fmt.Errorf("pure Go opens %d bytes of ours: %w", len(opened), err)
	}
	var failed error
	note := func(err error) {
		if err != nil {
			failed = err
		}
	}
	one := func(ours, theirs func()) string {
		return show(compare(rounds, repeat(theirs), repeat(ours)))
	}
	ctx := context.Background()
	openOne := one(func() { _, err := s.chain.Open(ctx, sealed, []byte(etcdKey)); note(err) }, func() { _, err := s.pure.open(sealed); note(err) })
	sealOne := one(func() { _, err := s.chain.Seal(s.key, plain, []byte(etcdKey)); note(err) }, func() { _, err := s.pure.seal(plain); note(err) })
	values := make([]k8senc.Value, batch)
	plains := make([]k8senc.Plain, batch)
	for i := range values {
		values[i] = k8senc.Value{Stored: sealed, EtcdKey: []byte(etcdKey)}
		plains[i] = k8senc.Plain{Plaintext: plain, EtcdKey: []byte(etcdKey)}
	}
	openMany := one(func() { _, err := s.chain.OpenBatch(ctx, values); note(err) }, func() {
		results := make([][]byte, batch)
		for i := range results {
			var err error
			results[i], err = s.pure.open(sealed)
			note(err)
		}
	})
	sealMany := one(func() { _, err := s.chain.SealBatch(s.key, plains); note(err) }, func() {
		results := make([][]byte, batch)
		for i := range results {
			var err error
			results[i], err = s.pure.seal(plain)
			note(err)
		}
	})
	fmt.Printf("%-10s %-5s %9d  %14s %14s\n", s.name, "open", size, openOne, openMany)
	fmt.Printf("%-10s %-5s %9d  %14s %14s\n", s.name, "seal", size, sealOne, sealMany)
	return failed
}

func repeat(once func()) func(int) {
	return func(n int) {
		for range n {
			once()
		}
	}
}

// compare runs both sides in turn and returns nanoseconds a call, round by round. Each side takes sample milliseconds or more.
func compare(rounds int, theirs, ours func(int)) (a, b []float64) {
	n := calibrate(theirs)
	m := calibrate(ours)
	for round := range rounds {
		order := []func(){func() { a = append(a, timed(theirs, n)) }, func() { b = append(b, timed(ours, m)) }}
		if round%2 == 1 {
			slices.Reverse(order)
		}
		for _, side := range order {
			side()
		}
	}
	return a, b
}

func calibrate(work func(int)) int {
	n := 1
	for timed(work, n)*float64(n) < sample*1e6 && n < 1<<26 {
		n *= 2
	}
	return n
}

func timed(work func(int), n int) float64 {
	runtime.GC()
	start := spent()
	work(n)
	return float64(spent()-start) / float64(n)
}

// spent is the time that this process was on a CPU, in nanoseconds.
func spent() int64 {
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_PROCESS_CPUTIME_ID, &now); err != nil {
		panic(err)
	}
	return now.Nano()
}

func ratios(above, below []float64) []float64 {
	out := make([]float64, len(above))
	for i := range above {
		out[i] = above[i] / below[i]
	}
	return out
}

func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[len(sorted)/2]
}

func show(theirs, ours []float64) string {
	all := ratios(theirs, ours)
	slices.Sort(all)
	return fmt.Sprintf("%.2fx (%.2f-%.2f)", median(all), all[len(all)/4], all[len(all)-1-len(all)/4])
}
