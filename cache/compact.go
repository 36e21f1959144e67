package cache

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/enrichgate/enrichgate/cache/boltfile"
)

// ErrBusy means that a compaction is under way already.
var ErrBusy = errors.New("the cache is being compacted already")

// lastRound is how many entries may be copied while the writer waits.
const lastRound = 500

// compact copies all entries into a fresh file and puts it into the old one's
// place. Reads and writes go on; the writer waits for the last few hundred
// entries and a rename. A crash at any point leaves the old file or the new one.
func (d *disk) compact(ctx context.Context) (err error) {
	if !d.compacting.TryLock() {
		return ErrBusy
	}
	defer d.compacting.Unlock()
	began, before := time.Now(), d.fileSize()
	track := func() error { d.rewritten = map[entryID]struct{}{}; return nil }
	if err := d.alone(ctx, track); err != nil {
		return err
	}
	fresh, err := boltfile.Fresh(d.path, d.spec())
	if err == nil {
		var installed bool
		if installed, err = d.fill(ctx, fresh); !installed {
			err = errors.Join(err, boltfile.Discard(fresh))
		}
	}
	if err != nil {
		// The context may be what has ended.
		untrack := func() error { d.rewritten = nil; return nil }
		if errAlone := d.alone(context.WithoutCancel(ctx), untrack); errAlone != nil {
			err = errors.Join(err, errAlone)
		}
		return err
	}
	d.compactions.Add(1)
	d.log.Info("the cache's file was compacted", "bytes_before", before, "bytes_after", d.fileSize(), "took", sinceBegan(began))
	return nil
}

// fill copies everything into the fresh file, and installs it.
func (d *disk) fill(ctx context.Context, fresh *boltfile.DB) (installed bool, err error) {
	l := &loader{disk: d, db: fresh}
	if err := l.addAll(ctx, &walker{disk: d, view: d.view}); err != nil {
		return false, err
	}
	if err := l.finish(); err != nil {
		return false, err
	}
	// What has changed meanwhile is copied again, in rounds that get shorter.
	for range 10 {
		var changed map[entryID]struct{}
		err := d.alone(ctx, func() error {
			if len(d.rewritten) > lastRound {
				changed, d.rewritten = d.rewritten, map[entryID]struct{}{}
			}
			return nil
		})
		if err != nil {
			return false, err
		}
		if changed == nil {
			break
		}
		if err := d.copyChanged(changed, fresh, &l.books); err != nil {
			return false, err
		}
	}
	if err := fresh.Sync(); err != nil { // now, so that little is left for the end
		return false, err
	}
	err = d.alone(ctx, func() error {
		if err := d.copyChanged(d.rewritten, fresh, &l.books); err != nil {
			return err
		}
		before, err := d.install(fresh)
		if before != nil {
			d.rewritten = nil
			err = errors.Join(err, before.Close())
			installed = true
		}
		return err
	})
	return installed, err
}

// copyChanged brings entries in the fresh file to their present state.
func (d *disk) copyChanged(changed map[entryID]struct{}, fresh *boltfile.DB, b *books) error {
	w := &walker{disk: d}
	for ids := range slices.Chunk(slices.Collect(maps.Keys(changed)), maxBatch) {
		var items []item
		err := d.view(func(tx *bolt.Tx) error {
			for _, id := range ids {
				if p, ok := lookIndex(tx, id); ok {
					if it, ok := w.item(tx, p.seq, tx.Bucket(bucketAnswers).Get(p.seqKey())); ok {
						items = append(items, it)
					}
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
		var t *txn
		err = fresh.Update(func(tx *bolt.Tx) error {
			t = d.begin(tx, b)
			for _, id := range ids {
				if err := t.remove(id, byStore); err != nil {
					return err
				}
			}
			for _, it := range items {
				source, _, _, _ := it.key.Parts()
				if err := t.store(it.id, source, it.head.goneAt(), it.hour, it.record); err != nil {
					return err
				}
			}
			return t.finish()
		})
		if err != nil {
			return err
		}
		b.settle(t)
	}
	return nil
}

// wasteful says whether a quarter of the file is waste, and whether the last
// compaction had more success than this one could have.
func (d *disk) wasteful() bool {
	size, live := d.fileSize(), d.books.live.Load()
	return size > live+live/4+1<<20 && size > d.floor.Load()
}

// compactWaste compacts because there is waste, not because somebody asked.
func (d *disk) compactWaste() {
	err := d.compact(d.closing)
	if err != nil && d.closing.Err() == nil && !errors.Is(err, ErrBusy) {
		d.log.Warn("the cache's file could not be compacted", "error", err)
	}
	size := d.fileSize()
	d.floor.Store(size + size/20)
}
