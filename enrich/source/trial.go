package source

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/enrichgate/enrichgate/enrich"
	"github.com/enrichgate/enrichgate/enrich/source/wire"
)

// trial tries a definition on its fixtures and on hostile answers.
type trial struct {
	d        *Definition
	doc      *document // fixtures.yaml
	def      *document // source.yaml
	problems []Problem
	blamed   map[string]*blame // by the rule's path
}

// trialTime dates what the trials make, so that they make the same every time.
func trialTime() time.Time { return time.Date(2026, 8, 22, 10, 0, 0, 0, time.UTC) }

// openForTrial gives a source with made-up secrets and the fixture's parameters.
func (d *Definition) openForTrial(params map[string]any) (*Source, error) {
	c := Config{Secrets: map[string]wire.Secret{}, Params: maps.Clone(params), Now: trialTime, UserAgent: "enrichgate/trial"}
	for name := range d.def.Settings.Secrets {
		c.Secrets[name] = wire.Secret("trial-" + name)
	}
	for _, p := range d.Settings().Params {
		if _, set := c.Params[p.Name]; !set && p.Default == nil && !p.Optional {
			if c.Params == nil {
				c.Params = map[string]any{}
			}
			c.Params[p.Name] = p.example()
		}
	}
	return d.Open(c)
}

// example is some value that the parameter takes.
func (p Param) example() any {
	switch {
	case p.Type == "int" && p.Min != nil:
		return int(*p.Min)
	case p.Type == "int":
		return 1
	case p.Type == "bool":
		return true
	case p.Type == "duration":
		return time.Hour
	case len(p.OneOf) > 0:
		return p.OneOf[0]
	}
	return "example"
}

func (t *trial) fail(i int, key, format string, args ...any) {
	t.problems = append(t.problems, t.doc.problem([]string{"fixtures", strconv.Itoa(i), key}, format, args...))
}

// run tries everything.
func (t *trial) run() []Problem {
	seen := map[enrich.Class]bool{}
	for i := range t.d.tests.Fixtures {
		class, ok := t.fixture(i)
		seen[class] = seen[class] || ok
	}
	t.report()
	t.batches()
	for _, class := range wantedClasses() {
		if !seen[class] && t.d.tests.Without[class.String()] == "" {
			t.problems = append(t.problems, t.doc.problem([]string{"fixtures"}, "no fixture is %s: show one, or say under without why there is none", class))
		}
	}
	if len(t.problems) == 0 {
		t.hostile()
	}
	for _, key := range slices.Sorted(maps.Keys(t.blamed)) {
		b := t.blamed[key]
		if b.more > 0 {
			b.text += fmt.Sprintf(", and %d more hostile answers", b.more)
		}
		t.problems = append(t.problems, t.def.problem(b.at, "%s", b.text))
	}
	return t.problems
}

// fixture tries one: the request, the class, and what the mapping makes of it.
func (t *trial) fixture(i int) (enrich.Class, bool) {
	x := &t.d.tests.Fixtures[i]
	s, err := t.d.openForTrial(x.Params)
	if err != nil {
		t.fail(i, "params", "%v", err)
		return 0, false
	}
	l, err := s.planned(x)
	if err != nil {
		t.fail(i, "value", "%v", err)
		return 0, false
	}
	own := t.d.find(l.Endpoint)
	if x.Request != "" {
		if line, err := s.requestLine(own, l.Value); err != nil {
			t.fail(i, "request", "%v", err)
		} else if line != x.Request {
			t.fail(i, "request", "the definition asks %q", line)
		}
	}
	want, known := parseClass(x.Class)
	if !known {
		t.fail(i, "class", "%s is not a class", x.Class)
		return 0, false
	}
	in := s.scope(own, l.Value)
	got, why := t.d.classify(context.Background(), own, newExchange(x.Status, x.header(), x.body), in)
	if got != want {
		reason := ""
		if why != nil {
			reason = " (" + why.Error() + ")"
		}
		t.fail(i, "class", "%s: the rules say %s%s", x.Name, got, reason)
		return want, false
	}
	if slices.Contains(t.d.free, want) && x.Charged != "no" {
		t.fail(i, "charged", "%s: %s is under free, and this fixture does not say that it is not charged", x.Name, want)
	}
	usage := t.d.usageIn(context.Background(), newExchange(x.Status, x.header(), x.body), in)
	if got := usageText(usage); got != expectedText(x.Usage) {
		t.fail(i, "usage", "%s: the definition reads the usage %s", x.Name, got)
	}
	if got == enrich.Found || got == enrich.Partial {
		t.mapped(i, s, l)
	}
	return want, true
}

