package cache

import (
	"context"
	"errors"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/enrichgate/enrichgate/cache/boltfile"
)

const (
	// maxBatch and maxBatchBytes bound one transaction of writes.
	maxBatch      = 256
	maxBatchBytes = 4 << 20
	// step bounds how many entries one transaction of housekeeping changes, so
	// that a put never waits for it longer than a few milliseconds.
	step = 100
	// choresEvery is how often housekeeping looks for work unasked.
	choresEvery = time.Minute
)

// op is something for the writer to do: within the next transaction, or alone,
// while no transaction is open.
type op struct {
	within func(*txn) error
	alone  func() error
	size   int
	reply  chan error // nil when nobody waits
}

// do has the writer run f in a durable transaction. What f fails with fails the
// others of its transaction too: f returns the disk's errors only. It may run
// more than once.
func (d *disk) do(ctx context.Context, size int, f func(*txn) error) error {
	return d.send(ctx, &op{within: f, size: size, reply: make(chan error, 1)})
}

// alone has the writer run f between transactions.
func (d *disk) alone(ctx context.Context, f func() error) error {
	return d.send(ctx, &op{alone: f, reply: make(chan error, 1)})
}

// offer has the writer run f, or not, if it is busy.
func (d *disk) offer(f func(*txn) error) {
	select {
	case d.ops <- &op{within: f}:
	default:
	}
}

// send waits for the writer's answer. A context that ends is heard only until
// the writer has begun.
func (d *disk) send(ctx context.Context, o *op) error {
	select {
	case d.ops <- o:
	case <-ctx.Done():
		return ctx.Err()
	case <-d.stop:
		return ErrClosed
	}
	select {
	case err := <-o.reply:
		return err
	case <-d.done:
		select {
		case err := <-o.reply:
			return err
		default:
			return ErrClosed
		}
	}
}

// write is the writer: it serves what is asked, and does one step of the chores
// whenever there are some.
func (d *disk) write() {
	defer close(d.done)
	tick := time.NewTicker(choresEvery)
	defer tick.Stop()
	work := true
	for {
		var first *op
		if work {
			select {
			case first = <-d.ops:
			case <-d.stop:
			default:
			}
		} else {
			select {
			case first = <-d.ops:
			case <-tick.C:
				if d.wasteful() {
					go d.compactWaste()
				}
			case <-d.health.retry():
			case <-d.health.wake:
			case <-d.stop:
			}
		}
		if first != nil {
			d.serve(first)
		}
		select {
		case <-d.stop:
			return
		default:
		}
		work = d.chores()
	}
}

// serve runs an operation, with those that are waiting behind it.
func (d *disk) serve(first *op) {
	var batch []*op
	size := 0
	for next := first; next != nil; {
		if next.alone != nil {
			d.commit(batch)
			next.answer(next.alone())
			return
		}
		batch = append(batch, next)
		size += next.size
		next = nil
		if len(batch) < maxBatch && size < maxBatchBytes {
			select {
			case next = <-d.ops:
			default:
			}
		}
	}
	d.commit(batch)
}

func (o *op) answer(err error) {
	if o.reply != nil {
		o.reply <- err
	}
}

func (d *disk) commit(batch []*op) {
	if len(batch) == 0 {
		return
	}
	all := func(t *txn) error {
		for _, o := range batch {
			if err := o.within(t); err != nil {
				return err
			}
		}
		return nil
	}
	err := d.update(all)
	if errors.Is(err, boltfile.ErrDamaged) {
		err = d.update(all) // on the file as it was rewritten
	}
	for _, o := range batch {
		o.answer(err)
	}
}

// update runs one durable transaction. It belongs to the writer.
func (d *disk) update(f func(*txn) error) error {
	if err := d.mend(); err != nil {
		return err
	}
	var t *txn
	// The writer alone changes db, so that it needs no lock to use it.
	err := boltfile.Guard(func() error {
		return d.db.Update(func(tx *bolt.Tx) error {
			t = d.begin(tx, &d.books)
			if err := f(t); err != nil {
				return err
			}
			return t.finish()
		})
	})
	if err != nil {
		d.fail(err)
		return err
	}
	d.books.settle(t)
	if d.rewritten != nil {
		for _, id := range t.changed {
			d.rewritten[id] = struct{}{}
		}
	}
	for _, f := range t.after {
		f()
	}
	return nil
}
