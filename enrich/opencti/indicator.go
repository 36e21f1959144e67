package opencti

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/enrichgate/enrichgate/enrich"
	"github.com/enrichgate/enrichgate/stixconv"
)

// maxObservables bounds how many lookups one press of a button sets off.
const maxObservables = 10

// observables are what an indicator's pattern names. Those that the platform
// has are taken as it has them, so that their own markings count as well as the
// indicator's.
func (c *Connector) observables(ctx context.Context, m message, indicator enrich.Entity) (all []enrich.Entity, err error) {
	if kind, _ := indicator.Object["pattern_type"].(string); kind != "" && !strings.EqualFold(kind, "stix") {
		return nil, &enrich.InputError{Reason: fmt.Sprintf("the indicator's pattern is written in %.40s; only STIX patterns are read", kind)}
	}
	pattern, _ := indicator.Object["pattern"].(string)
	named, err := stixconv.PatternObservables(pattern)
	if err != nil {
		return nil, &enrich.InputError{Reason: "the indicator cannot be looked up: " + err.Error()}
	}
	if len(named) > maxObservables {
		return nil, &enrich.InputError{Reason: fmt.Sprintf("the indicator's pattern names %d observables; at most %d are looked up at once", len(named), maxObservables)}
	}
	for _, o := range named {
		e, err := c.observable(ctx, m, indicator, o)
		if err != nil {
			return nil, err
		}
		all = append(all, e)
	}
	return all, nil
}

func (c *Connector) observable(ctx context.Context, m message, indicator enrich.Entity, o stixconv.Object) (e enrich.Entity, err error) {
	id, _ := o["id"].(string)
	read, err := c.readEntity(ctx, id, m.draft())
	if err != nil {
		return e, err
	}
	if read != nil {
		e = read.entity()
		e.Object = ownObject(read, m)
	} else {
		e.ID, e.Type, e.Object = id, observableType(o), o
		if marks := indicator.Object["object_marking_refs"]; marks != nil {
			o["object_marking_refs"] = marks
		}
	}
	e.For = indicator.Type
	e.TLP = append(slices.Clone(indicator.TLP), e.TLP...)
	e.Granted = append(slices.Clone(indicator.Granted), e.Granted...)
	describe(&e)
	return e, nil
}

// observableType is the platform's name of an observable's type.
func observableType(o stixconv.Object) string {
	stix, _ := o["type"].(string)
	if own := platformTypes(stix); len(own) == 1 {
		return own[0]
	}
	words := strings.Split(stix, "-")
	for i, w := range words {
		switch {
		case strings.HasPrefix(w, "ipv"):
			words[i] = "IP" + w[2:]
		case w != "":
			words[i] = strings.ToUpper(w[:1]) + w[1:]
		}
	}
	return strings.Join(words, "-")
}
