// Package boltfile opens the bbolt files of the data directory, all by the same
// rules: a new file appears whole or not at all; a file that is empty, damaged,
// cut short, foreign or of another format is refused with one line and left
// untouched; nobody waits for a lock that another process holds.
//
// It also guards records with a checksum, because bbolt has none for its data
// pages: a flipped bit must become neither quota nor an answer.
package boltfile

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"time"

	bolt "go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
)

// ErrForeign means that a file is not ours, or is damaged. Nothing was changed.
var ErrForeign = errors.New("not a usable file")

// ErrDamaged means that a file is ours, of this format, and that parts of it
// cannot be read. Nothing was changed. It is an ErrForeign too.
var ErrDamaged = fmt.Errorf("%w: parts of it cannot be read", ErrForeign)

// ErrLocked means that another process has the file open.
var ErrLocked = errors.New("another process has it open")

// Spec says what a file is.
type Spec struct {
	// Format names the program, the file and the version of its layout; it is
	// written into the file and compared at each open.
	Format string
	// Buckets that the file must have.
	Buckets [][]byte
	// Init, if set, writes what a new file begins with.
	Init func(*bolt.Tx) error
	// PageSize is that of a new file in bytes; zero means the machine's.
	PageSize int
	// GrowBy is by how many bytes a file grows; zero means bbolt's 16 MiB.
	GrowBy int
	// MaxSize is the size in bytes at which the file refuses to grow; zero means
	// that only the disk does.
	MaxSize int
	// Walk has Open walk all pages first, and report damage as ErrDamaged: without
	// it, bbolt ends the process when it meets a page that is none.
	Walk bool
}

var (
	bucketMeta = []byte("meta")
	keyFormat  = []byte("format")
)

// lockPatience is short: the data directory has a lock of its own, and whoever
// bypasses it should learn so at once.
const lockPatience = 500 * time.Millisecond

func (s Spec) options() *bolt.Options {
	// With many deletes behind it, a synced freelist costs more than the
	// transaction; without one, an open reads all pages once. It also could not
	// be checked: a flipped bit in it would give away pages that are in use.
	return &bolt.Options{
		Timeout: lockPatience, NoFreelistSync: true, FreelistType: bolt.FreelistMapType,
		PageSize: s.PageSize, MaxSize: s.MaxSize,
	}
}

// open opens or creates a file.
func (s Spec) open(path string) (*DB, error) {
	db, err := openDB(path, s.options())
	if err == nil && s.GrowBy > 0 {
		db.AllocSize = s.GrowBy
	}
	return db, err
}

// Open opens the file, or creates it.
func Open(path string, spec Spec) (*DB, error) {
	_, err := os.Stat(path)
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
	db, err := spec.open(path)
	if err != nil {
		return nil, fmt.Errorf("opening %s: %w", path, err)
	}
	return db, nil
}

// OpenReadOnly opens an existing file for reading, damaged or not: whoever reads
// it does so under Guard. Nobody can write to it meanwhile.
func OpenReadOnly(path string) (*DB, error) {
	return openDB(path, &bolt.Options{ReadOnly: true, Timeout: lockPatience})
}

// create makes an empty file beside the path and renames it into place, so
// that a crash leaves either no file or a whole one.
func create(path string, spec Spec) error {
	db, err := Fresh(path, spec)
	if err != nil {
		return err
	}
	return errors.Join(Install(db, path), db.Close())
}

// Fresh makes an empty file beside the path, to be filled and then installed. A
// crash meanwhile leaves the path as it was. It does not sync before Install.
func Fresh(path string, spec Spec) (*DB, error) {
	beside := path + ".new"
	if err := os.Remove(beside); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	db, err := spec.open(beside)
	if err != nil {
		return nil, err
	}
	db.NoSync, db.NoGrowSync = true, true
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
		if err := meta.Put(keyFormat, []byte(spec.Format)); err != nil || spec.Init == nil {
			return err
		}
		return spec.Init(tx)
	})
	if err != nil {
		return nil, errors.Join(err, Discard(db))
	}
	return db, nil
}

// ErrUnsure means that a file is in its place, and that a power cut might still
// bring the one before back.
var ErrUnsure = errors.New("the directory could not be synced")

// Install syncs a file made by Fresh and puts it into its place. It stays open,
// and syncs each commit from now on. On any error but ErrUnsure the path is as
// it was.
func Install(db *DB, path string) error {
	if err := db.Sync(); err != nil {
		return err
	}
	db.NoSync, db.NoGrowSync = false, false
	if err := os.Rename(path+".new", path); err != nil {
		return err
	}
	if err := SyncDir(path); err != nil {
		return fmt.Errorf("%w: %v", ErrUnsure, err)
	}
	return nil
}

// Discard closes a file made by Fresh that is not going to be installed, and
// removes it.
func Discard(db *DB) error {
	beside := db.Path()
	return errors.Join(db.Close(), os.Remove(beside))
}

// SyncDir makes the names in a file's directory durable.
func SyncDir(path string) error {
	d, err := os.Open(filepath.Dir(path))
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
	db, err := OpenReadOnly(path)
	switch {
	case errors.Is(err, bolterrors.ErrTimeout):
		return ErrLocked
	case err != nil:
		return fmt.Errorf("%w: %v", ErrForeign, err)
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	ours := false
	err = Guard(func() error {
		return db.View(func(tx *bolt.Tx) error {
			if tx.Size() > info.Size() {
				return fmt.Errorf("%w: cut short (%d of %d bytes)", ErrForeign, info.Size(), tx.Size())
			}
			err := spec.is(tx)
			ours = err == nil
			return err
		})
	})
	if err == nil && spec.Walk {
		err = walk(path, db)
	}
	if errors.Is(err, ErrDamaged) && !ours {
		return fmt.Errorf("%w: %v", ErrForeign, strings.TrimPrefix(err.Error(), ErrDamaged.Error()+": "))
	}
	return err
}

// is checks that a file is what the spec says.
func (s Spec) is(tx *bolt.Tx) error {
	meta := tx.Bucket(bucketMeta)
	if meta == nil {
		return fmt.Errorf("%w: it belongs to another program", ErrForeign)
	}
	if got := meta.Get(keyFormat); string(got) != s.Format {
		return fmt.Errorf("%w: its format is %q, this program's is %q", ErrForeign, got, s.Format)
	}
	for _, b := range s.Buckets {
		if tx.Bucket(b) == nil {
			return fmt.Errorf("%w: its part %q is missing", ErrForeign, b)
		}
	}
	return nil
}

// Guard runs what reads or writes a file that may be damaged. bbolt panics on
// some damage, and follows a damaged page number out of its map of the file:
// either becomes an ErrDamaged.
func Guard(f func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: %v", ErrDamaged, p)
		}
	}()
	return f()
}

// Format is what an existing file says that it is, empty when it says nothing.
func Format(path string) (format string) {
	db, err := OpenReadOnly(path)
	if err != nil {
		return ""
	}
	err = Guard(func() error {
		return db.View(func(tx *bolt.Tx) error {
			if meta := tx.Bucket(bucketMeta); meta != nil {
				format = string(meta.Get(keyFormat))
			}
			return nil
		})
	})
	if err = errors.Join(err, db.Close()); err != nil {
		return ""
	}
	return format
}
