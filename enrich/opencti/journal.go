package opencti

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/enrichgate/enrichgate/cache/boltfile"
)

// Journal remembers, per work or playbook step, what must not be done twice
// when its message is delivered again. It is written before the act: an act
// whose fate a crash hides counts as done. Safe for concurrent use.
//
// One writer puts all that has gathered while it wrote into its next
// transaction, so that many who write at the same time share an fsync and a lone
// one waits for nobody.
type Journal struct {
	db   *boltfile.DB
	now  func() time.Time
	left *departures

	queue  chan write
	quit   chan struct{} // closed by Close
	writer sync.WaitGroup

	mu sync.Mutex
	// soon are records that go with the next transaction, and are read from here
	// until they are written; writing are those that it takes along.
	soon, writing map[string]record
}

// write is a record on its way to the disk.
type write struct {
	key, value []byte
	done       chan error // of room for one
}

var (
	bucketMessages = []byte("messages")
	journalSpec    = boltfile.Spec{Format: "enrichgate-journal/1", Buckets: [][]byte{bucketMessages}}
)

// journalKeeps is how long a message may take to come again.
const journalKeeps = 7 * 24 * time.Hour

var errJournalClosed = errors.New("the journal is closed")

const (
	// writeMost bounds a transaction.
	writeMost = 1024
	// soonWithin is how long a record may wait for others to be written with.
	soonWithin = 100 * time.Millisecond
	// closePatience bounds the wait for the last transaction.
	closePatience = 5 * time.Second
	// forgetEvery and forgetStep: old records are dropped in small steps, so
	// that those who write do not wait long.
	forgetEvery = time.Hour
	forgetStep  = 500
)

// record is what is known of one message.
type record struct {
	// Expected is how many objects its work was told to expect; Unsure says that
	// it was being told, and nobody knows whether it was.
	Expected int  `json:"expected,omitempty"`
	Unsure   bool `json:"unsure,omitempty"`
	// Delivered says that its playbook step was answered, or its bundle pushed
	// through the API: at the attempt Try, in the boot Boot of the machine.
	Delivered bool   `json:"delivered,omitempty"`
	Try       int    `json:"try,omitempty"`
	Boot      string `json:"boot,omitempty"`
	// Copied says that its bundle was put where else the operator wants it.
	Copied bool `json:"copied,omitempty"`
	// Draft is the draft that was made for its bundle, to be validated there.
	Draft string `json:"draft,omitempty"`
	// Processed says that its work was ended.
	Processed bool `json:"processed,omitempty"`
	// Attempts counts the deliveries that may have broken off our work on it.
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
	// Journals of before messages could be parked have no place for them.
	err = db.Update(func(tx *bolt.Tx) error {
		_, err := tx.CreateBucketIfNotExists(bucketParked)
		return err
	})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("journal: %w", err), db.Close())
	}
	left, err := openDepartures(strings.TrimSuffix(path, ".db")+".left", bootID(), now)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("journal: %w", err), db.Close())
	}
	j := &Journal{db: db, now: now, left: left, queue: make(chan write, writeMost), quit: make(chan struct{}), soon: map[string]record{}}
	j.writer.Go(j.write)
	return j, nil
}

// Close writes what is to be written and closes the file.
func (j *Journal) Close() error {
	close(j.quit)
	j.writer.Wait()
	return errors.Join(j.left.close(), j.db.Close())
}

// get reads what is known of a message; a damaged record counts as unknown.
func (j *Journal) get(key string) (r record, err error) {
	r, err = j.read(key)
	if r.Delivered && j.left.contradict(key, r.Try, r.Boot, r.At) {
		r.Delivered = false
	}
	return r, err
}

func (j *Journal) read(key string) (r record, err error) {
	if key == "" {
		return r, nil
	}
	if r, there := j.unwritten(key); there {
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
	value, err := j.encode(key, r)
	if err != nil {
		return err
	}
	w := write{key: []byte(key), value: value, done: make(chan error, 1)}
	select {
	case j.queue <- w:
	case <-j.quit:
		return errJournalClosed
	}
	select {
	case err = <-w.done:
	case <-j.quit:
		// It may be the last that is written.
		select {
		case err = <-w.done:
		case <-time.After(closePatience):
			err = errJournalClosed
		}
	}
	if err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	return nil
}

func (j *Journal) encode(key string, r record) ([]byte, error) {
	r.At = j.now()
	value, err := json.Marshal(r)
	if err != nil {
		return nil, err
	}
	return boltfile.Protect([]byte(key), value), nil
}
