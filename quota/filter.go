package quota

import (
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/enrichgate/enrichgate/cache/boltfile"
)

// Filter says which entries of the audit log are wanted; the zero value wants all.
type Filter struct {
	// Since and Until bound the time: [Since, Until). Zero: no bound.
	Since, Until time.Time
	// Source, Endpoint, Trigger, Client, Playbook, Work and Kind must be equal where set.
	Source, Endpoint, Trigger, Client, Playbook, Work, Kind string
	// Subject is a value in plain; where values are hashed its hash is compared.
	Subject string
	// After goes on behind the entry of that number, in the direction of
	// reading; 0 is the start of it.
	After uint64
	// Newest reads from the newest entry to the oldest.
	Newest bool
	// Limit bounds how many entries are read; 0: all.
	Limit int
	// Match, if set, has to say yes too.
	Match func(*Entry) bool
}

// Check returns an error that names what there is when no entry can have the
// kind or the trigger that is wanted.
func (f *Filter) Check() error {
	if f.Kind != "" && !slices.Contains(Kinds(), f.Kind) {
		return fmt.Errorf("%.40q is not a kind of entry; use %s", f.Kind, strings.Join(Kinds(), ", "))
	}
	if f.Trigger == "" {
		return nil
	}
	_, err := ParseTrigger(f.Trigger)
	return err
}

func (f *Filter) wants(e *Entry) bool {
	is := func(want, got string) bool { return want == "" || want == got }
	return is(f.Source, e.Account) && is(f.Endpoint, e.Endpoint) && is(f.Trigger, e.Trigger) && is(f.Client, e.Client) &&
		is(f.Playbook, e.Playbook) && is(f.Work, e.Work) && is(f.Kind, e.Kind) && is(f.Subject, e.Subject)
}

// Check is Filter.Check, and also names the sources there are when the one that
// is wanted is none of them: it is neither configured nor has it ever spent.
func (l *Ledger) Check(f Filter) error {
	if err := f.Check(); err != nil || f.Source == "" {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.accounts[f.Source] != nil {
		return nil
	}
	return fmt.Errorf("%.80q is not a source; there is %s", f.Source, strings.Join(slices.Sorted(maps.Keys(l.accounts)), ", "))
}

// Entries calls f for each entry that the filter wants, until f returns an error.
func (l *Ledger) Entries(filter Filter, f func(Entry) error) error {
	l.mu.Lock()
	db := l.db
	filter.Subject = l.subject(filter.Subject)
	l.mu.Unlock()
	r := entryReader{db: db, filter: filter}
	for {
		page, more, err := r.page()
		if err != nil {
			return err
		}
		for _, e := range page {
			if err := f(e); err != nil {
				return err
			}
		}
		if !more {
			return nil
		}
	}
}

// entriesPerView bounds how long one reader keeps a view of the file open: a
// view keeps the pages that later transactions free.
const entriesPerView = 1000

// entryReader reads the audit log page by page.
type entryReader struct {
	db     *boltfile.DB
	filter Filter
	given  int
}

// page reads on; more is false at the end.
func (r *entryReader) page() (page []Entry, more bool, err error) {
	f := &r.filter
	err = r.db.View(func(tx *bolt.Tx) error {
		c := tx.Bucket(bucketEntries).Cursor()
		next := c.Next
		if f.Newest {
			next = c.Prev
		}
		seen := 0
		for k, v := r.start(c); k != nil; k, v = next() {
			e, _, err := decodeEntry(k, v)
			if err != nil {
				return err
			}
			if f.Newest && e.Time.Before(f.Since) || !f.Newest && !f.Until.IsZero() && !e.Time.Before(f.Until) {
				return nil
			}
			f.After = e.Seq
			if f.wants(&e) && (f.Match == nil || f.Match(&e)) && !e.Time.Before(f.Since) && (f.Until.IsZero() || e.Time.Before(f.Until)) {
				page = append(page, e)
				r.given++
			}
			if f.Limit > 0 && r.given >= f.Limit {
				return nil
			}
			if seen++; seen >= entriesPerView {
				more = true
				return nil
			}
		}
		return nil
	})
	return page, more, err
}

// start finds where reading begins or goes on.
func (r *entryReader) start(c *bolt.Cursor) (k, v []byte) {
	f := &r.filter
	switch {
	case !f.Newest && f.After > 0:
		return c.Seek(seqKey(f.After + 1))
	case !f.Newest && !f.Since.IsZero():
		return seekTime(c, f.Since)
	case !f.Newest:
		return c.First()
	case f.After > 0:
		c.Seek(seqKey(f.After))
		return c.Prev()
	case !f.Until.IsZero():
		if k, _ := seekTime(c, f.Until); k != nil {
			return c.Prev()
		}
	}
	return c.Last()
}

// seekTime finds the first entry at or after a time by halving: times never run backwards.
func seekTime(c *bolt.Cursor, at time.Time) (k, v []byte) {
	first, _ := c.First()
	last, _ := c.Last()
	if first == nil {
		return nil, nil
	}
	low, high := binary.BigEndian.Uint64(first), binary.BigEndian.Uint64(last)+1
	for low < high {
		mid := low + (high-low)/2
		k, v := c.Seek(seqKey(mid))
		if e, _, err := decodeEntry(k, v); err == nil && e.Time.Before(at) {
			low = mid + 1
		} else {
			high = mid
		}
	}
	return c.Seek(seqKey(low))
}
