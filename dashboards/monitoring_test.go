package dashboards

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// promtool runs Prometheus' own checker, or skips the test; CI has it.
func promtool(t *testing.T, args ...string) string {
	t.Helper()
	path, err := exec.LookPath("promtool")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("no promtool")
		}
		t.Skip("no promtool here: install prometheus to test the rules")
	}
	cmd := exec.CommandContext(t.Context(), path, args...)
	cmd.Dir = "prometheus"
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

func TestRulesWithPromtool(t *testing.T) {
	if out := promtool(t, "check", "rules", "--lint-fatal", "rules.yml"); !strings.Contains(out, "SUCCESS") {
		t.Error(out)
	}
	if out := promtool(t, "test", "rules", "rules_test.yml"); !strings.Contains(out, "SUCCESS") {
		t.Error(out)
	}
}

// ruleFile is what Prometheus reads.
type ruleFile struct {
	Groups []struct {
		Name  string
		Rules []rule
	}
}

type rule struct {
	Record, Alert, Expr string
	Labels, Annotations map[string]string
}

func allRules(t *testing.T) (recorded, alerts []rule) {
	t.Helper()
	var f ruleFile
	if err := yaml.Unmarshal(Rules(), &f); err != nil {
		t.Fatal(err)
	}
	for _, g := range f.Groups {
		for _, r := range g.Rules {
			if r.Alert == "" {
				recorded = append(recorded, r)
			} else {
				alerts = append(alerts, r)
			}
		}
	}
	return recorded, alerts
}

