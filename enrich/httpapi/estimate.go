package httpapi

import (
	"maps"
	"net/http"
	"slices"

	"github.com/enrichgate/enrichgate/enrich"
	"github.com/enrichgate/enrichgate/quota"
)

// EstimateAnswer is the body of POST /api/v1/estimate: what a list would cost
// now, if each call is answered at the first attempt.
type EstimateAnswer struct {
	Values int `json:"values"`
	// Refused values would not be looked up, for the reasons given.
	Refused []EstimateRefusal `json:"refused"`
	Price
	// Affordable says that every window has that much left for the caller: of the
	// sources, less what is held back for others, and of its own budget.
	Affordable bool             `json:"affordable"`
	Sources    []SourceEstimate `json:"sources"`
}

// Price is the lookups that values need, how many of them a fresh answer is
// kept for, and what the others cost.
type Price struct {
	Lookups int   `json:"lookups"`
	Cached  int   `json:"cached"`
	Units   int64 `json:"units"`
}

func (p *Price) add(e enrich.Estimate) {
	p.Lookups += e.Lookups
	p.Cached += e.Cached
	p.Units += e.Units
}

// SourceEstimate is the part of one source.
type SourceEstimate struct {
	Source string `json:"source"`
	Price
	// Windows of the source, with what is left in each.
	Windows []quota.WindowUsage `json:"windows"`
}

// EstimateRefusal is a value that would not be looked up.
type EstimateRefusal struct {
	Index  int    `json:"index"`
	Value  string `json:"value"`
	Reason string `json:"reason"`
}

// estimate prices a list before it is spent. It asks nobody and costs nothing.
func (a *API) estimate(w http.ResponseWriter, r *http.Request, who caller) {
	body, err := readBody(w, r)
	var b batch
	if err == nil {
		b, err = readBatch(r, body)
	}
	var directives enrich.Directives
	if err == nil {
		directives, err = cacheDirectives(r.Header)
	}
	if err != nil {
		Problem(w, problemOf(err))
		return
	}
	answer := EstimateAnswer{Values: len(b.Values), Refused: []EstimateRefusal{}, Affordable: true, Sources: []SourceEstimate{}}
	prices := map[string]*Price{}
	s := asking{api: a, who: who, source: b.Source}
	asked := map[string]bool{} // a value that comes twice is paid for once
	for i, q := range b.Values {
		e, src, err := s.pick(q)
		if err == nil && asked[src.Name+e.ID] {
			continue
		}
		var est enrich.Estimate
		if err == nil {
			est, err = src.Gateway.Estimate(e, directives)
		}
		if err != nil {
			answer.Refused = append(answer.Refused, EstimateRefusal{Index: i, Value: q.Value, Reason: err.Error()})
			continue
		}
		asked[src.Name+e.ID] = true
		if prices[src.Name] == nil {
			prices[src.Name] = &Price{}
		}
		prices[src.Name].add(est)
		answer.add(est)
	}
	for _, name := range slices.Sorted(maps.Keys(prices)) {
		part := SourceEstimate{Source: name, Price: *prices[name], Windows: a.windows(name)}
		for _, r := range a.rooms(who, who.trigger, name, a.cfg.Now()) {
			answer.Affordable = answer.Affordable && part.Units <= r.left
		}
		answer.Sources = append(answer.Sources, part)
	}
	write(w, http.StatusOK, "application/json", answer)
}
