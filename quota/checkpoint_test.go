package quota

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// through is a checkpoint as the platform keeps it.
func through(t *testing.T, c Checkpoint) (back Checkpoint) {
	t.Helper()
	b, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	if len(b) > 400 {
		t.Errorf("a checkpoint of %d bytes", len(b))
	}
	if err := json.Unmarshal(b, &back); err != nil {
		t.Fatal(err)
	}
	return back
}

func restore(t *testing.T, l *Ledger, c Checkpoint, lines int) []string {
	t.Helper()
	raised, err := l.Restore(c)
	if err != nil {
		t.Fatal(err)
	}
	if len(raised) != lines {
		t.Errorf("raised %q, want %d lines", raised, lines)
	}
	return raised
}

// The file is gone: the ledger begins where the checkpoint ended, and not at zero.
func TestCheckpointOutlivesTheFile(t *testing.T) {
	path, clock := filepath.Join(t.TempDir(), "ledger.db"), newTestClock(noon)
	account := Account{Limits: limits(t, "5/minute,100/day,1000/month")}
	l := openAt(t, path, clock, account)
	for range 4 {
		spend(t, l, 5, ask(Manual))
		clock.add(2 * time.Minute)
	}
	mustReserve(t, l, ask(Manual)) // under way when the machine is lost
	c := through(t, l.Checkpoint())
	if err := errors.Join(l.Close(), os.Remove(path)); err != nil {
		t.Fatal(err)
	}
	l = openAt(t, path, clock, account)
	spend(t, l, 3, ask(Manual)) // before the platform told of the checkpoint
	raised := restore(t, l, c, 2)
	if !strings.Contains(raised[0], "another file") {
		t.Errorf("%q", raised)
	}
	check := func(when string, used int64) {
		t.Helper()
		if u := usage(l); u.Windows[1].Used != used || u.Windows[2].Used != used || u.Spent+u.Uncertain != used {
			t.Errorf("%s: %+v, want %d used", when, u, used)
		}
	}
	check("restored", 24)
	restore(t, l, c, 0)
	check("restored again", 24)
	spend(t, l, 1, ask(Manual))
	restore(t, l, c, 0)
	restore(t, l, Checkpoint{}, 0)
	restore(t, l, through(t, l.Checkpoint()), 0)
	check("and going on", 25)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	l = openAt(t, path, clock, account)
	restore(t, l, c, 0)
	check("after a restart", 25)
}

// The file was replaced by an older copy: what was spent since is known again.
func TestCheckpointNoticesAnOlderCopy(t *testing.T) {
	dir, clock := t.TempDir(), newTestClock(noon)
	path := filepath.Join(dir, "ledger.db")
	account := Account{Limits: limits(t, "100/day,1000/month")}
	l := openAt(t, path, clock, account)
	spend(t, l, 10, ask(Manual))
	early := through(t, l.Checkpoint())
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	backup, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	clock.add(time.Hour)
	l = openAt(t, path, clock, account)
	spend(t, l, 30, ask(Manual))
	c := through(t, l.Checkpoint())
	restore(t, l, early, 0) // of its own past
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, backup, 0o600); err != nil {
		t.Fatal(err)
	}
	clock.add(time.Hour)
	l = openAt(t, path, clock, account)
	// It may have grown past the checkpoint's number before it is compared.
	spend(t, l, 35, ask(Manual))
	raised := restore(t, l, c, 2)
	if !strings.Contains(raised[0], "older copy") {
		t.Errorf("%q", raised)
	}
	if u := usage(l); u.Windows[0].Used != 75 || u.Windows[1].Used != 75 || u.Spent != 75 {
		t.Errorf("%+v, want 75", u)
	}
	restore(t, l, c, 0)
}

// A checkpoint of a window that has ended raises the totals only; one that
// makes no sense raises nothing.
func TestOldAndSenselessCheckpoints(t *testing.T) {
	clock := newTestClock(noon)
	account := Account{Limits: limits(t, "100/day,1000/month")}
	l := openAt(t, filepath.Join(t.TempDir(), "a.db"), clock, account)
	spend(t, l, 10, ask(Manual))
	c := through(t, l.Checkpoint())
	clock.add(24 * time.Hour)
	l = openAt(t, filepath.Join(t.TempDir(), "b.db"), clock, account)
	restore(t, l, c, 1)
	if u := usage(l); u.Windows[0].Used != 0 || u.Windows[1].Used != 10 || u.Spent != 10 {
		t.Errorf("%+v", u)
	}
	c.Seq++
	c.Sources[src].Windows["month"] = -5
	if _, err := l.Restore(c); !errors.Is(err, ErrOrder) {
		t.Errorf("accepted: %v", err)
	}
}
