package quota

import (
	"fmt"
	"strings"
	"time"
)

// Trigger is why a unit is asked for. A new value needs: triggerNames, a
// default in DefaultFloors, and the metrics' label list.
type Trigger uint8

// The triggers, in the order in which they are served when they have to wait.
const (
	Manual Trigger = iota
	API
	Proxy
	Playbook
	Auto
	numTriggers
)

var triggerNames = [numTriggers]string{"manual", "api", "proxy", "playbook", "auto"}

// String is the trigger's name as in metrics, the audit log and the API.
func (t Trigger) String() string {
	if t < numTriggers {
		return triggerNames[t]
	}
	return fmt.Sprintf("Trigger(%d)", uint8(t))
}

// Triggers lists all of them.
func Triggers() []Trigger { return []Trigger{Manual, API, Proxy, Playbook, Auto} }

// ParseTrigger reads a trigger's name.
func ParseTrigger(s string) (Trigger, error) {
	for t := range numTriggers {
		if triggerNames[t] == s {
			return t, nil
		}
	}
	return 0, fmt.Errorf("%q is not a trigger; use %s", s, strings.Join(triggerNames[:], ", "))
}

// Account says what one source (with its key) may spend.
type Account struct {
	// Limits all hold at once. None means no limit; spending is still ledgered.
	Limits []Limit
	// Floors is, per trigger, the share of every window (0 to 1) that it must
	// leave to the others. 1 means that it may not spend at all.
	Floors map[Trigger]float64
}

// DefaultFloors keep manual work from being starved: playbooks leave a tenth
// of each window, tools that come over HTTP a fifth, and automatic enrichment,
// which OpenCTI may switch on behind the operator's back, spends nothing.
func DefaultFloors() map[Trigger]float64 {
	return map[Trigger]float64{Playbook: 0.10, API: 0.20, Proxy: 0.20, Auto: 1}
}

// room is how much of the limit the trigger may use.
func (a Account) room(l Limit, t Trigger) int64 {
	// Rounded down to the operator's disadvantage nowhere: a floor of 10 % of 5
	// units holds nothing back.
	return l.Units - int64(float64(l.Units)*a.Floors[t])
}

// Request asks for the units of one call.
type Request struct {
	// Account is the source's name.
	Account string
	// Endpoint and Subject say what is asked for; they go into the audit log.
	Endpoint, Subject string
	// Units is the price, at least 0.
	Units   int64
	Trigger Trigger
	// Work, Playbook and Client say who asked, as far as is known.
	Work, Playbook, Client string
	// MaxWait is how long the request may wait for a limit to open. Zero: not at all.
	MaxWait time.Duration
}

// Decision is the ledger's answer. A refusal is a value, not an error.
type Decision struct {
	Allowed bool
	// ID names the reservation when Allowed; Settle wants it.
	ID uint64
	// Remaining is what the tightest window leaves after this decision; -1 without limits.
	Remaining int64
	// Limit is the one that refused, zero when the trigger itself may not spend.
	Limit Limit
	// Floor says that units are left, but held back from this trigger.
	Floor bool
	// Trigger that asked.
	Trigger Trigger
	// RetryAt is when the same request may be allowed; zero when no time helps.
	RetryAt time.Time
}

// Reason is the refusal in words for people.
func (d Decision) Reason() string {
	switch {
	case d.Allowed:
		return ""
	case d.Limit.Units == 0:
		return d.Trigger.String() + " enrichment has no budget"
	case d.RetryAt.IsZero():
		return fmt.Sprintf("one call costs more than the quota of %s allows", d.Limit)
	case d.Floor:
		return fmt.Sprintf("the rest of the quota of %s is kept for manual enrichment; it opens at %s", d.Limit, d.RetryAt.UTC().Format(time.RFC3339))
	default:
		return fmt.Sprintf("the quota of %s is exhausted; it opens at %s", d.Limit, d.RetryAt.UTC().Format(time.RFC3339))
	}
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
