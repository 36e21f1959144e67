package opencti

import (
	"bytes"
	"encoding/json"
	"maps"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/enrichgate/enrichgate/cache/boltfile"
)

// putSoon writes what is known of a message without making anyone wait: a crash
// may lose it, and nothing worse than a repetition may come of that.
func (j *Journal) putSoon(key string, r record) {
	if key == "" {
		return
	}
	j.mu.Lock()
	j.soon[key] = r
	j.mu.Unlock()
	select {
	case j.wake <- struct{}{}:
	default:
	}
}

func (j *Journal) unwritten(key string) (r record, there bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if r, there = j.soon[key]; !there {
		r, there = j.soonest[key]
	}
	return r, there
}

// write writes what putSoon left, and drops old records now and then, until
// Close. Whatever does not get written will be repeated.
func (j *Journal) write() {
	old := time.NewTicker(forgetEvery)
	defer old.Stop()
	j.forget()
	for {
		select {
		case <-j.wake:
			j.flush()
		case <-j.quit:
			j.flush()
			return
		case <-old.C:
			j.forget()
		}
	}
}

func (j *Journal) flush() {
	j.mu.Lock()
	j.soonest, j.soon = j.soon, map[string]record{}
	batch := maps.Clone(j.soonest)
	j.mu.Unlock()
	if len(batch) > 0 {
		_ = j.db.Update(func(tx *bolt.Tx) error { // lost at worst: see putSoon
			for key, r := range batch {
				value, err := j.encode(key, r)
				if err != nil {
					return err
				}
				if err := tx.Bucket(bucketMessages).Put([]byte(key), value); err != nil {
					return err
				}
			}
			return nil
		})
	}
	j.mu.Lock()
	j.soonest = nil
	j.mu.Unlock()
}

// forget drops what is older than any redelivery. A failure leaves it for the next time.
func (j *Journal) forget() {
	limit := j.now().Add(-journalKeeps)
	var after []byte
	for done := false; !done; {
		err := j.db.Update(func(tx *bolt.Tx) error {
			c := tx.Bucket(bucketMessages).Cursor()
			key, value := c.Seek(after)
			for n := 0; key != nil && n < forgetStep; n++ {
				after = bytes.Clone(key)
				if isOld(key, value, limit) {
					if err := c.Delete(); err != nil {
						return err
					}
					key, value = c.Seek(after)
					continue
				}
				key, value = c.Next()
			}
			done = key == nil
			return nil
		})
		if err != nil {
			return
		}
	}
}

// isOld says that a record, or what is left of one, may go.
func isOld(key, value []byte, limit time.Time) bool {
	var r record
	plain, err := boltfile.Unprotect(key, value)
	if err == nil {
		err = json.Unmarshal(plain, &r)
	}
	return err != nil || r.At.Before(limit)
}
