package quota

import (
	"errors"
	"fmt"
	"time"
)

// mend brings a broken ledger back: the file is closed, opened and read again,
// because after a failed commit nobody knows which pages are on disk. It has to
// be the same file: another one does not know what was spent. The caller holds
// the lock.
func (l *Ledger) mend() error {
	if l.broken == nil {
		return nil
	}
	if time.Since(l.mended) < l.opts.retryDisk {
		return l.broken
	}
	l.mended = time.Now()
	err := l.inPlace() // or an empty file would be made in its place
	if err == nil {
		err = errors.Join(l.db.Close(), l.reopen())
	}
	if err != nil {
		l.fail(err)
		return l.broken
	}
	l.broken = nil
	// Reservations on disk that no caller was told of were never used to call.
	t := l.begin()
	t.settleStrays(Void, "the disk failed while it was reserved; never used")
	t.introduce()
	if err := t.commit(); err != nil {
		return err
	}
	l.failed.Store(false)
	return nil
}

// reopen opens the file and rebuilds the books. The caller holds the lock, or
// nobody else knows the ledger yet.
func (l *Ledger) reopen() error {
	db, err := openFile(l.path)
	if err != nil {
		return err
	}
	last, err := lastTime(db)
	if err == nil {
		err = l.pin()
	}
	if err == nil {
		err = l.inPlace()
	}
	if err == nil {
		if l.clock == nil {
			l.clock = newClock(l.opts.Now, last)
		}
		l.books, err = load(db, l.opts.Accounts, l.clock.now())
	}
	if err != nil {
		return errors.Join(fmt.Errorf("ledger %s: %w", l.path, err), db.Close())
	}
	l.db = db
	return nil
}
