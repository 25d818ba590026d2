package export

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"

	"github.com/xdpeel/xdpeel/bpf/abi"
	"github.com/xdpeel/xdpeel/lab/labtest"
	"github.com/xdpeel/xdpeel/mirror"
)

var alertRules = filepath.Join("..", "deploy", "prometheus", "xdpeel.rules.yml")

type alert struct {
	Alert, Expr         string
	Labels, Annotations map[string]string
}

func readAlerts(t *testing.T) (alerts []alert) {
	t.Helper()
	var file struct{ Groups []struct{ Rules []alert } }
	if err := yaml.Unmarshal(read(t, alertRules), &file); err != nil {
		t.Fatal(err)
	}
	for _, group := range file.Groups {
		alerts = append(alerts, group.Rules...)
	}
	if len(alerts) == 0 {
		t.Fatal("no alerts")
	}
	return alerts
}

// vocabulary is what expressions may speak of.
type vocabulary struct {
	labels map[string][]string // by metric
	values map[string]bool     // of the labels outcome and reason
}

func newVocabulary() *vocabulary {
	v := &vocabulary{labels: map[string][]string{
		"up": {}, "process_cpu_seconds_total": {}, "process_resident_memory_bytes": {},
	}, values: make(map[string]bool)}
	for _, desc := range descriptions {
		parts := regexp.MustCompile(`fqName: "(\w+)".*variableLabels: \{([^}]*)\}`).FindStringSubmatch(desc.String())
		v.labels[parts[1]] = strings.Split(parts[2], ",")
		v.labels[parts[1]+"_bucket"] = append(v.labels[parts[1]], "le")
	}
	for outcome := range abi.OutcomeMax {
		v.values[outcome.String()] = true
	}
	for _, loss := range mirror.Losses() {
		v.values[string(loss)] = true
	}
	return v
}

// check looks at every metric of an expression, and the labels that select of it.
func (v *vocabulary) check(t *testing.T, name, expression string) {
	t.Helper()
	found := regexp.MustCompile(`\b(xdpeel_\w+|process_\w+|up)\b(?:\{([^}]*)\})?`).FindAllStringSubmatch(expression, -1)
	if len(found) == 0 {
		t.Errorf("%s: no metric in %s", name, expression)
	}
	for _, m := range found {
		known, there := v.labels[m[1]]
		if !there {
			t.Errorf("%s: there is no metric %s", name, m[1])
		}
		for _, s := range regexp.MustCompile(`(\w+)[!=~]+"([^"]*)"`).FindAllStringSubmatch(m[2], -1) {
			if !slices.Contains(append(known, "job", "instance"), s[1]) {
				t.Errorf("%s: %s has no label %s", name, m[1], s[1])
			}
			if s[1] == "outcome" || s[1] == "reason" {
				checkValues(t, name, s[2], v.values)
			}
		}
	}
}

// Every metric and label that an alert speaks of is the program's, and so is every
// outcome and reason. Each alert says what to do, and is played in the rules' test.
func TestAlertsNameMetrics(t *testing.T) {
	t.Parallel()
	v := newVocabulary()
	tests := string(read(t, strings.TrimSuffix(alertRules, "yml")+"test.yml"))
	for _, a := range readAlerts(t) {
		v.check(t, a.Alert, a.Expr)
		if a.Labels["severity"] == "" || a.Annotations["summary"] == "" || a.Annotations["action"] == "" {
			t.Errorf("incomplete alert %+v", a)
		}
		if strings.Count(tests, "alertname: "+a.Alert+"\n")+strings.Count(tests, "alertname: "+a.Alert+",") != 2 {
			t.Errorf("%s is not played twice", a.Alert)
		}
	}
}

// The dashboard speaks of the program's metrics alone.
func TestDashboardNamesMetrics(t *testing.T) {
	t.Parallel()
	v := newVocabulary()
	for _, expression := range readDashboard(t) {
		v.check(t, "dashboard", expression)
	}
}

// readDashboard returns the expressions of the dashboard.
func readDashboard(t *testing.T) (expressions []string) {
	t.Helper()
	var board struct {
		Panels []struct{ Targets []struct{ Expr string } }
	}
	if err := json.Unmarshal(read(t, filepath.Join("..", "deploy", "grafana", "xdpeel.json")), &board); err != nil {
		t.Fatal(err)
	}
	for _, panel := range board.Panels {
		for _, target := range panel.Targets {
			expressions = append(expressions, target.Expr)
		}
	}
	if len(expressions) == 0 {
		t.Fatal("no expressions")
	}
	return expressions
}

// checkValues takes the alternatives of a label's pattern; each must match a value.
func checkValues(t *testing.T, name, pattern string, values map[string]bool) {
	t.Helper()
	for alternative := range strings.SplitSeq(pattern, "|") {
		matches := regexp.MustCompile("^(?:" + alternative + ")$")
		hit := false
		for value := range values {
			hit = hit || matches.MatchString(value)
		}
		if !hit {
			t.Errorf("%s: nothing is called %s", name, alternative)
		}
	}
}

// Prometheus's own tool understands the rules and the dashboard, and raises each alert
// when it must and only then.
func TestAlertsByPromtool(t *testing.T) {
	t.Parallel()
	labtest.Need(t, "promtool")
	type rule struct{ Record, Expr string }
	var rules []rule
	for _, expression := range readDashboard(t) {
		rules = append(rules, rule{"dashboard", strings.NewReplacer("$__rate_interval", "5m", "$instance", ".*").Replace(expression)})
	}
	text, err := yaml.Marshal(map[string]any{"groups": []any{map[string]any{"name": "dashboard", "rules": rules}}})
	if err != nil {
		t.Fatal(err)
	}
	dashboard := filepath.Join(t.TempDir(), "dashboard.yml")
	if err := os.WriteFile(dashboard, text, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"check", "rules", alertRules}, {"check", "rules", "--lint=none", dashboard}, {"test", "rules", strings.TrimSuffix(alertRules, "yml") + "test.yml"}} {
		if text, err := exec.Command("promtool", args...).CombinedOutput(); err != nil {
			t.Errorf("promtool %s: %v\n%s", args[0], err, text)
		}
	}
}
