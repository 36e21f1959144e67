package dashboards

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// ledgerView is a page of the audit log.
type ledgerView struct {
	Filter   EntryFilter
	Kinds    []string
	Triggers []string
	Sources  []string
	Rows     []Entry
	// Query is the filter as it stands in addresses, without the paging.
	Query string
	// Older leads on; empty at the end.
	Older string
	// Stopped says that the search took too long.
	Stopped bool
}

// entryKinds are what the filter offers.
var entryKinds = [...]string{"reserve", "spent", "uncertain", "void", "resolve", "pause", "resume", "set-limit", "set-floor", "set-used", "initial", "reconcile", "checkpoint", "prune", "note"}

const (
	rowsPerPage = 100
	// searchTime bounds how long one page searches a long log.
	searchTime = 2 * time.Second
)

func filterOf(r *http.Request) EntryFilter {
	before, _ := strconv.ParseUint(r.FormValue("before"), 10, 64) // what is no number is no bound
	return EntryFilter{
		Source: r.FormValue("source"), Kind: r.FormValue("kind"), Trigger: r.FormValue("trigger"),
		Text: strings.TrimSpace(r.FormValue("q")), Before: before,
	}
}

// query is the filter in an address.
func (f EntryFilter) query() string {
	q := url.Values{}
	for name, v := range map[string]string{"source": f.Source, "kind": f.Kind, "trigger": f.Trigger, "q": f.Text} {
		if v != "" {
			q.Set(name, v)
		}
	}
	return q.Encode()
}

func (p *Page) ledger(w http.ResponseWriter, r *http.Request, who visitor) {
	v := ledgerView{Filter: filterOf(r), Kinds: entryKinds[:], Triggers: triggers[:]}
	v.Query = v.Filter.query()
	for _, s := range p.cfg.Reader.State(r.Context()).Sources {
		v.Sources = append(v.Sources, s.Name)
	}
	ctx, cancel := context.WithTimeout(r.Context(), searchTime)
	defer cancel()
	more := false
	err := p.cfg.Books.Entries(ctx, v.Filter, func(e Entry) error {
		if len(v.Rows) == rowsPerPage {
			more = true
			return errEnough
		}
		v.Rows = append(v.Rows, e)
		return ctx.Err()
	})
	switch {
	case err == nil || errors.Is(err, errEnough):
	case errors.Is(err, context.DeadlineExceeded):
		more, v.Stopped = true, true
	default:
		p.cfg.Log.Error("the audit log could not be read", "error", err)
		http.Error(w, "the ledger could not be read; the log says why", http.StatusInternalServerError)
		return
	}
	if more && len(v.Rows) > 0 {
		v.Older = pageAddress(v.Query, v.Rows[len(v.Rows)-1].Seq)
	}
	p.render(w, r, who, http.StatusOK, "ledger", "Ledger", v)
}

func pageAddress(query string, before uint64) string {
	if query != "" {
		query += "&"
	}
	return "/ledger?" + query + "before=" + strconv.FormatUint(before, 10)
}
