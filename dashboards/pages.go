package dashboards

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// overviewView answers: will it last, who spends it, what was saved.
type overviewView struct {
	Sources []sourceView
	Health  []Check
	// Well is how many more checks there are, all of them good.
	Well   int
	Recent []Decision
}

// sourceView is a source with what follows from its figures.
type sourceView struct {
	Source
	// Main is the window that the source is judged by; nil without limits.
	Main    *Window
	Verdict verdict
	Chart   *chart
}

const (
	recentOnOverview = 8
	// checksOnOverview are shown there; of more, those that are not well.
	checksOnOverview = 6
)

func (p *Page) overview(w http.ResponseWriter, r *http.Request, who visitor) {
	s := p.cfg.Reader.State(r.Context())
	v := overviewView{Health: s.Health, Recent: p.cfg.Decisions.Decisions()}
	if len(v.Health) > checksOnOverview {
		v.Health = slices.DeleteFunc(slices.Clone(v.Health), func(c Check) bool { return c.Level == Good })
		v.Well = len(s.Health) - len(v.Health)
	}
	v.Recent = v.Recent[:min(len(v.Recent), recentOnOverview)]
	for _, one := range s.Sources {
		sv := sourceView{Source: one, Main: decisive(one.Windows, s.At)}
		if sv.Main != nil {
			sv.Verdict, sv.Chart = judge(*sv.Main, s.At), burnDown(sv.Main, s.At)
		}
		v.Sources = append(v.Sources, sv)
	}
	p.render(w, r, who, http.StatusOK, "overview", "Overview", v)
}

// enrichmentsView is the recent enrichments, narrowed.
type enrichmentsView struct {
	Fate, Trigger, Text string
	Fates, Triggers     []string
	Rows                []Decision
	Known, Found        int
	// Older is the address of the next rows; empty at the end.
	Older string
	// Problem says what of the filter cannot be; nothing is shown then.
	Problem string
}

// fates and triggers are what the filters offer.
var (
	fates    = [...]string{"enriched", "unchanged", "not_found", "denied", "incomplete", "failed", "deferred"}
	triggers = [...]string{"manual", "playbook", "auto", "api", "proxy"}
)

func (p *Page) enrichments(w http.ResponseWriter, r *http.Request, who visitor) {
	all := p.cfg.Decisions.Decisions()
	before, _ := strconv.ParseUint(r.FormValue("before"), 10, 64) // what is no number is no bound
	v := enrichmentsView{
		Fate: r.FormValue("fate"), Trigger: r.FormValue("trigger"), Text: strings.TrimSpace(r.FormValue("q")),
		Fates: fates[:], Triggers: triggers[:], Known: len(all),
	}
	switch {
	case v.Fate != "" && !slices.Contains(fates[:], v.Fate):
		v.Problem = fmt.Sprintf("%.40q is not an outcome; there are %s.", v.Fate, strings.Join(fates[:], ", "))
	case v.Trigger != "" && !slices.Contains(triggers[:], v.Trigger):
		v.Problem = fmt.Sprintf("%.40q is not a trigger; there are %s.", v.Trigger, strings.Join(triggers[:], ", "))
	}
	if v.Problem != "" {
		p.render(w, r, who, http.StatusBadRequest, "enrichments", "Enrichments", v)
		return
	}
	for _, d := range all {
		if v.Fate != "" && d.Fate != v.Fate || v.Trigger != "" && d.Trigger != v.Trigger || !contains(v.Text, d.Value, d.Client, d.Playbook, d.Work, d.Reason) {
			continue
		}
		v.Found++
		switch {
		case before > 0 && d.ID >= before:
		case len(v.Rows) < rowsPerPage:
			v.Rows = append(v.Rows, d)
		case v.Older == "":
			q := url.Values{"before": {strconv.FormatUint(v.Rows[rowsPerPage-1].ID, 10)}, "fate": {v.Fate}, "trigger": {v.Trigger}, "q": {v.Text}}
			v.Older = "/enrichments?" + q.Encode()
		}
	}
	p.render(w, r, who, http.StatusOK, "enrichments", "Enrichments", v)
}

// contains says that one of the fields has the text, in any case.
func contains(text string, fields ...string) bool {
	text = strings.ToLower(text)
	return text == "" || slices.ContainsFunc(fields, func(f string) bool { return strings.Contains(strings.ToLower(f), text) })
}

func (p *Page) enrichment(w http.ResponseWriter, r *http.Request, who visitor) {
	id, err := strconv.ParseUint(r.PathValue("id"), 10, 64)
	all := p.cfg.Decisions.Decisions()
	i := slices.IndexFunc(all, func(d Decision) bool { return d.ID == id })
	if err != nil || i < 0 {
		p.render(w, r, who, http.StatusNotFound, "missing", "Not known any more", "Only the most recent enrichments of this process are kept; the ledger has all that was spent.")
		return
	}
	p.render(w, r, who, http.StatusOK, "enrichment", all[i].Value, all[i])
}

// cacheView is the cache's counts and what it has on one value.
type cacheView struct {
	Stats   CacheStats
	Saved   Saved
	Value   string
	Answers []Cached
	Problem string
}

func (p *Page) cache(w http.ResponseWriter, r *http.Request, who visitor) {
	s := p.cfg.Reader.State(r.Context())
	v := cacheView{Stats: s.Cache, Value: strings.TrimSpace(r.FormValue("value"))}
	for _, one := range s.Sources {
		v.Saved.Cache += one.Saved.Cache
		v.Saved.Negative += one.Saved.Negative
		v.Saved.Shared += one.Saved.Shared
		v.Saved.Hits += one.Saved.Hits
		v.Saved.Lookups += one.Saved.Lookups
	}
	if v.Value != "" {
		var err error
		if v.Answers, err = p.cfg.Answers.Cached(r.Context(), v.Value); err != nil {
			v.Problem = err.Error()
		}
	}
	p.render(w, r, who, http.StatusOK, "cache", "Cache", v)
}

func (p *Page) clients(w http.ResponseWriter, r *http.Request, who visitor) {
	p.render(w, r, who, http.StatusOK, "clients", "Clients", p.cfg.Reader.State(r.Context()).Clients)
}

// sourcesView is every source, with what the forms offer.
type sourcesView struct {
	Sources  []Source
	Triggers []string
}

func (p *Page) sources(w http.ResponseWriter, r *http.Request, who visitor) {
	v := sourcesView{Sources: p.cfg.Reader.State(r.Context()).Sources, Triggers: triggers[:]}
	p.render(w, r, who, http.StatusOK, "sources", "Sources", v)
}

func (p *Page) health(w http.ResponseWriter, r *http.Request, who visitor) {
	p.render(w, r, who, http.StatusOK, "health", "Health", p.cfg.Reader.State(r.Context()).Health)
}

// lookupView is the price of a lookup, before it is made.
type lookupView struct {
	Value   string
	Prices  []Price
	Problem string
}

func (p *Page) lookup(w http.ResponseWriter, r *http.Request, who visitor) {
	v := lookupView{Value: strings.TrimSpace(r.FormValue("value"))}
	if v.Value != "" && p.cfg.Admin != nil {
		var err error
		if v.Prices, err = p.cfg.Admin.Prices(r.Context(), v.Value); err != nil {
			v.Problem = err.Error()
		}
	}
	p.render(w, r, who, http.StatusOK, "lookup", "Look up", v)
}

func (p *Page) missing(w http.ResponseWriter, r *http.Request, who visitor) {
	p.render(w, r, who, http.StatusNotFound, "missing", "Not found", "There is no page at this address.")
}
