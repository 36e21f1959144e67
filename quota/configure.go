package quota

import (
	"context"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"time"
)

// Configure replaces the accounts while the ledger is at work, as a restart
// would: what was spent counts under the new limits too, and what is reserved
// stays reserved. An account whose windows are as they were, but for their
// units, keeps its exact books; one with other windows is counted anew from the
// disk, where a limit per second may hold for up to a minute. The budgets of
// clients are SetClients' and stay. Sources can neither come nor go. An error
// means that nothing has changed.
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
	now := l.clock.now()
	next := maps.Clone(l.opts.Accounts)
	same, other := map[string]*account{}, map[string]*account{}
	for name, a := range accounts {
		before, known := next[name]
		if !known {
			return refuse("no source %q", name)
		}
		a.Clients = before.Clients
		if reflect.DeepEqual(before, a) {
			continue
		}
		next[name] = a
		fresh := newAccount(name, a, now)
		if l.accounts[name].sameWindows(fresh) {
			same[name] = fresh
		} else {
			other[name] = fresh
		}
	}
	if len(other) > 0 {
		anew, err := load(l.db, next, now)
		if err != nil {
			return fmt.Errorf("ledger %s: %w", l.path, err)
		}
		for name := range other {
			anew.accounts[name].quiet = l.accounts[name].quiet // which a restart would not know
			l.accounts[name] = anew.accounts[name]
		}
	}
	for name, fresh := range same {
		l.accounts[name].adopt(fresh)
	}
	l.opts.Accounts = next
	return nil
}

// sameWindows says that two accounts have the same budgets, and these the same
// windows but for their units.
func (a *account) sameWindows(other *account) bool {
	theirs := map[Owner]*budget{}
	for b := range other.all() {
		theirs[b.owner] = b
	}
	for b := range a.all() {
		match := theirs[b.owner]
		if match == nil || !slices.EqualFunc(b.windows, match.windows, func(v, w *window) bool { return v.limit.sameWindow(w.limit) }) {
			return false
		}
		delete(theirs, b.owner)
	}
	return len(theirs) == 0
}

// adopt takes the figures of an account with the same windows.
func (a *account) adopt(other *account) {
	a.Account = other.Account
	for theirs := range other.all() {
		for b := range a.all() {
			if b.owner != theirs.owner {
				continue
			}
			for i, w := range theirs.windows {
				b.windows[i].limit = w.limit
			}
		}
	}
}

// sameWindow says that two limits differ in their units at most.
func (l Limit) sameWindow(other Limit) bool {
	zone := func(l Limit) string {
		if l.Zone == nil {
			return time.UTC.String()
		}
		return l.Zone.String()
	}
	if zone(l) != zone(other) {
		return false
	}
	l.Units, l.Zone = other.Units, other.Zone
	return l == other
}
