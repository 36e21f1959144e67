package opencti

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// A note outlives the process, and speaks of this boot of the machine only, and
// of no time before the first of them.
func TestDepartures(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal.left")
	now := time.Now()
	clock := func() time.Time { now = now.Add(time.Second); return now }
	open := func(boot string) *departures {
		t.Helper()
		d, err := openDepartures(path, boot, clock)
		if err != nil {
			t.Fatal(err)
		}
		d.most = 10
		return d
	}
	d := open("boot")
	before := now.Add(-time.Second)
	if err := d.note("a", 1); err != nil {
		t.Fatal(err)
	}
	// Not closed: killed. A torn note is no note.
	if err := os.WriteFile(path, append(must(os.ReadFile(path)), "torn"...), 0o600); err != nil {
		t.Fatal(err)
	}
	check := func(d *departures, what, key string, try int, boot string, at time.Time, want bool) {
		t.Helper()
		if got := d.contradict(key, try, boot, at); got != want {
			t.Errorf("%s: %v", what, got)
		}
	}
	d = open("boot")
	check(d, "left", "a", 1, "boot", clock(), false)
	check(d, "another attempt of it", "a", 2, "boot", clock(), true)
	check(d, "did not leave", "b", 1, "boot", clock(), true)
	check(d, "of another boot", "b", 1, "other", clock(), false)
	check(d, "of an older journal", "b", 1, "", clock(), false)
	check(d, "from before the notes", "b", 1, "boot", before, false)
	if err := d.note("after the torn one", 1); err != nil {
		t.Fatal(err)
	}
	check(open("boot"), "after the torn one", "after the torn one", 1, "boot", clock(), false)
	for i := range 25 {
		if err := d.note(fmt.Sprint("key", i), 1); err != nil {
			t.Fatal(err)
		}
	}
	d = open("boot")
	for i := range 25 {
		check(d, "it left, or that is forgotten", fmt.Sprint("key", i), 1, "boot", d.since, false)
	}
	check(d, "left two files ago", "key24", 1, "boot", clock(), false)
	check(d, "did not leave", "key25", 1, "boot", clock(), true)
	if err := d.close(); err != nil {
		t.Fatal(err)
	}
	d = open("next")
	check(d, "left in the boot before", "key24", 1, "boot", clock(), false)
	check(d, "the notes were begun anew", "key24", 1, "next", clock(), true)
	for _, boot := range []string{"", "next"} { // and a kernel that has no name for it
		if err := os.WriteFile(path, []byte("what is this?"), 0o600); err != nil {
			t.Fatal(err)
		}
		d = open(boot)
		check(d, "a foreign file is replaced", "x", 1, boot, clock(), boot != "")
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// A step of which the journal says that its answer leaves is answered when its
// message comes again if no note says that it left, and only then.
func TestKilledBesideTheLastByte(t *testing.T) {
	for name, tt := range map[string]struct {
		noted bool
		boot  string
		want  int
	}{
		"before the note": {false, bootID(), 1},
		"after the note":  {true, bootID(), 0},
		"the machine too": {false, "another boot", 0},
	} {
		p := newPaper()
		p.answers["PlaybookStepExecution"] = `{"playbookStepExecution":true}`
		c := p.connector(t, func(c *Config) { c.Handle = delivers(t, "") })
		if err := c.register(t.Context()); err != nil {
			t.Fatal(err)
		}
		m, problem := decodeMessage(vector(t, "10-msg-playbook-7x.json"))
		if problem != nil {
			t.Fatal(problem)
		}
		key := m.key(c.cfg.ID)
		if err := c.journal.put(key, record{Delivered: true, Try: 1, Boot: tt.boot}); err != nil {
			t.Fatal(err)
		}
		if tt.noted {
			if err := c.journal.left.note(key, 1); err != nil {
				t.Fatal(err)
			}
		}
		for range 2 {
			if err := c.consume(t.Context(), delivery{body: vector(t, "10-msg-playbook-7x.json"), how: redelivered}, nil); err != nil {
				t.Fatal(err)
			}
		}
		if n := len(p.asked["PlaybookStepExecution"]); n != tt.want {
			t.Errorf("%s: answered %d times", name, n)
		}
	}
}
