package enrich

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// Under is the same gateway, with its guard and its metrics, for those to whom
// another policy applies.
func (g *Gateway) Under(p Policy) *Gateway {
	other := *g
	other.policy = p
	return &other
}

// Choose returns the gateway of the named source or, without a name, the only
// one that looks up such an entity. Its error is an *InputError.
func Choose(gateways map[string]*Gateway, source string, e Entity) (*Gateway, error) {
	all := strings.Join(slices.Sorted(maps.Keys(gateways)), ", ")
	if source != "" {
		g, ok := gateways[source]
		if !ok {
			return nil, &InputError{Reason: fmt.Sprintf("there is no source %.60q; there is %s", source, all)}
		}
		return g, nil
	}
	var fit []string
	for _, name := range slices.Sorted(maps.Keys(gateways)) {
		g := gateways[name]
		if _, err := g.source.Plan(e); err == nil && g.policy.CheckScope(e) == nil {
			fit = append(fit, name)
		}
	}
	switch {
	case len(fit) == 1:
		return gateways[fit[0]], nil
	case len(fit) > 1:
		return nil, &InputError{Reason: "several sources look this up: name one of " + strings.Join(fit, ", ")}
	case len(gateways) == 1:
		for _, g := range gateways {
			return g, nil // it says best why not
		}
	}
	return nil, &InputError{Reason: "none of the sources looks this up: " + all}
}

// Circuit is why the source is left alone for a moment, in words for people, and
// until when; empty while it is not.
func (g *Gateway) Circuit() (why string, until time.Time) {
	if left, ok := errors.AsType[*callError](g.guard.check()); ok {
		return left.Error(), left.RetryAfter
	}
	return "", time.Time{}
}

// Subject is what an entity is about, for people: its value, or a file's hash.
func (e Entity) Subject() string {
	if e.Value != "" {
		return e.Value
	}
	for _, kind := range slices.Sorted(maps.Keys(e.Hashes)) {
		return e.Hashes[kind]
	}
	return ""
}
