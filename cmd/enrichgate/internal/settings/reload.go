package settings

import (
	"cmp"
	"maps"
	"reflect"
	"regexp"
	"slices"

	"github.com/enrichgate/enrichgate/quota"
)

// Changes are what a second reading of the settings found to be otherwise, by
// the name of the environment variable or, of what has none, the path in
// config.yml.
type Changes struct {
	// Taken are those that hold from now on.
	Taken []string
	// Restart are those that hold from the next start.
	Restart []string
}

// Adopt is s with all of fresh that can change while the daemon is at work: the
// limits and prices of sources, how long answers are kept, the log level. The
// rest stays as it is in s.
func (s *Settings) Adopt(fresh *Settings) (next Settings, c Changes) {
	next = *s
	next.LogLevel = fresh.LogLevel
	next.Sources = maps.Clone(s.Sources)
	both := map[string]bool{"": true} // what is no source's
	listed := map[string]bool{}       // its limits changed, so far without a row that says why
	for name, source := range s.Sources {
		other := fresh.Sources[name]
		if other == nil || !source.Enabled || !other.Enabled {
			continue
		}
		both[name] = true
		adopted := source.adopt(other)
		// Its connectors stay as they are registered, whatever the file says now.
		adopted.Reserve[quota.Auto] = adopted.autoReserve(s.Connectors)
		next.Sources[name] = &adopted
		// Written as mappings and lists, these are no rows of the table.
		if !reflect.DeepEqual(source.ClientBudgets, other.ClientBudgets) || !reflect.DeepEqual(source.PlaybookBudgets, other.PlaybookBudgets) {
			c.Taken = append(c.Taken, name+"."+keyBudgets)
		}
		listed[name] = !reflect.DeepEqual(source.Limits, other.Limits)
	}
	windows := regexp.MustCompile(`_QUOTA(_TIMEZONE|_RESET_\w+)?$`) // what says which limits there are
	before, after := byName(s.values), byName(fresh.values)
	for _, name := range slices.Sorted(maps.Keys(merged(before, after))) {
		was, is := before[name], after[name]
		switch {
		case was.Value == is.Value && was.sum == is.sum:
		case both[cmp.Or(was.source, is.source)] && (was.live || is.live):
			c.Taken = append(c.Taken, name)
			if windows.MatchString(name) {
				delete(listed, cmp.Or(was.source, is.source))
			}
		default:
			c.Restart = append(c.Restart, name)
		}
	}
	for name, changed := range listed {
		if changed {
			c.Taken = append(c.Taken, name+"."+keyLimits)
		}
	}
	next.values = slices.Clone(s.values)
	for i, v := range next.values {
		if is, found := after[v.key()]; found && v.live && both[v.source] {
			next.values[i] = is
		}
	}
	slices.Sort(c.Taken)
	return next, c
}

// adopt is s with what can change at work of other. How a source is reached and
// with which key, what it may be asked and how its answers are read stay.
func (s *Source) adopt(other *Source) Source {
	next := *s
	next.Limits, next.Reserve, next.Margin, next.InitialUsed = other.Limits, maps.Clone(other.Reserve), other.Margin, other.InitialUsed
	next.ClientBudgets, next.PlaybookBudgets = other.ClientBudgets, other.PlaybookBudgets
	next.CacheTTL, next.CacheNegativeTTL, next.CacheStale = other.CacheTTL, other.CacheNegativeTTL, other.CacheStale
	next.Endpoints, next.only, next.auto, next.reset = other.Endpoints, other.only, other.auto, other.reset
	return next
}

func (v Value) key() string { return cmp.Or(v.Name, v.YAML) }

func byName(values []Value) map[string]Value {
	all := make(map[string]Value, len(values))
	for _, v := range values {
		all[v.key()] = v
	}
	return all
}

func merged(a, b map[string]Value) map[string]Value {
	all := maps.Clone(a)
	maps.Copy(all, b)
	return all
}
