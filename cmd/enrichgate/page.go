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

	"github.com/enrichgate/enrichgate/cmd/enrichgate/internal/settings"
	"github.com/enrichgate/enrichgate/dashboards"
	"github.com/enrichgate/enrichgate/enrich"
	"github.com/enrichgate/enrichgate/quota"
	"github.com/enrichgate/enrichgate/stixconv"
)

// pageBackend shows the page what the daemon is, and carries out what an
// operator orders there.
type pageBackend struct {
	app        *app
	recent     *recentDecisions
	connectors stateFunc

	mu    sync.Mutex
	drawn map[string]drawn // by source and window
	// totals is what each client spent ever, as of totaled; never changed.
	totals  map[string]int64
	totaled time.Time
}

// page makes the web page.
func (a *app) page(connectors stateFunc) *dashboards.Page {
	b := &pageBackend{app: a, recent: a.decisions, connectors: connectors, drawn: map[string]drawn{}}
	return dashboards.New(dashboards.Config{
		Reader: b, Decisions: a.decisions, Books: b, Answers: b, Admin: b,
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

// recentDecisions keeps the last enrichments for the page, and what was saved
// since the start. Safe for concurrent use.
type recentDecisions struct {
	maxTLP map[string]string // by source

	mu        sync.Mutex
	last      uint64
	kept      []dashboards.Decision // oldest first, up to twice as many as are told of
	playbooks map[string]string     // names by id, as far as they are known
}

// mostDecisions are kept.
const mostDecisions = 500

func newRecentDecisions(sources map[string]*settings.Source) *recentDecisions {
	r := &recentDecisions{maxTLP: map[string]string{}, playbooks: map[string]string{}}
	for name, s := range sources {
		r.maxTLP[name] = s.MaxTLP
	}
	return r
}

// observe takes one in; it is what enrich.Config.Observe wants.
func (r *recentDecisions) observe(d enrich.Decided) {
	one := decisionOf(d)
	one.MaxTLP = r.maxTLP[d.Source]
	r.mu.Lock()
	defer r.mu.Unlock()
	r.last++
	one.ID = r.last
	if len(r.kept) == 2*mostDecisions { // now and then, and not at each
		r.kept = append(r.kept[:0], r.kept[mostDecisions:]...)
	}
	r.kept = append(r.kept, one)
	if q := d.Request; q.Playbook != "" && q.PlaybookName != "" && len(r.playbooks) < mostDecisions {
		r.playbooks[q.Playbook] = q.PlaybookName
	}
}

// Decisions implements dashboards.Decisions.
func (r *recentDecisions) Decisions() []dashboards.Decision {
	r.mu.Lock()
	defer r.mu.Unlock()
	list := slices.Clone(r.kept[max(0, len(r.kept)-mostDecisions):])
	slices.Reverse(list)
	return list
}

func (r *recentDecisions) count() uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.last
}

// playbook is its name, or its id while no request has named it.
func (r *recentDecisions) playbook(id string) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return cmp.Or(r.playbooks[id], id)
}

func decisionOf(d enrich.Decided) dashboards.Decision {
	e := d.Request.Entity
	one := dashboards.Decision{
		Time: d.At, Took: d.Took, Source: d.Source, Value: e.Subject(), Type: e.Type,
		Trigger: d.Request.Trigger.String(), Client: cmp.Or(d.Request.Person, d.Request.Client), Playbook: cmp.Or(d.Request.PlaybookName, d.Request.Playbook), Work: d.Request.Work,
		TLP: strictest(e.TLP), Fate: d.Fate.String(), Reason: d.Text, Units: d.Result.Units(), Objects: len(d.Result.Bundle.Objects),
	}
	for _, p := range d.Result.Parts {
		part := dashboards.Part{Endpoint: p.Lookup.Endpoint, Class: p.Class.String(), Stale: p.Stale, Units: p.Units}
		if p.Entry != nil {
			part.From = p.Origin.String()
			if p.Cached() {
				part.Age = max(0, d.At.Sub(p.Entry.StoredAt))
			}
		}
		if p.Err != nil {
			part.Error = p.Err.Error()
		}
		if p.Cached() && p.Err == nil {
			one.Saved += p.Lookup.Units
		}
		one.Parts = append(one.Parts, part)
	}
	return one
}

// strictest is the marking that counts, or the one that nobody knows, for which
// the entity was refused.
func strictest(markings []string) string {
	var top stixconv.TLP
	for i, m := range markings {
		level, err := stixconv.ParseTLP(m)
		if err != nil {
			return m
		}
		if i == 0 || level > top {
			top = level
		}
	}
	if len(markings) == 0 {
		return ""
	}
	return top.String()
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
		Trigger: e.Trigger, Work: e.Work, Playbook: cmp.Or(e.PlaybookName, b.recent.playbook(e.Playbook)), Client: cmp.Or(e.Person, e.Client), Status: e.Status, By: e.By, Reason: e.Reason,
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
