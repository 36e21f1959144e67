package cache

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/enrichgate/enrichgate/cache/boltfile"
)

// disk is the durable tier. Reads go straight to bbolt; one goroutine writes,
// and what arrives while it waits for the disk shares the next fsync.
type disk struct {
	path   string
	codec  *codec
	memory *memory // told of every change
	now    func() time.Time
	log    *slog.Logger
	limit  int64 // MaxDisk

	// mu is held for reading while db is read, and for changing db.
	mu sync.RWMutex
	db *boltfile.DB

	ops     chan *op
	stop    chan struct{}
	done    chan struct{}
	closing context.Context // ends with stop
	abort   context.CancelFunc

	books   books
	touches touches
	health  health
	// compacting lets one compaction run at a time.
	compacting sync.Mutex
	// rewritten holds, during a compaction, what has changed since; the writer's.
	rewritten map[entryID]struct{}
	// floor is how large a file can be and not be worth compacting again.
	floor atomic.Int64

	damaged, writeFails, compactions atomic.Uint64
}

func openDisk(path string, opts Options, m *memory) (*disk, error) {
	g, err := newGuard(opts.Key)
	if err != nil {
		return nil, err
	}
	c, err := newCodec(g)
	if err != nil {
		return nil, err
	}
	d := &disk{
		path: path, codec: c, memory: m, now: opts.Now, log: opts.Log, limit: opts.MaxDisk,
		ops: make(chan *op, maxBatch), stop: make(chan struct{}), done: make(chan struct{}),
		health: health{wake: make(chan struct{}, 1)},
	}
	d.closing, d.abort = context.WithCancel(context.Background())
	if d.db, err = d.openFile(); err == nil {
		err = d.view(d.books.load)
	}
	if err != nil {
		if d.db != nil {
			err = errors.Join(err, d.db.Close())
		}
		return nil, errors.Join(fmt.Errorf("cache: %w", err), c.close())
	}
	go d.write()
	return d, nil
}

// openFile opens the file; one of the format before is rewritten first, and so
// is one that is damaged in its structure, without what cannot be read.
func (d *disk) openFile() (*boltfile.DB, error) {
	db, err := boltfile.Open(d.path, d.spec())
	var errRewrite error
	switch {
	case errors.Is(err, boltfile.ErrDamaged):
		errRewrite = d.salvageFile()
	case errors.Is(err, boltfile.ErrForeign) && boltfile.Format(d.path) == formatBefore:
		errRewrite = d.migrate()
	default:
		return d.unlocked(db, err)
	}
	if errRewrite != nil {
		return nil, fmt.Errorf("%s could not be rewritten: %w (%v)", d.path, errRewrite, err)
	}
	return d.unlocked(boltfile.Open(d.path, d.spec()))
}

// unlocked checks that an open file and the key fit together. An empty file
// takes any key.
func (d *disk) unlocked(db *boltfile.DB, err error) (*boltfile.DB, error) {
	if err != nil {
		return nil, err
	}
	var empty bool
	err = boltfile.Guard(func() error {
		return db.View(func(tx *bolt.Tx) error {
			k, _ := tx.Bucket(bucketIndex).Cursor().First()
			empty = k == nil
			return checkCanary(tx, d.codec.guard)
		})
	})
	if err == nil {
		return db, nil
	}
	if !empty {
		return nil, errors.Join(err, db.Close())
	}
	// Nothing is lost with an empty file, and nothing of its past may stay in it.
	return d.startAnew(db)
}

// startAnew puts an empty file in the place of db, which it closes.
func (d *disk) startAnew(db *boltfile.DB) (*boltfile.DB, error) {
	fresh, err := boltfile.Fresh(d.path, d.spec())
	if err == nil {
		err = boltfile.Install(fresh, d.path)
	}
	return fresh, errors.Join(err, db.Close())
}

func (d *disk) close() error {
	d.abort()
	close(d.stop)
	<-d.done
	d.compacting.Lock() // a compaction under way sees stop
	defer d.compacting.Unlock()
	d.mu.Lock()
	defer d.mu.Unlock()
	return errors.Join(d.db.Close(), d.codec.close())
}

// view reads the file. Damage to its structure is an error here, and has the
// writer rewrite the file without what cannot be read.
func (d *disk) view(f func(*bolt.Tx) error) error {
	d.mu.RLock()
	defer d.mu.RUnlock()
	err := boltfile.Guard(func() error { return d.db.View(f) })
	if errors.Is(err, boltfile.ErrDamaged) {
		d.health.suspect()
	}
	return err
}

// get reads an entry. A damaged one is reported as missing, counted, and
// removed: it costs that answer only.
func (d *disk) get(id entryID, k Key) (e *Entry, err error) {
	var broken bool
	err = d.view(func(tx *bolt.Tx) error {
		at, ok := lookIndex(tx, id)
		if !ok {
			return nil
		}
		var key Key
		var err error
		// Decoding copies; nothing of the file leaves the transaction.
		if key, e, err = d.codec.decode(id, tx.Bucket(bucketAnswers).Get(at.seqKey())); err != nil {
			broken, e = true, nil
		} else if key != k {
			e = nil
		}
		return nil
	})
	if errors.Is(err, boltfile.ErrDamaged) {
		d.damaged.Add(1)
		d.log.Error("the cache's file is damaged and will be rewritten without what cannot be read", "error", err)
		return nil, nil
	}
	if broken {
		d.damaged.Add(1)
		d.log.Error("a stored answer is damaged; it will have to be paid for again", "key", fmt.Sprintf("%x", id))
		d.offer(func(t *txn) error { return t.dropDamaged(id) })
	}
	return e, err
}

// put stores an entry durably; it returns the entry's version for memory.
func (d *disk) put(id entryID, k Key, e *Entry) (version uint32, err error) {
	if len(e.Body) > maxBody || len(e.ContentType) > maxContentType {
		return 0, fmt.Errorf("cache: answer not stored: it has %d bytes, at most %d are kept", len(e.Body)+len(e.ContentType), maxBody)
	}
	source, _, _, _ := k.Parts()
	record := d.codec.encode(id, k, e)
	err = d.do(context.Background(), len(record), func(t *txn) error {
		t.after = append(t.after, func() { version = d.memory.changed(id) })
		return t.store(id, source, e.goneAt(), t.hour, record)
	})
	if err != nil && !errors.Is(err, ErrClosed) {
		err = fmt.Errorf("cache: answer not stored: %w", err)
	}
	return version, err
}

// remove deletes an entry durably.
func (d *disk) remove(id entryID) error {
	return d.do(context.Background(), 0, func(t *txn) error {
		t.after = append(t.after, func() { d.memory.changed(id) })
		return t.remove(id, byPurge)
	})
}

// fileSize is 0 when the file cannot be read.
func (d *disk) fileSize() (n int64) {
	_ = d.view(func(tx *bolt.Tx) error {
		n = tx.Size()
		return nil
	})
	return n
}
