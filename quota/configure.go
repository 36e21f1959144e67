package quota

import (
	"context"
	"fmt"
	"maps"
	"reflect"
)

// Configure replaces the accounts while the ledger is at work, as a restart
// would: what was spent counts in the new windows too, and what is reserved
// stays reserved. An account that is as it was keeps its exact books; one that
// changed is counted anew from the minutes on disk, so that a limit per second
// may hold for up to a minute. Sources can neither come nor go. An error means
// that nothing has changed.
func (l *Ledger) Configure(accounts map[string]Account) error {
	for name, a := range accounts {
		if err := a.Validate(); err != nil {
			return refuse("quota of %s: %v", name, err)
		}
	}
	_, err := l.ask(context.Background(), &op{accounts: accounts})
	return err
}

// configure is Configure in the writer's turn, between two transactions: all
// that was decided is on disk. The caller holds the lock.
func (l *Ledger) configure(accounts map[string]Account) error {
	next := maps.Clone(l.opts.Accounts)
	changed := map[string]Account{}
	for name, a := range accounts {
		before, known := next[name]
		if !known {
			return refuse("no source %q", name)
		}
		if !reflect.DeepEqual(before, a) {
			next[name], changed[name] = a, a
		}
	}
	if len(changed) == 0 {
		return nil
	}
	fresh, err := load(l.db, next, l.clock.now())
	if err != nil {
		return fmt.Errorf("ledger %s: %w", l.path, err)
	}
	for name := range changed {
		fresh.accounts[name].quiet = l.accounts[name].quiet // which a restart would not know
		l.accounts[name] = fresh.accounts[name]
	}
	l.opts.Accounts = next
	return nil
}
