package quota

import (
	"fmt"
	"strings"
	"time"
)

// Request asks for the units of one call.
type Request struct {
	// Account is the source's name.
	Account string
	// Endpoint and Subject say what is asked for; they go into the audit log,
	// the subject as Options.Values says.
	Endpoint, Subject string
	// Bucket is the kind of calls that the provider counts this one among; empty
	// when it knows no kinds.
	Bucket string
	// Units is the price, at least 0.
	Units   int64
	Trigger Trigger
	// Work, Playbook and Client say who asked, as far as is known. Playbook and
	// Client also name the budgets that are spent.
	Work, Playbook, Client string
	// PlaybookName and Person are for the readers of the audit log.
	PlaybookName, Person string
	// MaxWait is how long the request may wait for a limit to open. Zero: not at all.
	MaxWait time.Duration
}

// Decision is the ledger's answer. A refusal is a value, not an error.
type Decision struct {
	Allowed bool
	// ID names the reservation when Allowed; Settle wants it.
	ID uint64
	// Remaining is what the tightest of the source's windows leaves after this
	// decision; -1 without limits.
	Remaining int64
	// Limit is the one that refused, zero when the trigger itself may not spend
	// or the source is paused. Owner says whose limit it is.
	Limit Limit
	Owner Owner
	// Floor says that units are left, but held back from this trigger, for KeptFor.
	Floor   bool
	KeptFor []Trigger
	// Paused says that an operator paused the source, for PauseReason.
	Paused      bool
	PauseReason string
	// Trigger that asked.
	Trigger Trigger
	// RetryAt is when the same request may be allowed; zero when no time helps.
	RetryAt time.Time
}

// Reason is the refusal in words for people.
func (d Decision) Reason() string {
	if d.Allowed {
		return ""
	}
	opens := ""
	if !d.RetryAt.IsZero() {
		opens = "; it opens at " + d.RetryAt.UTC().Format(time.RFC3339)
	}
	what := fmt.Sprintf("the quota of %s", d.Limit)
	if d.Owner.Kind == OfClient || d.Owner.Kind == OfPlaybook {
		what = fmt.Sprintf("the budget of %s for %s", d.Limit, d.Owner)
	}
	switch {
	case d.Paused:
		s := "the source is paused"
		if d.PauseReason != "" {
			s += " (" + d.PauseReason + ")"
		}
		return s + opens
	case d.Limit.Units == 0:
		return d.Trigger.String() + " enrichment has no budget"
	case d.RetryAt.IsZero():
		return "one call costs more than " + what + " allows"
	case d.Floor:
		return fmt.Sprintf("the rest of %s is kept for %s enrichment%s", what, keptFor(d.KeptFor), opens)
	default:
		return what + " is exhausted" + opens
	}
}

func keptFor(ts []Trigger) string {
	names := make([]string, 0, len(ts))
	for _, t := range ts {
		names = append(names, t.String())
	}
	if len(names) == 0 {
		return Manual.String()
	}
	return strings.Join(names, ", ")
}

// Outcome is how a reservation ends.
type Outcome uint8

const (
	// Spent: the provider answered, whatever it said.
	Spent Outcome = iota + 1
	// Void: provably not a byte of the request was sent. Gives the units back.
	Void
	// Uncertain: the request may have arrived. Counts as spent.
	Uncertain
)

var outcomeNames = [...]string{Spent: "spent", Void: "void", Uncertain: "uncertain"}

// String is the outcome's name in the audit log.
func (o Outcome) String() string {
	if o >= Spent && o <= Uncertain {
		return outcomeNames[o]
	}
	return fmt.Sprintf("Outcome(%d)", uint8(o))
}
