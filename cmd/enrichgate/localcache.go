package main

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"time"

	"github.com/enrichgate/enrichgate/cache"
	"github.com/enrichgate/enrichgate/quota"
)

// selection chooses entries of the cache, in a request of the command line.
type selection struct {
	Source   string    `json:"source,omitempty"`
	Endpoint string    `json:"endpoint,omitempty"`
	Value    string    `json:"value,omitempty"`
	Before   time.Time `json:"before,omitzero"`
	By       string    `json:"by,omitempty"`
	Reason   string    `json:"reason,omitempty"`
}

func (k selection) filter() cache.Filter {
	return cache.Filter{Source: k.Source, Endpoint: k.Endpoint, Value: k.Value, StoredBefore: k.Before}
}

// query is the same for a URL.
func (k selection) query() string {
	q := url.Values{"source": {k.Source}, "endpoint": {k.Endpoint}, "value": {k.Value}}
	if !k.Before.IsZero() {
		q.Set("before", k.Before.Format(time.RFC3339Nano))
	}
	return "?" + q.Encode()
}

func readKept(q url.Values) (k selection, err error) {
	k = selection{Source: q.Get("source"), Endpoint: q.Get("endpoint"), Value: q.Get("value")}
	if before := q.Get("before"); before != "" {
		k.Before, err = time.Parse(time.RFC3339Nano, before)
	}
	return k, err
}

// localCache adds what reads or changes the whole cache.
func (a *app) localCache(mux *http.ServeMux) {
	mux.HandleFunc("GET /local/v1/cache", func(w http.ResponseWriter, r *http.Request) {
		k, err := readKept(r.URL.Query())
		if err != nil {
			refuse(w, http.StatusBadRequest, err)
			return
		}
		w.Header().Set("Content-Type", "application/x-ndjson")
		if _, err := a.cache.Export(r.Context(), w, k.filter()); err != nil {
			panic(http.ErrAbortHandler) // a shortened answer must not look whole
		}
	})
	mux.HandleFunc("POST /local/v1/cache/import", func(w http.ResponseWriter, r *http.Request) {
		sum, err := a.cache.Import(r.Context(), r.Body)
		if err != nil {
			refuse(w, http.StatusInternalServerError, err)
			return
		}
		n := imported{Stored: sum.Stored, Kept: sum.Kept, Gone: sum.Gone, Bad: sum.Bad}
		for _, e := range sum.Errors {
			n.Errors = append(n.Errors, e.Error())
		}
		answer(w, n)
	})
	mux.HandleFunc("POST /local/v1/cache/compact", func(w http.ResponseWriter, r *http.Request) {
		if err := a.cache.Compact(r.Context()); err != nil {
			refuse(w, http.StatusConflict, err)
			return
		}
		answer(w, done{})
	})
	mux.HandleFunc("POST /local/v1/cache/purge", func(w http.ResponseWriter, r *http.Request) {
		var k selection
		if err := json.NewDecoder(r.Body).Decode(&k); err != nil {
			refuse(w, http.StatusBadRequest, err)
			return
		}
		n, err := a.purge(r.Context(), k)
		if err != nil {
			refuse(w, http.StatusInternalServerError, err)
			return
		}
		answer(w, done{Units: int64(n)})
	})
}

// purge removes entries, and says so in the audit of each source that there is.
func (a *app) purge(ctx context.Context, k selection) (int, error) {
	n, err := a.cache.Purge(ctx, k.filter())
	if err != nil || n == 0 {
		return n, err
	}
	for _, u := range a.ledger.Usage() {
		if k.Source == "" || k.Source == u.Source {
			err := a.ledger.Note(u.Source, k.Value, quota.Order{By: k.By, Reason: "answers removed from the cache: " + k.Reason})
			if err != nil {
				return n, err
			}
		}
	}
	return n, nil
}

// imported is what became of the lines of an import.
type imported struct {
	Stored int      `json:"stored"`
	Kept   int      `json:"kept"`
	Gone   int      `json:"gone"`
	Bad    int      `json:"bad"`
	Errors []string `json:"errors,omitempty"`
}
