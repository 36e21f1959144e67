package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/enrichgate/enrichgate/cmd/enrichgate/internal/output"
	"github.com/enrichgate/enrichgate/enrich/httpapi"
)

// lookupForm is how answers are printed.
type lookupForm interface {
	item(lookupItem) error
	close() error
	// wantsBundles says whether the STIX bundles are needed.
	wantsBundles() bool
}

func (l lookupCmd) form(env *environment) (lookupForm, error) {
	switch {
	case l.warm:
		return &warmForm{stixForm{env: env}}, nil
	case l.STIX:
		return &stixForm{env: env}, nil
	case l.Why:
		w, err := env.rows(l.Options,
			output.Column{Name: "value", Title: "VALUE"}, output.Column{Name: "source", Title: "SOURCE"}, output.Column{Name: "endpoint", Title: "LOOKUP"},
			output.Column{Name: "class", Title: "ANSWER"}, output.Column{Name: "from", Title: "FROM"}, output.Column{Name: "age_seconds", Title: "AGE"},
			output.Column{Name: "fresh_until", Title: "FRESH UNTIL"}, output.Column{Name: "units", Title: "UNITS", Right: true},
			output.Column{Name: "stored_at"}, output.Column{Name: "stale"}, output.Column{Name: "error", Title: "WHY"})
		return whyForm{w}, err
	}
	w, err := env.rows(l.Options,
		output.Column{Name: "value", Title: "VALUE"}, output.Column{Name: "type", Title: "TYPE"}, output.Column{Name: "source", Title: "SOURCE"},
		output.Column{Name: "status", Title: "STATUS"}, output.Column{Name: "units", Title: "UNITS", Right: true},
		output.Column{Name: "age_seconds", Title: "AGE"}, output.Column{Name: "summary", Title: "ANSWER"},
		output.Column{Name: "units_saved"}, output.Column{Name: "cached"}, output.Column{Name: "code"}, output.Column{Name: "reset_at"},
		output.Column{Name: "lookups", Document: true}, output.Column{Name: "bundle", Document: true})
	return answerForm{w, l}, err
}

// answerForm prints a row for each value.
type answerForm struct {
	*output.Writer
	cmd lookupCmd
}

func (f answerForm) close() error { return f.Close() }

func (f answerForm) wantsBundles() bool {
	return slices.Contains(f.cmd.Fields, "bundle") || f.cmd.Fields == nil && (f.cmd.JQ != "" || f.cmd.Output == "json" || f.cmd.Output == "jsonl" || f.cmd.Output == "yaml")
}

func (f answerForm) item(i lookupItem) error {
	word, code := i.verdict()
	status := output.Cell{Value: word, Ink: output.Green}
	if code != 0 {
		status.Ink = output.Yellow
	}
	if i.Answer == nil {
		p := cmp.Or(i.Problem, &httpapi.Details{})
		return f.Row(i.Value, nil, p.Source, status, units64(i.units()), nil, p.Error(), 0, false, code, p.ResetAt, nil, nil)
	}
	a := i.Answer
	parts, err := json.Marshal(a.Lookups)
	if err != nil {
		return err
	}
	return f.Row(a.Value, a.Type, a.Source, status, units64(a.Units), oldest(a.Lookups), a.Summary, a.UnitsSaved, a.Cached, code, nil,
		json.RawMessage(parts), a.Bundle)
}

// oldest is the age of the oldest part that came from the cache.
func oldest(parts []httpapi.LookupPart) output.Cell {
	age := int64(-1)
	for _, p := range parts {
		if p.From != "" && p.From != "loaded" && p.From != "shared" {
			age = max(age, p.AgeSeconds)
		}
	}
	if age < 0 {
		return output.Cell{}
	}
	return ageCell(age)
}

func ageCell(seconds int64) output.Cell {
	return output.Cell{Value: seconds, Text: span(time.Duration(seconds) * time.Second)}
}

// whyForm prints a row for each lookup behind an answer.
type whyForm struct{ *output.Writer }

func (f whyForm) close() error       { return f.Close() }
func (f whyForm) wantsBundles() bool { return false }

func (f whyForm) item(i lookupItem) error {
	if i.Answer == nil {
		word, _ := i.verdict()
		p := cmp.Or(i.Problem, &httpapi.Details{})
		return f.Row(i.Value, p.Source, nil, word, nil, nil, nil, units64(i.units()), nil, false, p.Error())
	}
	for _, p := range i.Answer.Lookups {
		from, age := output.Cell{Value: p.From}, output.Cell{}
		if p.StoredAt != nil {
			age = ageCell(p.AgeSeconds)
		}
		if p.Stale {
			from.Text = p.From + " (expired)"
		}
		if err := f.Row(i.Answer.Value, i.Answer.Source, p.Endpoint, p.Class, from, age, p.FreshUntil, units64(p.Units), p.StoredAt, p.Stale, p.Error); err != nil {
			return err
		}
	}
	return nil
}

// stixForm prints the bundles; what has none is said on standard error.
type stixForm struct{ env *environment }

func (f *stixForm) close() error       { return nil }
func (f *stixForm) wantsBundles() bool { return true }

func (f *stixForm) item(i lookupItem) error {
	if i.Answer == nil {
		p := cmp.Or(i.Problem, &httpapi.Details{})
		fmt.Fprintf(f.env.stderr, "enrichgate: %s: %s\n", output.Harmless(i.Value), p.Error())
		return nil
	}
	_, err := fmt.Fprintf(f.env.stdout, "%s\n", i.Answer.Bundle)
	return err
}
