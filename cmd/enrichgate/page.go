package main

import (
	"cmp"
	"context"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/enrichgate/enrichgate/dashboards"
	"github.com/enrichgate/enrichgate/enrich/httpapi"
	"github.com/enrichgate/enrichgate/quota"
)

// pageBackend shows the page what the daemon is, and carries out what an
// operator orders there.
type pageBackend struct {
	app        *app
	connectors stateFunc

	mu    sync.Mutex
	drawn map[string]drawn // by source and window
	// totals is what each client spent ever, as of totaled; never changed.
	totals  map[string]int64
	totaled time.Time
}

// page makes the web page.
func (a *app) page(connectors stateFunc) *dashboards.Page {
	b := &pageBackend{app: a, connectors: connectors, drawn: map[string]drawn{}}
	return dashboards.New(dashboards.Config{
		Reader: b, Decisions: b, Books: b, Answers: b, Admin: b,
		ReadToken: a.settings().ReadToken.Reveal(), AdminToken: a.settings().AdminToken.Reveal(), Version: version(), Log: a.log, Shown: a.now,
	})
}

// site is what the operator's listener answers: what machines ask for, and the
// page, which is everything else.
func site(page, machines http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		first, _, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
		switch first {
		case "metrics", "livez", "healthz", "readyz", "api", "proxy":
			machines.ServeHTTP(w, r)
		default:
			page.ServeHTTP(w, r)
		}
	})
}

// mostDecisions are shown.
const mostDecisions = 500

// Decisions implements dashboards.Decisions.
func (b *pageBackend) Decisions() []dashboards.Decision {
	var list []dashboards.Decision
	for _, e := range b.app.recent.Last(mostDecisions) {
		list = append(list, decisionOf(e))
	}
	return list
}

func decisionOf(e httpapi.Enrichment) dashboards.Decision {
	one := dashboards.Decision{
		ID: e.ID, Time: e.At, Took: time.Duration(e.TookMS * float64(time.Millisecond)), Source: e.Source, Value: e.Value, Type: e.Type,
		Trigger: e.Trigger, Client: cmp.Or(e.Person, e.Client), Playbook: e.Playbook, Work: e.Work, TLP: e.TLP, MaxTLP: e.MaxTLP,
		Fate: e.Fate, Reason: e.Text, Units: e.Units, Saved: e.UnitsSaved, Objects: e.Objects,
	}
	for _, l := range e.Lookups {
		one.Parts = append(one.Parts, dashboards.Part{
			Endpoint: l.Endpoint, Class: l.Class, From: l.From, Age: time.Duration(l.AgeSeconds) * time.Second, Stale: l.Stale, Units: l.Units, Error: l.Error,
		})
	}
	return one
}

// Entries implements dashboards.Books.
func (b *pageBackend) Entries(ctx context.Context, f dashboards.EntryFilter, show func(dashboards.Entry) error) error {
	filter, err := b.filter(f)
	if err != nil {
		return err
	}
	filter.Newest, filter.After = true, f.Before
	match := filter.Match
	filter.Match = func(e *quota.Entry) bool { return ctx.Err() != nil || match(e) } // one more ends the search
	return b.app.ledger.Entries(filter, func(e quota.Entry) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		return show(b.entry(e))
	})
}

// Export implements dashboards.Books.
func (b *pageBackend) Export(_ context.Context, w io.Writer, form dashboards.Form, f dashboards.EntryFilter) error {
	filter, err := b.filter(f)
	if err != nil {
		return err
	}
	if form == dashboards.CSV {
		return b.app.ledger.ExportCSV(w, filter)
	}
	return b.app.ledger.ExportJSONL(w, filter)
}

// filter is the page's in the ledger's words.
func (b *pageBackend) filter(f dashboards.EntryFilter) (quota.Filter, error) {
	filter := quota.Filter{Source: f.Source, Kind: f.Kind, Trigger: f.Trigger}
	if err := b.app.ledger.Check(filter); err != nil {
		return filter, &dashboards.FilterError{Problem: err.Error() + "."}
	}
	filter.Match = func(e *quota.Entry) bool {
		return holds(f.Text, e.Subject, e.Client, e.Playbook, e.PlaybookName, e.Person, e.Work, e.By, e.Reason)
	}
	return filter, nil
}

// entry is one in the page's few columns: an order's window stands where
// a call has its value, and its figure where that has its price.
func (b *pageBackend) entry(e quota.Entry) dashboards.Entry {
	one := dashboards.Entry{
		Seq: e.Seq, Time: e.Time, Kind: e.Kind, Ref: e.Ref, Source: e.Account, Endpoint: e.Endpoint, Subject: cmp.Or(e.Subject, e.Window), Units: e.Units,
		Trigger: e.Trigger, Work: e.Work, Playbook: cmp.Or(e.PlaybookName, b.app.recent.Playbook(e.Playbook)), Client: cmp.Or(e.Person, e.Client), Status: e.Status, By: e.By, Reason: e.Reason,
	}
	switch {
	case e.Used != nil:
		one.Units = *e.Used
	case e.Limit > 0:
		one.Units = e.Limit
	}
	return one
}

// holds says whether a text occurs in one of the others, in any case.
func holds(text string, in ...string) bool {
	text = strings.ToLower(text)
	return text == "" || slices.ContainsFunc(in, func(s string) bool { return strings.Contains(strings.ToLower(s), text) })
}
