package quota

import (
	"fmt"
	"maps"
	"slices"
	"time"

	bolt "go.etcd.io/bbolt"
)

// transaction is one batch on its way to the disk: decided in memory under the
// ledger's lock, then written.
type transaction struct {
	ledger  *Ledger
	now     instant
	err     error // why nothing can be decided
	entries []Entry
	opened  map[uint64]reservation
	closed  []uint64
	// minutes and totals are what the batch adds to the books.
	minutes map[string]*minuteDelta
	totals  map[string]*totals
	// more are the rarer records.
	more    []func(*bolt.Tx) error
	grants  []*op
	replies []*op // settlements and commands, to be answered when it is on disk
}

type minuteDelta struct {
	bucket, key []byte
	minute
}

// begin starts a transaction. The caller holds the lock.
func (l *Ledger) begin() *transaction {
	t := &transaction{ledger: l, now: l.clock.now()}
	t.err = l.advance(t.now)
	return t
}

// log adds an entry and returns its number.
func (t *transaction) log(e Entry) uint64 {
	e.Seq, e.Time = t.ledger.head.Seq+uint64(len(t.entries))+1, t.now.stamp
	if t.now.behind() {
		e.Wall = &t.now.wall
	}
	t.entries = append(t.entries, e)
	if t.ledger.first.IsZero() {
		t.ledger.first = e.Time
	}
	return e.Seq
}

// reserve decides on one request. True means that it waits on.
func (t *transaction) reserve(o *op) (waits bool) {
	l, r := t.ledger, o.req
	a := l.accounts[r.Account]
	if a == nil || t.err != nil {
		if o.take() {
			err := t.err
			if a == nil {
				err = fmt.Errorf("quota: no account %q", r.Account)
			}
			o.answer(Decision{}, err)
		}
		return false
	}
	o.decision = a.decide(r, t.now)
	if !o.decision.Allowed {
		// Waiting is worth it only if the limit opens within the request's patience.
		if o.worthWaiting(t.now) {
			return true
		}
		if o.take() {
			o.answer(o.decision, nil)
		}
		return false
	}
	if !o.take() {
		return false // the caller gave up
	}
	res := reservation{
		Account: r.Account, Units: r.Units, Trigger: r.Trigger, Endpoint: r.Endpoint,
		Bucket: r.Bucket, Client: r.Client, Playbook: r.Playbook, At: t.now.stamp,
	}
	id := t.log(Entry{
		Kind: KindReserve, Account: r.Account, Endpoint: r.Endpoint, Bucket: r.Bucket, Subject: l.subject(r.Subject), Units: r.Units,
		Trigger: r.Trigger.String(), Work: r.Work, Playbook: r.Playbook, PlaybookName: r.PlaybookName, Client: r.Client, Person: r.Person,
	})
	o.decision.ID = id
	if t.opened == nil {
		t.opened = map[uint64]reservation{}
	}
	t.opened[id] = res
	l.open[id] = res
	a.hold(&res)
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
	t.replies = append(t.replies, o)
}

func (t *transaction) command(o *op) {
	err := t.err
	if err == nil {
		err = o.command(t)
	}
	if err != nil {
		o.answer(Decision{}, err)
		return
	}
	t.replies = append(t.replies, o)
}

// close ends an open reservation.
func (t *transaction) close(id uint64, outcome Outcome, status int, reason string) {
	l := t.ledger
	r := l.open[id]
	entry := t.log(Entry{
		Kind: outcome.String(), Ref: id, Account: r.Account, Units: r.Units, Status: status, Reason: reason,
		Endpoint: r.Endpoint, Bucket: r.Bucket, Trigger: r.Trigger.String(), Client: r.Client, Playbook: r.Playbook,
	})
	t.closed = append(t.closed, id)
	delete(l.open, id)
	a := l.accounts[r.Account]
	a.settle(t.now, &r, outcome)
	var m minute
	switch outcome {
	case Spent:
		m.Spent[r.Trigger] = r.Units
	case Uncertain:
		m.Uncertain[r.Trigger] = r.Units
		d := doubt{r, entry, t.now.stamp, t.now.steady}
		a.doubts[id] = d
		t.more = append(t.more, func(tx *bolt.Tx) error { return putRecord(tx.Bucket(bucketDoubts), seqKey(id), d) })
	case Void:
		return
	}
	t.book(&r, t.now.stamp, m)
}

// settleStrays ends the open reservations that no caller of this process holds.
func (t *transaction) settleStrays(o Outcome, reason string) {
	for _, id := range slices.Sorted(maps.Keys(t.ledger.open)) {
		if _, held := t.ledger.held[id]; !held {
			t.close(id, o, 0, reason)
		}
	}
}

// book adds to the minute of at and to the totals.
func (t *transaction) book(r *reservation, at time.Time, m minute) {
	t.bookMinute(bucketMinutes, series(r.Account), at, &m)
	if r.Bucket != "" {
		t.bookMinute(bucketSpenders, spender(r.Account, OfBucket, r.Bucket), at, &m)
	}
	if r.Client != "" {
		t.bookMinute(bucketSpenders, spender(r.Account, OfClient, r.Client), at, &m)
	}
	if r.Playbook != "" {
		t.bookMinute(bucketSpenders, spender(r.Account, OfPlaybook, r.Playbook), at, &m)
	}
	var sum totals
	for tr := range m.Spent {
		sum.Spent += m.Spent[tr]
		sum.Uncertain += m.Uncertain[tr]
	}
	t.bookTotals(r.Account, sum)
}

func (t *transaction) bookMinute(bucket, series []byte, at time.Time, m *minute) {
	key := minuteKey(series, at)
	name := string(bucket) + string(key)
	if t.minutes == nil {
		t.minutes = map[string]*minuteDelta{}
	}
	if d := t.minutes[name]; d != nil {
		d.add(m)
		return
	}
	t.minutes[name] = &minuteDelta{bucket, key, *m}
}

func (t *transaction) bookTotals(source string, add totals) {
	if t.totals == nil {
		t.totals = map[string]*totals{}
	}
	if t.totals[source] == nil {
		t.totals[source] = &totals{}
	}
	t.totals[source].Spent += add.Spent
	t.totals[source].Uncertain += add.Uncertain
}
