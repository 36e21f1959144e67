package cache

import (
	"context"
	"errors"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/enrichgate/enrichgate/cache/boltfile"
)

// Item is an entry as an operator sees it.
type Item struct {
	Key   Key
	Entry *Entry
	State State
	// Size is what it takes on disk, in bytes.
	Size int64
	// LastUsed is when it was last asked for, to the hour.
	LastUsed time.Time
}

func (d *disk) itemOf(it item) (Item, error) {
	_, e, err := d.codec.decode(it.id, it.record)
	if err != nil {
		return Item{}, err
	}
	return Item{
		Key: it.key, Entry: e, State: e.State(d.now()), Size: int64(len(it.record)),
		LastUsed: time.Unix(int64(it.hour)*3600, 0),
	}, nil
}

// Peek reads an entry from disk, gone ones too, without it counting as a use;
// false when there is none.
func (c *Cache) Peek(k Key) (found Item, ok bool, err error) {
	d := c.disk
	id := d.codec.id(k)
	err = d.view(func(tx *bolt.Tx) error {
		p, known := lookIndex(tx, id)
		if !known {
			return nil
		}
		w := walker{disk: d}
		it, readable := w.item(tx, p.seq, tx.Bucket(bucketAnswers).Get(p.seqKey()))
		if !readable || it.key != k {
			return nil
		}
		var err error
		found, err = d.itemOf(it)
		ok = err == nil
		return nil
	})
	return found, ok, err
}

// Each calls f for every entry that the filter chooses, gone ones too, in the
// order in which they were stored, until f returns an error, which Each returns.
// It does not count as a use. It reads a few hundred entries at a time: what is
// stored meanwhile may be seen or not, and seen twice if it is replaced. Entries
// that are damaged are passed over.
func (c *Cache) Each(ctx context.Context, filter Filter, f func(Item) error) error {
	d := c.disk
	w := &walker{disk: d, view: d.view}
	for {
		items, err := w.read(ctx)
		if err != nil || len(items) == 0 {
			return err
		}
		for _, it := range items {
			if !filter.matches(it.key, it.head) {
				continue
			}
			whole, err := d.itemOf(it)
			if err != nil {
				continue
			}
			if err := f(whole); err != nil {
				return err
			}
		}
	}
}

// Purge removes what the filter chooses, durably and at once for everybody, and
// says how many entries that were. It works in small steps and holds nobody up;
// one that is stored anew meanwhile stays. The zero filter empties the file at
// once and leaves nothing in it; otherwise traces of what was removed stay in
// free pages until Compact.
func (c *Cache) Purge(ctx context.Context, filter Filter) (n int, err error) {
	d := c.disk
	if filter == (Filter{}) {
		return d.empty(ctx)
	}
	w := &walker{disk: d, view: d.view}
	for {
		items, err := w.read(ctx)
		if err != nil || len(items) == 0 {
			return n, err
		}
		var chosen []item
		for _, it := range items {
			if filter.matches(it.key, it.head) {
				chosen = append(chosen, it)
			}
		}
		for len(chosen) > 0 {
			now := chosen[:min(step, len(chosen))]
			chosen = chosen[len(now):]
			removed, err := d.purge(ctx, now)
			if n += removed; err != nil {
				return n, err
			}
		}
	}
}

// purge removes those of the items that are still what they were.
func (d *disk) purge(ctx context.Context, items []item) (n int, err error) {
	err = d.do(ctx, 0, func(t *txn) error {
		n = 0
		for _, it := range items {
			if p, ok := lookIndex(t.tx, it.id); !ok || p.seq != it.seq {
				continue
			}
			n++
			t.after = append(t.after, func() { d.memory.changed(it.id) })
			if err := t.remove(it.id, byPurge); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		n = 0
	}
	return n, err
}

// empty starts with a new file.
func (d *disk) empty(ctx context.Context) (n int, err error) {
	d.compacting.Lock()
	defer d.compacting.Unlock()
	err = d.alone(ctx, func() error {
		fresh, err := boltfile.Fresh(d.path, d.spec())
		if err != nil {
			return err
		}
		gone := d.books.all()
		before, err := d.install(fresh)
		if before == nil {
			return errors.Join(err, boltfile.Discard(fresh))
		}
		d.memory.changedAll()
		d.books.purged(gone)
		for _, s := range gone {
			n += int(s.entries)
		}
		return errors.Join(err, before.Close())
	})
	return n, err
}
