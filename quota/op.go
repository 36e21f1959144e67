package quota

import (
	"cmp"
	"context"
	"sync/atomic"
	"time"
)

// op is one request to the writer: a reservation (req), a command, new accounts,
// or the settlement of reservation id.
type op struct {
	req     *Request
	command func(*transaction) error
	// accounts are to replace those that there are.
	accounts map[string]Account

	id      uint64
	outcome Outcome
	status  int

	ctx   context.Context
	reply chan result // buffered: the writer never waits for a caller
	// taken decides between a caller who gives up and the writer who grants.
	taken atomic.Bool

	decision Decision  // of the last look
	until    time.Time // end of the request's patience, on the steady time line
}

type result struct {
	decision Decision
	err      error
}

// take claims the op; true for the first who does.
func (o *op) take() bool { return o.taken.CompareAndSwap(false, true) }

// answer gives the result once; the first stands.
func (o *op) answer(d Decision, err error) {
	select {
	case o.reply <- result{d, err}:
	default:
	}
}

// patient says that the request would still wait at now.
func (o *op) patient(now instant) bool { return o.ctx.Err() == nil && now.steady.Before(o.until) }

// worthWaiting says that the limit opens within the request's patience.
func (o *op) worthWaiting(now instant) bool {
	at := o.decision.RetryAt
	return !at.IsZero() && o.patient(now) && at.Sub(now.wall) <= o.until.Sub(now.steady)
}

// byUrgency orders waiting requests: manual first, then as they came.
func byUrgency(a, b *op) int { return cmp.Compare(a.req.Trigger, b.req.Trigger) }
