package opencti

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/enrichgate/enrichgate/cache/boltfile"
	"github.com/enrichgate/enrichgate/enrich"
	"github.com/enrichgate/enrichgate/quota"
)

// A message whose quota is exhausted may be parked: kept in the journal,
// acknowledged, and handled again when the quota opens. The broker could not
// keep it that long: it takes a message back after half an hour.

const (
	// parkMost bounds how far ahead a message is parked: the longest window is a
	// month.
	parkMost = 40 * 24 * time.Hour
	// parkTimes bounds how often one message is parked again.
	parkTimes = 50
	// parkRetry is when a message whose resumption failed is tried again.
	parkRetry = time.Minute
	// scoutEvery is how often one message is tried before its time: limits are
	// raised, and quota is bought.
	scoutEvery = 10 * time.Minute
	// parkPage bounds how many messages are chosen at one look.
	parkPage = 256
)

// parked is a message that waits for its time.
type parked struct {
	// Body is the message as it came.
	Body []byte `json:"body"`
	// Due is when it is handled again, Since when it was parked first.
	Due   time.Time `json:"due"`
	Since time.Time `json:"since"`
	// Times counts how often it was parked, Looks how often it was tried before its
	// time and in vain.
	Times int `json:"times"`
	Looks int `json:"looks,omitempty"`
	// Trigger orders those that are due together: manual work first.
	Trigger quota.Trigger `json:"trigger"`

	// message is the key under which it is parked.
	message string
}

// lot is where one connector's messages are parked. Safe for concurrent use.
type lot struct {
	journal *Journal
	prefix  []byte
	// changed wakes the one who waits for the next that is due.
	changed chan struct{}

	mu    sync.Mutex
	count int       // at the last look
	next  time.Time // that the last look found; zero for none
}

var bucketParked = []byte("parked")

func newLot(j *Journal, connector string) *lot {
	return &lot{journal: j, prefix: append([]byte(connector), 0), changed: make(chan struct{}, 1)}
}

func (l *lot) key(message string) []byte { return append(slices.Clone(l.prefix), message...) }

// put parks a message durably, in place of what was parked under its key.
func (l *lot) put(message string, p parked) error {
	value, err := json.Marshal(p)
	if err != nil {
		return err
	}
	key := l.key(message)
	err = l.journal.db.Batch(func(tx *bolt.Tx) error {
		return tx.Bucket(bucketParked).Put(key, boltfile.Protect(key, value))
	})
	if err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.count++
	if l.next.IsZero() || p.Due.Before(l.next) {
		l.wake()
	}
	return nil
}

// wake has the lot looked at.
func (l *lot) wake() {
	select {
	case l.changed <- struct{}{}:
	default:
	}
}

// get finds what is parked under a message's key.
func (l *lot) get(message string) (p parked, found bool, err error) {
	key := l.key(message)
	err = l.journal.db.View(func(tx *bolt.Tx) error {
		raw := tx.Bucket(bucketParked).Get(key)
		if raw == nil {
			return nil
		}
		found = true
		p, err = l.decode(key, raw)
		return err
	})
	return p, found, err
}

// remove lets go of a message.
func (l *lot) remove(message string) error {
	key := l.key(message)
	err := l.journal.db.Batch(func(tx *bolt.Tx) error { return tx.Bucket(bucketParked).Delete(key) })
	if err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	return nil
}

// look is what one look at the lot finds.
type look struct {
	// ready messages without their bodies, manual work first; at most parkPage.
	ready []parked
	// scout is the one that would go first of those that are not due yet.
	scout *parked
	// next is when the next is due; zero when none waits.
	next time.Time
	// damaged records cost one message each, and stay for whoever wants to look.
	damaged []error
}

// due looks for what is to be handled by now and is not under way.
func (l *lot) due(now time.Time, underway func(message string) bool) (found look, err error) {
	n := 0
	err = l.journal.db.View(func(tx *bolt.Tx) error {
		c := tx.Bucket(bucketParked).Cursor()
		for k, v := c.Seek(l.prefix); k != nil && bytes.HasPrefix(k, l.prefix); k, v = c.Next() {
			p, err := l.decode(k, v)
			p.Body = nil
			n++
			switch {
			case err != nil:
				found.damaged = append(found.damaged, fmt.Errorf("parked message %q: %w", p.message, err))
			case !p.Due.After(now):
				if !underway(p.message) {
					found.ready = append(found.ready, p)
				}
			default:
				if found.next.IsZero() || p.Due.Before(found.next) {
					found.next = p.Due
				}
				if !underway(p.message) && (found.scout == nil || before(p, *found.scout) < 0) {
					found.scout = &p
				}
			}
		}
		return nil
	})
	slices.SortFunc(found.ready, before)
	if len(found.ready) > parkPage {
		found.ready, found.next = found.ready[:parkPage], now
	}
	l.mu.Lock()
	l.count, l.next = n, found.next
	l.mu.Unlock()
	return found, err
}

