package opencti

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/enrichgate/enrichgate/cache/boltfile"
)

// Journal remembers, per work or playbook step, what must not be done twice
// when its message is delivered again. It is written before the act: an act
// whose fate a crash hides counts as done. Safe for concurrent use.
type Journal struct {
	db  *bolt.DB
	now func() time.Time
}

var (
	bucketMessages = []byte("messages")
	journalSpec    = boltfile.Spec{Format: "enrichgate-journal/1", Buckets: [][]byte{bucketMessages}}
)

// journalKeeps is how long a message may take to come again.
const journalKeeps = 7 * 24 * time.Hour

// record is what is known of one message.
type record struct {
	// Expected is how many objects its work was told to expect; -1 while a
	// crash may have hidden whether it was.
	Expected int `json:"expected,omitempty"`
	// Delivered says that its playbook step was answered, or its bundle pushed
	// through the API.
	Delivered bool `json:"delivered,omitempty"`
	// Processed says that its work was ended.
	Processed bool `json:"processed,omitempty"`
	// Attempts counts its redeliveries.
	Attempts int `json:"attempts,omitempty"`
	// At is when it was written last.
	At time.Time `json:"at"`
}

// OpenJournal opens the journal's file, or creates it.
func OpenJournal(path string, now func() time.Time) (*Journal, error) {
	db, err := boltfile.Open(path, journalSpec)
	if err != nil {
		return nil, fmt.Errorf("journal: %w", err)
	}
	// Those who write at the same moment share an fsync; nobody waits long for company.
	db.MaxBatchDelay = time.Millisecond
	j := &Journal{db: db, now: now}
	// Journals of before messages could be parked have no place for them.
	err = db.Update(func(tx *bolt.Tx) error {
		_, err := tx.CreateBucketIfNotExists(bucketParked)
		return err
	})
	if err := errors.Join(err, j.forget()); err != nil {
		return nil, errors.Join(fmt.Errorf("journal: %w", err), db.Close())
	}
	return j, nil
}

// Close closes the file.
func (j *Journal) Close() error { return j.db.Close() }

// get reads what is known of a message; a damaged record counts as unknown.
func (j *Journal) get(key string) (r record, err error) {
	if key == "" {
		return r, nil
	}
	err = j.db.View(func(tx *bolt.Tx) error {
		raw := tx.Bucket(bucketMessages).Get([]byte(key))
		if raw == nil {
			return nil
		}
		value, err := boltfile.Unprotect([]byte(key), raw)
		if err != nil {
			return nil
		}
		return json.Unmarshal(value, &r)
	})
	return r, err
}

// put writes what is known of a message, durably.
func (j *Journal) put(key string, r record) error {
	if key == "" {
		return nil
	}
	r.At = j.now()
	value, err := json.Marshal(r)
	if err != nil {
		return err
	}
	err = j.db.Batch(func(tx *bolt.Tx) error {
		return tx.Bucket(bucketMessages).Put([]byte(key), boltfile.Protect([]byte(key), value))
	})
	if err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	return nil
}

// forget drops what is older than any redelivery.
func (j *Journal) forget() error {
	limit := j.now().Add(-journalKeeps)
	return j.db.Update(func(tx *bolt.Tx) error {
		c := tx.Bucket(bucketMessages).Cursor()
		for k, v := c.First(); k != nil; k, v = c.Next() {
			var r record
			value, err := boltfile.Unprotect(k, v)
			if err == nil {
				err = json.Unmarshal(value, &r)
			}
			if err != nil || r.At.Before(limit) {
				if err := c.Delete(); err != nil {
					return err
				}
			}
		}
		return nil
	})
}
