package quota

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/enrichgate/enrichgate/cache/boltfile"
)

// unhealthy waits until an idle ledger has noticed that its file is away.
func unhealthy(t *testing.T, l *Ledger) error {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); l.Healthy() == nil; {
		if time.Now().After(deadline) {
			t.Fatal("healthy, and its file is away")
		}
		<-time.After(time.Millisecond)
	}
	return l.Healthy()
}

// refusedAway checks that nothing is granted, and that the reason is one line.
func refusedAway(t *testing.T, l *Ledger) {
	t.Helper()
	_, err := l.Reserve(context.Background(), ask(Manual))
	if !errors.Is(err, ErrNotDurable) || strings.Contains(err.Error(), "\n") ||
		!strings.Contains(err.Error(), "ledger.db is not the file that was opened: it was removed or replaced") {
		t.Fatalf("reserved in a file that is away: %v", err)
	}
	if err := l.Healthy(); !errors.Is(err, ErrNotDurable) || !errors.Is(err, ErrMisplaced) {
		t.Fatalf("healthy: %v", err)
	}
}

// A directory that is moved away under an open ledger: nothing is granted until
// the same file is back, and then the books are those of before.
func TestFileMovedAwayAndBack(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	path, aside := filepath.Join(dir, "ledger.db"), dir+".aside"
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	l := openHasty(t, path, "10/day")
	spend(t, l, 3, ask(Manual))
	held := mustReserve(t, l, ask(Manual))
	if err := os.Rename(dir, aside); err != nil {
		t.Fatal(err)
	}
	refusedAway(t, l)
	if err := l.Settle(held, Spent, 200); !errors.Is(err, ErrNotDurable) {
		t.Fatalf("settled in a file that is away: %v", err)
	}
	if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		t.Fatalf("something was made in its place: %v", err)
	}
	if err := os.Rename(aside, dir); err != nil {
		t.Fatal(err)
	}
	recovered(t, l)
	if u := usage(l); u.Spent != 4 || u.Uncertain != 0 || u.Pending != 0 || u.Windows[0].Used != 4 || l.Healthy() != nil {
		t.Errorf("the books are %+v, %v", u, l.Healthy())
	}
	balance(t, l)
}

// An idle ledger notices both by itself.
func TestIdleLedgerLooksForItsFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ledger.db")
	l := openHasty(t, path, "10/day")
	if err := os.Rename(path, path+".aside"); err != nil {
		t.Fatal(err)
	}
	unhealthy(t, l)
	if err := os.Rename(path+".aside", path); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(20 * time.Second); l.Healthy() != nil; {
		if time.Now().After(deadline) {
			t.Fatal(l.Healthy())
		}
		<-time.After(time.Millisecond)
	}
	balance(t, l)
}

// Removed or replaced: refused for good, and what lies there is left alone.
func TestFileRemovedOrReplaced(t *testing.T) {
	other := filepath.Join(t.TempDir(), "ledger.db")
	if err := openHasty(t, other, "10/day").Close(); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(other)
	if err != nil {
		t.Fatal(err)
	}
	for name, put := range map[string]func(path string) error{
		"nothing":         func(string) error { return nil },
		"an empty file":   func(path string) error { return os.WriteFile(path, nil, 0o600) },
		"an empty ledger": func(path string) error { return os.WriteFile(path, whole, 0o600) },
		"a directory":     func(path string) error { return os.Mkdir(path, 0o700) },
		"a file above it": func(path string) error {
			return errors.Join(os.Remove(filepath.Dir(path)), os.WriteFile(filepath.Dir(path), nil, 0o600))
		},
		"no directory":     func(path string) error { return os.Remove(filepath.Dir(path)) },
		"a copy of itself": func(path string) error { return errors.Join(copyOf(path+".aside", path), os.Remove(path+".aside")) },
	} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "data")
			path := filepath.Join(dir, "ledger.db")
			if err := os.Mkdir(dir, 0o700); err != nil {
				t.Fatal(err)
			}
			l := openHasty(t, path, "10/day")
			spend(t, l, 3, ask(Manual))
			if name == "a copy of itself" {
				if err := copyOf(path, path+".aside"); err != nil {
					t.Fatal(err)
				}
			}
			if err := errors.Join(os.Remove(path), put(path)); err != nil {
				t.Fatal(err)
			}
			before, _ := os.ReadFile(path)
			unhealthy(t, l)
			for range 20 { // each of them later than it is tried again
				refusedAway(t, l)
				<-time.After(2 * time.Millisecond)
			}
			if after, _ := os.ReadFile(path); string(after) != string(before) {
				t.Error("what lies there was changed")
			}
			if u := usage(l); u.Spent != 3 || u.Pending != 0 {
				t.Errorf("the books are %+v", u)
			}
			if err := l.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

func copyOf(from, to string) error {
	b, err := os.ReadFile(from)
	return errors.Join(err, os.WriteFile(to, b, 0o600))
}

// A file that goes while a transaction is being written has not taken it.
func TestFileRemovedDuringCommit(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ledger.db")
	l := openHasty(t, path, "10/day")
	spend(t, l, 1, ask(Manual))
	update := l.update
	l.mu.Lock()
	l.update = func(db *boltfile.DB, f func(*bolt.Tx) error) error {
		return errors.Join(update(db, f), os.Rename(path, path+".aside"))
	}
	l.mu.Unlock()
	refusedAway(t, l)
	l.mu.Lock()
	l.update = update
	l.mu.Unlock()
	if err := os.Rename(path+".aside", path); err != nil {
		t.Fatal(err)
	}
	recovered(t, l)
	if u := usage(l); u.Spent != 1 || u.Uncertain != 0 || u.Pending != 0 {
		t.Errorf("what nobody was told of counts: %+v", u)
	}
	balance(t, l)
}
