package export

import (
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"

	"github.com/xdpeel/xdpeel/bpf/abi"
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

// Every metric and label that an alert speaks of is the program's, and so is every
// outcome and reason. Each alert says what to do, and is played in the rules' test.
func TestAlertsNameMetrics(t *testing.T) {
	t.Parallel()
	labels := map[string][]string{"up": {"job"}}
	for _, desc := range descriptions {
		parts := regexp.MustCompile(`fqName: "(\w+)".*variableLabels: \{([^}]*)\}`).FindStringSubmatch(desc.String())
		labels[parts[1]] = strings.Split(parts[2], ",")
		labels[parts[1]+"_bucket"] = append(labels[parts[1]], "le")
	}
	values := make(map[string]bool)
	for outcome := range abi.OutcomeMax {
		values[outcome.String()] = true
	}
	for _, loss := range mirror.Losses() {
		values[string(loss)] = true
	}
	metric := regexp.MustCompile(`\b(xdpeel_\w+|up)\b(?:\{([^}]*)\})?`)
	selector := regexp.MustCompile(`(\w+)[!=~]+"([^"]*)"`)
	tests := string(read(t, strings.TrimSuffix(alertRules, "yml")+"test.yml"))
	for _, a := range readAlerts(t) {
		found := metric.FindAllStringSubmatch(a.Expr, -1)
		if len(found) == 0 || a.Labels["severity"] == "" || a.Annotations["summary"] == "" || a.Annotations["action"] == "" {
			t.Errorf("incomplete alert %+v", a)
		}
		if strings.Count(tests, "alertname: "+a.Alert+"\n")+strings.Count(tests, "alertname: "+a.Alert+",") != 2 {
			t.Errorf("%s is not played twice", a.Alert)
		}
		for _, m := range found {
			known, there := labels[m[1]]
			if !there {
				t.Errorf("%s: there is no metric %s", a.Alert, m[1])
			}
			for _, s := range selector.FindAllStringSubmatch(m[2], -1) {
				if !strings.Contains(","+strings.Join(known, ",")+",", ","+s[1]+",") {
					t.Errorf("%s: %s has no label %s", a.Alert, m[1], s[1])
				}
				if s[1] == "outcome" || s[1] == "reason" {
					checkValues(t, a.Alert, s[2], values)
				}
			}
		}
	}
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

// Prometheus's own tool understands the rules, and raises each alert when it must
// and only then.
func TestAlertsByPromtool(t *testing.T) {
	t.Parallel()
	tool, err := exec.LookPath("promtool")
	if err != nil {
		t.Skip("needs promtool")
	}
	for _, args := range [][]string{{"check", "rules", alertRules}, {"test", "rules", strings.TrimSuffix(alertRules, "yml") + "test.yml"}} {
		if text, err := exec.Command(tool, args...).CombinedOutput(); err != nil {
			t.Errorf("promtool %s: %v\n%s", args[0], err, text)
		}
	}
}
