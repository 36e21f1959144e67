package cache

import (
	"bytes"
	"cmp"
	"context"
	"slices"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/enrichgate/enrichgate/cache/boltfile"
)

// loader fills a fresh file in the order of its pages, so that they end up full:
// first the records, then each order by itself. It remembers 40 bytes of each
// entry until the end.
type loader struct {
	disk   *disk
	db     *boltfile.DB
	books  books
	places []placed
}

type placed struct {
	id entryID
	place
}

// add stores the records of items.
func (l *loader) add(items []item) error {
	return l.db.Update(func(tx *bolt.Tx) error {
		answers := tx.Bucket(bucketAnswers)
		answers.FillPercent = 1
		for _, it := range items {
			seq, err := answers.NextSequence()
			if err != nil {
				return err
			}
			source, _, _, _ := it.key.Parts()
			p := place{seq, seconds(it.head.goneAt()), it.hour, uint32(len(it.record)), l.books.number(source)}
			if err := answers.Put(p.seqKey(), it.record); err != nil {
				return err
			}
			l.places = append(l.places, placed{it.id, p})
		}
		return nil
	})
}

// addAll stores what a walker reads.
func (l *loader) addAll(ctx context.Context, w *walker) error {
	for {
		items, err := w.read(ctx)
		if err != nil || len(items) == 0 {
			return err
		}
		if err := l.add(items); err != nil {
			return err
		}
	}
}

// finish writes the index, the orders and the books.
func (l *loader) finish() error {
	if err := l.dropDoubles(); err != nil {
		return err
	}
	err := l.write(bucketIndex, func(p placed) ([]byte, []byte) { return p.id[:], p.encode() })
	if err != nil {
		return err
	}
	slices.SortFunc(l.places, func(a, b placed) int { return cmp.Or(cmp.Compare(a.gone, b.gone), cmp.Compare(a.seq, b.seq)) })
	if err := l.write(bucketExpiry, func(p placed) ([]byte, []byte) { return p.expiryKey(), nil }); err != nil {
		return err
	}
	slices.SortFunc(l.places, func(a, b placed) int { return cmp.Or(cmp.Compare(a.hour, b.hour), cmp.Compare(a.seq, b.seq)) })
	if err := l.write(bucketUsed, func(p placed) ([]byte, []byte) { return p.usedKey(), nil }); err != nil {
		return err
	}
	var t *txn
	err = l.db.Update(func(tx *bolt.Tx) error {
		t = l.disk.begin(tx, &l.books)
		for _, p := range l.places {
			t.delta(p.sourceNumber).add(1, int64(p.size))
		}
		return t.finish()
	})
	if err == nil {
		l.books.settle(t)
	}
	return err
}

// dropDoubles sorts the places by id and removes all but the newest of each: a
// file whose index is damaged can hold what was replaced.
func (l *loader) dropDoubles() error {
	slices.SortFunc(l.places, func(a, b placed) int {
		return cmp.Or(bytes.Compare(a.id[:], b.id[:]), cmp.Compare(a.seq, b.seq))
	})
	kept := l.places[:0]
	var doubles []place
	for i, p := range l.places {
		if i+1 < len(l.places) && l.places[i+1].id == p.id {
			doubles = append(doubles, p.place)
		} else {
			kept = append(kept, p)
		}
	}
	l.places = kept
	if len(doubles) == 0 {
		return nil
	}
	return l.db.Update(func(tx *bolt.Tx) error {
		for _, p := range doubles {
			if err := tx.Bucket(bucketAnswers).Delete(p.seqKey()); err != nil {
				return err
			}
		}
		return nil
	})
}

// write puts one key of each place into a bucket, in their order.
func (l *loader) write(bucket []byte, keyed func(placed) (key, value []byte)) error {
	for some := range slices.Chunk(l.places, 16*maxBatch) {
		err := l.db.Update(func(tx *bolt.Tx) error {
			b := tx.Bucket(bucket)
			b.FillPercent = 0.9
			for _, p := range some {
				if err := b.Put(keyed(p)); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// sinceBegan is for the log.
func sinceBegan(began time.Time) string { return time.Since(began).Round(time.Millisecond).String() }
