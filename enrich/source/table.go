package source

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/enrichgate/enrichgate/enrich"
)

// Row is a source in the table of all.
type Row struct {
	Source string   `json:"source"`
	Title  string   `json:"title"`
	About  string   `json:"about"`
	Types  []string `json:"types"`
	// Cost is what one entity of each type costs, in calls and units.
	Cost string `json:"cost"`
	// Quota of the usual key, empty when the contract says.
	Quota string `json:"quota"`
	// Free are the classes that are not billed.
	Free []string `json:"free,omitempty"`
	// Makes are the kinds of what its fixtures become, entity and author apart;
	// it is known of definitions that were tried.
	Makes []string `json:"makes,omitempty"`
	Env   []string `json:"env,omitempty"`
	// File is what the source is written in, below this package.
	File string `json:"-"`
}

// Row of the definition.
func (d *Definition) Row() Row {
	r := Row{Source: d.Name(), Title: d.Title(), About: d.About(), Types: d.types(), Quota: d.def.Settings.Quota, Free: d.def.Free, Cost: d.cost(),
		File: "catalogue/" + d.Name() + "/source.yaml"}
	for _, s := range d.Settings().Secrets {
		r.Env = append(r.Env, s.Env)
	}
	for i := range d.tests.Fixtures {
		r.Makes = append(r.Makes, d.makes(&d.tests.Fixtures[i])...)
	}
	slices.Sort(r.Makes)
	r.Makes = slices.Compact(r.Makes)
	return r
}

// cost names calls and units of an entity.
func (d *Definition) cost() string {
	return Cost(d.types(), func(t string) (calls int, units int64) {
		for _, l := range d.lookups {
			if slices.ContainsFunc(l.kinds, func(k kind) bool { return k.openCTI == t }) {
				calls++
				units += l.units
			}
		}
		return calls, units
	})
}

// Cost names what is asked about an entity, by type where types differ.
func Cost(types []string, of func(string) (calls int, units int64)) string {
	var costs []string
	byCost := map[string][]string{}
	for _, t := range types {
		calls, units := of(t)
		cost := fmt.Sprintf("%d", calls)
		if units != int64(calls) {
			cost = fmt.Sprintf("%d (%d units)", calls, units)
		}
		if byCost[cost] == nil {
			costs = append(costs, cost)
		}
		byCost[cost] = append(byCost[cost], t)
	}
	if len(costs) == 1 {
		return costs[0]
	}
	for i, cost := range costs {
		costs[i] = fmt.Sprintf("%s: %s", strings.Join(byCost[cost], ", "), cost)
	}
	return strings.Join(costs, "; ")
}

// makes lists what the mapping of one fixture makes.
func (d *Definition) makes(x *fixture) (kinds []string) {
	out, err := d.outcome(x)
	if err != nil || out.Class != enrich.Found && out.Class != enrich.Partial {
		return nil
	}
	for _, y := range out.Yields {
		in, err := newIntent(y)
		if err != nil {
			continue
		}
		switch op := in.text("op"); op {
		case "object":
			kinds = append(kinds, in.text("type"))
		case "relation", "patch":
		case "score":
			if in.get("value") != nil {
				kinds = append(kinds, op)
			}
		case "ref":
			kinds = append(kinds, "reference")
		default:
			kinds = append(kinds, op)
		}
	}
	return kinds
}

// Table is the Markdown table of sources.
func Table(all []Row) string {
	var b strings.Builder
	b.WriteString("| source | types | calls | limits of the usual key | not billed | makes | key |\n| --- | --- | --- | --- | --- | --- | --- |\n")
	for _, r := range all {
		var env []string
		for _, name := range r.Env {
			env = append(env, "`"+name+"`")
		}
		fmt.Fprintf(&b, "| [%s](%s) | %s | %s | %s | %s | %s | %s |\n", r.Title, r.File, strings.Join(r.Types, ", "), r.Cost,
			cmp.Or(r.Quota, "by contract"), cmp.Or(strings.Join(r.Free, ", "), "unknown: all is charged"), strings.Join(r.Makes, ", "), cmp.Or(strings.Join(env, ", "), "none"))
	}
	return b.String()
}
