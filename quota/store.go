package quota

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/enrichgate/enrichgate/cache/boltfile"
)

// The ledger's file, one bbolt database:
//
//	meta     head → sequence, chain hash and time of the last entry
//	entries  sequence → chain hash + JSON, append-only
//	open     sequence of the reserve entry → reservation
//	minutes  account, minute → what was settled in it
//	totals   account → units since the beginning
//
// Every record but the entries carries a checksum; the entries have their chain.
var spec = boltfile.Spec{
	Format:  "enrichgate-ledger/1",
	Buckets: [][]byte{bucketMeta, bucketEntries, bucketOpen, bucketMinutes, bucketTotals},
}

var (
	bucketMeta    = []byte("meta")
	bucketEntries = []byte("entries")
	bucketOpen    = []byte("open")
	bucketMinutes = []byte("minutes")
	bucketTotals  = []byte("totals")

	keyHead = []byte("head")
)

// ErrForeign means that the file is not a ledger, or is damaged. Nothing was changed.
var ErrForeign = boltfile.ErrForeign

// head is the end of the audit log.
type head struct {
	Seq  uint64            `json:"seq"`
	Hash [sha256.Size]byte `json:"hash"`
	// Time is the ledger's clock at the last entry; it never runs backwards.
	Time time.Time `json:"time"`
}

// totals are an account's units since the ledger began.
type totals struct {
	Spent     int64 `json:"spent"`
	Uncertain int64 `json:"uncertain"`
}

// books are what a start needs of the file.
type books struct {
	head     head
	accounts map[string]*account
	open     map[uint64]reservation
}

// load rebuilds the books. now is the ledger's clock.
func load(db *bolt.DB, configured map[string]Account, wall time.Time) (b books, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: %v", ErrForeign, p)
		}
	}()
	b = books{accounts: map[string]*account{}, open: map[uint64]reservation{}}
	err = db.View(func(tx *bolt.Tx) error {
		if raw := tx.Bucket(bucketMeta).Get(keyHead); raw != nil {
			if err := decodeRecord(keyHead, raw, &b.head); err != nil {
				return fmt.Errorf("%w: head: %v", ErrForeign, err)
			}
			record := tx.Bucket(bucketEntries).Get(seqKey(b.head.Seq))
			if hash, _, err := unseal(record); err != nil || hash != b.head.Hash {
				return fmt.Errorf("%w: the last entry (%d) does not match the head", ErrForeign, b.head.Seq)
			}
		}
		now := later(wall, b.head.Time)
		for name, cfg := range configured {
			b.accounts[name] = newAccount(cfg, now)
		}
		if err := loadTotals(tx, b.accounts, now); err != nil {
			return err
		}
		if err := loadOpen(tx, &b, now); err != nil {
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

func newAccount(cfg Account, now time.Time) *account {
	a := &account{Account: cfg}
	for _, l := range cfg.Limits {
		a.windows = append(a.windows, newWindow(l, now))
	}
	return a
}

// loadTotals also finds the accounts that are no longer configured: they are
// kept and shown, and may not spend.
func loadTotals(tx *bolt.Tx, accounts map[string]*account, now time.Time) error {
	return tx.Bucket(bucketTotals).ForEach(func(k, v []byte) error {
		var t totals
		if err := decodeRecord(k, v, &t); err != nil {
			return fmt.Errorf("%w: totals of %q: %v", ErrForeign, k, err)
		}
		a := accounts[string(k)]
		if a == nil {
			a = newAccount(Account{}, now)
			accounts[string(k)] = a
		}
		a.spent, a.uncertain = t.Spent, t.Uncertain
		return nil
	})
}

func loadOpen(tx *bolt.Tx, b *books, now time.Time) error {
	return tx.Bucket(bucketOpen).ForEach(func(k, v []byte) error {
		var r reservation
		if err := decodeRecord(k, v, &r); err != nil || len(k) != 8 {
			return fmt.Errorf("%w: open reservation %x: %v", ErrForeign, k, err)
		}
		a := b.accounts[r.Account]
		if a == nil {
			a = newAccount(Account{}, now)
			b.accounts[r.Account] = a
		}
		a.pending += r.Units
		b.open[binary.BigEndian.Uint64(k)] = r
		return nil
	})
}

// loadWindows counts again what was settled within each window.
func loadWindows(tx *bolt.Tx, name string, a *account, last, now time.Time) error {
	from := now
	for _, w := range a.windows {
		if w.start.Before(from) {
			from = w.start
		}
	}
	prefix := append([]byte(name), 0)
	c := tx.Bucket(bucketMinutes).Cursor()
	for k, v := c.Seek(minuteKey(name, from)); k != nil && bytes.HasPrefix(k, prefix); k, v = c.Next() {
		value, err := boltfile.Unprotect(k, v)
		if err != nil {
			return fmt.Errorf("%w: usage of %s: %v", ErrForeign, name, err)
		}
		m, err := decodeMinute(value)
		if err != nil {
			return fmt.Errorf("%w: usage of %s: %v", ErrForeign, name, err)
		}
		start := time.Unix(int64(binary.BigEndian.Uint64(k[len(prefix):]))*60, 0)
		// Within its minute the unit is taken to be as young as it can be, so
		// that a restart never frees room in a rolling window early.
		at := start.Add(time.Minute - 1)
		if at.After(last) {
			at = last
		}
		for _, w := range a.windows {
			if w.limit.Rolling && !at.Before(w.start) || !w.limit.Rolling && !start.Before(w.start.Truncate(time.Minute)) {
				w.add(at, m.total())
			}
		}
	}
	return nil
}

func decodeRecord(key, record []byte, v any) error {
	value, err := boltfile.Unprotect(key, record)
	if err != nil {
		return err
	}
	return json.Unmarshal(value, v)
}

func putRecord(b *bolt.Bucket, key []byte, v any) error {
	value, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return b.Put(key, boltfile.Protect(key, value))
}

func later(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}
