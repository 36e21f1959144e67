package boltfile

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"

	bolt "go.etcd.io/bbolt"
	"golang.org/x/sys/unix"
)

// DB is an open file: bbolt's, made to outlive its disk.
//
// bbolt reads from a map of the file, so that a disk that is gone shows as a
// fault, wherever it reads. Guard makes an error of it. But what a transaction
// reads first, the file's two meta pages, and what it reads as it rolls back, it
// reads with locks held that a fault does not release: then everyone waits for
// ever, Close too.
type DB struct {
	*bolt.DB
	file *os.File
	// stuck says that a fault went through a transaction's beginning or end, so
	// that bbolt's locks may be held for ever.
	stuck atomic.Bool

	// mu guards meta, a map of the meta pages of our own; nil once closed.
	mu   sync.RWMutex
	meta []byte
}

// closePatience is how long Close waits for locks that may be held for ever.
const closePatience = time.Second

// openDB opens a file by bbolt. Should that panic, the file is let go.
func openDB(path string, options *bolt.Options) (*DB, error) {
	db := &DB{}
	options.OpenFile = func(name string, flag int, mode os.FileMode) (*os.File, error) {
		var err error
		db.file, err = os.OpenFile(name, flag, mode)
		return db.file, err
	}
	err := Guard(func() error {
		var err error
		db.DB, err = bolt.Open(path, 0o600, options)
		return err
	})
	if errors.Is(err, ErrDamaged) && db.file != nil {
		err = errors.Join(err, db.letGo())
	}
	if err != nil {
		return nil, err
	}
	db.meta, err = unix.Mmap(int(db.file.Fd()), 0, 2*db.Info().PageSize, unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		return nil, errors.Join(err, db.DB.Close())
	}
	return db, nil
}

// View is bbolt's.
func (db *DB) View(f func(*bolt.Tx) error) error {
	_ = db.touch()
	begun, ended := false, false
	defer func() {
		if !begun && !ended {
			db.stuck.Store(true)
		}
	}()
	err := db.DB.View(func(tx *bolt.Tx) error {
		begun = true
		return f(tx)
	})
	ended = true
	return err
}

// Update is bbolt's. Once it has panicked it is refused, because nobody knows
// whether it would ever begin.
func (db *DB) Update(f func(*bolt.Tx) error) error {
	if db.stuck.Load() {
		return fmt.Errorf("%w: a fault has broken off a transaction", ErrDamaged)
	}
	_ = db.touch()
	ended := false
	defer func() {
		if !ended {
			db.stuck.Store(true)
		}
	}()
	err := db.DB.Update(f)
	ended = true
	return err
}

// touch reads from the meta pages, as bbolt is going to with its locks held: if
// they are gone the fault is here. It is not inlined, so that it does read.
//
//go:noinline
func (db *DB) touch() (sum byte) {
	db.mu.RLock()
	defer db.mu.RUnlock()
	if len(db.meta) > 0 {
		sum = db.meta[0] + db.meta[len(db.meta)/2]
	}
	return sum
}

// Close is bbolt's, but gives up a file whose locks are not to be had: another
// can open it then, while its map stays until the process ends.
func (db *DB) Close() error {
	err := db.unmap()
	if !db.stuck.Load() {
		return errors.Join(err, db.DB.Close())
	}
	closed := make(chan error, 1)
	go func() { closed <- db.DB.Close() }()
	select {
	case errClose := <-closed:
		return errors.Join(err, errClose)
	case <-time.After(closePatience):
		return errors.Join(err, db.letGo())
	}
}

// unmap lets go of our own map. Whoever reads on gets bbolt's word that the file
// is closed.
func (db *DB) unmap() (err error) {
	db.mu.Lock()
	defer db.mu.Unlock()
	if db.meta != nil {
		err = unix.Munmap(db.meta)
		db.meta = nil
	}
	return err
}

// letGo closes the file behind bbolt's back. A map of it would keep the lock.
func (db *DB) letGo() error {
	return errors.Join(unix.Flock(int(db.file.Fd()), unix.LOCK_UN), db.file.Close())
}
