package source

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"github.com/enrichgate/enrichgate/enrich"
)

// Plan lists the lookups that take the entity's type, in the file's order.
func (s *Source) Plan(e enrich.Entity) ([]enrich.Lookup, error) {
	var plan []enrich.Lookup
	for _, l := range s.d.lookups {
		for _, k := range l.kinds {
			if !strings.EqualFold(e.Type, k.openCTI) && !strings.EqualFold(e.Type, k.stix) {
				continue
			}
			value, err := k.valueOf(e, l.block.Hashes)
			if err != nil {
				return nil, err
			}
			if s.private && strings.HasPrefix(k.stix, "ipv") && enrich.IsPrivate(value) {
				return nil, &enrich.PolicyError{Kind: enrich.PolicyPrivate, Reason: "not looked up: it is a private address"}
			}
			plan = append(plan, s.lookup(l, value))
			break
		}
	}
	if len(plan) == 0 {
		return nil, &enrich.InputError{Reason: fmt.Sprintf("%s is not a type that %s can look up: it takes %s", enrich.Shown(e.Type), s.d.Title(), strings.Join(s.d.types(), ", "))}
	}
	return plan, nil
}

func (s *Source) lookup(l *lookup, value string) enrich.Lookup {
	return enrich.Lookup{
		Endpoint: l.block.ID, Value: value, Vary: s.varies(l), Bucket: l.block.Bucket, Units: l.units,
		Title: cmp.Or(l.block.Title, l.block.ID), TTL: s.times(l),
	}
}

// varies names what else changes the answer: another address, and parameters
// that the request carries.
func (s *Source) varies(l *lookup) string {
	var parts []string
	if s.vary != "" {
		parts = append(parts, s.vary)
	}
	for _, name := range l.vary {
		parts = append(parts, fmt.Sprintf("%s=%v", name, s.params[name]))
	}
	return strings.Join(parts, " ")
}

// times are a lookup's TTLs under this configuration.
func (s *Source) times(l *lookup) enrich.TTL {
	found := s.fresh(l, enrich.Found, s.ttl)
	return enrich.TTL{Found: found, NotFound: s.fresh(l, enrich.NotFound, s.ttl), Stale: s.staleAfter(found), Set: s.ttl}
}

// fresh is how long an answer of the class is good; set is what an operator says
// of all, if anything.
func (s *Source) fresh(l *lookup, class enrich.Class, set time.Duration) time.Duration {
	d := l.ttl[class]
	if set > 0 {
		if class == enrich.Found || class == enrich.Partial {
			d = set
		} else {
			d = min(d, set)
		}
	}
	return s.bounded(d)
}

// bounded keeps a time within the definition's maximum, which nobody overrides.
func (s *Source) bounded(d time.Duration) time.Duration {
	if s.d.maxTTL > 0 {
		return min(d, s.d.maxTTL)
	}
	return d
}

// staleAfter is how long an answer may be served past its time: the maximum
// bars stale answers, too.
func (s *Source) staleAfter(fresh time.Duration) time.Duration {
	if s.d.maxTTL > 0 {
		return max(0, min(s.stale, s.d.maxTTL-fresh))
	}
	return s.stale
}
