package source

import (
	"fmt"
	"slices"
	"testing"

	"github.com/enrichgate/enrichgate/enrich"
)

// The trials have teeth for the sources that ship: take the predicate off any
// rule by which they keep answers, and they are refused.
func TestNoShippedRuleCanBeLaxer(t *testing.T) {
	for _, d := range catalogue(t) {
		var def definition
		doc, problems := readYAML(CatalogueFS(), d.Name()+"/source.yaml", sourceSchema, &def)
		_, tests, more := loadFixtures(CatalogueFS(), d.Name())
		if len(problems)+len(more) > 0 {
			t.Fatal(problems, more)
		}
		for i, l := range d.lookups {
			for j, r := range l.rules {
				if !r.class.Keep() || r.when == nil || guarded(l.rules[:j], r) {
					continue
				}
				lax := *d
				lax.lookups = slices.Clone(d.lookups)
				other := *l
				other.rules = slices.Clone(l.rules)
				other.rules[j].when = nil
				lax.lookups[i] = &other
				tr := &trial{d: &lax, doc: tests, def: doc}
				tr.hostileTo(&other, scope{value: "192.0.2.10", lookup: l.block.ID}, tr.known())
				if len(tr.blamed) == 0 {
					t.Errorf("%s: rule %d of %s could keep everything under %v as %s", d.Name(), j, l.block.ID, r.statuses, r.class)
				}
			}
		}
	}
}

// guarded says that an earlier rule calls what is no answer a server error.
func guarded(earlier []rule, r rule) bool {
	for _, e := range earlier {
		if e.class == enrich.ServerError && len(r.statuses) > 0 && slices.Contains(e.statuses, r.statuses[0]) {
			return true
		}
	}
	return false
}

// Hostile answers are not what a definition declares as its own, and there are
// many of them.
func TestHostileAnswers(t *testing.T) {
	all := hostileAnswers([][]byte{[]byte(`{"ip":"192.0.2.10","score":1}`)})
	if len(all) < 60 {
		t.Errorf("%d", len(all))
	}
	seen := map[string]bool{}
	for _, h := range all {
		key := fmt.Sprintf("%s %s", h.kind, h.body)
		if h.name == "" || seen[key] {
			t.Errorf("%s is there twice, or has no name", h.name)
		}
		seen[key] = true
	}
	if own := wrongTypes([]byte(`[1]`)); len(own) != 0 {
		t.Errorf("%d of a list", len(own))
	}
}
