package quota

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"time"

	bolt "go.etcd.io/bbolt"
)

const (
	// prunePerStep bounds how many entries, and how many minutes, one
	// transaction takes away.
	prunePerStep = 500
	// pruneRest is how long others have the disk for themselves between steps.
	pruneRest = 200 * time.Millisecond
)

// prunable says that the oldest entries are past their retention.
func (l *Ledger) prunable(now instant) bool {
	return !l.first.IsZero() && now.stamp.Sub(l.first) > l.opts.Retention
}

// prune replaces the oldest entries by their summary, and takes the minutes
// that go with them away.
func (t *transaction) prune() {
	l := t.ledger
	if !l.prunable(t.now) || t.now.steady.Sub(l.pruned) < pruneRest || t.err != nil {
		return
	}
	l.pruned = t.now.steady
	cutoff := t.now.stamp.Add(-l.opts.Retention)
	var sum *replay
	before := 0
	err := l.db.View(func(tx *bolt.Tx) (err error) {
		if sum, err = loadSummary(tx); err != nil {
			return err
		}
		c := tx.Bucket(bucketEntries).Cursor()
		for k, v := c.First(); k != nil; k, v = c.Next() {
			e, _, err := decodeEntry(k, v)
			if err != nil {
				return err
			}
			// The last one stays, because the head speaks of it.
			if l.first = e.Time; !e.Time.Before(cutoff) || before >= prunePerStep || e.Seq == l.head.Seq {
				return nil
			}
			if err := sum.next(k, v); err != nil {
				return fmt.Errorf("entry %d: %w", e.Seq, err)
			}
			before++
		}
		return nil
	})
	if err != nil {
		l.first = t.now.stamp // a damaged entry is for Verify to report; all stay
		return
	}
	if before == 0 {
		l.first = t.now.stamp // nothing can go before another entry has come
		return
	}
	t.log(Entry{Kind: KindPrune, Ref: sum.Seq, Reason: fmt.Sprintf("%d entries are past their retention", before)})
	t.more = append(t.more, func(tx *bolt.Tx) error {
		if err := putRecord(tx.Bucket(bucketMeta), keySummary, sum); err != nil {
			return err
		}
		if err := pruneEntries(tx.Bucket(bucketEntries), sum.Seq); err != nil {
			return err
		}
		for _, b := range [][]byte{bucketMinutes, bucketSpenders} {
			if err := pruneMinutes(tx.Bucket(b), sum.Time); err != nil {
				return err
			}
		}
		return nil
	})
}

func pruneEntries(b *bolt.Bucket, through uint64) error {
	var gone [][]byte
	c := b.Cursor()
	for k, _ := c.First(); k != nil && binary.BigEndian.Uint64(k) <= through; k, _ = c.Next() {
		gone = append(gone, k)
	}
	return deleteAll(b, gone)
}

// pruneMinutes deletes minutes before the one of a time, some of each series.
func pruneMinutes(b *bolt.Bucket, before time.Time) error {
	var gone [][]byte
	c := b.Cursor()
	for k, _ := c.First(); k != nil && len(gone) < 4*prunePerStep; {
		series := bytes.Clone(k[:len(k)-8])
		end := minuteKey(series, before)
		for ; k != nil && bytes.Compare(k, end) < 0 && len(gone) < 4*prunePerStep; k, _ = c.Next() {
			gone = append(gone, k)
		}
		k, _ = c.Seek(binary.BigEndian.AppendUint64(series, 1<<63))
	}
	return deleteAll(b, gone)
}

func deleteAll(b *bolt.Bucket, keys [][]byte) error {
	for i := range keys {
		keys[i] = bytes.Clone(keys[i]) // a deletion moves what keys point into
	}
	for _, k := range keys {
		if err := b.Delete(k); err != nil {
			return err
		}
	}
	return nil
}
