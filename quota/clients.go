package quota

import (
	"bytes"
	"fmt"
	"maps"
	"reflect"
	"slices"

	bolt "go.etcd.io/bbolt"
)

// SetClients replaces the budgets of a source's clients while the ledger is at
// work. What a client spent counts in its new windows too, back to their
// start: a budget that is changed is not a budget that starts anew.
func (l *Ledger) SetClients(source string, budgets map[string][]Limit) error {
	for _, name := range slices.Sorted(maps.Keys(budgets)) {
		if err := validateBudget(budgets[name]); err != nil {
			return refuse("budget of %s: %v", Owner{OfClient, name}, err)
		}
	}
	return l.command(func(t *transaction) error {
		a := l.accounts[source]
		if a == nil || !a.configured {
			return refuse("no source %q", source)
		}
		fresh := map[string]*budget{}
		for name, limits := range budgets {
			if b := a.clients[name]; b != nil && reflect.DeepEqual(a.Clients[name], limits) {
				fresh[name] = b
				continue
			}
			b, err := t.clientBudget(source, name, limits)
			if err != nil {
				return err
			}
			fresh[name] = b
		}
		a.clients, a.Clients = fresh, maps.Clone(budgets)
		// Also for the books that are rebuilt after a disk has failed.
		l.opts.Accounts = maps.Clone(l.opts.Accounts)
		l.opts.Accounts[source] = a.Account
		return nil
	})
}

// clientBudget makes a budget that knows what its client has spent and reserved.
func (t *transaction) clientBudget(source, name string, limits []Limit) (*budget, error) {
	l := t.ledger
	b := newBudget(Owner{OfClient, name}, limits, t.now)
	key := spender(source, OfClient, name)
	err := l.db.View(func(tx *bolt.Tx) error {
		for _, w := range b.windows {
			if err := w.recount(tx.Bucket(bucketSpenders), key, l.head.Time, t.now); err != nil {
				return fmt.Errorf("%w: usage of %s at %s: %v", ErrForeign, b.owner, source, err)
			}
		}
		return nil
	})
	// What this batch has settled is not on disk yet.
	for _, d := range t.minutes {
		if bytes.Equal(d.bucket, bucketSpenders) && len(d.key) == len(key)+8 && bytes.HasPrefix(d.key, key) {
			for _, w := range b.windows {
				w.put(t.now.steady, d.by(), d.total())
			}
		}
	}
	for _, r := range l.open {
		if r.Account == source && r.Client == name {
			b.pending += r.Units
		}
	}
	return b, err
}
