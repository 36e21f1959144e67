package quota

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/enrichgate/enrichgate/cache/boltfile"
)

// mend brings a broken ledger back: the file is closed, opened and read again,
// because after a failed commit nobody knows which pages are on disk. The
// caller holds the lock.
func (l *Ledger) mend() error {
	if l.broken == nil {
		return nil
	}
	if time.Since(l.mended) < retryDisk {
		return l.broken
	}
	l.mended = time.Now()
	if err := errors.Join(l.db.Close(), l.reopen()); err != nil {
		l.broken = fmt.Errorf("%w: %v", ErrNotDurable, err)
		return l.broken
	}
	l.broken = nil
	// Reservations on disk that no caller was told of were never used to call.
	if err := l.settleStrays(Void, "the disk failed while it was reserved; never used"); err != nil {
		return err
	}
	l.failed.Store(false)
	return nil
}

// reopen opens the file and rebuilds the books. The caller holds the lock, or
// nobody else knows the ledger yet.
func (l *Ledger) reopen() error {
	db, err := boltfile.Open(l.path, spec)
	if err != nil {
		return err
	}
	b, err := load(db, l.opts.Accounts, l.opts.Now())
	if err != nil {
		return errors.Join(fmt.Errorf("ledger %s: %w", l.path, err), db.Close())
	}
	l.db, l.head, l.accounts, l.open = db, b.head, b.accounts, b.open
	if l.clock == nil {
		l.clock = newClock(l.opts.Now, b.head.Time)
	}
	return nil
}

// settleStrays ends the open reservations that no caller of this process holds.
// The caller holds the lock.
func (l *Ledger) settleStrays(o Outcome, reason string) error {
	t := transaction{ledger: l, now: l.clock.now()}
	for _, id := range slices.Sorted(maps.Keys(l.open)) {
		if _, held := l.held[id]; !held {
			t.close(id, o, 0, reason)
		}
	}
	return t.commit()
}
