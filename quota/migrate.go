package quota

import (
	"fmt"

	bolt "go.etcd.io/bbolt"

	"github.com/enrichgate/enrichgate/cache/boltfile"
)

// specV1 is the format before this one: it had no doubts, no spenders, no
// notes, and minutes that did not tell whose the uncertain units were.
var specV1 = boltfile.Spec{
	Format:  "enrichgate-ledger/1",
	Walk:    true,
	Buckets: [][]byte{bucketMeta, bucketEntries, bucketOpen, bucketMinutes, bucketTotals},
}

// migrate brings a file of the format before up to this one, in one
// transaction: a crash leaves the old file. The audit log says all that the new
// records need, so they are made from it.
func migrate(db *boltfile.DB) error {
	return db.Update(func(tx *bolt.Tx) error {
		if err := tx.DeleteBucket(bucketMinutes); err != nil {
			return err
		}
		for _, b := range spec.Buckets {
			if _, err := tx.CreateBucketIfNotExists(b); err != nil {
				return err
			}
		}
		if err := remake(tx); err != nil {
			return err
		}
		if err := putRecord(tx.Bucket(bucketMeta), keyIdentity, newIdentity()); err != nil {
			return err
		}
		return tx.Bucket(bucketMeta).Put([]byte("format"), []byte(spec.Format))
	})
}

// remake fills the new records from the old entries.
func remake(tx *bolt.Tx) error {
	open := map[uint64]reservation{}
	minutes := map[string]*minuteDelta{}
	t := transaction{minutes: minutes}
	c := tx.Bucket(bucketEntries).Cursor()
	for k, v := c.First(); k != nil; k, v = c.Next() {
		e, _, err := decodeEntry(k, v)
		if err != nil {
			return err
		}
		if e.Kind == KindReserve {
			trigger, err := ParseTrigger(e.Trigger)
			if err != nil {
				return fmt.Errorf("%w: entry %d: %v", ErrForeign, e.Seq, err)
			}
			open[e.Seq] = reservation{
				Account: e.Account, Units: e.Units, Trigger: trigger, Endpoint: e.Endpoint,
				Client: e.Client, Playbook: e.Playbook, At: e.Time,
			}
			continue
		}
		r := open[e.Ref]
		delete(open, e.Ref)
		var m minute
		switch e.Kind {
		case KindSpent:
			m.Spent[r.Trigger] = e.Units
		case KindUncertain:
			m.Uncertain[r.Trigger] = e.Units
			if err := putRecord(tx.Bucket(bucketDoubts), seqKey(e.Ref), doubt{reservation: r, Entry: e.Seq, Settled: e.Time}); err != nil {
				return err
			}
		default:
			continue
		}
		t.book(&r, e.Time, m)
	}
	for _, d := range minutes {
		if err := addMinute(tx.Bucket(d.bucket), d.key, &d.minute); err != nil {
			return err
		}
	}
	for id, r := range open {
		if err := putRecord(tx.Bucket(bucketOpen), seqKey(id), r); err != nil {
			return err
		}
	}
	return nil
}
