package source

import (
	"context"
	"fmt"
	"strings"

	"github.com/enrichgate/enrichgate/enrich"
)

// report tries what the definition reads out of the provider's own count.
func (t *trial) report() {
	r := t.d.tests.Report
	if r == nil || t.d.report == nil {
		if (r == nil) != (t.d.report == nil) {
			t.problems = append(t.problems, t.doc.problem([]string{"report"}, "usage.request and the fixture report go together: one is missing"))
		}
		return
	}
	s, err := t.d.openForTrial(nil)
	if err != nil {
		return // a fixture has said so
	}
	req, err := t.d.report.build(s.base, values{params: s.params, secrets: func(string) string { return "KEY" }})
	if err != nil {
		t.problems = append(t.problems, t.doc.problem([]string{"report", "request"}, "%v", err))
		return
	}
	if line := req.Method + " " + req.URL.String()[len(s.base):]; r.Request != "" && line != r.Request {
		t.problems = append(t.problems, t.doc.problem([]string{"report", "request"}, "the definition asks %q", line))
	}
	all, err := t.d.readUsage(context.Background(), newExchange(r.Status, headerOf(r.Headers), r.body), scope{params: s.params})
	if err != nil {
		t.problems = append(t.problems, t.doc.problem([]string{"report", "body"}, "%v", err))
	} else if got := usageText(all); got != expectedText(r.Usage) {
		t.problems = append(t.problems, t.doc.problem([]string{"report", "usage"}, "the definition reads the usage %s", got))
	}
}

// usageText compares counts, and says them.
func usageText(all []enrich.Usage) string {
	var out []string
	for _, u := range all {
		out = append(out, fmt.Sprintf("{window: %s, limit: %d, used: %d}", u.Window, u.Limit, u.Used))
	}
	return "[" + strings.Join(out, ", ") + "]"
}

func expectedText(all []usageFixture) string {
	usages := make([]enrich.Usage, len(all))
	for i, u := range all {
		usages[i] = enrich.Usage{Window: u.Window, Limit: u.Limit, Used: u.Used}
	}
	return usageText(usages)
}
