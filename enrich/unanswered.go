package enrich

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/enrichgate/enrichgate/quota"
)

// These are the reasons why a lookup has no answer.

// callError is a call that brought no answer.
type callError struct {
	Class      Class
	Status     int
	RetryAfter time.Time
	Err        error
}

func (e *callError) Error() string { return e.Err.Error() }
func (e *callError) Unwrap() error { return e.Err }

// refusedError is a ledger that said no, to the request in whose name it was asked.
type refusedError struct {
	Decision quota.Decision
	by       Request
}

func (e *refusedError) Error() string { return e.Decision.Reason() }

// own says that the ledger would say the same to r.
func (e *refusedError) own(r Request) bool {
	return e.by.Trigger == r.Trigger && e.by.Client == r.Client && e.by.Playbook == r.Playbook
}

// errNotKept is why a request that may not spend has no answer.
var errNotKept = errors.New("no fresh answer is kept, and the request may not spend")

// leftError is why somebody has no answer who did not wait for it. A call that is
// under way goes on: its units are in the ledger, and its answer is kept.
type leftError struct{ cause error }

func (e *leftError) Error() string { return "whoever asked did not wait for the answer" }
func (e *leftError) Unwrap() error { return e.cause }

// unreadable makes a failure of an answer that nothing could be made of, though
// the provider knows something: it is kept, and of no use until its source's
// definition can read it.
func (p *Part) unreadable(why error) {
	p.Entry, p.Class, p.Err = nil, ServerError, fmt.Errorf("%w: %w", errUnreadable, why)
}

var errUnreadable = errors.New("its answer cannot be read")

// classOf names the failure of a lookup.
func classOf(err error) Class {
	var call *callError
	var refused *refusedError
	switch {
	case errors.As(err, &call):
		return call.Class
	case errors.As(err, &refused):
		return QuotaExhausted
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return TimedOut
	default:
		return ServerError
	}
}
