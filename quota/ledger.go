package quota

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	bolt "go.etcd.io/bbolt"

	"github.com/enrichgate/enrichgate/cache/boltfile"
)

// ErrNotDurable means that the disk did not take the record. Nothing may be
// spent on it.
var ErrNotDurable = errors.New("the ledger could not be written")

// ErrClosed is returned after Close.
var ErrClosed = errors.New("the ledger is closed")

// DefaultRetention is how long entries are kept.
const DefaultRetention = 400 * 24 * time.Hour

// Options configure a Ledger.
type Options struct {
	// Accounts are the sources that may spend, by name.
	Accounts map[string]Account
	// Now is the wall clock; nil means time.Now.
	Now func() time.Time
	// Values says how values that are asked for stand in the audit log; the
	// zero value means plain.
	Values Values
	// Retention is how long entries are kept, at least MinRetention; zero means
	// DefaultRetention. What is older is replaced by a summary.
	Retention time.Duration

	// retryDisk is how often a broken ledger tries the disk again while it has
	// something to write, and how often an idle one looks whether its file is
	// in its place; a second unless a test is in a hurry.
	retryDisk time.Duration
}

// MinRetention is the shortest retention: longer than any window.
const MinRetention = 32 * 24 * time.Hour

func (o *Options) complete() error {
	if o.Now == nil {
		o.Now = time.Now
	}
	o.Values = cmp.Or(o.Values, ValuesPlain)
	o.Retention = cmp.Or(o.Retention, DefaultRetention)
	o.retryDisk = cmp.Or(o.retryDisk, time.Second)
	if o.Retention < MinRetention {
		return fmt.Errorf("a retention of %s is shorter than the longest window; the least is %s", o.Retention, MinRetention)
	}
	if err := o.Values.validate(); err != nil {
		return err
	}
	for name, a := range o.Accounts {
		if err := a.Validate(); err != nil {
			return fmt.Errorf("quota of %s: %w", name, err)
		}
	}
	return nil
}

// Ledger is the durable record of what was spent, and the only place where
// spending is allowed. Safe for concurrent use.
type Ledger struct {
	path string
	opts Options
	// update runs one fsynced transaction; tests put a failing disk here.
	update func(*boltfile.DB, func(*bolt.Tx) error) error

	file *os.File // the database's, see pin

	commits prometheus.Histogram // by their duration

	ops  chan *op      // to the writer
	stop chan struct{} // closed by Close
	done chan struct{} // closed by the writer on its way out

	// mu guards all below. The writer holds it while it decides and while it
	// swaps the database, never while it waits for the disk.
	mu    sync.Mutex
	db    *boltfile.DB
	clock *clock
	books
	// held are the open reservations that a caller of this process was told of.
	held map[uint64]struct{}
	// pruned is when old entries were taken away last, on the steady time line.
	pruned time.Time
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
	// CommitErrors are the transactions that the disk refused.
	CommitErrors uint64
	// Waiting requests wait for a limit to open.
	Waiting int
	// Entries that the audit log ever had, those that were pruned included.
	Entries uint64
	// LastCommit is when the last transaction was on disk.
	LastCommit time.Time
	// Size of the file in bytes.
	Size int64
}

// Open opens or creates the ledger. Reservations that a dead process left open
// become uncertain before it returns.
func Open(path string, opts Options) (*Ledger, error) {
	if err := opts.complete(); err != nil {
		return nil, err
	}
	l := &Ledger{
		path: path, opts: opts, update: (*boltfile.DB).Update,
		ops: make(chan *op, 1024), stop: make(chan struct{}), done: make(chan struct{}),
		held: map[uint64]struct{}{}, commits: newCommitTime(),
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.reopen(); err != nil {
		if l.file != nil {
			err = errors.Join(err, l.file.Close())
		}
		return nil, err
	}
	t := l.begin()
	t.settleStrays(Uncertain, "the process that reserved it ended")
	t.introduce()
	if err := t.commit(); err != nil {
		return nil, errors.Join(err, l.db.Close(), l.file.Close())
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
		err = errors.Join(l.db.Close(), l.file.Close())
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
	return l.ask(ctx, &op{req: &r})
}

// Settle says how a reservation ended. It must be called exactly once for each
// allowed decision. When the disk refuses the record, the units stay counted as
// pending, the outcome is written as soon as the disk is back, and
// ErrNotDurable is returned.
func (l *Ledger) Settle(id uint64, o Outcome, status int) error {
	// Accounting does not depend on the caller's patience.
	_, err := l.ask(context.Background(), &op{id: id, outcome: o, status: status})
	return err
}

// command runs a change of the books in the writer's turn and waits until it
// is on disk.
func (l *Ledger) command(f func(*transaction) error) error {
	_, err := l.ask(context.Background(), &op{command: f})
	return err
}

func (l *Ledger) ask(ctx context.Context, o *op) (Decision, error) {
	o.ctx, o.reply = ctx, make(chan result, 1)
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
	now := l.fresh()
	usages := make([]Usage, 0, len(l.accounts))
	for _, name := range slices.Sorted(maps.Keys(l.accounts)) {
		usages = append(usages, l.accounts[name].usage(name, now, l.head.Time))
	}
	return usages
}

// fresh is now, after the writer has counted again what only it can, because
// the system's clock was set. The caller holds the lock, and gets it back.
func (l *Ledger) fresh() instant {
	now := l.clock.now()
	for _, a := range l.accounts {
		if !a.stale(now, l.head.Time) {
			continue
		}
		l.mu.Unlock()
		_ = l.command(func(*transaction) error { return nil }) // a closed or broken ledger says what it last knew
		l.mu.Lock()
		return l.clock.now()
	}
	return now
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
// It does not wait for the disk: a file that was removed shows within a second.
func (l *Ledger) Healthy() error {
	if !l.failed.Load() {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.broken
}

// reader is the database for reading what is on disk.
func (l *Ledger) reader() *boltfile.DB {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.db
}
