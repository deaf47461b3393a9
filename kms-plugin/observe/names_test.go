package observe_test

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/k8senc/k8senc/kms-plugin/kek"
	"github.com/k8senc/k8senc/kms-plugin/kektest"
	"github.com/k8senc/k8senc/kms-plugin/keyset"
	"github.com/k8senc/k8senc/kms-plugin/observe"
)

const namesFile = "../deploy/metrics.txt"

// deploy/metrics.txt is what the plugin exports: name, type, labels. Alerts and dashboard are checked against it. With
// K8SENC_WRITE_METRICS set this test makes it anew.
func TestNames(t *testing.T) {
	engine := start(t, keyset.Options{}, keyset.Key{Name: "aws", Slot: 1, Backend: kektest.New("aws", kek.AWS, time.Now())})
	<-engine.Ready()
	metrics := observe.NewMetrics("test", func() *keyset.Engine { return engine })
	metrics.Call("aws", "wrap", "ok", time.Second)
	metrics.Hedged("aws")
	metrics.Compat("x")
	metrics.ClockSkew("aws", time.Second)
	families, err := metrics.Registry().Gather()
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, family := range families {
		name := family.GetName()
		if !strings.HasPrefix(name, "k8senc_kms_") && name != "process_resident_memory_bytes" {
			continue
		}
		labels := map[string]bool{}
		for _, metric := range family.GetMetric() {
			for _, label := range metric.GetLabel() {
				labels[label.GetName()] = true
			}
		}
		lines = append(lines, strings.TrimSpace(fmt.Sprintf("%s %s %s", name, strings.ToLower(family.GetType().String()), strings.Join(slices.Sorted(maps.Keys(labels)), " "))))
	}
	text := strings.Join(lines, "\n") + "\n"
	if os.Getenv("K8SENC_WRITE_METRICS") != "" {
		if err := os.WriteFile(namesFile, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	known, err := os.ReadFile(namesFile)
	if err != nil || string(known) != text {
		t.Fatalf("%s is not what the plugin exports (%v):\n%s", namesFile, err, text)
	}
}
