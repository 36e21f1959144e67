package cache

import (
	"context"
	"errors"
	"os"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/enrichgate/enrichgate/cache/boltfile"
)

// A checksum finds a damaged record, and only that one is lost. Damage to the
// tree that bbolt keeps them in is worse: it panics, or ends the process. Then
// the file is read around the damage, number by number, and rewritten. The
// damaged file is kept beside it, until the next one.

// salvage rewrites the open file. It belongs to the writer: writes wait until it
// is done, so that what is paid for meanwhile is kept.
func (d *disk) salvage() error {
	if !d.compacting.TryLock() {
		return ErrBusy // it reads the same damage, and ends by it
	}
	defer d.compacting.Unlock()
	d.rewritten = nil
	fresh, err := d.rescue(d.view)
	if err != nil {
		return err
	}
	before, err := d.install(fresh)
	if before == nil {
		return errors.Join(err, boltfile.Discard(fresh))
	}
	d.health.rewritten()
	d.memory.changedAll()
	// bbolt may never let go of a file on which it has panicked.
	go func() { _ = before.Close() }()
	return err
}

// salvageFile rewrites a file that is not open.
func (d *disk) salvageFile() error {
	db, err := boltfile.OpenReadOnly(d.path)
	if err != nil {
		return err
	}
	fresh, err := d.rescue(func(f func(*bolt.Tx) error) error {
		return boltfile.Guard(func() error { return db.View(f) })
	})
	if err == nil {
		err = errors.Join(boltfile.Install(fresh, d.path), fresh.Close())
	}
	return errors.Join(err, db.Close())
}

// rescue makes a fresh file of what can be read, to be installed.
func (d *disk) rescue(view func(func(*bolt.Tx) error) error) (*boltfile.DB, error) {
	began := time.Now()
	var canary error
	if err := view(func(tx *bolt.Tx) error { canary = checkCanary(tx, d.codec.guard); return nil }); err != nil {
		return nil, err
	}
	if canary != nil {
		return nil, canary
	}
	fresh, err := boltfile.Fresh(d.path, d.spec())
	if err != nil {
		return nil, err
	}
	w := &walker{disk: d, view: view, skip: true}
	l := &loader{disk: d, db: fresh}
	if err = l.addAll(context.Background(), w); err == nil {
		err = l.finish()
	}
	if err != nil {
		return nil, errors.Join(err, boltfile.Discard(fresh))
	}
	aside := d.path + ".damaged"
	if err := os.Remove(aside); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, errors.Join(err, boltfile.Discard(fresh))
	}
	if err := os.Link(d.path, aside); err != nil {
		return nil, errors.Join(err, boltfile.Discard(fresh))
	}
	d.damaged.Add(uint64(w.lost))
	d.log.Error("the cache's file was damaged and has been rewritten without what could not be read",
		"entries", len(l.places), "damaged", w.lost, "kept_aside", aside, "took", sinceBegan(began))
	return fresh, nil
}
