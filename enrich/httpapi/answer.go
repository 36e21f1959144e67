package httpapi

import (
	"encoding/json"
	"time"

	"github.com/enrichgate/enrichgate/enrich"
)

// LookupAnswer is the body of GET /api/v1/lookup, and what `enrichgate lookup
// --output json` prints.
type LookupAnswer struct {
	Value  string `json:"value"`
	Type   string `json:"type"`
	Source string `json:"source"`
	// Summary is one line for people.
	Summary string `json:"summary"`
	// Cached says that nothing had to be asked.
	Cached bool `json:"cached"`
	// Complete says that every part has a fresh answer.
	Complete   bool  `json:"complete"`
	Units      int64 `json:"units"`
	UnitsSaved int64 `json:"units_saved"`
	// Known says that the provider has a record.
	Known   bool            `json:"known"`
	Lookups []LookupPart    `json:"lookups"`
	Bundle  json.RawMessage `json:"bundle,omitempty"`
}

// LookupPart is one lookup of a LookupAnswer.
type LookupPart struct {
	Endpoint string `json:"endpoint"`
	// Class is found, partial, not_found, invalid_input, or how it failed.
	Class string `json:"class"`
	// From is memory, disk, shared (another caller's call) or loaded (our own
	// call); empty without an answer.
	From       string     `json:"from,omitempty"`
	Stale      bool       `json:"stale,omitempty"`
	Units      int64      `json:"units"`
	StoredAt   *time.Time `json:"stored_at,omitempty"`
	FreshUntil *time.Time `json:"fresh_until,omitempty"`
	AgeSeconds int64      `json:"age_seconds"`
	Error      string     `json:"error,omitempty"`
}

// NewLookupAnswer puts a result in words.
func NewLookupAnswer(e enrich.Entity, res enrich.Result, now time.Time) LookupAnswer {
	a := LookupAnswer{
		Value: e.Subject(), Type: e.Type, Source: res.Source, Summary: res.Summary, Units: res.Units(),
		Cached: len(res.Parts) > 0, Complete: len(res.Failed()) == 0, Lookups: []LookupPart{},
	}
	for _, p := range res.Parts {
		part := LookupPart{Endpoint: p.Lookup.Endpoint, Class: p.Class.String(), Units: p.Units, Stale: p.Stale}
		if p.Err != nil {
			part.Error = p.Err.Error()
		}
		if p.Entry != nil {
			stored, fresh := p.Entry.StoredAt.UTC(), p.Entry.FreshUntil.UTC()
			part.From, part.StoredAt, part.FreshUntil = p.Origin.String(), &stored, &fresh
			part.AgeSeconds = int64(now.Sub(stored).Seconds())
			a.Known = a.Known || p.Class == enrich.Found || p.Class == enrich.Partial
		}
		a.Cached = a.Cached && p.Cached()
		if p.Cached() && p.Err == nil { // see enrich.Decided.Saved: one past its time is no saving
			a.UnitsSaved += p.Lookup.Units
		}
		a.Lookups = append(a.Lookups, part)
	}
	if bundle, err := res.Bundle.Encode(); err == nil {
		a.Bundle = bundle
	}
	return a
}