func readText(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// Every alert says how bad it is and what to do, is played through by promtool,
// and no advice is left of an alert that is gone.
func TestEveryAlertHasAdvice(t *testing.T) {
	_, alerts := allRules(t)
	tests, runbook := readText(t, "prometheus/rules_test.yml"), readText(t, "README.md")
	var names []string
	for _, a := range alerts {
		names = append(names, a.Alert)
		if !slices.Contains([]string{"critical", "warning", "info"}, a.Labels["severity"]) || a.Annotations["summary"] == "" || a.Annotations["description"] == "" {
			t.Errorf("%s: %v %v", a.Alert, a.Labels, a.Annotations)
		}
		if !strings.HasSuffix(a.Annotations["runbook_url"], "/dashboards/README.md#"+strings.ToLower(a.Alert)) {
			t.Errorf("%s: the runbook is %s", a.Alert, a.Annotations["runbook_url"])
		}
		if !regexp.MustCompile(`alertname: ` + a.Alert + `\n +exp_alerts:\n +- exp_labels`).MatchString(tests) {
			t.Errorf("no test makes %s fire", a.Alert)
		}
	}
	for _, m := range regexp.MustCompile(`(?m)^### (\w+)$`).FindAllStringSubmatch(runbook, -1) {
		if !slices.Contains(names, m[1]) {
			t.Errorf("README.md has advice for %s, which is no alert", m[1])
		}
	}
	for _, n := range names {
		if !strings.Contains(runbook, "\n### "+n+"\n") {
			t.Errorf("README.md has no advice for %s", n)
		}
	}
}

// board is the part of Grafana's model that is checked.
type board struct {
	Title         string
	SchemaVersion int
	Editable      bool
	Templating    struct {
		List []struct {
			Name, Type, Label, AllValue, Definition string
			Datasource                              source
			Refresh                                 int
			Multi, IncludeAll                       bool
		}
	}
	Annotations struct {
		List []struct{ Name, Expr string }
	}
	Panels []panel
}

type source struct{ UID string }

type panel struct {
	ID                       int
	Type, Title, Description string
	Datasource               source
	GridPos                  struct{ X, Y, W, H int }
	FieldConfig              struct{ Defaults struct{ Unit string } }
	Targets                  []struct {
		Expr       string
		Datasource source
	}
}

func grafanaBoard(t *testing.T) (b board) {
	t.Helper()
	if err := json.Unmarshal(Grafana(), &b); err != nil {
		t.Fatal(err)
	}
	return b
}

// The rules of Grafana's own dashboard linter, as far as they are about
// Prometheus.
func TestGrafanaIsInOrder(t *testing.T) {
	b := grafanaBoard(t)
	if b.Editable || b.SchemaVersion < 39 || b.Title == "" {
		t.Errorf("editable %v, schema %d, title %q", b.Editable, b.SchemaVersion, b.Title)
	}
	variables := map[string]bool{}
	for _, v := range b.Templating.List {
		variables[v.Name] = true
		switch {
		case v.Name == "datasource":
			if v.Type != "datasource" || v.Label != "Data Source" {
				t.Errorf("%+v", v)
			}
		case v.Datasource.UID != "${datasource}" || v.Refresh != 2 || !v.Multi || !v.IncludeAll || v.AllValue != ".+" || v.Label == "":
			t.Errorf("%s: %+v", v.Name, v)
		}
	}
	for _, name := range []string{"datasource", "job", "instance", "source", "window"} {
		if !variables[name] {
			t.Errorf("no variable %s", name)
		}
	}
	taken, ids := map[[2]int]string{}, map[int]bool{}
	for _, p := range b.Panels {
		if ids[p.ID] {
			t.Errorf("%s: id %d is taken", p.Title, p.ID)
		}
		ids[p.ID] = true
		for x := p.GridPos.X; x < p.GridPos.X+p.GridPos.W; x++ {
			for y := p.GridPos.Y; y < p.GridPos.Y+p.GridPos.H; y++ {
				if other, ok := taken[[2]int{x, y}]; ok || x >= 24 {
					t.Fatalf("%s lies on %q at %d, %d", p.Title, other, x, y)
				}
				taken[[2]int{x, y}] = p.Title
			}
		}
		if p.Type == "row" {
			continue
		}
		if p.Title == "" || p.Description == "" || p.FieldConfig.Defaults.Unit == "" || p.Datasource.UID != "${datasource}" || len(p.Targets) == 0 {
			t.Errorf("panel %d (%s) lacks something", p.ID, p.Title)
		}
		for _, target := range p.Targets {
			if target.Datasource.UID != "${datasource}" {
				t.Errorf("%s: data source %s", p.Title, target.Datasource.UID)
			}
			lintQuery(t, p.Title, target.Expr)
		}
	}
	for _, a := range b.Annotations.List {
		lintQuery(t, a.Name, a.Expr)
	}
}

func lintQuery(t *testing.T, where, expr string) {
	t.Helper()
	for _, m := range regexp.MustCompile(`([a-z0-9_:]+)\{([^}]*)\}`).FindAllStringSubmatch(expr, -1) {
		wants := []string{`job=~"$job"`, `instance=~"$instance"`}
		if strings.Contains(m[1], ":") {
			wants = wants[:1] // recorded over all instances
		}
		for _, want := range wants {
			if !strings.Contains(m[2], want) {
				t.Errorf("%s: %s lacks %s", where, m[1], want)
			}
		}
	}
	for _, m := range regexp.MustCompile(`\b(rate|increase|changes)\([^[]*\[([^\]]*)\]`).FindAllStringSubmatch(expr, -1) {
		if m[2] != "$__rate_interval" && m[2] != "$__range" {
			t.Errorf("%s: %s over %s", where, m[1], m[2])
		}
	}
	for _, name := range regexp.MustCompile(`\benrichgate_[a-z_]*_total\b`).FindAllStringIndex(expr, -1) {
		if before := expr[:name[0]]; !strings.HasSuffix(before, "rate(") && !strings.HasSuffix(before, "increase(") {
			t.Errorf("%s: a counter without rate or increase: %s", where, expr[name[0]:])
		}
	}
}

// What the dashboard reads of the recording rules is recorded, under a name
// that says of what.
func TestRecordedNames(t *testing.T) {
	recorded, alerts := allRules(t)
	names := map[string]bool{}
	for _, r := range recorded {
		if names[r.Record] {
			t.Errorf("%s is recorded twice", r.Record)
		}
		names[r.Record] = true
		if n := strings.Count(r.Record, ":"); n != 1 && n != 2 {
			t.Errorf("%s is not level:metric:operations", r.Record)
		}
	}
	var texts []string
	for _, r := range slices.Concat(recorded, alerts) {
		texts = append(texts, r.Expr)
	}
	for _, name := range regexp.MustCompile(`\b[a-z_]+:[a-z0-9_:]+`).FindAllString(fmt.Sprint(texts)+string(Grafana()), -1) {
		if strings.HasPrefix(name, "source") && !names[name] {
			t.Errorf("%s is read and not recorded", name)
		}
	}
}