// before orders parked messages.
func before(a, b parked) int {
	return cmp.Or(cmp.Compare(a.Trigger, b.Trigger), a.Since.Compare(b.Since))
}

// size is how many were parked at the last look.
func (l *lot) size() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.count
}

func (l *lot) decode(key, raw []byte) (p parked, err error) {
	value, err := boltfile.Unprotect(key, raw)
	if err == nil {
		err = json.Unmarshal(value, &p)
	}
	p.message = string(key[len(l.prefix):])
	return p, err
}

// Park implements enrich.Reporter. What is parked is on disk before its work is
// told, and its work is told before the message is acknowledged.
func (t *task) Park(ctx context.Context, until time.Time, text string) error {
	now := t.c.now()
	if t.key == "" || until.Sub(now) > parkMost {
		return enrich.ErrNotParked
	}
	p, found, err := t.c.lot.get(t.key)
	if err != nil {
		return err
	}
	if !found {
		p = parked{Body: t.body, Since: now, Trigger: t.message.trigger()}
	}
	if found && p.Due.Equal(until) && now.Before(until) {
		p.Looks++
		t.parked = true // nothing has changed, and there is nothing to tell
		return t.c.lot.put(t.key, p)
	}
	p.Times++
	if p.Times > parkTimes {
		return enrich.ErrNotParked
	}
	p.Due = until
	if err := t.c.lot.put(t.key, p); err != nil {
		return err
	}
	t.parked = true
	t.c.metrics.message(messageParked)
	if id := t.work(); id != "" {
		t.mu.Lock()
		defer t.mu.Unlock()
		t.received = true
		return t.lenient(t.c.insist(ctx, opReceived, map[string]any{"id": id, "message": text}, "", nil))
	}
	if t.message.Internal.Playbook == nil {
		return nil
	}
	t.c.log.Warn("a playbook step waits for its quota", "playbook", t.message.Internal.Playbook.PlaybookID, "until", until.UTC().Format(time.RFC3339))
	return nil
}

// resume handles parked messages when they are due, until ctx ends. Its
// handlers run on work; when it returns they have ended.
func (c *Connector) resume(ctx, work context.Context, p publisher) {
	slots := make(chan struct{}, c.cfg.Workers)
	var underway sync.Map // message keys
	var handlers crew
	defer handlers.near.Wait()
	said := map[string]bool{} // damaged records, each said once
	var scouted time.Time
	var open atomic.Bool // a message came through before its time
	for ctx.Err() == nil {
		now := c.now()
		if open.Swap(false) {
			now = now.Add(parkMost)
		}
		found, err := c.lot.due(now, func(m string) bool { _, in := underway.Load(m); return in })
		if err != nil {
			c.log.Error("parked messages could not be read", "error", err)
		}
		for _, d := range found.damaged {
			if !said[d.Error()] {
				c.log.Error("a parked message cannot be read", "error", d)
				said[d.Error()] = true
			}
		}
		if len(found.ready) == 0 && found.scout != nil && now.Sub(scouted) >= scoutEvery {
			found.ready, scouted = []parked{*found.scout}, now
		}
		for _, m := range found.ready {
			select {
			case slots <- struct{}{}:
			case <-ctx.Done():
				return
			}
			underway.Store(m.message, true)
			handlers.Go(func(leave func()) {
				ended := c.resumeOne(work, m.message, p, leave)
				underway.Delete(m.message)
				<-slots
				if ended && m.Due.After(c.now()) {
					open.Store(true)
					c.lot.wake()
				}
			})
		}
		c.waitForParked(ctx, found.next)
	}
}

// waitForParked returns when the next message is due, or may be.
func (c *Connector) waitForParked(ctx context.Context, next time.Time) {
	d := parkRetry
	if !next.IsZero() {
		// Bounded, because a clock may be set meanwhile.
		d = min(d, max(next.Sub(c.now()), time.Millisecond))
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-c.lot.changed:
	case <-ctx.Done():
	}
}

// resumeOne handles one message that was parked. ended says that it is parked no
// more.
func (c *Connector) resumeOne(ctx context.Context, message string, p publisher, leave func()) (ended bool) {
	m, found, err := c.lot.get(message)
	if err == nil && found {
		err = c.consumeSafely(ctx, delivery{body: m.Body, how: resumed, leave: leave}, p)
		switch {
		case err != nil && ctx.Err() != nil:
			return false // it stays where it is
		case err != nil:
			c.log.Warn("a parked message could not be finished and is tried again", "error", err)
			m.Due = c.now().Add(parkRetry)
			err = c.lot.put(message, m)
		default:
			ended, err = c.unpark(m)
		}
	}
	if err != nil {
		c.log.Error("a parked message could not be written back and will be handled again", "error", err)
	}
	return ended
}

// unpark lets go of a message that was handled, unless it is parked again.
func (c *Connector) unpark(m parked) (ended bool, err error) {
	now, found, err := c.lot.get(m.message)
	if err != nil || !found || now.Times != m.Times || now.Looks != m.Looks {
		return false, err
	}
	return true, c.lot.remove(m.message)
}
