package quota

import (
	"time"

	bolt "go.etcd.io/bbolt"
)

// commit writes the transaction, fsynced, and answers its callers. The lock is
// let go while the disk works: readers may see books a moment ahead of the disk.
func (t *transaction) commit() error {
	l := t.ledger
	if len(t.entries) == 0 && len(t.more) == 0 && len(t.totals) == 0 {
		for _, o := range t.replies {
			o.answer(Decision{}, t.err)
		}
		return t.err
	}
	h := l.head
	db := l.db
	began := time.Now()
	var size int64
	l.mu.Unlock()
	err := l.update(db, func(tx *bolt.Tx) error {
		size = tx.Size()
		return t.put(tx, &h)
	})
	if err == nil {
		err = l.inPlace()
	}
	took := time.Since(began)
	l.mu.Lock()
	l.commits.Observe(took.Seconds())
	if err != nil {
		l.stats.CommitErrors++
		l.fail(err)
		err = l.broken
	} else {
		l.stats.LastCommit, l.stats.Size = t.now.wall, size
		l.head = h
		for _, o := range t.grants {
			l.held[o.decision.ID] = struct{}{}
		}
		for _, id := range t.closed {
			delete(l.held, id)
		}
	}
	for _, o := range t.grants {
		o.answer(o.decision, err)
	}
	for _, o := range t.replies {
		o.answer(Decision{}, err)
	}
	return err
}

func (t *transaction) put(tx *bolt.Tx, h *head) error {
	entries := tx.Bucket(bucketEntries)
	entries.FillPercent = 0.95 // only ever appended to
	for i := range t.entries {
		record, hash, err := seal(h.Hash, &t.entries[i])
		if err != nil {
			return err
		}
		h.Seq, h.Hash, h.Time = t.entries[i].Seq, hash, t.now.stamp
		if err := entries.Put(seqKey(h.Seq), record); err != nil {
			return err
		}
	}
	if h.Seq > 0 {
		if err := putRecord(tx.Bucket(bucketMeta), keyHead, h); err != nil {
			return err
		}
	}
	open := tx.Bucket(bucketOpen)
	for id, r := range t.opened {
		if err := putRecord(open, seqKey(id), r); err != nil {
			return err
		}
	}
	for _, id := range t.closed {
		if err := open.Delete(seqKey(id)); err != nil {
			return err
		}
	}
	for _, d := range t.minutes {
		if err := addMinute(tx.Bucket(d.bucket), d.key, &d.minute); err != nil {
			return err
		}
	}
	all := tx.Bucket(bucketTotals)
	for source, add := range t.totals {
		var sum totals
		if _, err := getRecord(all, []byte(source), &sum); err != nil {
			return err
		}
		sum.Spent += add.Spent
		sum.Uncertain += add.Uncertain
		if err := putRecord(all, []byte(source), sum); err != nil {
			return err
		}
	}
	for _, put := range t.more {
		if err := put(tx); err != nil {
			return err
		}
	}
	return nil
}
