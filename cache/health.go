package cache

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/enrichgate/enrichgate/cache/boltfile"
)

// ErrNotDurable means that the disk refuses what is written. What is stored is
// served on; it is tried again every second.
var ErrNotDurable = errors.New("the cache's disk refuses writes")

// retryDisk is how long a disk that refused is left alone.
const retryDisk = time.Second

// health is what is known to be wrong with the file.
type health struct {
	mu sync.Mutex
	// refused is why nothing can be written; nil when it can.
	refused error
	tried   time.Time
	// damaged says that the file's structure is.
	damaged bool
	// wake tells the writer of damage that a reader has found.
	wake chan struct{}
}

func (h *health) err() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.refused
}

func (h *health) set(err error) (before error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	before, h.refused = h.refused, err
	return before
}

// suspect is told of damage to the file's structure.
func (h *health) suspect() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.damaged = true
	select {
	case h.wake <- struct{}{}:
	default:
	}
}

func (h *health) isDamaged() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.damaged
}

func (h *health) rewritten() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.damaged = false
}

// mayTry says whether the disk has been left alone for long enough.
func (h *health) mayTry() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if time.Since(h.tried) < retryDisk {
		return false
	}
	h.tried = time.Now()
	return true
}

// retry fires when a broken disk should be tried again; never while it is well.
func (h *health) retry() <-chan time.Time {
	if h.err() == nil {
		return nil
	}
	return time.After(retryDisk)
}

// fail takes note of a transaction that failed.
func (d *disk) fail(err error) {
	d.writeFails.Add(1)
	if errors.Is(err, boltfile.ErrDamaged) {
		d.health.suspect()
		return
	}
	if d.health.set(fmt.Errorf("%w: %v", ErrNotDurable, err)) == nil {
		d.log.Error("the cache cannot store answers; those that it has are served on", "error", err)
	}
}

// mend brings a broken file back. After a failed commit nobody knows which
// pages are on the disk, and bbolt's idea of them may be wrong: so the file is
// opened and walked anew, once the disk takes writes again. It belongs to the
// writer.
func (d *disk) mend() error {
	refused, damaged := d.health.err(), d.health.isDamaged()
	if refused == nil && !damaged || refused != nil && !d.health.mayTry() {
		return refused
	}
	err := d.probe()
	switch {
	case err != nil:
	case damaged:
		err = d.salvage()
	default:
		err = d.reopen()
	}
	if err == nil {
		err = boltfile.Guard(func() error { return d.db.Update(func(*bolt.Tx) error { return nil }) })
	}
	if err != nil {
		d.health.set(fmt.Errorf("%w: %v", ErrNotDurable, err))
		return d.health.err()
	}
	if d.health.set(nil) != nil {
		d.log.Info("the cache can store answers again")
	}
	return nil
}

// probe tries the disk without touching what can still be read.
func (d *disk) probe() error {
	path := d.path + ".probe"
	f, err := os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(make([]byte, 256<<10))
	return errors.Join(err, f.Sync(), f.Close(), os.Remove(path), boltfile.SyncDir(path))
}

// reopen closes and opens the file. If it cannot be opened for writing, what is
// in it can still be read.
func (d *disk) reopen() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	closed := d.db.Close()
	db, err := d.openFile()
	if err != nil {
		readable, errRead := boltfile.OpenReadOnly(d.path)
		if errRead == nil {
			d.db = readable
		}
		return errors.Join(err, closed, errRead)
	}
	d.db = db
	d.memory.changedAll() // a commit that failed may have come through
	return db.View(d.books.load)
}

// install puts a fresh file into the place of the open one, and uses it from
// now on. It returns the one before, to be closed.
func (d *disk) install(fresh *boltfile.DB) (before *boltfile.DB, err error) {
	switch err := boltfile.Install(fresh, d.path); {
	case errors.Is(err, boltfile.ErrUnsure):
		d.health.set(fmt.Errorf("%w: %v", ErrNotDurable, err)) // until mended
	case err != nil:
		return nil, err
	}
	d.mu.Lock()
	before, d.db = d.db, fresh
	d.mu.Unlock()
	return before, fresh.View(d.books.load)
}
