package quota

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"time"

	bolt "go.etcd.io/bbolt"
)

// replay is a second set of books, made from the audit log alone. It is also
// the summary that pruned entries leave behind, so that those after them still
// add up.
type replay struct {
	// Seq, Hash and Time are of the last entry that is in it; Entries how many are.
	Seq  uint64            `json:"seq"`
	Hash [sha256.Size]byte `json:"hash"`
	Time time.Time         `json:"time"`

	Totals map[string]totals          `json:"totals"`
	Open   map[uint64]reservation     `json:"open"`
	Doubts map[uint64]doubt           `json:"doubts"`
	Notes  map[string]note            `json:"notes"` // by source \0 window
	Pauses map[string]pause           `json:"pauses"`
	Days   map[string]map[int64]int64 `json:"-"` // source → day → units settled
}

func newReplay() *replay {
	return &replay{
		Totals: map[string]totals{}, Open: map[uint64]reservation{}, Doubts: map[uint64]doubt{},
		Notes: map[string]note{}, Pauses: map[string]pause{}, Days: map[string]map[int64]int64{},
	}
}

// loadSummary is the replay of the entries that were pruned.
func loadSummary(tx *bolt.Tx) (*replay, error) {
	r := newReplay()
	_, err := getRecord(tx.Bucket(bucketMeta), keySummary, r)
	r.Days = map[string]map[int64]int64{}
	return r, err
}

// next plays one entry, after checking that it is the next.
func (r *replay) next(k, record []byte) error {
	e, hash, err := decodeEntry(k, record)
	if err != nil {
		return err
	}
	switch seq := binary.BigEndian.Uint64(k); {
	case hash != chain(r.Hash, record[sha256.Size:]):
		err = errors.New("the chain of hashes is broken here")
	case seq != r.Seq+1 || e.Seq != seq:
		err = fmt.Errorf("it follows entry %d", r.Seq)
	case e.Time.Before(r.Time):
		err = errors.New("it is older than the one before")
	default:
		err = r.follow(&e)
	}
	r.Seq, r.Hash, r.Time = e.Seq, hash, e.Time
	return err
}

func (r *replay) follow(e *Entry) error {
	t := r.Totals[e.Account]
	defer func() { r.Totals[e.Account] = t }()
	switch e.Kind {
	case KindReserve:
		trigger, err := ParseTrigger(e.Trigger)
		if err != nil {
			return err
		}
		r.Open[e.Seq] = reservation{
			Account: e.Account, Units: e.Units, Trigger: trigger, Endpoint: e.Endpoint, Bucket: e.Bucket, Client: e.Client, Playbook: e.Playbook, At: e.Time,
		}
	case KindSpent, KindVoid, KindUncertain:
		res, ok := r.Open[e.Ref]
		if !ok || res.Units != e.Units || res.Account != e.Account {
			return fmt.Errorf("%s settles reservation %d, which is not open like that", e.Kind, e.Ref)
		}
		delete(r.Open, e.Ref)
		switch e.Kind {
		case KindSpent:
			t.Spent += e.Units
		case KindUncertain:
			t.Uncertain += e.Units
			r.Doubts[e.Ref] = doubt{reservation: res, Entry: e.Seq, Settled: e.Time}
		case KindVoid:
			return nil
		}
		r.day(e.Account, e.Time, e.Units)
	case KindResolve:
		d, ok := r.Doubts[e.Ref]
		if !ok || d.Units != e.Units || d.Account != e.Account {
			return fmt.Errorf("reservation %d is resolved, and was not uncertain like that", e.Ref)
		}
		delete(r.Doubts, e.Ref)
		t.Uncertain -= e.Units
		if e.Outcome == Spent.String() {
			t.Spent += e.Units
			return nil
		}
		r.day(e.Account, d.Settled, -e.Units)
		for key, n := range r.Notes {
			source, window, _ := strings.Cut(key, "\x00")
			if bucket := bucketOf(window); source == e.Account && (bucket == "" || bucket == d.Bucket) && n.release(&d) {
				r.Notes[key] = n
			}
		}
	case KindInitial, KindSetUsed, KindReconcile, KindSetLimit, KindSetFloor, KindCheckpoint:
		t.Spent += e.Spent
		t.Uncertain += e.Uncertain
		if e.Window != "" {
			key := string(noteKey(e.Account, e.Window))
			r.Notes[key] = r.Notes[key].apply(e)
		}
	case KindPause:
		p := pause{Reason: e.Reason, By: e.By}
		if e.Until != nil {
			p.Until = *e.Until
		}
		r.Pauses[e.Account] = p
	case KindResume:
		delete(r.Pauses, e.Account)
	case KindPrune, KindNote:
	default:
		return fmt.Errorf("unknown kind %q", e.Kind)
	}
	return nil
}

func dayOf(t time.Time) int64 { return floorDiv(t.Unix(), 24*3600) }

func (r *replay) day(source string, at time.Time, units int64) {
	if r.Days[source] == nil {
		r.Days[source] = map[int64]int64{}
	}
	r.Days[source][dayOf(at)] += units
}
