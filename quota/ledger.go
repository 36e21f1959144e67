package quota

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	bolt "go.etcd.io/bbolt"
)

// ErrNotDurable means that the disk did not take the record. Nothing may be
// spent on it.
var ErrNotDurable = errors.New("the ledger could not be written")

// ErrClosed is returned after Close.
var ErrClosed = errors.New("the ledger is closed")

// Options configure a Ledger.
type Options struct {
	// Accounts are the sources that may spend, by name.
	Accounts map[string]Account
	// Now is the wall clock; nil means time.Now.
	Now func() time.Time
}

// Ledger is the durable record of what was spent, and the only place where
// spending is allowed. Safe for concurrent use.
type Ledger struct {
	path string
	opts Options

	ops  chan *op      // to the writer
	stop chan struct{} // closed by Close
	done chan struct{} // closed by the writer on its way out

	// mu guards all below. The writer holds it while it decides and while it
	// swaps the database, never while it waits for the disk.
	mu       sync.Mutex
	db       *bolt.DB
	clock    *clock
	head     head
	accounts map[string]*account
	// open are the reservations that are not settled, live or found on disk.
	open map[uint64]reservation
	// held are those of them that a caller of this process was told of.
	held map[uint64]struct{}
	// mended is when the broken ledger was last opened anew.
	mended time.Time
	// broken is why the last commit failed; nil when the ledger is in order.
	broken error
	stats  Stats

	closing sync.Once
	failed  atomic.Bool // same as broken != nil, for readers that must not wait
}

// Stats are the writer's counts.
type Stats struct {
	// Commits and CommitErrors count transactions; CommitSeconds is their total time.
	Commits, CommitErrors uint64
	CommitSeconds         float64
	// Waiting requests wait for a limit to open.
	Waiting int
	// Entries in the audit log.
	Entries uint64
	// LastCommit is when the last transaction was on disk.
	LastCommit time.Time
}

// Open opens or creates the ledger. Reservations that a dead process left open
// become uncertain before it returns.
func Open(path string, opts Options) (*Ledger, error) {
	if opts.Now == nil {
		opts.Now = time.Now
	}
	for name, a := range opts.Accounts {
		for _, lim := range a.Limits {
			if err := lim.Validate(); err != nil {
				return nil, fmt.Errorf("quota of %s: %w", name, err)
			}
		}
	}
	l := &Ledger{
		path: path, opts: opts,
		ops: make(chan *op, 1024), stop: make(chan struct{}), done: make(chan struct{}),
		held: map[uint64]struct{}{},
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.reopen(); err != nil {
		return nil, err
	}
	if err := l.settleStrays(Uncertain, "the process that reserved it ended"); err != nil {
		return nil, errors.Join(err, l.db.Close())
	}
	go l.write()
	return l, nil
}

// Close waits for what was asked before and closes the file. Open reservations
// stay open on disk and become uncertain at the next Open.
func (l *Ledger) Close() error {
	var err error
	l.closing.Do(func() {
		close(l.stop)
		<-l.done
		l.mu.Lock()
		defer l.mu.Unlock()
		err = l.db.Close()
	})
	return err
}

// Reserve asks for the units of one call. When it returns an allowed decision,
// the reservation is on disk. It may wait up to r.MaxWait for a limit to open;
// those who wait are served manual work first. An error means that nothing was
// reserved.
func (l *Ledger) Reserve(ctx context.Context, r Request) (Decision, error) {
	if r.Units < 0 {
		panic("quota: negative units") // a caller's bug, not an input
	}
	o := &op{req: &r, reply: make(chan result, 1), ctx: ctx}
	return l.ask(ctx, o)
}

// Settle says how a reservation ended. It must be called exactly once for each
// allowed decision. When the disk refuses the record, the units stay counted as
// pending, the outcome is written as soon as the disk is back, and
// ErrNotDurable is returned.
func (l *Ledger) Settle(id uint64, o Outcome, status int) error {
	// Accounting does not depend on the caller's patience.
	_, err := l.ask(context.Background(), &op{id: id, outcome: o, status: status, reply: make(chan result, 1), ctx: context.Background()})
	return err
}

func (l *Ledger) ask(ctx context.Context, o *op) (Decision, error) {
	select {
	case l.ops <- o:
	case <-l.stop:
		return Decision{}, ErrClosed
	case <-ctx.Done():
		return Decision{}, ctx.Err()
	}
	select {
	case r := <-o.reply:
		return r.decision, r.err
	case <-ctx.Done():
		if o.take() {
			return Decision{}, ctx.Err() // the writer will pass it by
		}
	case <-l.done:
		if o.take() {
			return Decision{}, ErrClosed
		}
	}
	// The writer has it in hand: its answer is at most a commit away.
	r := <-o.reply
	return r.decision, r.err
}

// Usage is every source's state, sorted by name.
func (l *Ledger) Usage() []Usage {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.clock.now()
	usages := make([]Usage, 0, len(l.accounts))
	for _, name := range slices.Sorted(maps.Keys(l.accounts)) {
		usages = append(usages, l.accounts[name].usage(name, now))
	}
	return usages
}

// Stats are the writer's counts now.
func (l *Ledger) Stats() Stats {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.stats
	s.Entries = l.head.Seq
	return s
}

// Healthy is nil while the disk takes what is written, and why not otherwise.
// It does not wait for the disk.
func (l *Ledger) Healthy() error {
	if !l.failed.Load() {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.broken
}

// Entries calls f for each audit entry from sequence number from on, until f
// returns an error.
func (l *Ledger) Entries(from uint64, f func(Entry) error) error {
	l.mu.Lock()
	db := l.db
	l.mu.Unlock()
	return eachEntry(db, from, f)
}

// op is one request to the writer.
type op struct {
	req *Request // a reservation, or
	// the settlement of one
	id      uint64
	outcome Outcome
	status  int

	ctx   context.Context
	reply chan result // buffered: the writer never waits for a caller
	// taken decides between a caller who gives up and the writer who grants.
	taken atomic.Bool

	decision Decision  // of the last look
	until    time.Time // end of the request's patience
}

type result struct {
	decision Decision
	err      error
}

// take claims the op; true for the first who does.
func (o *op) take() bool { return o.taken.CompareAndSwap(false, true) }

// byUrgency orders waiting requests: manual first, then as they came.
func byUrgency(a, b *op) int { return cmp.Compare(a.req.Trigger, b.req.Trigger) }
