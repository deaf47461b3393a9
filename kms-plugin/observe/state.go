package observe

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/k8senc/k8senc/kms-plugin/keyset"
)

// state gives what is so at the moment of a scrape.
type state struct {
	engine func() *keyset.Engine
}

func describe(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc(prometheus.BuildFQName(namespace, "", name), help, labels, nil)
}

var (
	descHealthy     = describe("healthy", "Whether Status says ok.")
	descKeyID       = describe("key_id_info", "The key_id in use; 1.", "key_id", "set_id")
	descSince       = describe("key_id_since_seconds", "When the key_id came into use, in Unix time.")
	descSeed        = describe("seed_since_seconds", "When a seed was last encrypted, which is when kube-apiserver began to write with it, in Unix time; 0 if not since the plugin began.")
	descHasKeyID    = describe("writable", "Whether Status has a key_id, without which kube-apiserver stops writing within 3 minutes.")
	descRevoked     = describe("revoked", "Whether every KMS says that its key is denied, disabled or deleted.")
	descRecord      = describe("record_bytes", "The longest record of the set; at most 1023.")
	descCached      = describe("cache_entries", "Wrap keys in memory.")
	descRetired     = describe("retired_key_ids", "Key_ids that are never used again.")
	descKeyHealthy  = describe("key_healthy", "Whether the probes of a key work; 0 after three failures.", "key", "kind")
	descKeyVersion  = describe("key_version_info", "The version that wraps; 1.", "key", "version")
	descKeyPending  = describe("key_activation_seconds", "When a new version will be used, in Unix time; 0 without one.", "key")
	descKeyRefused  = describe("key_version_refused", "Whether the KMS calls a version current that is not taken.", "key")
	descKeyDeletion = describe("key_deletion_seconds", "When the KMS will destroy the key, in Unix time; 0 if nothing is scheduled.", "key")
	descBreaker     = describe("breaker_open", "Whether calls of an operation are held back: 0 closed, 0.5 half-open, 1 open.", "key", "op")
	descLast        = describe("last_success_seconds", "When an operation last worked, in Unix time; 0 if never.", "key", "op")
	descRunning     = describe("calls_in_flight", "Calls under way.", "key")
	descWaiting     = describe("calls_waiting", "Calls that wait for their turn.", "key")
)

// Describe gives the names.
func (s *state) Describe(out chan<- *prometheus.Desc) {
	for _, one := range []*prometheus.Desc{descHealthy, descKeyID, descSince, descSeed, descHasKeyID, descRevoked, descRecord, descCached, descRetired, descKeyHealthy,
		descKeyVersion, descKeyPending, descKeyRefused, descKeyDeletion, descBreaker, descLast, descRunning, descWaiting} {
		out <- one
	}
}

func number(yes bool) float64 {
	if yes {
		return 1
	}
	return 0
}

func unix(at time.Time) float64 {
	if at.IsZero() {
		return 0
	}
	return float64(at.UnixMilli()) / 1000
}

var breakerValue = map[string]float64{"closed": 0, "half-open": 0.5, "open": 1}

// Collect gives the values.
func (s *state) Collect(out chan<- prometheus.Metric) {
	engine := s.engine()
	if engine == nil {
		return
	}
	gauge := func(what *prometheus.Desc, value float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(what, prometheus.GaugeValue, value, labels...)
	}
	now := engine.Snapshot()
	gauge(descHealthy, number(now.Status.Healthz == "ok"))
	gauge(descHasKeyID, number(now.Status.KeyID != ""))
	if now.Status.KeyID != "" {
		gauge(descKeyID, 1, now.Status.KeyID, now.SetID)
	}
	gauge(descSince, unix(now.Since))
	gauge(descSeed, unix(now.LastEncrypt))
	gauge(descRevoked, number(now.Revoked))
	gauge(descRecord, float64(now.RecordLen))
	gauge(descCached, float64(now.Cached))
	gauge(descRetired, float64(now.RetiredIDs))
	for _, key := range now.Keys {
		if !key.Retired {
			gauge(descKeyHealthy, number(key.Healthy), key.Name, key.Kind)
			if key.Active != "" {
				gauge(descKeyVersion, 1, key.Name, key.Active)
			}
			gauge(descKeyPending, unix(key.ActivateAt), key.Name)
			gauge(descKeyRefused, number(key.Refused != ""), key.Name)
			gauge(descKeyDeletion, unix(key.DeletionDate), key.Name)
		}
		gauge(descBreaker, breakerValue[key.WrapBreaker], key.Name, "wrap")
		gauge(descBreaker, breakerValue[key.UnwrapBreaker], key.Name, "unwrap")
		gauge(descLast, unix(key.LastWrap), key.Name, "wrap")
		gauge(descLast, unix(key.LastUnwrap), key.Name, "unwrap")
		gauge(descRunning, float64(key.Running), key.Name)
		gauge(descWaiting, float64(key.Waiting), key.Name)
	}
}
