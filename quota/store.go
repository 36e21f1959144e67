package quota

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/enrichgate/enrichgate/cache/boltfile"
)

// The ledger's file, one bbolt database:
//
//	meta      head → sequence, chain hash and time of the last entry;
//	          identity → id and salt; summary → what pruned entries came to;
//	          restored → the checkpoint that was taken over last
//	entries   sequence → chain hash + JSON, append-only
//	open      sequence of the reserve entry → reservation
//	doubts    sequence of the reserve entry → reservation that ended uncertain
//	minutes   source, minute → what was settled in it
//	spenders  source, client or playbook, minute → what was settled in it
//	totals    source → units since the beginning
//	notes     source, window → corrections and what holds for one window
//	pauses    source → until when, why, by whom
//
// Every record but the entries carries a checksum; the entries have their chain.
var spec = boltfile.Spec{
	Format: "enrichgate-ledger/2",
	Walk:   true,
	Buckets: [][]byte{bucketMeta, bucketEntries, bucketOpen, bucketDoubts, bucketMinutes,
		bucketSpenders, bucketTotals, bucketNotes, bucketPauses},
}

var (
	bucketMeta     = []byte("meta")
	bucketEntries  = []byte("entries")
	bucketOpen     = []byte("open")
	bucketDoubts   = []byte("doubts")
	bucketMinutes  = []byte("minutes")
	bucketSpenders = []byte("spenders")
	bucketTotals   = []byte("totals")
	bucketNotes    = []byte("notes")
	bucketPauses   = []byte("pauses")

	keyHead     = []byte("head")
	keyIdentity = []byte("identity")
	keySummary  = []byte("summary")
	keyRestored = []byte("restored")
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

// identity is drawn when the file is made.
type identity struct {
	ID   string `json:"id"`
	Salt []byte `json:"salt"`
}

// totals are a source's units since the ledger began.
type totals struct {
	Spent     int64 `json:"spent"`
	Uncertain int64 `json:"uncertain"`
}

// openFile opens or creates the file, and brings one of the format before up to this one.
func openFile(path string) (*boltfile.DB, error) {
	db, err := boltfile.Open(path, spec)
	if errors.Is(err, ErrForeign) {
		old, oldErr := boltfile.Open(path, specV1)
		if oldErr != nil {
			return nil, err
		}
		if err := errors.Join(migrate(old), old.Close()); err != nil {
			return nil, fmt.Errorf("%s: bringing it to %s: %w", path, spec.Format, err)
		}
		return boltfile.Open(path, spec)
	}
	return db, err
}

// lastTime is the time of the last entry, which the clock may not go behind.
func lastTime(db *boltfile.DB) (time.Time, error) {
	var h head
	err := db.View(func(tx *bolt.Tx) error {
		_, err := getRecord(tx.Bucket(bucketMeta), keyHead, &h)
		return err
	})
	return h.Time, err
}

func noteKey(source, window string) []byte { return append(series(source), window...) }

func decodeRecord(key, record []byte, v any) error {
	value, err := boltfile.Unprotect(key, record)
	if err != nil {
		return err
	}
	return json.Unmarshal(value, v)
}

// getRecord reads a record that may be missing.
func getRecord(b *bolt.Bucket, key []byte, v any) (found bool, err error) {
	raw := b.Get(key)
	if raw == nil {
		return false, nil
	}
	if err := decodeRecord(key, raw, v); err != nil {
		return false, fmt.Errorf("%w: record %q: %v", ErrForeign, key, err)
	}
	return true, nil
}

func putRecord(b *bolt.Bucket, key []byte, v any) error {
	value, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return b.Put(key, boltfile.Protect(key, value))
}

// eachRecord calls f for each record of a bucket, decoded into a new T.
func eachRecord[T any](b *bolt.Bucket, f func(key []byte, v T) error) error {
	return b.ForEach(func(k, raw []byte) error {
		var v T
		if err := decodeRecord(k, raw, &v); err != nil {
			return fmt.Errorf("%w: record %q: %v", ErrForeign, k, err)
		}
		return f(k, v)
	})
}
