package opencti

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"

	"github.com/enrichgate/enrichgate/enrich"
)

// A message that comes again adds what is missing to its work's expectations:
// by the platform's count where it is shown, else by the journal's.
func TestExpectationsOfAMessageThatComesAgain(t *testing.T) {
	const key = "work/id/work_b5d1e2f0-6c1a-4a0b-9d3e-7f2a1c0e9b11_2026-08-22T10:00:00.123Z"
	for name, c := range map[string]struct {
		tracked string // what the platform says
		known   record // what the journal says
		adds    any
		reports int
	}{
		"the first time, shown":         {tracked: "0", adds: 5.0},
		"the first time, not shown":     {tracked: "null", adds: 5.0},
		"again, shown as told":          {tracked: "5", known: record{Expected: 5}},
		"again, shown as not told":      {tracked: "0", known: record{Expected: 5, Unsure: true}, adds: 5.0},
		"again, less was told":          {tracked: "3", adds: 2.0},
		"again, more was told":          {tracked: "7", reports: 2},
		"again, told, not shown":        {tracked: "null", known: record{Expected: 5}},
		"again, perhaps, and not shown": {tracked: "null", known: record{Expected: 5, Unsure: true}},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPaper()
			p.answers["ReadForEnrichment"] = `{"stixCoreObject":{"standard_id":"ipv4-addr--1","entity_type":"IPv4-Addr"},"work":{"user":{"name":"alice"},"tracking":{"import_expected_number":` + c.tracked + `}}}`
			bundle := vectorBundle(t)
			connector := p.connector(t, func(c *Config) {
				c.Handle = func(ctx context.Context, _ enrich.Message, to enrich.Reporter) error { return to.Deliver(ctx, bundle) }
			})
			if err := connector.register(t.Context()); err != nil {
				t.Fatal(err)
			}
			if err := connector.journal.put(key, c.known); err != nil {
				t.Fatal(err)
			}
			if err := connector.consume(t.Context(), delivery{body: vector(t, "05-msg-manual-7x.json"), how: redelivered}, &transcript{}); err != nil {
				t.Fatal(err)
			}
			var added any
			for _, r := range p.requests {
				if n, ok := r.Variables["expectations"]; ok {
					added = n
				}
			}
			if fmt.Sprint(added) != fmt.Sprint(c.adds) || p.count("reportExpectation") != c.reports {
				b, _ := json.Marshal(p.requests)
				t.Errorf("added %v, reported %d: %s", added, p.count("reportExpectation"), b)
			}
		})
	}
}
