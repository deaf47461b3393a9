package main

import (
	"fmt"
	"math"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"
)

// scaleReport is what the run at scale measured.
type scaleReport struct {
	objects                int
	release, machine       string
	bytes                  int64
	create, audit, rewrite time.Duration
	// calm and busy are percentiles before and during the rewrite, of reads and of writes.
	calm, busy [2][3]time.Duration
	samples    []sample
	beats      []beat
	began      time.Duration
}

// machine says what it ran on, with how busy that was.
func machine() string {
	load, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		load = []byte("?")
	}
	return fmt.Sprintf("%d cores, load average %s", runtime.NumCPU(), strings.Fields(string(load))[0])
}

func (s *scaleReport) table() string {
	ms := func(d time.Duration) string { return fmt.Sprintf("%.1f", float64(d.Microseconds())/1000) }
	text := "| | |\n|---|---|\n"
	text += fmt.Sprintf("| secrets created through the API | %d in %s, %.0f a second |\n", s.objects, s.create.Round(time.Second), float64(s.objects)/s.create.Seconds())
	text += fmt.Sprintf("| etcd snapshot | %.0f MB |\n", float64(s.bytes)/1e6)
	text += fmt.Sprintf("| `k8senc audit`, every value decrypted | %.1f s |\n", s.audit.Seconds())
	text += fmt.Sprintf("| `k8senc reencrypt` | %s, %.0f a second |\n", s.rewrite.Round(time.Second), float64(s.objects)/s.rewrite.Seconds())
	if pace := s.pace(); len(pace) > 0 {
		rates := make([]float64, len(pace))
		for i, one := range pace {
			rates[i] = one.rate
		}
		slices.Sort(rates)
		text += fmt.Sprintf("| its pace, looked at every 5 s | %.0f to %.0f a second, half of the time above %.0f |\n", rates[0], rates[len(rates)-1], rates[len(rates)/2])
	}
	text += "\n| API requests of somebody else, ms | median | 99 % | slowest |\n|---|---|---|---|\n"
	for i, what := range []string{"reads", "writes"} {
		text += fmt.Sprintf("| %s before | %s | %s | %s |\n", what, ms(s.calm[i][0]), ms(s.calm[i][1]), ms(s.calm[i][2]))
		text += fmt.Sprintf("| %s during the rewrite | %s | %s | %s |\n", what, ms(s.busy[i][0]), ms(s.busy[i][1]), ms(s.busy[i][2]))
	}
	return text
}

// paced is how fast objects were rewritten in a piece of time.
type paced struct {
	at   time.Duration
	rate float64
}

// pace is what the beats of the rewrite say, without the pieces in which it began and ended.
func (s *scaleReport) pace() []paced {
	var all []paced
	for i := 1; i < len(s.beats); i++ {
		from, to := s.beats[i-1], s.beats[i]
		if from.at >= s.began && to.at <= s.began+s.rewrite {
			all = append(all, paced{(from.at + to.at) / 2, float64(to.count-from.count) / (to.at - from.at).Seconds()})
		}
	}
	return all
}

func (s *scaleReport) page() string {
	return fmt.Sprintf("# At scale\n\nWritten by `make e2e-scale`: kube-apiserver %s twice on one etcd, and `k8senc` on %s. Read it for the ratios.\n\n%s\n![Latency of API requests during the rewrite](e2e-scale.svg)\n",
		s.release, s.machine, s.table())
}

const (
	pictureWidth, pictureHeight = 760, 300
	left, right, top, bottom    = 56, 16, 36, 40
)

// picture draws the median and the 99th percentile of writes over time, in 60 pieces, on a logarithmic scale.
func (s *scaleReport) picture() string {
	last := s.samples[len(s.samples)-1].at
	const pieces = 60
	buckets := make([][]time.Duration, pieces)
	for _, one := range s.samples {
		if one.write {
			at := min(int(int64(one.at)*pieces/int64(last+1)), pieces-1)
			buckets[at] = append(buckets[at], one.took)
		}
	}
	x := func(piece int) float64 {
		return left + (float64(piece)+0.5)*float64(pictureWidth-left-right)/pieces
	}
	decades := []float64{1, 10, 100, 1000, 10000}
	y := func(ms float64) float64 {
		share := logTen(max(ms, 1)) / logTen(decades[len(decades)-1])
		return float64(pictureHeight-bottom) - share*float64(pictureHeight-bottom-top)
	}
	var out strings.Builder
	fmt.Fprintf(&out, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="sans-serif" font-size="12">`, pictureWidth, pictureHeight)
	out.WriteString(`<rect width="100%" height="100%" fill="#fff"/>`)
	fmt.Fprintf(&out, `<text x="%d" y="20" font-size="14" fill="#222">API writes of somebody else while %d secrets are rewritten</text>`, left, s.objects)
	for _, ms := range decades {
		fmt.Fprintf(&out, `<path d="M%d %.1fH%d" stroke="#ddd"/><text x="%d" y="%.1f" text-anchor="end" fill="#555">%s</text>`, left, y(ms), pictureWidth-right, left-6, y(ms)+4, time.Duration(ms*float64(time.Millisecond)))
	}
	begin := left + float64(s.began)/float64(last)*float64(pictureWidth-left-right)
	fmt.Fprintf(&out, `<path d="M%.1f %dV%d" stroke="#888" stroke-dasharray="4 3"/><text x="%.1f" y="%d" fill="#555">rewrite begins</text>`, begin, top, pictureHeight-bottom, begin+4, top+10)
	for i, line := range []struct {
		name, colour string
		share        int
	}{{"median", "#1f6feb", 50}, {"99 %", "#c2410c", 99}} {
		points := ""
		for piece, all := range buckets {
			if len(all) > 0 {
				slices.Sort(all)
				took := all[min(len(all)*line.share/100, len(all)-1)]
				points += fmt.Sprintf("%.1f,%.1f ", x(piece), y(float64(took.Microseconds())/1000))
			}
		}
		fmt.Fprintf(&out, `<polyline points="%s" fill="none" stroke="%s" stroke-width="2"/>`, strings.TrimSpace(points), line.colour)
		fmt.Fprintf(&out, `<text x="%d" y="%d" fill="%s">%s</text>`, pictureWidth-right-110+i*60, pictureHeight-8, line.colour, line.name)
	}
	points := ""
	for _, one := range s.pace() {
		points += fmt.Sprintf("%.1f,%.1f ", left+float64(one.at)/float64(last)*float64(pictureWidth-left-right), y(one.rate))
	}
	fmt.Fprintf(&out, `<polyline points="%s" fill="none" stroke="#15803d" stroke-width="2" stroke-dasharray="2 3"/>`, strings.TrimSpace(points))
	fmt.Fprintf(&out, `<text x="%d" y="%d" fill="#15803d">rewritten a second, on the same scale</text>`, left+170, pictureHeight-8)
	fmt.Fprintf(&out, `<text x="%d" y="%d" fill="#555">%s in all</text></svg>`+"\n", left, pictureHeight-8, last.Round(time.Second))
	return out.String()
}

func logTen(value float64) float64 { return math.Log10(value) }
