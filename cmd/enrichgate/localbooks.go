package main

import (
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/enrichgate/enrichgate/quota"
)

// localBooks adds what reads the whole ledger.
func (a *app) localBooks(mux *http.ServeMux) {
	mux.HandleFunc("GET /local/v1/ledger", func(w http.ResponseWriter, r *http.Request) {
		f, err := readLedgerFilter(r.URL.Query())
		if err == nil {
			err = a.ledger.Check(f)
		}
		if err != nil {
			refuse(w, http.StatusBadRequest, err)
			return
		}
		form, export := "application/x-ndjson", a.ledger.ExportJSONL
		if r.Header.Get("Accept") == "text/csv" {
			form, export = "text/csv; charset=utf-8", a.ledger.ExportCSV
		}
		w.Header().Set("Content-Type", form)
		if export(w, f) != nil {
			panic(http.ErrAbortHandler) // a shortened answer must not look whole
		}
	})
	mux.HandleFunc("GET /local/v1/clock", func(w http.ResponseWriter, _ *http.Request) { answer(w, a.now()) })
	mux.HandleFunc("POST /local/v1/ledger/verify", func(w http.ResponseWriter, _ *http.Request) {
		entries, err := a.ledger.Verify()
		v := verified{Entries: entries, Errors: []string{}}
		if err != nil {
			v.Errors = strings.Split(err.Error(), "\n")
		}
		answer(w, v)
	})
}

// verified is what reading the whole audit log found.
type verified struct {
	Entries uint64   `json:"entries"`
	Errors  []string `json:"errors"`
}

// query is a filter of the ledger in a request.
func ledgerQuery(f quota.Filter) string {
	q := url.Values{}
	set := func(name, value string) {
		if value != "" {
			q.Set(name, value)
		}
	}
	moment := func(t time.Time) string {
		if t.IsZero() {
			return ""
		}
		return t.UTC().Format(time.RFC3339Nano)
	}
	set("since", moment(f.Since))
	set("until", moment(f.Until))
	for name, field := range ledgerFields(&f) {
		set(name, *field)
	}
	if f.Newest {
		q.Set("newest", "true")
	}
	q.Set("limit", strconv.Itoa(f.Limit))
	return "?" + q.Encode()
}

// ledgerFields are the filter's fields that must be equal.
func ledgerFields(f *quota.Filter) map[string]*string {
	return map[string]*string{
		"source": &f.Source, "endpoint": &f.Endpoint, "trigger": &f.Trigger, "client": &f.Client,
		"playbook": &f.Playbook, "work": &f.Work, "kind": &f.Kind, "subject": &f.Subject,
	}
}

func readLedgerFilter(q url.Values) (f quota.Filter, err error) {
	var errs []error
	moment := func(name string) time.Time {
		if q.Get(name) == "" {
			return time.Time{}
		}
		t, err := time.Parse(time.RFC3339Nano, q.Get(name))
		errs = append(errs, err)
		return t
	}
	f.Since, f.Until, f.Newest = moment("since"), moment("until"), q.Get("newest") == "true"
	for name, field := range ledgerFields(&f) {
		*field = q.Get(name)
	}
	f.Limit, err = strconv.Atoi(q.Get("limit"))
	return f, errors.Join(append(errs, err)...)
}
