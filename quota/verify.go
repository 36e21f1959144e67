package quota

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"strings"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/enrichgate/enrichgate/cache/boltfile"
)

// Verify reads the whole audit log: the chain of hashes must be unbroken, and
// the books must follow from the entries. It returns how many entries there
// are, and every error that it found.
func (l *Ledger) Verify() (entries uint64, err error) {
	err = l.reader().View(func(tx *bolt.Tx) error {
		entries, err = verify(tx)
		return err
	})
	return entries, err
}

func verify(tx *bolt.Tx) (entries uint64, err error) {
	r, err := loadSummary(tx)
	if err != nil {
		return 0, err
	}
	kept := r.Time
	var errs []error
	c := tx.Bucket(bucketEntries).Cursor()
	for k, v := c.First(); k != nil; k, v = c.Next() {
		entries++
		if err := r.next(k, v); err != nil {
			errs = append(errs, fmt.Errorf("entry %d: %w", binary.BigEndian.Uint64(k), err))
		}
	}
	return entries, errors.Join(append(errs, r.check(tx, kept)...)...)
}

// check compares the second set of books with what the file says. Days are
// compared after kept, for which all entries are there.
func (r *replay) check(tx *bolt.Tx, kept time.Time) (errs []error) {
	errs = append(errs, compare(tx.Bucket(bucketTotals), "totals of ", r.Totals, same)...)
	errs = append(errs, compare(tx.Bucket(bucketOpen), "open reservation ", r.Open, seqName)...)
	errs = append(errs, compare(tx.Bucket(bucketDoubts), "uncertain reservation ", r.Doubts, seqName)...)
	errs = append(errs, compare(tx.Bucket(bucketNotes), "what was said of ", r.Notes, same)...)
	errs = append(errs, compare(tx.Bucket(bucketPauses), "pause of ", r.Pauses, same)...)
	return append(errs, r.checkDays(tx, kept)...)
}

func same(k string) string       { return k }
func seqName(n uint64) string    { return string(seqKey(n)) }
func readable(key string) string { return strings.ReplaceAll(fmt.Sprintf("%q", key), `\x00`, " ") }

// compare puts a bucket beside what the entries say should be in it.
func compare[K comparable, V any](b *bolt.Bucket, what string, want map[K]V, name func(K) string) (errs []error) {
	expected := map[string]string{}
	for k, v := range want {
		raw, err := json.Marshal(v)
		if err != nil {
			return []error{err}
		}
		expected[name(k)] = string(raw)
	}
	var none V
	nothing, _ := json.Marshal(none)
	_ = b.ForEach(func(k, record []byte) error {
		value, err := boltfile.Unprotect(k, record)
		was, known := expected[string(k)]
		delete(expected, string(k))
		switch {
		case err != nil:
			errs = append(errs, fmt.Errorf("%s%s: %w", what, readable(string(k)), err))
		case !known && string(value) != string(nothing):
			errs = append(errs, fmt.Errorf("%s%s: the books have %s, the entries nothing", what, readable(string(k)), value))
		case known && was != string(value):
			errs = append(errs, fmt.Errorf("%s%s: the books have %s, the entries say %s", what, readable(string(k)), value, was))
		}
		return nil
	})
	for k, v := range expected {
		if v != string(nothing) {
			errs = append(errs, fmt.Errorf("%s%s: the entries say %s, the books have nothing", what, readable(k), v))
		}
	}
	return errs
}

// checkDays compares the minutes, summed by day.
func (r *replay) checkDays(tx *bolt.Tx, kept time.Time) (errs []error) {
	from := int64(math.MinInt64)
	if !kept.IsZero() {
		from = dayOf(kept) + 1
	}
	for source := range r.Totals {
		days := maps.Clone(r.Days[source])
		err := eachMinute(tx.Bucket(bucketMinutes), series(source), time.Unix(0, 0), time.Time{}, func(start time.Time, m minute) error {
			if days == nil {
				days = map[int64]int64{}
			}
			days[dayOf(start)] -= m.total()
			return nil
		})
		if err != nil {
			errs = append(errs, fmt.Errorf("usage of %s: %w", source, err))
		}
		for day, difference := range days {
			if day >= from && difference != 0 {
				errs = append(errs, fmt.Errorf("usage of %s on %s differs from the entries by %d units",
					source, time.Unix(day*24*3600, 0).UTC().Format(time.DateOnly), difference))
			}
		}
	}
	return errs
}
