package dashboards

import (
	"context"
	"errors"
	"io"
	"time"
)

// Reader gives the snapshots that every page is made of.
type Reader interface {
	// State is the whole picture; it is asked once a page.
	State(context.Context) State
	// Version changes when State or the decisions have; it is asked each second
	// of each open page, and must be cheap.
	Version() uint64
}

// Decisions gives the recent enrichments.
type Decisions interface {
	// Decisions are those that are still known, newest first.
	Decisions() []Decision
}

// Books gives the audit log.
type Books interface {
	// Entries calls f for each entry that the filter lets through, newest
	// first, until f returns an error, which it returns.
	Entries(ctx context.Context, filter EntryFilter, f func(Entry) error) error
	// Export writes what the filter lets through as the ledger exports it
	// everywhere: the oldest first, as CSV or as JSON Lines. A *FilterError comes
	// before anything is written.
	Export(ctx context.Context, w io.Writer, form Form, filter EntryFilter) error
}

// Form of an export.
type Form string

// The forms of an export, as the endings of its file's name.
const (
	CSV   Form = "csv"
	JSONL Form = "jsonl"
)

// FilterError says what of a filter cannot be, in one sentence.
type FilterError struct{ Problem string }

func (e *FilterError) Error() string { return e.Problem }

// EntryFilter narrows the audit log; empty fields let everything through.
type EntryFilter struct {
	Source, Kind, Trigger string
	// Text has to occur in the subject, the client, the playbook, the work,
	// who it was or the reason, in any case.
	Text string
	// Before is a sequence number: only older entries.
	Before uint64
}

// Answers gives what the cache has on a value.
type Answers interface {
	// Cached lists the kept answers; an error is a sentence for the person who asked.
	Cached(ctx context.Context, value string) ([]Cached, error)
}

// Admin carries out what an operator orders. An error is a sentence for them.
type Admin interface {
	// Prices says what looking the value up would cost now, at each source that
	// could. It spends nothing.
	Prices(ctx context.Context, value string) ([]Price, error)
	// Do carries the action out, writes it into the audit with its reason, and
	// says in a line what was done.
	Do(context.Context, Action) (string, error)
}

// Price of a lookup before it is made.
type Price struct {
	Source, Value, Type string
	// Units it costs if each of its calls is answered at the first attempt.
	Units int64
	// Lookups it needs, and how many of them a fresh answer is kept for.
	Lookups, Kept int
	// Left is what the tightest window leaves; negative without limits.
	Left int64
	// Refused is why it would not be done; empty when it would.
	Refused string
}

// Kind of an Action.
type Kind string

// The kinds. A new one needs: a form in the templates, parseAction, and Admin.Do.
const (
	PauseSource  Kind = "pause"
	ResumeSource Kind = "resume"
	SetLimit     Kind = "limit"
	SetFloor     Kind = "floor"
	SetUsed      Kind = "used"
	PurgeAnswers Kind = "purge"
	LookUp       Kind = "lookup"
)

// Kinds lists all of them.
func Kinds() []Kind {
	return []Kind{PauseSource, ResumeSource, SetLimit, SetFloor, SetUsed, PurgeAnswers, LookUp}
}

// Action is what an operator orders.
type Action struct {
	Kind   Kind
	Source string
	// Window is a period: of SetLimit, SetFloor and SetUsed.
	Window string
	// Trigger of SetFloor.
	Trigger string
	// Units of SetLimit, SetFloor and SetUsed.
	Units int64
	// Until ends a pause; zero means when it is resumed.
	Until time.Time
	// Value of PurgeAnswers and LookUp.
	Value string
	// By is the name that was given at sign-in, Reason why it is done.
	By, Reason string
}

// errEnough ends a walk through the audit log.
var errEnough = errors.New("enough")
