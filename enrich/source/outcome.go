package source

import (
	"context"
	"fmt"
	"slices"

	"github.com/enrichgate/enrichgate/enrich"
	"github.com/enrichgate/enrichgate/enrich/source/wire"
	"github.com/enrichgate/enrichgate/stixconv"
)

// Outcome is what a definition makes of one of its fixtures.
type Outcome struct {
	Fixture string
	Lookup  enrich.Lookup
	// Request is the line that it sends, without what authorizes it.
	Request string
	Status  int
	Class   enrich.Class
	// Answer as the flow gets it.
	Answer enrich.Answer
	// Err is what the operator is told when there is no answer.
	Err error
	// Yields are the intents as the mapping gives them, Intents their number.
	Yields  []any
	Intents int
	// Skipped are the intents that were lost.
	Skipped []error
	// STIX is the bundle, nil for what is not found.
	STIX []byte
}

// bundle runs mapping and conversion of a fixture that is found.
func (d *Definition) bundle(s *Source, x *fixture, l enrich.Lookup) (Outcome, error) {
	out := Outcome{Fixture: x.Name, Lookup: l, Status: x.Status}
	own := d.find(l.Endpoint)
	yields, lost := d.intents(own, x.body, s.scope(own, l.Value))
	out.Yields, out.Intents = yields, len(yields)
	facts, skipped := collect(yields, trialTime())
	e, err := x.entity()
	if err != nil {
		return out, err
	}
	made, err := stixconv.Convert(stixconv.Input{
		Entity: e.Object, Facts: []stixconv.Facts{facts}, Author: s.Author(),
		BundleID: "bundle--" + trialBundle,
	})
	if err != nil {
		return out, fmt.Errorf("no bundle: %w", err)
	}
	out.Skipped = slices.Concat(lost, skipped, made.Rejected)
	out.STIX, err = made.Bundle.Encode()
	return out, err
}

// trialBundle is the id of the bundles that trials make.
const trialBundle = "11111111-1111-4111-8111-111111111111"

// Outcomes is what the definition makes of each of its fixtures, in their order.
// It makes no call.
func (d *Definition) Outcomes() ([]Outcome, error) {
	all := make([]Outcome, 0, len(d.tests.Fixtures))
	for i := range d.tests.Fixtures {
		out, err := d.outcome(&d.tests.Fixtures[i])
		if err != nil {
			return all, err
		}
		all = append(all, out)
	}
	return all, nil
}

func (d *Definition) outcome(x *fixture) (Outcome, error) {
	s, err := d.openForTrial(x.Params)
	if err != nil {
		return Outcome{}, err
	}
	l, err := s.planned(x)
	if err != nil {
		return Outcome{}, fmt.Errorf("%s: %w", x.Name, err)
	}
	own := d.find(l.Endpoint)
	a := s.answered(context.Background(), own, l, s.scope(own, l.Value), wire.Reply{Status: x.Status, Header: x.header(), Body: x.body, Sent: true})
	out := Outcome{Fixture: x.Name, Lookup: l, Status: x.Status}
	if a.Class == enrich.Found || a.Class == enrich.Partial {
		if out, err = d.bundle(s, x, l); err != nil {
			return out, fmt.Errorf("%s: %w", x.Name, err)
		}
	}
	out.Class, out.Err, out.Answer = a.Class, a.Err, a
	out.Request, err = s.requestLine(own, l.Value)
	return out, err
}
