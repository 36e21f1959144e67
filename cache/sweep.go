package cache

import (
	"encoding/binary"
	"maps"
	"sync"

	bolt "go.etcd.io/bbolt"
)

// touches are uses that the disk was not told of yet. They cost no write of
// their own when they come: an hour's worth of uses of an entry is one, and they
// are written a hundred at a time.
type touches struct {
	mu   sync.Mutex
	hour map[entryID]uint32
}

// maxTouches bounds their memory; what is beyond them is forgotten, and costs an
// entry an hour of its age.
const maxTouches = 1 << 15

func (t *touches) add(id entryID, hour uint32) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.hour == nil {
		t.hour = map[entryID]uint32{}
	}
	if len(t.hour) < maxTouches {
		t.hour[id] = hour
	}
}

// take removes up to n.
func (t *touches) take(n int) map[entryID]uint32 {
	t.mu.Lock()
	defer t.mu.Unlock()
	taken := make(map[entryID]uint32, n)
	for id, hour := range t.hour {
		if len(taken) == n {
			break
		}
		taken[id] = hour
		delete(t.hour, id)
	}
	return taken
}

func (t *touches) of(id entryID) (hour uint32, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	hour, ok = t.hour[id]
	return hour, ok
}

func (t *touches) pending() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.hour)
}

// chores does one step of what is to be done, the most urgent first: mend the
// file, remove what is gone, then the least recently used until the limit is
// kept. It says whether there is more.
func (d *disk) chores() (more bool) {
	if d.mend() != nil {
		return false
	}
	if d.touches.pending() >= step {
		if err := d.writeTouches(); err != nil {
			return false
		}
	}
	n, err := d.sweep()
	if err == nil && n == 0 && d.books.live.Load() > d.limit {
		n, err = d.evict()
	}
	return err == nil && (n > 0 || d.touches.pending() >= step)
}

// writeTouches writes a step of touches, if one of them says anything new.
func (d *disk) writeTouches() error {
	taken := d.touches.take(step)
	err := d.view(func(tx *bolt.Tx) error {
		maps.DeleteFunc(taken, func(id entryID, hour uint32) bool {
			p, ok := lookIndex(tx, id)
			return !ok || p.hour >= hour
		})
		return nil
	})
	if err != nil || len(taken) == 0 {
		return err
	}
	return d.update(func(t *txn) error {
		for id, hour := range taken {
			if err := t.touch(id, hour); err != nil {
				return err
			}
		}
		return nil
	})
}

// sweep removes a step of the entries that are gone.
func (d *disk) sweep() (int, error) {
	now := seconds(d.now())
	return d.drop(bucketExpiry, byTTL, func(second uint32, _ int) bool { return second < now })
}

// evict removes a step of the least recently used entries.
func (d *disk) evict() (int, error) {
	// A little more than must be, or each put would evict.
	excess := d.books.live.Load() - d.limit + d.limit/256
	return d.drop(bucketUsed, bySize, func(_ uint32, size int) bool {
		due := excess > 0
		excess -= int64(size)
		return due
	})
}

// drop removes a step of the first entries of an order, as long as they are
// due. One that was used since the disk was last told is moved instead.
func (d *disk) drop(order []byte, why reason, due func(order uint32, size int) bool) (int, error) {
	var keys [][12]byte
	used := map[entryID]uint32{}
	err := d.view(func(tx *bolt.Tx) error {
		c, answers := tx.Bucket(order).Cursor(), tx.Bucket(bucketAnswers)
		for k, _ := c.First(); len(k) == 12 && len(keys)+len(used) < step; k, _ = c.Next() {
			record := answers.Get(k[4:])
			if why == bySize && len(record) > len(entryID{}) {
				id := entryID(record[:len(entryID{})])
				if hour, ok := d.touches.of(id); ok && hour > binary.BigEndian.Uint32(k) {
					used[id] = hour
					continue
				}
			}
			if !due(binary.BigEndian.Uint32(k), len(record)) {
				break
			}
			keys = append(keys, [12]byte(k))
		}
		return nil
	})
	if err != nil || len(keys)+len(used) == 0 {
		return 0, err
	}
	return len(keys) + len(used), d.update(func(t *txn) error {
		for id, hour := range used {
			if err := t.touch(id, hour); err != nil {
				return err
			}
		}
		for _, k := range keys {
			if err := t.removeSeq(binary.BigEndian.Uint64(k[4:]), why); err != nil {
				return err
			}
			// The entry took this with it, unless damage had parted them.
			if err := t.tx.Bucket(order).Delete(k[:]); err != nil {
				return err
			}
		}
		return nil
	})
}
