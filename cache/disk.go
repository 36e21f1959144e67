package cache

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/enrichgate/enrichgate/cache/boltfile"
)

// The disk tier, one bbolt file:
//
//	answers  key → checksummed entry
//	expiry   time at which the entry is gone, key → nothing; the order of the sweep
var spec = boltfile.Spec{
	Format:  "enrichgate-cache/1",
	Buckets: [][]byte{bucketAnswers, bucketExpiry},
}

var (
	bucketAnswers = []byte("answers")
	bucketExpiry  = []byte("expiry")
)

const (
	// maxBatch bounds one transaction of writes.
	maxBatch = 256
	// sweepStep bounds how many entries one transaction deletes, so that a
	// sweep never holds a writer up for more than a few milliseconds.
	sweepStep = 128
	// sweepEvery is how often expired entries are looked for.
	sweepEvery = time.Minute
)

// disk is the durable tier. Reads go straight to bbolt; one goroutine writes,
// and puts that arrive while it waits for the disk share the next fsync.
type disk struct {
	db    *bolt.DB
	codec *codec
	now   func() time.Time

	puts chan *put
	stop chan struct{}
	done chan struct{}

	swept, damaged, writeFails atomic.Uint64
}

type put struct {
	key   Key
	entry *Entry // nil deletes
	reply chan error
}

func openDisk(path string, now func() time.Time) (*disk, error) {
	c, err := newCodec()
	if err != nil {
		return nil, err
	}
	db, err := boltfile.Open(path, spec)
	if err != nil {
		return nil, fmt.Errorf("cache: %w", err)
	}
	d := &disk{db: db, codec: c, now: now, puts: make(chan *put, maxBatch), stop: make(chan struct{}), done: make(chan struct{})}
	go d.write()
	return d, nil
}

func (d *disk) close() error {
	close(d.stop)
	<-d.done
	d.codec.dec.Close()
	return errors.Join(d.codec.enc.Close(), d.db.Close())
}

// get reads an entry. A damaged one is reported as missing, and counted: it
// costs that answer only.
func (d *disk) get(k Key) (e *Entry, err error) {
	err = d.db.View(func(tx *bolt.Tx) error {
		key := []byte(k)
		record := tx.Bucket(bucketAnswers).Get(key)
		if record == nil {
			return nil
		}
		value, err := boltfile.Unprotect(key, record)
		if err == nil {
			// Decoding copies; nothing of the file leaves the transaction.
			e, err = d.codec.decode(value)
		}
		if err != nil {
			d.damaged.Add(1)
			e = nil
		}
		return nil
	})
	return e, err
}

// put stores an entry durably, or deletes it when e is nil.
func (d *disk) put(k Key, e *Entry) error {
	p := &put{key: k, entry: e, reply: make(chan error, 1)}
	select {
	case d.puts <- p:
	case <-d.stop:
		return ErrClosed
	}
	select {
	case err := <-p.reply:
		return err
	case <-d.done:
		select {
		case err := <-p.reply:
			return err
		default:
			return ErrClosed
		}
	}
}

func (d *disk) write() {
	defer close(d.done)
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	sweeping := true
	for {
		var batch []*put
		if sweeping {
			select {
			case p := <-d.puts:
				batch = append(batch, p)
			case <-d.stop:
			default:
			}
		} else {
			select {
			case p := <-d.puts:
				batch = append(batch, p)
			case <-tick.C:
				sweeping = true
			case <-d.stop:
			}
		}
		batch = d.drain(batch)
		if len(batch) > 0 {
			d.commit(batch)
		}
		select {
		case <-d.stop:
			return
		default:
		}
		if sweeping {
			n, err := d.sweep()
			sweeping = err == nil && n == sweepStep
		}
	}
}

func (d *disk) drain(batch []*put) []*put {
	for len(batch) < maxBatch {
		select {
		case p := <-d.puts:
			batch = append(batch, p)
		default:
			return batch
		}
	}
	return batch
}

func (d *disk) commit(batch []*put) {
	err := d.db.Update(func(tx *bolt.Tx) error {
		for _, p := range batch {
			if err := d.apply(tx, p.key, p.entry); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		d.writeFails.Add(1)
		err = fmt.Errorf("cache: answer not stored: %w", err)
	}
	for _, p := range batch {
		p.reply <- err
	}
}

func (d *disk) apply(tx *bolt.Tx, k Key, e *Entry) error {
	answers, expiry := tx.Bucket(bucketAnswers), tx.Bucket(bucketExpiry)
	key := []byte(k)
	if old := answers.Get(key); old != nil {
		if value, err := boltfile.Unprotect(key, old); err == nil {
			if was, err := d.codec.decode(value); err == nil {
				if err := expiry.Delete(expiryKey(was.goneAt(), key)); err != nil {
					return err
				}
			}
		}
	}
	if e == nil {
		return answers.Delete(key)
	}
	if err := answers.Put(key, boltfile.Protect(key, d.codec.encode(e))); err != nil {
		return err
	}
	return expiry.Put(expiryKey(e.goneAt(), key), nil)
}

// sweep deletes up to sweepStep entries that are gone.
func (d *disk) sweep() (n int, err error) {
	limit := uint64(d.now().UnixMilli())
	var due [][]byte
	err = d.db.View(func(tx *bolt.Tx) error {
		c := tx.Bucket(bucketExpiry).Cursor()
		for k, _ := c.First(); k != nil && len(due) < sweepStep && binary.BigEndian.Uint64(k) <= limit; k, _ = c.Next() {
			due = append(due, bytes.Clone(k))
		}
		return nil
	})
	if err != nil || len(due) == 0 {
		return 0, err
	}
	err = d.db.Update(func(tx *bolt.Tx) error {
		for _, k := range due {
			if err := tx.Bucket(bucketExpiry).Delete(k); err != nil {
				return err
			}
			if err := d.dropIfGone(tx, k[8:], limit); err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil {
		d.swept.Add(uint64(len(due)))
	}
	return len(due), err
}

// dropIfGone spares an entry that was stored anew since its expiry was listed.
func (d *disk) dropIfGone(tx *bolt.Tx, key []byte, limit uint64) error {
	answers := tx.Bucket(bucketAnswers)
	value, err := boltfile.Unprotect(key, answers.Get(key))
	if err == nil {
		if e, err := d.codec.decode(value); err == nil && uint64(e.goneAt().UnixMilli()) > limit {
			return nil
		}
	}
	return answers.Delete(key)
}

func expiryKey(at time.Time, key []byte) []byte {
	return append(binary.BigEndian.AppendUint64(make([]byte, 0, 8+len(key)), uint64(max(0, at.UnixMilli()))), key...)
}

// fileSize is 0 when the file cannot be read.
func (d *disk) fileSize() (n int64) {
	_ = d.db.View(func(tx *bolt.Tx) error {
		n = tx.Size()
		return nil
	})
	return n
}
