package source

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/enrichgate/enrichgate/enrich"
	"github.com/enrichgate/enrichgate/quota"
	"github.com/enrichgate/enrichgate/stixconv"
)

// hundredDomains is an answer of VirusTotal that names a hundred addresses.
func hundredDomains(t testing.TB) (*Source, enrich.Lookup, []byte, enrich.Entity) {
	t.Helper()
	var d *Definition
	for _, each := range catalogue(t) {
		if each.Name() == "virustotal" {
			d = each
		}
	}
	records := make([]any, 100)
	for i := range records {
		records[i] = map[string]any{"type": "A", "value": fmt.Sprintf("192.0.2.%d", i), "ttl": 60}
	}
	body, err := json.Marshal(map[string]any{"data": map[string]any{"id": "c2.example.com", "type": "domain", "attributes": map[string]any{
		"tags": []string{"dga"}, "last_dns_records": records, "last_analysis_stats": map[string]any{"harmless": 70, "malicious": 11, "undetected": 9},
	}}})
	if err != nil {
		t.Fatal(err)
	}
	s, err := d.openForTrial(map[string]any{"domain_add_relationships": true})
	if err != nil {
		t.Fatal(err)
	}
	e, err := enrich.NewEntity("Domain-Name", "c2.example.com")
	if err != nil {
		t.Fatal(err)
	}
	plan, err := s.Plan(e)
	if err != nil {
		t.Fatal(err)
	}
	return s, plan[0], body, e
}

func BenchmarkFacts100(b *testing.B) {
	s, l, body, _ := hundredDomains(b)
	b.ReportAllocs()
	for b.Loop() {
		s.memo = memo{}
		if f, skipped := s.Facts(l, body, trialTime()); len(f.Objects) != 101 || len(skipped) > 0 {
			b.Fatal(len(f.Objects), skipped)
		}
	}
}

// From the bytes of an answer with a hundred related objects to the bundle's.
func BenchmarkConvert100(b *testing.B) {
	s, l, body, e := hundredDomains(b)
	b.ReportAllocs()
	for b.Loop() {
		s.memo = memo{}
		f, _ := s.Facts(l, body, trialTime())
		out, err := stixconv.Convert(stixconv.Input{Entity: e.Object, Facts: []stixconv.Facts{f}, Author: s.Author()})
		if err != nil {
			b.Fatal(err)
		}
		if _, err := out.Bundle.Encode(); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkClassify(b *testing.B) {
	s, l, body, _ := hundredDomains(b)
	own := s.d.find(l.Endpoint)
	b.ReportAllocs()
	for b.Loop() {
		x := newExchange(200, nil, body)
		if class, err := s.d.classify(b.Context(), own, x, s.scope(own, l.Value)); class != enrich.Found {
			b.Fatal(class, err)
		}
	}
}

// What a start costs: all that ships, compiled.
func BenchmarkCatalogue(b *testing.B) {
	for b.Loop() {
		if all, problems := Catalogue(); len(problems) > 0 || len(all) == 0 {
			b.Fatal(problems)
		}
	}
}

// prepared is a source that has the facts at hand: what a hit costs when making
// them costs nothing.
type prepared struct {
	*Source
	facts stixconv.Facts
}

func (p prepared) Facts(enrich.Lookup, []byte, time.Time) (stixconv.Facts, []error) {
	return p.facts, nil
}

// A hit through the whole flow, beside one of a source whose facts are there
// already. The difference is the engine's.
func BenchmarkHit100(b *testing.B) {
	s, l, body, e := hundredDomains(b)
	s.client.Transport = served{body}
	s.now = time.Now
	facts, _ := s.Facts(l, body, trialTime())
	for name, src := range map[string]enrich.Source{"prepared": prepared{s, facts}, "declared": s} {
		b.Run(name, func(b *testing.B) {
			g := openStores(b, s.Name()).gateway(src)
			r := enrich.Request{Entity: e, Trigger: quota.Manual, BundleID: "bundle--" + trialBundle}
			if res, err := g.Enrich(b.Context(), r); err != nil || !res.Changed {
				b.Fatal(err, res.Summary)
			}
			b.ReportAllocs()
			for b.Loop() {
				if res, err := g.Enrich(b.Context(), r); err != nil || res.Units() != 0 {
					b.Fatal(err)
				}
			}
		})
	}
}

// served answers with a body, without a network.
type served struct{ body []byte }

func (s served) RoundTrip(req *http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: 200, Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(bytes.NewReader(s.body)), Request: req}, nil
}