// planned is the lookup that a fixture answers.
func (s *Source) planned(x *fixture) (enrich.Lookup, error) {
	e, err := x.entity()
	if err != nil {
		return enrich.Lookup{}, err
	}
	e.Type = x.Type
	plan, err := s.Plan(e)
	if err != nil {
		return enrich.Lookup{}, err
	}
	for _, l := range plan {
		if x.Lookup == "" || l.Endpoint == x.Lookup {
			return l, nil
		}
	}
	return enrich.Lookup{}, fmt.Errorf("no lookup %q takes a %s", x.Lookup, x.Type)
}

// requestLine is a request without what authorizes it.
func (s *Source) requestLine(l *lookup, value string) (string, error) {
	bare := &Source{d: &Definition{def: s.d.def}, base: s.base, secrets: s.secrets, params: s.params, agent: s.agent}
	req, err := bare.request(context.Background(), &l.request, l.value, s.scope(l, value))
	if err != nil {
		return "", err
	}
	return req.Method + " " + req.URL.String()[len(s.base):], nil
}

// mapped tries the mapping: it says something, and nothing that gets lost.
func (t *trial) mapped(i int, s *Source, l enrich.Lookup) {
	x := &t.d.tests.Fixtures[i]
	bundle, err := t.d.bundle(s, x, l)
	if err != nil {
		t.fail(i, "body", "%s: %v", x.Name, err)
		return
	}
	if len(bundle.Skipped) != x.Skipped {
		for _, err := range bundle.Skipped {
			t.fail(i, "body", "%s: %v", x.Name, err)
		}
		if len(bundle.Skipped) < x.Skipped {
			t.fail(i, "skipped", "%s: %d intents were lost, not %d", x.Name, len(bundle.Skipped), x.Skipped)
		}
	}
	if bundle.Intents == 0 {
		t.fail(i, "body", "%s: the mapping says nothing", x.Name)
	}
	again, err := t.d.bundle(s, x, l)
	if err != nil || !bytes.Equal(again.STIX, bundle.STIX) {
		t.fail(i, "body", "%s: the mapping makes another bundle each time", x.Name)
	}
}

// exampleOf is a fixture of the lookup, found ones first.
func (t *trial) exampleOf(l *lookup) (found *fixture) {
	for i := range t.d.tests.Fixtures {
		x := &t.d.tests.Fixtures[i]
		if x.Lookup != l.block.ID && (x.Lookup != "" || t.d.lookups[0] != l) {
			continue
		}
		if x.Class == "found" {
			return x
		}
		found = x
	}
	return found
}

// statuses are those under which a gateway or proxy may say something, and those
// under which the definition keeps answers.
func (t *trial) statuses() []int {
	all := []int{200, 204, 400, 404, 410, 422}
	for _, x := range t.d.tests.Fixtures {
		if class, _ := parseClass(x.Class); class.Keep() {
			all = append(all, x.Status)
		}
	}
	for _, l := range t.d.lookups {
		for _, r := range l.rules {
			if r.class.Keep() {
				all = append(all, r.statuses...)
			}
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// known are the answers that the definition declares as its own.
func (t *trial) known() map[string]bool {
	all := map[string]bool{}
	for _, x := range t.d.tests.Fixtures {
		all[fmt.Sprint(x.Status, canonical(x.body))] = true
	}
	return all
}

// canonical compares JSON regardless of its spelling.
func canonical(body []byte) string {
	v, err := decodeBody(body)
	if err != nil {
		return string(body)
	}
	out, err := json.Marshal(v)
	if err != nil {
		return string(body)
	}
	return string(out)
}

// bodies are the lookup's fixtures that are kept.
func (d *Definition) bodies(l *lookup) (all [][]byte) {
	for i := range d.tests.Fixtures {
		x := &d.tests.Fixtures[i]
		if class, _ := parseClass(x.Class); class.Keep() && (x.Lookup == l.block.ID || x.Lookup == "" && d.lookups[0] == l) {
			all = append(all, x.body)
		}
	}
	return all
}
