// Package check looks at the files that operators take from deploy: alert rules, dashboard, units, manifest.
package check

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
	"go.yaml.in/yaml/v3"
)

func read(t *testing.T, path string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", path))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// exported are the metrics that the plugin has, and their labels; a test of the plugin keeps the list true.
func exported(t *testing.T) map[string][]string {
	t.Helper()
	all := map[string][]string{}
	for line := range strings.Lines(string(read(t, "metrics.txt"))) {
		fields := strings.Fields(line)
		names := append([]string{"instance", "job"}, fields[2:]...)
		all[fields[0]] = names
		if fields[1] == "histogram" {
			all[fields[0]+"_bucket"] = append(slices.Clone(names), "le")
			all[fields[0]+"_count"], all[fields[0]+"_sum"] = names, names
		}
	}
	if len(all) < 20 {
		t.Fatalf("%d metrics", len(all))
	}
	return all
}

func checkQuery(t *testing.T, all map[string][]string, where, query string) {
	t.Helper()
	tree, err := parser.NewParser(parser.Options{}).ParseExpr(query)
	if err != nil {
		t.Errorf("%s: %s: %v", where, query, err)
		return
	}
	selectors := 0
	parser.Inspect(tree, func(node parser.Node, _ []parser.Node) error {
		if found, ok := node.(*parser.VectorSelector); ok {
			selectors++
			known, there := all[found.Name]
			if !there {
				t.Errorf("%s: the plugin has no metric %s", where, found.Name)
			}
			for _, matcher := range found.LabelMatchers {
				if matcher.Name != labels.MetricName && there && !slices.Contains(known, matcher.Name) {
					t.Errorf("%s: %s has no label %s", where, found.Name, matcher.Name)
				}
			}
		}
		return nil
	})
	if selectors == 0 {
		t.Errorf("%s: %s asks for no metric", where, query)
	}
}

func TestAlerts(t *testing.T) {
	var rules struct {
		Groups []struct {
			Rules []struct {
				Alert, Expr, For    string
				Labels, Annotations map[string]string
			}
		}
	}
	if err := yaml.Unmarshal(read(t, "alerts.yaml"), &rules); err != nil {
		t.Fatal(err)
	}
	all := exported(t)
	runbooks := string(read(t, "../../docs/kms-runbooks.md"))
	count := 0
	for _, group := range rules.Groups {
		for _, rule := range group.Rules {
			count++
			checkQuery(t, all, rule.Alert, rule.Expr)
			if rule.For != "" {
				if _, err := time.ParseDuration(rule.For); err != nil {
					t.Error(err)
				}
			}
			if !slices.Contains([]string{"critical", "warning"}, rule.Labels["severity"]) || rule.Annotations["summary"] == "" {
				t.Errorf("%s: %v %v", rule.Alert, rule.Labels, rule.Annotations)
			}
			page, anchor, _ := strings.Cut(rule.Annotations["runbook"], "#")
			heading := regexp.MustCompile(`(?mi)^## ` + strings.ReplaceAll(anchor, "-", "[ -]") + `$`)
			if page != "docs/kms-runbooks.md" || anchor == "" || !heading.MatchString(runbooks) {
				t.Errorf("%s: there is no page %s", rule.Alert, rule.Annotations["runbook"])
			}
		}
	}
	if count < 10 {
		t.Fatalf("%d alerts", count)
	}
}

func TestDashboard(t *testing.T) {
	var board struct {
		Title  string
		Panels []struct {
			ID      int
			Title   string
			GridPos struct{ X, Y, W, H int }
			Targets []struct{ Expr string }
		}
	}
	if err := json.Unmarshal(read(t, "dashboard.json"), &board); err != nil {
		t.Fatal(err)
	}
	all := exported(t)
	ids := map[int]bool{}
	asked := ""
	for _, panel := range board.Panels {
		if ids[panel.ID] || panel.Title == "" || len(panel.Targets) == 0 || panel.GridPos.X+panel.GridPos.W > 24 {
			t.Errorf("panel %d %q", panel.ID, panel.Title)
		}
		ids[panel.ID] = true
		for _, target := range panel.Targets {
			query := strings.ReplaceAll(target.Expr, "$instance", "node-1")
			checkQuery(t, all, panel.Title, query)
			asked += query + "\n"
		}
	}
	if len(ids) < 10 {
		t.Fatalf("%d panels", len(ids))
	}
	// Nothing that the plugin says about itself is left out.
	for name := range all {
		if strings.HasPrefix(name, "k8senc_kms_") && !strings.HasSuffix(name, "_sum") && !strings.HasSuffix(name, "_count") && !strings.HasSuffix(name, "build_info") {
			if all[name+"_bucket"] == nil && !strings.Contains(asked, name) {
				t.Errorf("the dashboard does not show %s", name)
			}
		}
	}
}

func TestManifest(t *testing.T) {
	var pod struct {
		Kind string
		Spec struct {
			AutomountServiceAccountToken *bool `yaml:"automountServiceAccountToken"`
			Containers                   []struct {
				Command []string
				Mounts  []struct{ Name, MountPath string } `yaml:"volumeMounts"`
			}
			Volumes []struct{ Name string }
		}
	}
	if err := yaml.Unmarshal(read(t, "static-pod.yaml"), &pod); err != nil {
		t.Fatal(err)
	}
	if pod.Kind != "Pod" || len(pod.Spec.Containers) != 1 || pod.Spec.AutomountServiceAccountToken == nil || *pod.Spec.AutomountServiceAccountToken {
		t.Fatalf("%+v", pod)
	}
	volumes := map[string]bool{}
	for _, volume := range pod.Spec.Volumes {
		volumes[volume.Name] = true
	}
	for _, mount := range pod.Spec.Containers[0].Mounts {
		if !volumes[mount.Name] {
			t.Errorf("no volume %s", mount.Name)
		}
	}
}
