package quota

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/enrichgate/enrichgate/cache/boltfile"
)

// books are what a start needs of the file.
type books struct {
	head     head
	identity identity
	accounts map[string]*account
	open     map[uint64]reservation
	// first is the time of the oldest entry that is kept.
	first time.Time
}

// load rebuilds the books as they stand at now. The time of the head is at
// most now's stamp.
func load(db *boltfile.DB, configured map[string]Account, now instant) (b books, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: %v", ErrForeign, p)
		}
	}()
	b = books{accounts: map[string]*account{}, open: map[uint64]reservation{}}
	for name, cfg := range configured {
		b.accounts[name] = newAccount(name, cfg, now)
		b.accounts[name].configured = true
	}
	err = db.View(func(tx *bolt.Tx) error {
		if b.head, err = loadHead(tx); err != nil {
			return err
		}
		known, err := getRecord(tx.Bucket(bucketMeta), keyIdentity, &b.identity)
		if err != nil {
			return err
		}
		if !known && b.head.Seq > 0 {
			return fmt.Errorf("%w: its identity is missing", ErrForeign)
		}
		if b.first, err = oldest(tx); err != nil {
			return err
		}
		for _, name := range [][]byte{bucketMinutes, bucketSpenders} {
			if err := whole(tx.Bucket(name)); err != nil {
				return err
			}
		}
		if err := b.loadRecords(tx, now); err != nil {
			return err
		}
		for name, a := range b.accounts {
			if err := loadWindows(tx, name, a, b.head.Time, now); err != nil {
				return err
			}
		}
		return nil
	})
	return b, err
}

// oldest is the time of the first entry that is kept; those before it must
// have left their summary.
func oldest(tx *bolt.Tx) (time.Time, error) {
	k, v := tx.Bucket(bucketEntries).Cursor().First()
	if k == nil {
		return time.Time{}, nil
	}
	e, _, err := decodeEntry(k, v)
	if err != nil {
		return time.Time{}, err
	}
	sum, err := loadSummary(tx)
	if err == nil && sum.Seq+1 != e.Seq {
		err = fmt.Errorf("%w: entry %d follows a summary through %d", ErrForeign, e.Seq, sum.Seq)
	}
	return e.Time, err
}

// whole checks every record of a bucket: one under a wrong key would be missed
// where it belongs.
func whole(b *bolt.Bucket) error {
	return b.ForEach(func(k, v []byte) error {
		if _, err := boltfile.Unprotect(k, v); err != nil {
			return fmt.Errorf("%w: record %q: %v", ErrForeign, k, err)
		}
		return nil
	})
}

// loadHead also checks that the last entry is the one that the head speaks of.
func loadHead(tx *bolt.Tx) (h head, err error) {
	found, err := getRecord(tx.Bucket(bucketMeta), keyHead, &h)
	if err != nil {
		return h, err
	}
	if !found {
		if k, _ := tx.Bucket(bucketEntries).Cursor().First(); k != nil {
			return h, fmt.Errorf("%w: its head is missing", ErrForeign)
		}
		return h, nil
	}
	record := tx.Bucket(bucketEntries).Get(seqKey(h.Seq))
	if hash, _, err := unseal(record); err != nil || hash != h.Hash {
		return h, fmt.Errorf("%w: the last entry (%d) does not match the head", ErrForeign, h.Seq)
	}
	return h, nil
}

// of finds a source; one that is no longer configured is kept and shown.
func (b *books) of(source string, now instant) *account {
	a := b.accounts[source]
	if a == nil {
		a = newAccount(source, Account{}, now)
		b.accounts[source] = a
	}
	return a
}

