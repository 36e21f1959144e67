package quota

import (
	"slices"
	"time"

	bolt "go.etcd.io/bbolt"
)

// maxBatch bounds one transaction, and so the time for which a late caller
// waits for those before it.
const maxBatch = 1024

// write is the one goroutine that changes the ledger. It takes whatever has
// arrived while the last transaction was being written and commits that as one:
// a lone caller waits for nobody, many share an fsync.
func (l *Ledger) write() {
	defer close(l.done)
	var waiting []*op // refused for now, patient, ordered by urgency
	var owed []*op    // settlements that the disk refused
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	idle := time.NewTicker(l.opts.retryDisk)
	defer idle.Stop()
	for {
		timer.Reset(l.nextTurn(waiting, owed))
		batch, last := l.gather(timer.C, idle.C)
		if last {
			l.turn(append(owed, batch...), nil)
			return
		}
		waiting, owed = l.turn(append(owed, batch...), waiting)
	}
}

// gather waits for somebody who calls, or for the next turn; last is the
// ledger's last batch.
func (l *Ledger) gather(next, idle <-chan time.Time) (batch []*op, last bool) {
	for {
		select {
		case o := <-l.ops:
			return l.drain([]*op{o}), false
		case <-next:
			return nil, false
		case <-idle:
			l.look()
		case <-l.stop:
			return l.drain(nil), true
		}
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

// nextTurn is how long the writer may sleep when nobody calls.
func (l *Ledger) nextTurn(waiting, owed []*op) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.clock.now()
	d := time.Hour
	if len(owed) > 0 {
		d = l.opts.retryDisk
	} else if l.prunable(now) {
		d = pruneRest
	}
	for _, o := range waiting {
		d = min(d, o.decision.RetryAt.Sub(now.wall), o.until.Sub(now.steady))
	}
	return max(d, time.Millisecond)
}

// turn decides and commits one batch, together with those who wait. It returns
// who waits now and which settlements are still owed to the disk.
func (l *Ledger) turn(batch, waiting []*op) (stillWaiting, owed []*op) {
	var settles, commands, configs, reserves []*op
	for _, o := range batch {
		switch {
		case o.req != nil:
			reserves = append(reserves, o)
		case o.command != nil:
			commands = append(commands, o)
		case o.accounts != nil:
			configs = append(configs, o)
		default:
			settles = append(settles, o)
		}
	}
	l.look()
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.mend(); err != nil {
		for _, o := range batch {
			if o.take() || o.req == nil {
				o.answer(Decision{}, err)
			}
		}
		return l.expire(waiting), settles
	}
	for _, o := range configs {
		o.answer(Decision{}, l.configure(o.accounts))
	}
	t := l.begin()
	for _, o := range settles {
		t.settle(o)
	}
	for _, o := range commands {
		t.command(o)
	}
	t.prune()
	for _, o := range reserves {
		if o.req.MaxWait > 0 {
			o.until = t.now.steady.Add(o.req.MaxWait)
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
		if o.patient(now) {
			return false
		}
		if o.take() {
			o.answer(o.decision, nil)
		}
		return true
	})
}

// advance brings every window to now. The caller holds the lock, and no commit
// is under way: what memory does not know is on disk.
func (l *Ledger) advance(now instant) error {
	for name, a := range l.accounts {
		for b := range a.all() {
			for _, w := range b.windows {
				if !w.advance(now, l.head.Time) {
					continue
				}
				err := l.db.View(func(tx *bolt.Tx) error { return b.recount(tx, name, w, l.head.Time, now) })
				if err != nil {
					return err
				}
			}
		}
	}
	return nil
}
