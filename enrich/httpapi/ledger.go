package httpapi

import (
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/enrichgate/enrichgate/quota"
)

const (
	// usualEntries and mostEntries of one page.
	usualEntries = 100
	mostEntries  = 1000
)

// LedgerAnswer is the body of GET /api/v1/ledger.
type LedgerAnswer struct {
	Entries []quota.Entry `json:"entries"`
	// Next is the cursor of the next page; empty at the end.
	Next string `json:"next,omitempty"`
}

// ledger shows audit entries: a page in JSON, or everything from the cursor on
// as CSV or JSON Lines, by Accept.
func (a *API) ledger(w http.ResponseWriter, r *http.Request, _ caller) {
	f, err := a.readFilter(r.URL.Query())
	if err != nil {
		Problem(w, problemOf(err))
		return
	}
	w.Header().Set("Vary", "Accept")
	switch {
	case accepts(r, "text/csv"):
		w.Header().Set("Content-Disposition", `attachment; filename="ledger.csv"`)
		export(w, "text/csv; charset=utf-8")
		a.exported(r, a.cfg.Ledger.ExportCSV(w, f))
	case accepts(r, "application/x-ndjson"):
		export(w, "application/x-ndjson")
		a.exported(r, a.cfg.Ledger.ExportJSONL(w, f))
	default:
		a.ledgerPage(w, f)
	}
}

func (a *API) ledgerPage(w http.ResponseWriter, f quota.Filter) {
	most := min(f.Limit, mostEntries)
	if most == 0 {
		most = usualEntries
	}
	f.Limit = most + 1 // one more tells whether there is another page
	answer := LedgerAnswer{Entries: []quota.Entry{}}
	err := a.cfg.Ledger.Entries(f, func(e quota.Entry) error {
		if len(answer.Entries) == most {
			answer.Next = strconv.FormatUint(answer.Entries[most-1].Seq, 10)
			return nil
		}
		answer.Entries = append(answer.Entries, e)
		return nil
	})
	if err != nil {
		Problem(w, problemOf(err))
		return
	}
	write(w, http.StatusOK, "application/json", answer)
}

func export(w http.ResponseWriter, contentType string) {
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusOK)
}

// exported ends an export that failed by cutting the connection: a status can
// no longer say it, and a shortened file must not look whole.
func (a *API) exported(r *http.Request, err error) {
	if err == nil {
		return
	}
	if r.Context().Err() == nil {
		a.cfg.Log.Error("an export of the ledger was cut off", "error", err)
	}
	panic(http.ErrAbortHandler)
}

// readFilter reads the query: since and until (a time in RFC 3339, or a
// duration such as 24h before now), cursor, limit, order and the fields that
// must be as given.
func (a *API) readFilter(v url.Values) (f quota.Filter, err error) {
	f = quota.Filter{
		Source: v.Get("source"), Endpoint: v.Get("endpoint"), Trigger: v.Get("trigger"), Client: v.Get("client"),
		Playbook: v.Get("playbook"), Work: v.Get("work"), Kind: v.Get("kind"), Subject: v.Get("subject"),
	}
	if err = a.cfg.Ledger.Check(f); err != nil {
		return f, bad("%v", err)
	}
	if f.Since, err = a.moment(v.Get("since")); err != nil {
		return f, bad("since: %v", err)
	}
	if f.Until, err = a.moment(v.Get("until")); err != nil {
		return f, bad("until: %v", err)
	}
	switch order := v.Get("order"); order {
	case "", "oldest":
	case "newest":
		f.Newest = true
	default:
		return f, bad("order: %.80q is neither oldest nor newest", order)
	}
	if c := v.Get("cursor"); c != "" {
		if f.After, err = strconv.ParseUint(c, 10, 63); err != nil || f.After == 0 {
			return f, bad("cursor: %.80q is not one that was given", c)
		}
	}
	if l := v.Get("limit"); l != "" {
		if f.Limit, err = strconv.Atoi(l); err != nil || f.Limit < 1 {
			return f, bad("limit: %.80q is not a number from 1", l)
		}
	}
	return f, nil
}

// moment reads a time, or how long ago it was; empty is the zero time.
func (a *API) moment(s string) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	if ago, err := time.ParseDuration(s); err == nil && ago >= 0 {
		return a.cfg.Now().Add(-ago), nil
	}
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		return t, errors.New("neither a time such as 2026-08-01T00:00:00Z nor a duration such as 24h")
	}
	return t, nil
}
