// Package observe is what others see of the plugin: metrics, health endpoints, traces.
package observe

import (
	"fmt"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/k8senc/k8senc/kms-plugin/keyset"
)

const namespace = "k8senc_kms"

// Metrics counts what happens; it is a keyset.Recorder.
type Metrics struct {
	registry   *prometheus.Registry
	requests   *prometheus.CounterVec
	requestSec *prometheus.HistogramVec
	calls      *prometheus.CounterVec
	callSec    *prometheus.HistogramVec
	hedged     *prometheus.CounterVec
	compat     *prometheus.CounterVec
	skew       *prometheus.GaugeVec
	cacheHits  prometheus.Counter
	unknown    prometheus.Counter
	integrity  prometheus.Counter
	unsaved    prometheus.Counter
	reloads    *prometheus.CounterVec
	refused    atomic.Pointer[string]
}

var seconds = []float64{.001, .0025, .005, .01, .025, .05, .1, .15, .25, .5, 1, 2, 3, 5}

// NewMetrics makes a registry with everything in it. engine gives the one in force, at each scrape.
func NewMetrics(version string, engine func() *keyset.Engine) *Metrics {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: namespace, Name: name, Help: help}, labels)
	}
	histogram := func(name, help string, labels ...string) *prometheus.HistogramVec {
		return prometheus.NewHistogramVec(prometheus.HistogramOpts{Namespace: namespace, Name: name, Help: help, Buckets: seconds}, labels)
	}
	single := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Namespace: namespace, Name: name, Help: help})
	}
	m := &Metrics{
		registry:   prometheus.NewRegistry(),
		requests:   counter("requests_total", "Encrypt and Decrypt of kube-apiserver, by gRPC code.", "method", "code"),
		requestSec: histogram("request_seconds", "How long Encrypt and Decrypt took.", "method"),
		calls:      counter("calls_total", "Calls of a KMS, by key, operation and what came back.", "key", "op", "class"),
		callSec:    histogram("call_seconds", "How long calls of a KMS took.", "key", "op"),
		hedged:     counter("hedges_total", "Decrypts that asked another KMS because this one was slow.", "key"),
		compat:     counter("compat_reads_total", "Values of other plugins that were decrypted.", "plugin"),
		skew: prometheus.NewGaugeVec(prometheus.GaugeOpts{Namespace: namespace, Name: "clock_skew_seconds",
			Help: "The clock of the KMS minus ours, as its last failure told."}, []string{"key"}),
		cacheHits: single("cache_hits_total", "Decrypts answered without a KMS."),
		unknown:   single("unknown_sets_total", "Records of sets that the state file does not know."),
		integrity: single("integrity_failures_total", "Records that are not what a key wrapped: somebody changed them, or the key."),
		unsaved:   single("state_save_failures_total", "New versions that wait because the state file cannot be written."),
		reloads:   counter("reloads_total", "Reloads of the configuration.", "result"),
	}
	info := prometheus.NewGauge(prometheus.GaugeOpts{Namespace: namespace, Name: "build_info", Help: "Always 1.", ConstLabels: prometheus.Labels{"version": version}})
	info.Set(1)
	m.registry.MustRegister(m.requests, m.requestSec, m.calls, m.callSec, m.hedged, m.compat, m.skew, m.cacheHits, m.unknown, m.integrity, m.unsaved,
		m.reloads, info, &state{engine}, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	for _, method := range []string{"Encrypt", "Decrypt"} {
		m.requests.WithLabelValues(method, "OK")
		m.requestSec.WithLabelValues(method)
	}
	for _, result := range []string{"ok", "refused"} {
		m.reloads.WithLabelValues(result)
	}
	return m
}

// Registry is where the metrics are.
func (m *Metrics) Registry() *prometheus.Registry { return m.registry }

// Reloaded counts a reload, and keeps why it was refused until one is not.
func (m *Metrics) Reloaded(refused error) {
	result, text := "ok", ""
	if refused != nil {
		result, text = "refused", fmt.Sprintf("since %s: %v", time.Now().UTC().Format(time.RFC3339), refused)
	}
	m.refused.Store(&text)
	m.reloads.WithLabelValues(result).Inc()
}

// Refused says since when and why the configuration file is not in force; empty if it is.
func (m *Metrics) Refused() string {
	if text := m.refused.Load(); text != nil {
		return *text
	}
	return ""
}

// Call counts a call of a KMS.
func (m *Metrics) Call(key, op, class string, took time.Duration) {
	m.calls.WithLabelValues(key, op, class).Inc()
	if class != "queue-full" {
		m.callSec.WithLabelValues(key, op).Observe(took.Seconds())
	}
}

// Hedged counts a second question.
func (m *Metrics) Hedged(key string) { m.hedged.WithLabelValues(key).Inc() }

// Decrypt counts one.
func (m *Metrics) Decrypt(code string, took time.Duration) { m.request("Decrypt", code, took) }

// Encrypt counts one.
func (m *Metrics) Encrypt(code string, took time.Duration) { m.request("Encrypt", code, took) }

func (m *Metrics) request(method, code string, took time.Duration) {
	m.requests.WithLabelValues(method, code).Inc()
	m.requestSec.WithLabelValues(method).Observe(took.Seconds())
}

// CacheHit counts one.
func (m *Metrics) CacheHit() { m.cacheHits.Inc() }

// UnknownSet counts one.
func (m *Metrics) UnknownSet() { m.unknown.Inc() }

// Integrity counts one.
func (m *Metrics) Integrity() { m.integrity.Inc() }

// Compat counts one.
func (m *Metrics) Compat(plugin string) { m.compat.WithLabelValues(plugin).Inc() }

// ClockSkew remembers it.
func (m *Metrics) ClockSkew(key string, skew time.Duration) {
	m.skew.WithLabelValues(key).Set(skew.Seconds())
}

// StateSaveFailed counts one.
func (m *Metrics) StateSaveFailed() { m.unsaved.Inc() }
