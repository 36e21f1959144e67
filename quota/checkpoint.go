package quota

import (
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"time"

	bolt "go.etcd.io/bbolt"
)

// Checkpoint is what is worth keeping of a ledger in another place, in case
// its file is lost: small, and JSON.
type Checkpoint struct {
	// Ledger is the file's own id; Seq and Hash are of its last entry at that
	// time: whether a ledger has that entry tells whether it is the same one,
	// and not an older copy.
	Ledger  string                      `json:"ledger"`
	Seq     uint64                      `json:"seq"`
	Hash    string                      `json:"hash"`
	At      time.Time                   `json:"at"`
	Sources map[string]CheckpointSource `json:"sources"`
}

// CheckpointSource is one source's totals, and what is used of its windows of
// an hour or more. Units under way count as uncertain, and as used.
type CheckpointSource struct {
	Spent     int64            `json:"spent"`
	Uncertain int64            `json:"uncertain"`
	Windows   map[string]int64 `json:"windows"`
}

// mark is an entry in short.
func mark(hash []byte) string { return hex.EncodeToString(hash[:12]) }

// Checkpoint is the ledger as it stands now.
func (l *Ledger) Checkpoint() Checkpoint {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.fresh()
	c := Checkpoint{Ledger: l.identity.ID, Seq: l.head.Seq, Hash: mark(l.head.Hash[:]), At: now.stamp.UTC(), Sources: map[string]CheckpointSource{}}
	for name, a := range l.accounts {
		s := CheckpointSource{Spent: a.spent, Uncertain: a.uncertain + a.source.pending, Windows: map[string]int64{}}
		for w := range a.own() {
			if w.limit.Per >= Hour {
				p, _ := w.peek(now, l.head.Time)
				s.Windows[w.limit.Window()] = p.used + w.of.pending
			}
		}
		c.Sources[name] = s
	}
	return c
}

func (c *Checkpoint) validate() error {
	for name, s := range c.Sources {
		numbers := slices.Collect(maps.Values(s.Windows))
		for _, n := range append(numbers, s.Spent, s.Uncertain) {
			if n < 0 || n > maxUnits {
				return refuse("the checkpoint of %s makes no sense", name)
			}
		}
	}
	return nil
}

// Restore takes over what a checkpoint knows and this ledger does not: the file
// is new, or an older copy of the one that the checkpoint was made of. It never
// lowers anything; a checkpoint of this ledger's own past, an empty one and one
// that was taken over before change nothing. What was spent here since the
// checkpoint was made counts on top of it. It returns what it raised, in words.
func (l *Ledger) Restore(c Checkpoint) (raised []string, err error) {
	if c.Ledger == "" || len(c.Sources) == 0 {
		return nil, nil
	}
	if err := c.validate(); err != nil {
		return nil, err
	}
	err = l.command(func(t *transaction) error {
		raised = nil
		r := restorer{transaction: t, checkpoint: &c, copied: c.Ledger == l.identity.ID}
		known, err := r.known()
		if err != nil || known {
			return err
		}
		for _, name := range slices.Sorted(maps.Keys(c.Sources)) {
			if a := l.accounts[name]; a != nil {
				if err := r.source(a, c.Sources[name]); err != nil {
					return err
				}
			}
		}
		raised = r.raised
		t.more = append(t.more, func(tx *bolt.Tx) error { return putRecord(tx.Bucket(bucketMeta), keyRestored, r.taken()) })
		return nil
	})
	return raised, err
}

// restorer raises a ledger to a checkpoint.
type restorer struct {
	*transaction
	checkpoint *Checkpoint
	// copied says that the checkpoint is of this file, of which an older copy
	// is in place; else this is another file.
	copied bool
	raised []string
}

// taken names a checkpoint.
func (r *restorer) taken() string {
	return fmt.Sprintf("%s/%d/%s", r.checkpoint.Ledger, r.checkpoint.Seq, r.checkpoint.Hash)
}

func (r *restorer) why() string {
	if r.copied {
		return "the ledger is an older copy"
	}
	return "the ledger is another file"
}

// known says that the checkpoint is of this ledger's own past, or was taken over before.
func (r *restorer) known() (known bool, err error) {
	err = r.ledger.db.View(func(tx *bolt.Tx) error {
		var taken string
		if _, err := getRecord(tx.Bucket(bucketMeta), keyRestored, &taken); err != nil {
			return err
		}
		if known = taken == r.taken(); known || !r.copied {
			return nil
		}
		sum, err := loadSummary(tx)
		if err != nil {
			return err
		}
		hash, _, err := unseal(tx.Bucket(bucketEntries).Get(seqKey(r.checkpoint.Seq)))
		known = r.checkpoint.Seq <= sum.Seq || err == nil && mark(hash[:]) == r.checkpoint.Hash
		return nil
	})
	return known, err
}

// since is what a budget settled at a source that the checkpoint cannot know of.
func (r *restorer) since(a *account, b *budget, from time.Time) (m minute, err error) {
	if r.copied && from.Before(r.checkpoint.At) {
		from = r.checkpoint.At
	}
	bucket, key := b.books(a.source.owner.Name)
	err = r.ledger.db.View(func(tx *bolt.Tx) error {
		return eachMinute(tx.Bucket(bucket), key, minuteOf(from), time.Time{}, func(start time.Time, n minute) error {
			m.add(&n)
			return nil
		})
	})
	for _, d := range r.minutes {
		if string(d.bucket) == string(bucket) && string(d.key[:len(d.key)-8]) == string(key) {
			m.add(&d.minute)
		}
	}
	return m, err
}

func (r *restorer) source(a *account, s CheckpointSource) error {
	name := a.source.owner.Name
	own, err := r.since(a, a.source, time.Unix(0, 0))
	if err != nil {
		return err
	}
	var sum totals
	for t := range own.Spent {
		sum.Spent += own.Spent[t]
		sum.Uncertain += own.Uncertain[t]
	}
	missing := totals{max(0, s.Spent+sum.Spent-a.spent), max(0, s.Uncertain+sum.Uncertain-a.uncertain)}
	if missing != (totals{}) {
		r.log(Entry{Kind: KindCheckpoint, Account: name, Spent: missing.Spent, Uncertain: missing.Uncertain, Reason: r.why()})
		r.bookTotals(name, missing)
		a.spent += missing.Spent
		a.uncertain += missing.Uncertain
	}
	for w := range a.own() {
		theirs, ok := s.Windows[w.limit.Window()]
		if !ok || r.checkpoint.At.Before(w.start) {
			continue
		}
		own, err := r.since(a, w.of, w.start)
		if err != nil {
			return err
		}
		used := theirs + own.total()
		if used <= w.used {
			continue
		}
		r.raised = append(r.raised, fmt.Sprintf("%s: %s; the checkpoint of %s knows of %d units used this %s, here are %d; now %d",
			name, r.why(), r.checkpoint.At.UTC().Format(time.RFC3339), theirs, w.limit.Window(), w.used, used))
		if err := r.correct(a, w, used, Entry{Kind: KindCheckpoint, Reason: r.why()}); err != nil {
			return err
		}
	}
	return nil
}
