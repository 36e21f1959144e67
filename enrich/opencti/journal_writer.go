package opencti

import (
	"bytes"
	"encoding/json"
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
	defer j.mu.Unlock()
	j.soon[key] = r
}

func (j *Journal) unwritten(key string) (r record, there bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if r, there = j.soon[key]; !there {
		r, there = j.writing[key]
	}
	return r, there
}

// write is the writer. Now and then it drops old records.
func (j *Journal) write() {
	old, soon := time.NewTicker(forgetEvery), time.NewTicker(soonWithin)
	defer old.Stop()
	defer soon.Stop()
	j.forget()
	for {
		select {
		case w := <-j.queue:
			j.commit(j.gather(w))
		case <-soon.C:
			j.commit(nil)
		case <-old.C:
			j.forget()
		case <-j.quit:
			j.commit(j.gather())
			return
		}
	}
}

// gather takes what has come meanwhile.
func (j *Journal) gather(batch ...write) []write {
	for len(batch) < writeMost {
		select {
		case w := <-j.queue:
			batch = append(batch, w)
		default:
			return batch
		}
	}
	return batch
}

// commit writes a batch, and what putSoon left, in one transaction.
func (j *Journal) commit(batch []write) {
	j.mu.Lock()
	for _, w := range batch {
		delete(j.soon, string(w.key)) // it is older
	}
	j.writing, j.soon = j.soon, map[string]record{}
	along := j.writing
	j.mu.Unlock()
	if len(batch)+len(along) == 0 {
		return
	}
	err := j.db.Update(func(tx *bolt.Tx) error {
		messages := tx.Bucket(bucketMessages)
		for key, r := range along {
			value, err := j.encode(key, r)
			if err == nil {
				err = messages.Put([]byte(key), value)
			}
			if err != nil {
				return err
			}
		}
		for _, w := range batch {
			if err := messages.Put(w.key, w.value); err != nil {
				return err
			}
		}
		return nil
	})
	j.mu.Lock()
	j.writing = nil // lost at worst: see putSoon
	j.mu.Unlock()
	for _, w := range batch {
		w.done <- err
	}
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
