package httpapi

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/klauspost/compress/zstd"
	bolt "go.etcd.io/bbolt"

	"github.com/enrichgate/enrichgate/cache/boltfile"
)

const (
	// keptFor is how long an answer is remembered by its key.
	keptFor = 24 * time.Hour
	// mostKept bounds the file's content; the oldest answers go first.
	mostKept = 256 << 20
	// mostAnswer bounds one answer, packed. A longer one is given, not kept.
	mostAnswer = 32 << 20
	// mostKeys bounds the records.
	mostKeys = 10_000
)

// Repeats remembers the answers of requests that carried an Idempotency-Key,
// durably, so that a retry spends nothing and is told the same: for a day, and
// within bounds. That a request has begun is on disk before it spends anything;
// a retry of one that a crash cut off takes every answer that was kept since it
// began, and so pays for nothing twice.
type Repeats struct {
	db  *boltfile.DB
	now func() time.Time
	enc *zstd.Encoder
	dec *zstd.Decoder

	mu sync.Mutex
	// known are the records on disk, running those whose request this process
	// is answering.
	known   map[repeatID]repeat
	running map[repeatID]bool
	size    int64
}

// repeatID is the hash of who sent a key, and of the key.
type repeatID [32]byte

var bucketRepeats = []byte("repeats")

// OpenRepeats opens the file, or creates it. A nil now means time.Now.
func OpenRepeats(path string, now func() time.Time) (*Repeats, error) {
	if now == nil {
		now = time.Now
	}
	db, err := boltfile.Open(path, boltfile.Spec{Format: "enrichgate repeats 1", Buckets: [][]byte{bucketRepeats}})
	if err != nil {
		return nil, err
	}
	s := &Repeats{db: db, now: now, known: map[repeatID]repeat{}, running: map[repeatID]bool{}}
	s.enc, err = zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1))
	if err == nil {
		s.dec, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(1))
	}
	if err == nil {
		err = s.load()
	}
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return s, nil
}

// Close closes the file. What is still being answered is left as begun.
func (s *Repeats) Close() error { return s.db.Close() }

// load reads what is known, and drops what cannot be read.
func (s *Repeats) load() error {
	return s.db.Update(func(tx *bolt.Tx) error {
		b := tx.Bucket(bucketRepeats)
		var damaged [][]byte
		err := b.ForEach(func(k, v []byte) error {
			r, err := decodeRepeat(k, v)
			if err != nil || len(k) != len(repeatID{}) {
				damaged = append(damaged, bytes.Clone(k))
				return nil
			}
			r.body = nil
			s.known[repeatID(k)] = r
			s.size += int64(len(v))
			return nil
		})
		for _, k := range damaged {
			err = errors.Join(err, b.Delete(k))
		}
		return err
	})
}

// How a request stands to the ones before it.
var (
	errKeyReused = errors.New("this Idempotency-Key came with another request before")
	errKeyInUse  = errors.New("the first request with this Idempotency-Key is still being answered")
	errNotKept   = errors.New("the answer to this Idempotency-Key was too large to be kept")
)

// begin claims a key for a request. It returns the answer of before, or nil for
// a request that is to be answered now; since is then when it was begun first,
// the zero time for a new one.
func (s *Repeats) begin(id repeatID, fingerprint [32]byte) (before *repeat, since time.Time, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.forgetLocked(); err != nil {
		return nil, since, err
	}
	r, known := s.known[id]
	switch {
	case known && r.fingerprint != fingerprint:
		return nil, since, errKeyReused
	case s.running[id]:
		return nil, since, errKeyInUse
	case known && r.state == repeatLost:
		return nil, since, errNotKept
	case known && r.state == repeatDone:
		full, err := s.get(id)
		return full, since, err
	case known:
		since = r.begun // and cut off
	default:
		if err := s.putLocked(id, repeat{state: repeatBegun, begun: s.now(), fingerprint: fingerprint}); err != nil {
			return nil, since, err
		}
	}
	s.running[id] = true
	return nil, since, nil
}

// end keeps the answer of a request that was begun. A nil answer leaves it as
// begun: it was cut off.
func (s *Repeats) end(id repeatID, answer *repeat) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.running, id)
	if answer == nil {
		return nil
	}
	answer.begun, answer.fingerprint = s.known[id].begun, s.known[id].fingerprint
	return s.putLocked(id, *answer)
}

func (s *Repeats) putLocked(id repeatID, r repeat) error {
	record := boltfile.Protect(id[:], r.encode())
	err := s.db.Update(func(tx *bolt.Tx) error { return tx.Bucket(bucketRepeats).Put(id[:], record) })
	if err != nil {
		return fmt.Errorf("the request could not be noted: %w", err)
	}
	r.size = int64(len(record))
	s.size += r.size - s.known[id].size
	r.body = nil
	s.known[id] = r
	return nil
}

func (s *Repeats) get(id repeatID) (*repeat, error) {
	var r repeat
	err := s.db.View(func(tx *bolt.Tx) (err error) {
		r, err = decodeRepeat(id[:], tx.Bucket(bucketRepeats).Get(id[:]))
		r.body = bytes.Clone(r.body)
		return err
	})
	if err == nil {
		r.body, err = s.dec.DecodeAll(r.body, nil)
	}
	if err != nil {
		return nil, fmt.Errorf("the kept answer cannot be read: %w", err)
	}
	return &r, nil
}

// forgetLocked drops what is too old, and the oldest of what is too much.
func (s *Repeats) forgetLocked() error {
	end := s.now().Add(-keptFor)
	past := func(r repeat) bool { return !r.begun.After(end) }
	if s.size <= mostKept && len(s.known) < mostKeys && !slices.ContainsFunc(slices.Collect(maps.Values(s.known)), past) {
		return nil
	}
	oldest := slices.SortedFunc(maps.Keys(s.known), func(a, b repeatID) int {
		return cmp.Compare(s.known[a].begun.UnixNano(), s.known[b].begun.UnixNano())
	})
	var drop []repeatID
	size, count := s.size, len(s.known)
	for _, id := range oldest {
		r := s.known[id]
		if s.running[id] || !past(r) && size <= mostKept && count < mostKeys {
			continue
		}
		drop = append(drop, id)
		size -= r.size
		count--
	}
	if len(drop) == 0 {
		return nil
	}
	err := s.db.Update(func(tx *bolt.Tx) error {
		for _, id := range drop {
			if err := tx.Bucket(bucketRepeats).Delete(id[:]); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("old requests could not be dropped: %w", err)
	}
	for _, id := range drop {
		delete(s.known, id)
	}
	s.size = size
	return nil
}
