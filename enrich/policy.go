package enrich

import (
	"fmt"
	"strings"

	"github.com/enrichgate/enrichgate/stixconv"
)

// Policy says what may leave the platform. It is pure and fails closed: a
// marking that nobody knows is refused, several markings count as the strictest.
type Policy struct {
	// MaxTLP is the strictest marking that an entity may have.
	MaxTLP stixconv.TLP
	// Unmarked is what an entity without a TLP marking counts as.
	Unmarked stixconv.TLP
	// Scope are the types that are looked up, as OpenCTI ("IPv4-Addr") or as
	// STIX ("ipv4-addr") names them; case and spaces do not matter.
	Scope []string
}

// PolicyError says in one line why an entity is not looked up.
type PolicyError struct {
	// Kind is one of the three below; a metric label.
	Kind   string
	Reason string
}

func (e *PolicyError) Error() string { return e.Reason }

// Kinds of a PolicyError.
const (
	PolicyTLP     = "tlp"     // marked too strictly, or as nobody knows
	PolicyScope   = "scope"   // a type that is not looked up here
	PolicyPrivate = "private" // an address that means something only where it is
)

// CheckTLP returns the markings of the entity as levels, or a *PolicyError.
func (p Policy) CheckTLP(e Entity) ([]stixconv.TLP, error) {
	strictest := p.Unmarked
	levels := make([]stixconv.TLP, 0, len(e.TLP))
	for i, name := range e.TLP {
		level, err := stixconv.ParseTLP(name)
		if err != nil {
			return nil, &PolicyError{Kind: PolicyTLP, Reason: fmt.Sprintf("not looked up: its marking %.40q is no TLP level that this connector knows", name)}
		}
		levels = append(levels, level)
		if i == 0 {
			strictest = level
		}
		strictest = stixconv.Max(strictest, level)
	}
	if strictest > p.MaxTLP {
		return nil, &PolicyError{Kind: PolicyTLP, Reason: fmt.Sprintf("not looked up: it is marked %s, and this connector's maximum is %s", strictest, p.MaxTLP)}
	}
	return levels, nil
}

// CheckScope returns a *PolicyError when the entity's type is not looked up.
func (p Policy) CheckScope(e Entity) error {
	stix := stixType(e)
	for _, s := range p.Scope {
		s = strings.TrimSpace(s)
		if strings.EqualFold(s, e.Type) || strings.EqualFold(s, stix) || e.For != "" && strings.EqualFold(s, e.For) {
			return nil
		}
	}
	name := e.Type
	if name == "" {
		name = stix
	}
	return &PolicyError{Kind: PolicyScope, Reason: fmt.Sprintf("not looked up: %.60q is outside of this connector's scope (%s)", name, strings.Join(p.Scope, ", "))}
}

// stixType is the entity's STIX type, from its object or its id.
func stixType(e Entity) string {
	if t, ok := e.Object["type"].(string); ok {
		return t
	}
	t, _, _ := strings.Cut(e.ID, "--")
	return t
}
