package quota

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"

	bolt "go.etcd.io/bbolt"
)

// entriesPerView bounds how long one reader keeps a view of the file open: a
// view keeps the pages that later transactions free.
const entriesPerView = 1000

// eachEntry calls f for each entry from sequence number from on.
func eachEntry(db *bolt.DB, from uint64, f func(Entry) error) error {
	for {
		page := make([]Entry, 0, entriesPerView)
		err := db.View(func(tx *bolt.Tx) error {
			c := tx.Bucket(bucketEntries).Cursor()
			for k, v := c.Seek(seqKey(from)); k != nil && len(page) < entriesPerView; k, v = c.Next() {
				_, body, err := unseal(v)
				var e Entry
				if err == nil {
					err = json.Unmarshal(body, &e)
				}
				if err != nil {
					return fmt.Errorf("%w: entry %d: %v", ErrForeign, binary.BigEndian.Uint64(k), err)
				}
				page = append(page, e)
			}
			return nil
		})
		if err != nil {
			return err
		}
		for _, e := range page {
			if err := f(e); err != nil {
				return err
			}
		}
		if len(page) < entriesPerView {
			return nil
		}
		from = page[len(page)-1].Seq + 1
	}
}

// Verify reads the whole audit log: the chain of hashes must be unbroken, and
// the books must follow from the entries. It returns how many entries there
// are, and every error that it found.
func (l *Ledger) Verify() (entries uint64, err error) {
	l.mu.Lock()
	db := l.db
	l.mu.Unlock()
	err = db.View(func(tx *bolt.Tx) error {
		var errs []error
		var prev [sha256.Size]byte
		sums := map[string]totals{}
		open := map[uint64]Entry{}
		c := tx.Bucket(bucketEntries).Cursor()
		for k, v := c.First(); k != nil; k, v = c.Next() {
			entries++
			hash, body, err := unseal(v)
			if err == nil && hash != chain(prev, body) {
				err = errors.New("the chain of hashes is broken here")
			}
			var e Entry
			if err == nil {
				err = json.Unmarshal(body, &e)
			}
			if err == nil {
				err = follow(&e, open, sums)
			}
			if err != nil {
				errs = append(errs, fmt.Errorf("entry %d: %w", binary.BigEndian.Uint64(k), err))
			}
			prev = hash
		}
		return errors.Join(append(errs, checkBooks(tx, open, sums)...)...)
	})
	return entries, err
}

// follow plays one entry on a second set of books.
func follow(e *Entry, open map[uint64]Entry, sums map[string]totals) error {
	if e.Kind == "reserve" {
		open[e.Seq] = *e
		return nil
	}
	r, ok := open[e.Ref]
	if !ok || r.Units != e.Units || r.Account != e.Account {
		return fmt.Errorf("%s settles reservation %d, which is not open like that", e.Kind, e.Ref)
	}
	delete(open, e.Ref)
	t := sums[e.Account]
	switch e.Kind {
	case "spent":
		t.Spent += e.Units
	case "uncertain":
		t.Uncertain += e.Units
	case "void":
	default:
		return fmt.Errorf("unknown kind %q", e.Kind)
	}
	sums[e.Account] = t
	return nil
}

// checkBooks compares the second set of books with what the file says.
func checkBooks(tx *bolt.Tx, open map[uint64]Entry, sums map[string]totals) (errs []error) {
	note := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	on := 0
	_ = tx.Bucket(bucketOpen).ForEach(func(k, _ []byte) error {
		on++
		if _, ok := open[binary.BigEndian.Uint64(k)]; !ok {
			note("reservation %d is open without an entry", binary.BigEndian.Uint64(k))
		}
		return nil
	})
	if on != len(open) {
		note("%d reservations are open, the entries say %d", on, len(open))
	}
	for name, want := range sums {
		var got totals
		if raw := tx.Bucket(bucketTotals).Get([]byte(name)); raw != nil {
			if err := decodeRecord([]byte(name), raw, &got); err != nil {
				note("totals of %s: %w", name, err)
				continue
			}
		}
		if got != want {
			note("totals of %s are %+v, the entries say %+v", name, got, want)
		}
	}
	return errs
}
