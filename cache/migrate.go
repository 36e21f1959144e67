package cache

import (
	"bytes"
	"errors"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/enrichgate/enrichgate/cache/boltfile"
)

// The format before had the keys themselves in answers, each with a record of
// its own: checksum, a version byte, kind, varints (status, three times), from
// version 2 on the content type, body in zstd.

// migrate rewrites a file of the format before. A crash leaves that one or the
// new one; damaged answers stay behind.
func (d *disk) migrate() (err error) {
	began := time.Now()
	old, err := boltfile.OpenReadOnly(d.path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, old.Close()) }()
	fresh, err := boltfile.Fresh(d.path, d.spec())
	if err != nil {
		return err
	}
	l := &loader{disk: d, db: fresh}
	if err = d.copyBefore(old, l); err == nil {
		err = l.finish()
	}
	if err != nil {
		return errors.Join(err, boltfile.Discard(fresh))
	}
	d.log.Info("the cache's file was brought to a new format", "entries", len(l.places), "took", sinceBegan(began))
	return errors.Join(boltfile.Install(fresh, d.path), fresh.Close())
}

func (d *disk) copyBefore(old *boltfile.DB, l *loader) error {
	for from := []byte{}; from != nil; {
		var items []item
		err := boltfile.Guard(func() error {
			return old.View(func(tx *bolt.Tx) error {
				items, from = d.stretchBefore(tx, from)
				return nil
			})
		})
		if err == nil {
			err = l.add(items)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// stretchBefore reads some entries, and says from where to go on: nil at the end.
func (d *disk) stretchBefore(tx *bolt.Tx, from []byte) (items []item, next []byte) {
	c := tx.Bucket(bucketAnswers).Cursor()
	size := 0
	for k, record := c.Seek(from); k != nil; k, record = c.Next() {
		if len(items) >= maxBatch || size > maxBatchBytes {
			return items, bytes.Clone(k)
		}
		e, err := d.decodeBefore(k, record)
		if err != nil {
			d.damaged.Add(1)
			continue
		}
		id := d.codec.id(Key(k))
		items = append(items, item{id: id, key: Key(k), head: e, hour: hours(e.StoredAt), record: d.codec.encode(id, Key(k), e)})
		size += len(record)
	}
	return items, nil
}

func (d *disk) decodeBefore(key, record []byte) (*Entry, error) {
	b, err := boltfile.Unprotect(key, record)
	if err != nil {
		return nil, err
	}
	if len(b) < 2 || b[0] < 1 || b[0] > 2 {
		return nil, errRecord
	}
	version, e := b[0], &Entry{Kind: b[1]}
	b, err = parseNumbers(e, b[2:])
	if err == nil && version == 2 {
		e.ContentType, b, err = parseText(b)
	}
	if err != nil {
		return nil, err
	}
	e.Body, err = d.codec.dec.DecodeAll(b, nil)
	return e, err
}