func (b *books) loadRecords(tx *bolt.Tx, now instant) error {
	err := eachRecord(tx.Bucket(bucketTotals), func(k []byte, t totals) error {
		a := b.of(string(k), now)
		a.spent, a.uncertain, a.known = t.Spent, t.Uncertain, true
		return nil
	})
	if err != nil {
		return err
	}
	err = eachRecord(tx.Bucket(bucketOpen), func(k []byte, r reservation) error {
		if len(k) != 8 {
			return fmt.Errorf("%w: open reservation %x", ErrForeign, k)
		}
		b.of(r.Account, now).hold(&r)
		b.open[binary.BigEndian.Uint64(k)] = r
		return nil
	})
	if err != nil {
		return err
	}
	err = eachRecord(tx.Bucket(bucketDoubts), func(k []byte, d doubt) error {
		if len(k) != 8 {
			return fmt.Errorf("%w: uncertain reservation %x", ErrForeign, k)
		}
		d.steady = now.onSteady(youngest(d.Settled, b.head.Time))
		b.of(d.Account, now).doubts[binary.BigEndian.Uint64(k)] = d
		return nil
	})
	if err != nil {
		return err
	}
	err = eachRecord(tx.Bucket(bucketPauses), func(k []byte, p pause) error {
		b.of(string(k), now).pause = &p
		return nil
	})
	if err != nil {
		return err
	}
	return eachRecord(tx.Bucket(bucketNotes), func(k []byte, n note) error {
		source, name, _ := bytes.Cut(k, []byte{0})
		if w := b.of(string(source), now).window(string(name)); w != nil {
			w.note = n
		}
		return nil
	})
}

// loadWindows counts again what was settled within each window. last is the
// time of the last entry.
func loadWindows(tx *bolt.Tx, name string, a *account, last time.Time, now instant) error {
	for b := range a.all() {
		for _, w := range b.windows {
			if err := b.recount(tx, name, w, last, now); err != nil {
				return err
			}
		}
		if !b.own() {
			continue
		}
		if err := b.loadHours(tx, name, now); err != nil {
			return fmt.Errorf("%w: usage of %s at %s: %v", ErrForeign, b.owner, name, err)
		}
	}
	return nil
}

// loadHours fills the budget's hours from the disk.
func (b *budget) loadHours(tx *bolt.Tx, source string, now instant) error {
	bucket, key := b.books(source)
	minutes := tx.Bucket(bucket)
	b.hours = newHours()
	if k, _ := minutes.Cursor().Seek(key); k != nil && bytes.HasPrefix(k, key) {
		b.hours.began = time.Unix(int64(binary.BigEndian.Uint64(k[len(k)-8:]))*60, 0)
	}
	return eachMinute(minutes, key, now.stamp.Add(-(week+1)*time.Hour), time.Time{}, func(start time.Time, m minute) error {
		b.hours.add(start, m.total())
		return nil
	})
}

// recount fills one of the budget's windows from the disk.
func (b *budget) recount(tx *bolt.Tx, source string, w *window, last time.Time, now instant) error {
	bucket, key := b.books(source)
	if err := w.recount(tx.Bucket(bucket), key, last, now); err != nil {
		return fmt.Errorf("%w: usage of %s at %s: %v", ErrForeign, b.owner, source, err)
	}
	return nil
}

// youngest is as late as something can have been that was booked in a minute.
// It is taken to be that young, so that a restart never frees room early.
func youngest(booked, last time.Time) time.Time {
	if end := minuteOf(booked).Add(time.Minute - 1); end.Before(last) {
		return end
	}
	return last
}

// recount fills the window from the minutes of a series.
func (w *window) recount(b *bolt.Bucket, series []byte, last time.Time, now instant) error {
	w.reset(now)
	from := w.start.Truncate(time.Minute)
	marked := w.note.Seq > 0 && !w.note.At.Before(w.start)
	mark := minuteOf(w.note.At)
	put := func(at time.Time, by [numTriggers]int64, units int64) {
		at = now.onSteady(at)
		if w.spanned() && at.Before(w.since) {
			return
		}
		w.put(at, by, units)
	}
	counted := !marked
	count := func() {
		if !counted {
			// The correction stands for all that was settled before it.
			counted = true
			w.corrected = w.note.Seq
			if w.spanned() {
				put(w.note.At, [numTriggers]int64{}, w.note.Used)
				return
			}
			w.used = w.note.Used
		}
	}
	err := eachMinute(b, series, from, time.Time{}, func(start time.Time, m minute) error {
		by, units := m.by(), m.total()
		if marked && start.Before(mark) {
			if !w.spanned() {
				w.put(start, by, 0)
			}
			return nil
		}
		count()
		if marked && start.Equal(mark) {
			units -= w.note.Before
			if w.spanned() {
				by = [numTriggers]int64{}
			}
		}
		put(youngest(start, last), by, units)
		return nil
	})
	count()
	return err
}
