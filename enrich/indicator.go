package enrich

import (
	"context"
	"slices"
	"strings"

	"github.com/enrichgate/enrichgate/stixconv"
)

// throughObservables answers a request about an indicator: its observables are
// looked up in its stead, and tied to it. With nothing new the bundle is what
// came in.
func (g *Gateway) throughObservables(ctx context.Context, r Request) (Result, error) {
	all := Result{Bundle: original(r)}
	objects := all.Bundle.Objects
	if r.BundleID == "" {
		objects = nil // the platform has the indicator
	}
	var summaries []string
	var errs []error
	for _, o := range r.Observables {
		one := r
		one.Observables, one.Entity = nil, o
		one.Context = append(slices.Clone(objects), stixconv.BasedOn(r.Entity.Object, o.Object))
		res, err := g.enrich(ctx, one)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		all.Parts = append(all.Parts, res.Parts...)
		all.Skipped = append(all.Skipped, res.Skipped...)
		all.Source = res.Source
		summaries = append(summaries, res.Summary)
		if res.Changed {
			all.Changed, all.Counts = true, all.Counts.Plus(res.Counts)
			all.Bundle, objects = res.Bundle, res.Bundle.Objects
		}
	}
	if len(errs) == len(r.Observables) {
		return all, errs[0]
	}
	for _, err := range errs {
		all.Skipped = append(all.Skipped, err)
		summaries = append(summaries, err.Error())
	}
	all.Summary = strings.Join(summaries, ". ")
	return all, nil
}
