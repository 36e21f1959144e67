package quota

import (
	"fmt"
	"slices"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/enrichgate/enrichgate/cache/boltfile"
)

// maxBatch bounds one transaction, and so the time for which a late caller
// waits for those before it.
const maxBatch = 1024

// retryDisk is how often a broken ledger tries the disk again while it has
// something to write.
const retryDisk = time.Second

// write is the one goroutine that changes the ledger. It takes whatever has
// arrived while the last transaction was being written and commits that as one:
// a lone caller waits for nobody, many share an fsync.
func (l *Ledger) write() {
	defer close(l.done)
	var waiting []*op // refused for now, patient, ordered by urgency
	var owed []*op    // settlements that the disk refused
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		timer.Reset(l.nextLook(waiting, owed))
		var batch []*op
		select {
		case o := <-l.ops:
			batch = l.drain(append(batch, o))
		case <-timer.C:
		case <-l.stop:
			batch = l.drain(nil)
			l.turn(append(owed, batch...), nil)
			return
		}
		waiting, owed = l.turn(append(owed, batch...), waiting)
	}
}

func (l *Ledger) drain(batch []*op) []*op {
	for len(batch) < maxBatch {
		select {
		case o := <-l.ops:
			batch = append(batch, o)
		default:
			return batch
		}
	}
	return batch
}

// nextLook is how long the writer may sleep when nobody calls.
func (l *Ledger) nextLook(waiting, owed []*op) time.Duration {
	d := time.Hour
	if len(owed) > 0 {
		d = retryDisk
	}
	if len(waiting) == 0 {
		return d
	}
	l.mu.Lock()
	now := l.clock.now()
	l.mu.Unlock()
	for _, o := range waiting {
		d = min(d, o.decision.RetryAt.Sub(now), o.until.Sub(now))
	}
	return max(d, time.Millisecond)
}

