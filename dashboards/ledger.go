package dashboards

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
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
	// Problem says what of the filter cannot be; nothing is searched then.
	Problem string
}

// entryKinds are what the filter offers.
var entryKinds = [...]string{"reserve", "spent", "uncertain", "void", "resolve", "pause", "resume", "set-limit", "set-floor", "set-used", "initial", "reconcile", "checkpoint", "prune", "note"}

const (
	rowsPerPage = 100
	// searchTime bounds how long one page searches a long log.
	searchTime = 2 * time.Second
)

// filterParameters are what an address may narrow the log by.
var filterParameters = [...]string{"source", "kind", "trigger", "q", "before"}

// filterOf reads the filter of an address. Its problem is one that would
// otherwise look as if nothing were found, or everything; "" is none.
func filterOf(r *http.Request) (f EntryFilter, problem string) {
	f = EntryFilter{
		Source: r.FormValue("source"), Kind: r.FormValue("kind"), Trigger: r.FormValue("trigger"), Text: strings.TrimSpace(r.FormValue("q")),
	}
	for name := range r.URL.Query() {
		if !slices.Contains(filterParameters[:], name) {
			return f, fmt.Sprintf("The ledger cannot be narrowed by %.40q; there are %s.", name, strings.Join(filterParameters[:], ", "))
		}
	}
	if f.Kind != "" && !slices.Contains(entryKinds[:], f.Kind) {
		return f, fmt.Sprintf("%.40q is not a kind; there are %s.", f.Kind, strings.Join(entryKinds[:], ", "))
	}
	if f.Trigger != "" && !slices.Contains(triggers[:], f.Trigger) {
		return f, fmt.Sprintf("%.40q is not a trigger; there are %s.", f.Trigger, strings.Join(triggers[:], ", "))
	}
	if before := r.FormValue("before"); before != "" {
		var err error
		if f.Before, err = strconv.ParseUint(before, 10, 64); err != nil {
			return f, fmt.Sprintf("before=%.40q is not the number of an entry.", before)
		}
	}
	return f, ""
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
	v := ledgerView{Kinds: entryKinds[:], Triggers: triggers[:]}
	v.Filter, v.Problem = filterOf(r)
	v.Query = v.Filter.query()
	for _, s := range p.cfg.Reader.State(r.Context()).Sources {
		v.Sources = append(v.Sources, s.Name)
	}
	if v.Problem != "" {
		p.render(w, r, who, http.StatusBadRequest, "ledger", "Ledger", v)
		return
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
	var refused *FilterError
	switch {
	case err == nil || errors.Is(err, errEnough):
	case errors.As(err, &refused):
		v.Problem = refused.Problem
		p.render(w, r, who, http.StatusBadRequest, "ledger", "Ledger", v)
		return
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
