package quota

import (
	"fmt"
	"maps"
	"slices"
)

// Account says what one source (with its key) may spend, and for whom.
type Account struct {
	// Limits all hold at once, those of a bucket for its calls. None means no
	// limit; spending is still ledgered.
	Limits []Limit
	// Floors is, per trigger, the share of every window (0 to 1) that it must
	// leave to the others. 1 means that it may not spend at all.
	Floors map[Trigger]float64
	// Margin is the share of every window (0 to 0.5) that nobody may use: it
	// covers a provider whose count or clock differs a little from ours.
	Margin float64
	// Initial are units that were used elsewhere before this ledger knew the
	// source. They are counted once, in the windows that hold at that time.
	Initial map[Period]int64
	// Clients and Playbooks have budgets of their own beside the source's
	// limits, by name and by id: all must have room. Who is not listed is bound
	// by the source's limits alone. Floors and margin do not apply to them.
	Clients, Playbooks map[string][]Limit
}

// DefaultFloors keep manual work from being starved: playbooks leave a tenth
// of each window, tools that come over HTTP a fifth, and automatic enrichment,
// which OpenCTI may switch on behind the operator's back, spends nothing.
func DefaultFloors() map[Trigger]float64 {
	return map[Trigger]float64{Playbook: 0.10, API: 0.20, Proxy: 0.20, Auto: 1}
}

// Validate says in one line what is wrong with the account.
func (a Account) Validate() error {
	if err := ValidateLimits(a.Limits); err != nil {
		return err
	}
	if !(a.Margin >= 0 && a.Margin <= 0.5) {
		return fmt.Errorf("safety margin %g is not between 0 and 0.5 of a window", a.Margin)
	}
	for t, f := range a.Floors {
		if !(f >= 0 && f <= 1) {
			return fmt.Errorf("floor of %s: %g is not between 0 and 1 of a window", t, f)
		}
	}
	for p, n := range a.Initial {
		if n < 0 || n > maxUnits {
			return fmt.Errorf("initial usage of the %s: %d is not between 0 and %d units", p, n, int64(maxUnits))
		}
		if !slices.ContainsFunc(a.Limits, func(l Limit) bool { return l.Per == p && l.Bucket == "" }) {
			return fmt.Errorf("initial usage of the %s: no limit has that period", p)
		}
	}
	for _, of := range []struct {
		kind    OwnerKind
		budgets map[string][]Limit
	}{{OfClient, a.Clients}, {OfPlaybook, a.Playbooks}} {
		for _, name := range slices.Sorted(maps.Keys(of.budgets)) {
			if err := validateBudget(of.budgets[name]); err != nil {
				return fmt.Errorf("budget of %s: %w", Owner{of.kind, name}, err)
			}
		}
	}
	return nil
}

// validateBudget says what is wrong with a client's or a playbook's limits.
func validateBudget(limits []Limit) error {
	for _, l := range limits {
		if l.Bucket != "" {
			return fmt.Errorf("%s: a budget counts all calls and has no buckets", l)
		}
	}
	return ValidateLimits(limits)
}

// OwnerKind is what kind of owner a budget has.
type OwnerKind string

// The kinds of owners.
const (
	OfSource   OwnerKind = "source"
	OfBucket   OwnerKind = "bucket"
	OfClient   OwnerKind = "client"
	OfPlaybook OwnerKind = "playbook"
)

// Owner says whose a budget is.
type Owner struct {
	Kind OwnerKind
	// Name of the source, the bucket or the client, id of the playbook.
	Name string
}

// String is the owner in words: "client soar".
func (o Owner) String() string { return string(o.Kind) + " " + o.Name }
