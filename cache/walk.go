package cache

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"

	bolt "go.etcd.io/bbolt"

	"github.com/enrichgate/enrichgate/cache/boltfile"
)

// item is an entry on its way from file to file.
type item struct {
	id     entryID
	seq    uint64
	key    Key
	head   *Entry // without its body
	hour   uint32
	record []byte
}

// walker reads all entries in the order in which they were stored, in read
// transactions that are short, so that a file that is written meanwhile does
// not grow.
type walker struct {
	disk *disk
	view func(func(*bolt.Tx) error) error
	// skip has it step over what cannot be read instead of failing.
	skip bool

	items []item
	next  uint64
	ended bool
	// failed counts reads that failed in a row.
	failed uint
	lost   int // records that were damaged
}

// read gives the next stretch of items; none at the end.
func (w *walker) read(ctx context.Context) ([]item, error) {
	w.items = nil
	for !w.ended && len(w.items) == 0 {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		err := w.view(func(tx *bolt.Tx) error {
			w.stretch(tx)
			return nil
		})
		switch {
		case err == nil:
			w.failed = 0
		case !w.skip || !errors.Is(err, boltfile.ErrDamaged):
			return nil, err
		default:
			w.stepOver() // what was read before the damage stays
		}
	}
	return w.items, nil
}

// stretch collects items until there are enough for one transaction.
func (w *walker) stretch(tx *bolt.Tx) {
	size := 0
	c := tx.Bucket(bucketAnswers).Cursor()
	for k, record := c.Seek(place{seq: w.next}.seqKey()); k != nil; k, record = c.Next() {
		if len(w.items) >= maxBatch || size > maxBatchBytes {
			return
		}
		seq := binary.BigEndian.Uint64(k)
		if it, ok := w.item(tx, seq, record); ok {
			w.items, size = append(w.items, it), size+len(record)
		}
		w.next = seq + 1
	}
	w.ended = true
}

// item takes a record out of the file, unless it is damaged or nobody's.
func (w *walker) item(tx *bolt.Tx, seq uint64, record []byte) (item, bool) {
	if len(record) < len(entryID{}) {
		w.lost++
		return item{}, false
	}
	it := item{id: entryID(record[:len(entryID{})]), seq: seq}
	var err error
	if it.key, it.head, _, err = w.disk.codec.head(it.id, record); err != nil {
		w.lost++
		return item{}, false
	}
	it.hour = hours(it.head.StoredAt)
	var p place
	var known bool
	err = boltfile.Guard(func() error {
		p, known = lookIndex(tx, it.id)
		return nil
	})
	switch {
	case err == nil && known && p.seq == seq:
		it.hour = p.hour
	case err == nil || !w.skip: // without a place it was removed, or replaced
		return item{}, false
	}
	it.record = bytes.Clone(record)
	return it, true
}

// stepOver goes on behind a number that cannot be read, in steps that double
// when there is no end to the damage.
func (w *walker) stepOver() {
	const patience = 256
	w.failed++
	from := w.next
	w.next = from + 1<<min(w.failed/patience, 62)
	w.ended = w.next < from
	err := w.view(func(tx *bolt.Tx) error {
		w.ended = w.ended || w.next > tx.Bucket(bucketAnswers).Sequence()
		return nil
	})
	if err != nil && w.failed > 64*patience {
		w.ended = true
	}
}
