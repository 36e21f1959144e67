// Package boltfile opens the bbolt files of the data directory, all by the same
// rules: a new file appears whole or not at all; a file that is empty, damaged,
// cut short, foreign or of another format is refused with one line and left
// untouched; nobody waits for a lock that another process holds.
//
// It also guards records with a checksum, because bbolt has none for its data
// pages: a flipped bit must become neither quota nor an answer.
package boltfile

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"runtime/debug"
	"time"

	bolt "go.etcd.io/bbolt"
)

// ErrForeign means that a file is not ours, or is damaged. Nothing was changed.
var ErrForeign = errors.New("not a usable file")

// Spec says what a file is.
type Spec struct {
	// Format names the program, the file and the version of its layout; it is
	// written into the file and compared at each open.
	Format string
	// Buckets that the file must have.
	Buckets [][]byte
	// Walk has every page of the file checked before it is opened.
	Walk bool
}

var (
	bucketMeta = []byte("meta")
	keyFormat  = []byte("format")
)

// lockPatience is short: the data directory has a lock of its own, and whoever
// bypasses it should learn so at once.
const lockPatience = 500 * time.Millisecond

func options() *bolt.Options {
	// With many deletes behind it, a synced freelist costs more than the
	// transaction; without one, an open reads all pages once.
	return &bolt.Options{Timeout: lockPatience, NoFreelistSync: true, FreelistType: bolt.FreelistMapType}
}

// Open opens the file, or creates it.
func Open(path string, spec Spec) (db *bolt.DB, err error) {
	// bbolt panics on some damaged pages, and follows others out of the file.
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if p := recover(); p != nil {
			db, err = nil, fmt.Errorf("%s: %w: %v", path, ErrForeign, p)
		}
	}()
	_, err = os.Stat(path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		if err := create(path, spec); err != nil {
			return nil, fmt.Errorf("creating %s: %w", path, err)
		}
	case err != nil:
		return nil, err
	default:
		if err := check(path, spec); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
	}
	db, err = bolt.Open(path, 0o600, options())
	if err != nil {
		return nil, fmt.Errorf("opening %s: %w", path, err)
	}
	return db, nil
}

// create makes an empty file beside the path and renames it into place, so
// that a crash leaves either no file or a whole one.
func create(path string, spec Spec) error {
	fresh := path + ".new"
	if err := os.Remove(fresh); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	db, err := bolt.Open(fresh, 0o600, options())
	if err != nil {
		return err
	}
	err = db.Update(func(tx *bolt.Tx) error {
		for _, b := range spec.Buckets {
			if _, err := tx.CreateBucket(b); err != nil {
				return err
			}
		}
		meta, err := tx.CreateBucketIfNotExists(bucketMeta)
		if err != nil {
			return err
		}
		return meta.Put(keyFormat, []byte(spec.Format))
	})
	if err = errors.Join(err, db.Close()); err != nil {
		return err
	}
	if err := os.Rename(fresh, path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

// syncDir makes the names in a directory durable.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// check reads an existing file without changing it.
func check(path string, spec Spec) (err error) {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() || info.Size() == 0 {
		// bbolt would take an empty file over silently. It may be what is left
		// of a full one, and then nothing is known: refuse.
		return fmt.Errorf("%w: empty, or not a regular file", ErrForeign)
	}
	if spec.Walk {
		if err := walk(path); err != nil {
			return fmt.Errorf("%w: %v", ErrForeign, err)
		}
	}
	// bbolt panics on some damaged pages.
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: %v", ErrForeign, p)
		}
	}()
	db, err := bolt.Open(path, 0o600, &bolt.Options{ReadOnly: true, Timeout: lockPatience})
	if err != nil {
		return fmt.Errorf("%w: %v", ErrForeign, err)
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	return db.View(func(tx *bolt.Tx) error {
		if tx.Size() > info.Size() {
			return fmt.Errorf("%w: cut short (%d of %d bytes)", ErrForeign, info.Size(), tx.Size())
		}
		meta := tx.Bucket(bucketMeta)
		if meta == nil {
			return fmt.Errorf("%w: it belongs to another program", ErrForeign)
		}
		if got := meta.Get(keyFormat); string(got) != spec.Format {
			return fmt.Errorf("%w: its format is %q, this program's is %q", ErrForeign, got, spec.Format)
		}
		for _, b := range spec.Buckets {
			if tx.Bucket(b) == nil {
				return fmt.Errorf("%w: its part %q is missing", ErrForeign, b)
			}
		}
		return nil
	})
}

// Protect puts a checksum over key and value before the value.
func Protect(key, value []byte) []byte {
	return append(binary.BigEndian.AppendUint32(make([]byte, 0, 4+len(value)), checksum(key, value)), value...)
}

// Unprotect checks and takes off what Protect put on. The value aliases record.
func Unprotect(key, record []byte) ([]byte, error) {
	if len(record) < 4 {
		return nil, errors.New("record is cut short")
	}
	value := record[4:]
	if checksum(key, value) != binary.BigEndian.Uint32(record) {
		return nil, errors.New("record is damaged (checksum)")
	}
	return value, nil
}

func checksum(key, value []byte) uint32 {
	table := crc32.MakeTable(crc32.Castagnoli) // computed once by the library
	return crc32.Update(crc32.Checksum(key, table), table, value)
}