// turn decides and commits one batch, together with those who wait. It returns
// who waits now and which settlements are still owed to the disk.
func (l *Ledger) turn(batch, waiting []*op) (stillWaiting, owed []*op) {
	var settles, reserves []*op
	for _, o := range batch {
		if o.req == nil {
			settles = append(settles, o)
		} else {
			reserves = append(reserves, o)
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.mend(); err != nil {
		for _, o := range reserves {
			o.answer(Decision{}, err)
		}
		for _, o := range settles {
			o.answer(Decision{}, err)
		}
		return l.expire(waiting), settles
	}
	now := l.clock.now()
	t := transaction{ledger: l, now: now}
	for _, o := range settles {
		t.settle(o)
	}
	for _, o := range reserves {
		if o.req.MaxWait > 0 {
			o.until = now.Add(o.req.MaxWait)
		}
	}
	// Those who waited are before those who come, manual before playbook.
	queue := append(waiting, reserves...)
	slices.SortStableFunc(queue, byUrgency)
	for _, o := range queue {
		if t.reserve(o) {
			stillWaiting = append(stillWaiting, o)
		}
	}
	l.stats.Waiting = len(stillWaiting)
	if err := t.commit(); err != nil {
		return stillWaiting, settles
	}
	return stillWaiting, nil
}

// expire answers those whose patience ended while the disk was away.
func (l *Ledger) expire(waiting []*op) []*op {
	now := l.clock.now()
	return slices.DeleteFunc(waiting, func(o *op) bool {
		if now.Before(o.until) && o.ctx.Err() == nil {
			return false
		}
		if o.take() {
			o.answer(o.decision, nil)
		}
		return true
	})
}

// answer gives the result once; the first stands.
func (o *op) answer(d Decision, err error) {
	select {
	case o.reply <- result{d, err}:
	default:
	}
}

// transaction is one batch on its way to the disk: decided in memory under the
// ledger's lock, then written.
type transaction struct {
	ledger  *Ledger
	now     time.Time
	entries []Entry
	opened  map[uint64]reservation
	closed  []uint64
	settled []settled
	grants  []*op
	settles []*op
}

type settled struct {
	reservation
	outcome Outcome
}

func (t *transaction) next() uint64 { return t.ledger.head.Seq + uint64(len(t.entries)) + 1 }

// reserve decides on one request. True means that it waits on.
func (t *transaction) reserve(o *op) (waits bool) {
	l, r := t.ledger, o.req
	a := l.accounts[r.Account]
	if a == nil {
		if o.take() {
			o.answer(Decision{}, fmt.Errorf("quota: no account %q", r.Account))
		}
		return false
	}
	o.decision = a.decide(r, t.now)
	if d := o.decision; !d.Allowed {
		// Waiting is worth it only if the limit opens within the request's patience.
		if o.ctx.Err() == nil && !d.RetryAt.IsZero() && !d.RetryAt.After(o.until) && t.now.Before(o.until) {
			return true
		}
		if o.take() {
			o.answer(d, nil)
		}
		return false
	}
	if !o.take() {
		return false // the caller gave up
	}
	id := t.next()
	o.decision.ID = id
	res := reservation{Account: r.Account, Units: r.Units, Trigger: r.Trigger}
	t.entries = append(t.entries, Entry{
		Seq: id, Time: t.now, Kind: "reserve", Account: r.Account, Endpoint: r.Endpoint, Subject: r.Subject,
		Units: r.Units, Trigger: r.Trigger.String(), Work: r.Work, Playbook: r.Playbook, Client: r.Client,
	})
	if t.opened == nil {
		t.opened = map[uint64]reservation{}
	}
	t.opened[id] = res
	l.open[id] = res
	a.pending += r.Units
	t.grants = append(t.grants, o)
	return false
}

func (t *transaction) settle(o *op) {
	l := t.ledger
	if _, ok := l.open[o.id]; !ok {
		// One that is owed may have reached the disk in the commit that failed.
		delete(l.held, o.id)
		o.answer(Decision{}, fmt.Errorf("quota: reservation %d is not open", o.id))
		return
	}
	t.close(o.id, o.outcome, o.status, "")
	t.settles = append(t.settles, o)
}

func (t *transaction) close(id uint64, outcome Outcome, status int, reason string) {
	l := t.ledger
	r := l.open[id]
	t.entries = append(t.entries, Entry{
		Seq: t.next(), Time: t.now, Kind: outcome.String(), Ref: id, Account: r.Account, Units: r.Units, Status: status, Reason: reason,
	})
	t.closed = append(t.closed, id)
	t.settled = append(t.settled, settled{r, outcome})
	delete(l.open, id)
	l.accounts[r.Account].settle(t.now, r.Units, outcome)
}

// commit writes the transaction, fsynced, and answers its callers. The lock is
// let go while the disk works: readers may see books a moment ahead of the disk.
func (t *transaction) commit() error {
	if len(t.entries) == 0 {
		return nil
	}
	l := t.ledger
	h := l.head
	db := l.db
	began := time.Now()
	l.mu.Unlock()
	err := db.Update(func(tx *bolt.Tx) error { return t.put(tx, &h) })
	took := time.Since(began)
	l.mu.Lock()
	l.stats.CommitSeconds += took.Seconds()
	if err != nil {
		l.stats.CommitErrors++
		err = fmt.Errorf("%w: %v", ErrNotDurable, err)
		l.broken = err
		l.failed.Store(true)
	} else {
		l.stats.Commits++
		l.stats.LastCommit = t.now
		l.head = h
		for _, o := range t.grants {
			l.held[o.decision.ID] = struct{}{}
		}
		for _, id := range t.closed {
			delete(l.held, id)
		}
	}
	for _, o := range t.grants {
		o.answer(o.decision, err)
	}
	for _, o := range t.settles {
		o.answer(Decision{}, err)
	}
	return err
}

func (t *transaction) put(tx *bolt.Tx, h *head) error {
	entries := tx.Bucket(bucketEntries)
	entries.FillPercent = 0.95 // only ever appended to
	for i := range t.entries {
		record, hash, err := seal(h.Hash, &t.entries[i])
		if err != nil {
			return err
		}
		h.Seq, h.Hash = t.entries[i].Seq, hash
		if err := entries.Put(seqKey(h.Seq), record); err != nil {
			return err
		}
	}
	h.Time = t.now
	if err := putRecord(tx.Bucket(bucketMeta), keyHead, h); err != nil {
		return err
	}
	open := tx.Bucket(bucketOpen)
	for id, r := range t.opened {
		if err := putRecord(open, seqKey(id), r); err != nil {
			return err
		}
	}
	for _, id := range t.closed {
		if err := open.Delete(seqKey(id)); err != nil {
			return err
		}
	}
	return t.putUsage(tx)
}

// putUsage adds what was settled to its minute and to the totals.
func (t *transaction) putUsage(tx *bolt.Tx) error {
	sums := map[string]*minute{}
	for _, s := range t.settled {
		if s.outcome == Void {
			continue
		}
		m := sums[s.Account]
		if m == nil {
			m = &minute{}
			sums[s.Account] = m
		}
		if s.outcome == Spent {
			m.Spent[s.Trigger] += s.Units
		} else {
			m.Uncertain += s.Units
		}
	}
	minutes, all := tx.Bucket(bucketMinutes), tx.Bucket(bucketTotals)
	for name, add := range sums {
		key := minuteKey(name, t.now)
		var m minute
		if raw := minutes.Get(key); raw != nil {
			value, err := boltfile.Unprotect(key, raw)
			if err != nil {
				return err
			}
			if m, err = decodeMinute(value); err != nil {
				return err
			}
		}
		var tot totals
		if raw := all.Get([]byte(name)); raw != nil {
			if err := decodeRecord([]byte(name), raw, &tot); err != nil {
				return err
			}
		}
		for i, n := range add.Spent {
			m.Spent[i] += n
			tot.Spent += n
		}
		m.Uncertain += add.Uncertain
		tot.Uncertain += add.Uncertain
		if err := minutes.Put(key, boltfile.Protect(key, m.encode())); err != nil {
			return err
		}
		if err := putRecord(all, []byte(name), tot); err != nil {
			return err
		}
	}
	return nil
}
