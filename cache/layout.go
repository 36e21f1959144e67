package cache

import (
	"encoding/binary"
	"errors"
	"os"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/enrichgate/enrichgate/cache/boltfile"
)

// The file:
//
//	answers  sequence number → record; appended at the end, so that pages are
//	         full, and what expires together lies together
//	index    id → place: number, when it is gone, hour of last use, size, source
//	expiry   second at which it is gone, number → nothing; the order of the sweep
//	used     hour of last use, number → nothing; the order of the eviction
//	sources  number of a source → its entries, bytes and name
//	meta     format; canary of the key
const (
	format       = "enrichgate-cache/2"
	formatBefore = "enrichgate-cache/1"
)

var (
	bucketAnswers = []byte("answers")
	bucketIndex   = []byte("index")
	bucketExpiry  = []byte("expiry")
	bucketUsed    = []byte("used")
	bucketSources = []byte("sources")
	bucketAbout   = []byte("meta")
)

// spec says how the file is made. Records of a kilobyte waste a quarter of a
// page of 4 KiB, and hardly anything of one of 16 KiB.
func (d *disk) spec() boltfile.Spec {
	// A net: the limit itself is kept by evicting. Where the limit was lowered the
	// file is larger, and even to delete bbolt must write.
	const room = 64 << 20
	most := 2*d.limit + room
	if info, err := os.Stat(d.path); err == nil {
		most = max(most, info.Size()+room)
	}
	return boltfile.Spec{
		Format:   format,
		Buckets:  [][]byte{bucketAnswers, bucketIndex, bucketExpiry, bucketUsed, bucketSources},
		Init:     func(tx *bolt.Tx) error { return plantCanary(tx, d.codec.guard) },
		PageSize: 16 << 10,
		GrowBy:   1 << 20,
		MaxSize:  int(most),
		Walk:     true,
	}
}

// place is where an entry lies, and what is needed to remove it unread.
type place struct {
	seq          uint64
	gone, hour   uint32 // unix seconds; hours since 1970
	size         uint32
	sourceNumber uint16
}

const placeSize = 8 + 4 + 4 + 4 + 2

func (p place) encode() []byte {
	b := binary.BigEndian.AppendUint64(make([]byte, 0, placeSize), p.seq)
	b = binary.BigEndian.AppendUint32(b, p.gone)
	b = binary.BigEndian.AppendUint32(b, p.hour)
	b = binary.BigEndian.AppendUint32(b, p.size)
	return binary.BigEndian.AppendUint16(b, p.sourceNumber)
}

func lookIndex(tx *bolt.Tx, id entryID) (place, bool) {
	b := tx.Bucket(bucketIndex).Get(id[:])
	if len(b) != placeSize {
		return place{}, false
	}
	u32 := binary.BigEndian.Uint32
	return place{binary.BigEndian.Uint64(b), u32(b[8:]), u32(b[12:]), u32(b[16:]), binary.BigEndian.Uint16(b[20:])}, true
}

func (p place) seqKey() []byte    { return binary.BigEndian.AppendUint64(nil, p.seq) }
func (p place) expiryKey() []byte { return orderKey(p.gone, p.seq) }
func (p place) usedKey() []byte   { return orderKey(p.hour, p.seq) }

func orderKey(order uint32, seq uint64) []byte {
	return binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint32(make([]byte, 0, 12), order), seq)
}

// seconds and hours since 1970, within what four bytes hold.
func seconds(t time.Time) uint32 { return uint32(min(max(0, t.Unix()), 1<<32-1)) }
func hours(t time.Time) uint32   { return uint32(max(0, t.Unix()) / 3600) }

// txn is one write transaction. It belongs to the writer.
type txn struct {
	disk                         *disk
	books                        *books
	answers, index, expiry, used *bolt.Bucket
	tx                           *bolt.Tx
	hour                         uint32
	deltas                       map[uint16]*tally
	changed                      []entryID
	after                        []func() // run once it is durable, before anyone is told
}

func (d *disk) begin(tx *bolt.Tx, b *books) *txn {
	t := &txn{
		disk: d, books: b, tx: tx, hour: hours(d.now()), deltas: map[uint16]*tally{},
		answers: tx.Bucket(bucketAnswers), index: tx.Bucket(bucketIndex),
		expiry: tx.Bucket(bucketExpiry), used: tx.Bucket(bucketUsed),
	}
	// These grow at their ends; splitting full pages in halves would leave halves.
	t.answers.FillPercent, t.used.FillPercent, t.expiry.FillPercent = 1, 0.9, 0.8
	return t
}

// store writes a record, in the place of an older one if there is one.
func (t *txn) store(id entryID, source string, gone time.Time, hour uint32, record []byte) error {
	if err := t.remove(id, byStore); err != nil {
		return err
	}
	seq, err := t.answers.NextSequence()
	if err != nil {
		return err
	}
	p := place{seq, seconds(gone), hour, uint32(len(record)), t.books.number(source)}
	t.delta(p.sourceNumber).add(1, int64(p.size))
	t.changed = append(t.changed, id)
	return errors.Join(
		t.answers.Put(p.seqKey(), record), t.index.Put(id[:], p.encode()),
		t.expiry.Put(p.expiryKey(), nil), t.used.Put(p.usedKey(), nil),
	)
}

// remove deletes an entry if it is there.
func (t *txn) remove(id entryID, why reason) error {
	p, ok := lookIndex(t.tx, id)
	if !ok {
		return nil
	}
	d := t.delta(p.sourceNumber)
	d.add(-1, -int64(p.size))
	d.removed[why]++
	t.changed = append(t.changed, id)
	return errors.Join(t.answers.Delete(p.seqKey()), t.index.Delete(id[:]), t.expiry.Delete(p.expiryKey()), t.used.Delete(p.usedKey()))
}

// removeSeq deletes the entry with a number, as an order bucket named it. What
// damage has left without an index goes too.
func (t *txn) removeSeq(seq uint64, why reason) error {
	key := place{seq: seq}.seqKey()
	record := t.answers.Get(key)
	if len(record) >= len(entryID{}) {
		id := entryID(record[:len(entryID{})])
		if p, ok := lookIndex(t.tx, id); ok && p.seq == seq {
			return t.remove(id, why)
		}
	}
	return t.answers.Delete(key)
}

// touch moves an entry to a later hour of use.
func (t *txn) touch(id entryID, hour uint32) error {
	p, ok := lookIndex(t.tx, id)
	if !ok || p.hour >= hour {
		return nil
	}
	if err := t.used.Delete(p.usedKey()); err != nil {
		return err
	}
	p.hour = hour
	t.changed = append(t.changed, id)
	return errors.Join(t.index.Put(id[:], p.encode()), t.used.Put(p.usedKey(), nil))
}

// dropDamaged removes an entry that is still damaged.
func (t *txn) dropDamaged(id entryID) error {
	p, ok := lookIndex(t.tx, id)
	if !ok {
		return nil
	}
	if _, _, err := t.disk.codec.decode(id, t.answers.Get(p.seqKey())); err == nil {
		return nil
	}
	return t.remove(id, byDamage)
}
