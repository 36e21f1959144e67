package cache

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/enrichgate/enrichgate/cache/boltfile"
)

func open(tb testing.TB, path string, opts Options) *Cache {
	tb.Helper()
	c, err := Open(path, opts)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if c.closing.Err() == nil {
			if err := c.Close(); err != nil {
				tb.Error(err)
			}
		}
	})
	return c
}

func file(tb testing.TB) string { return filepath.Join(tb.TempDir(), "cache.db") }

var key = NewKey("et", "ip.reputation", "198.51.100.7", "")

func entry(body string, fresh, stale time.Duration) *Entry {
	now := time.Now()
	return &Entry{Kind: 1, Status: 200, Body: []byte(body), StoredAt: now, FreshUntil: now.Add(fresh), StaleUntil: now.Add(fresh + stale)}
}

func TestOneLoadHoweverManyAsk(t *testing.T) {
	c := open(t, file(t), Options{})
	const callers = 10_000
	var loads atomic.Int32
	gate := make(chan struct{})
	var arrived, done sync.WaitGroup
	var own, shared atomic.Int32
	for range callers {
		arrived.Add(1)
		done.Go(func() {
			arrived.Done()
			e, origin, err := c.Fetch(t.Context(), key, func(context.Context) (*Entry, error) {
				loads.Add(1)
				<-gate
				e := entry("paid", time.Hour, 0)
				return e, c.Put(key, e)
			})
			if err != nil || string(e.Body) != "paid" {
				t.Errorf("%v %v", e, err)
			}
			switch origin {
			case Loaded:
				own.Add(1)
			case Shared:
				shared.Add(1)
			}
		})
	}
	arrived.Wait()
	close(gate)
	done.Wait()
	if loads.Load() != 1 || own.Load() != 1 {
		t.Errorf("%d loads, %d of their own, %d shared", loads.Load(), own.Load(), shared.Load())
	}
}

// A flight that lands between another caller's look and that caller's own
// flight must not be paid for again: this forces exactly that order.
func TestLooksAgainInsideTheFlight(t *testing.T) {
	c := open(t, file(t), Options{})
	load := func(context.Context) (*Entry, error) {
		t.Error("loaded what was there")
		return nil, nil
	}
	// The first look of this caller said "gone"; the answer lands; now it flies.
	if _, state, _, _ := c.Get(key); state != Gone {
		t.Fatal("not empty")
	}
	if err := c.Put(key, entry("landed", time.Hour, 0)); err != nil {
		t.Fatal(err)
	}
	e, origin, err := c.fly(t.Context(), key, time.Time{}, load)
	if err != nil || string(e.Body) != "landed" || origin == Loaded {
		t.Errorf("%v %v %v", e, origin, err)
	}
}

func TestOneCallerLeavingDoesNotTakeTheOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, file(t), Options{})
		gate := make(chan struct{})
		load := func(ctx context.Context) (*Entry, error) {
			select {
			case <-gate:
				e := entry("paid", time.Hour, 0)
				return e, c.Put(key, e)
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		}
		leaving, leave := context.WithCancel(t.Context())
		left := make(chan error, 1)
		go func() {
			_, _, err := c.Fetch(leaving, key, load)
			left <- err
		}()
		synctest.Wait() // the leader is in flight
		stayed := make(chan string, 1)
		go func() {
			e, _, err := c.Fetch(t.Context(), key, load)
			if err != nil {
				t.Error(err)
				stayed <- ""
				return
			}
			stayed <- string(e.Body)
		}()
		synctest.Wait()
		leave()
		if err := <-left; !errors.Is(err, context.Canceled) {
			t.Errorf("who left got %v", err)
		}
		close(gate)
		if got := <-stayed; got != "paid" {
			t.Errorf("who stayed got %q", got)
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
}

func TestAPanickingLoadIsAnError(t *testing.T) {
	c := open(t, file(t), Options{})
	_, _, err := c.Fetch(t.Context(), key, func(context.Context) (*Entry, error) { panic("boom") })
	if err == nil || !strings.Contains(err.Error(), "boom") {
		t.Errorf("%v", err)
	}
	e := entry("fine", time.Hour, 0)
	if _, _, err := c.Fetch(t.Context(), key, func(context.Context) (*Entry, error) { return e, c.Put(key, e) }); err != nil {
		t.Error(err)
	}
}

// One key from miss to fresh, stale and gone, on a timeline.
func TestTimeline(t *testing.T) {
	path := file(t)
	synctest.Test(t, func(t *testing.T) {
		c := open(t, path, Options{})
		if err := c.Put(key, entry("a", 6*time.Hour, 7*24*time.Hour)); err != nil {
			t.Fatal(err)
		}
		for _, at := range []struct {
			after time.Duration
			want  State
		}{
			{0, Fresh}, {5*time.Hour + 59*time.Minute, Fresh}, {6 * time.Hour, Stale}, {100 * time.Hour, Stale},
			{6*time.Hour + 7*24*time.Hour - time.Second, Stale}, {6*time.Hour + 7*24*time.Hour, Gone}, {1000 * time.Hour, Gone},
		} {
			began := time.Now()
			now := func() time.Time { return began.Add(at.after) }
			c.opts.Now = now
			if _, state, _, err := c.Get(key); err != nil || state != at.want {
				t.Errorf("after %s: %s, %v; want %s", at.after, state, err, at.want)
			}
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
}

func TestSurvivesReopen(t *testing.T) {
	path := file(t)
	c := open(t, path, Options{})
	body := strings.Repeat(`{"category":"CnC","score":112}`, 100)
	if err := c.Put(key, entry(body, time.Hour, time.Hour)); err != nil {
		t.Fatal(err)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	c = open(t, path, Options{})
	e, state, origin, err := c.Get(key)
	if err != nil || state != Fresh || origin != Disk || string(e.Body) != body || e.Status != 200 || e.Kind != 1 {
		t.Errorf("%+v %v %v %v", e, state, origin, err)
	}
	if err := c.Delete(key); err != nil {
		t.Fatal(err)
	}
	c.memory.store.Wait()
	if _, state, _, _ := c.Get(key); state != Gone {
		t.Error("deleted, and still there")
	}
}

func TestForeignFileIsRefusedUntouched(t *testing.T) {
	path := file(t)
	content := bytes.Repeat([]byte("somebody else's data\n"), 1000)
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(path, Options{}); !errors.Is(err, boltfile.ErrForeign) {
		t.Errorf("%v", err)
	}
	if got, _ := os.ReadFile(path); !bytes.Equal(got, content) {
		t.Error("the file was changed")
	}
}

// A caller to whom the kept answer is too old gets a new one, and shares that
// with others who ask as much; the less demanding keep the old one.
func TestFetchSince(t *testing.T) {
	now := time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)
	c := open(t, file(t), Options{Now: func() time.Time { return now }})
	old := &Entry{Body: []byte("old"), StoredAt: now.Add(-time.Hour), FreshUntil: now.Add(time.Hour)}
	if err := c.Put(key, old); err != nil {
		t.Fatal(err)
	}
	loads := 0
	load := func(context.Context) (*Entry, error) {
		loads++
		e := &Entry{Body: []byte("new"), StoredAt: now, FreshUntil: now.Add(time.Hour)}
		return e, c.Put(key, e)
	}
	for _, step := range []struct {
		since time.Time
		want  string
		loads int
	}{{time.Time{}, "old", 0}, {now.Add(-2 * time.Hour), "old", 0}, {now.Add(-time.Minute), "new", 1}, {now, "new", 1}} {
		e, _, err := c.FetchSince(t.Context(), key, step.since, load)
		if err != nil || string(e.Body) != step.want || loads != step.loads {
			t.Errorf("since %s: %q after %d loads, %v; want %q after %d", step.since, e.Body, loads, err, step.want, step.loads)
		}
	}
}

// One who wants a new answer and joins the flight of one who found the old one
// good enough asks again.
func TestFetchSinceJoinsALessDemandingFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, file(t), Options{})
		stored := time.Now()
		gate, joined := make(chan struct{}), make(chan struct{})
		loads := 0
		load := func(body string) Load {
			return func(context.Context) (*Entry, error) {
				loads++
				if loads == 1 {
					close(joined)
					<-gate
				}
				at := stored
				if body == "new" {
					at = time.Now()
				}
				return &Entry{Body: []byte(body), StoredAt: at, FreshUntil: at.Add(time.Hour)}, nil
			}
		}
		first := make(chan string)
		go func() {
			e, _, _ := c.Fetch(t.Context(), key, load("old"))
			first <- string(e.Body)
		}()
		<-joined
		<-time.After(time.Second) // in the bubble: the second asks later
		second := make(chan string)
		go func() {
			e, _, _ := c.FetchSince(t.Context(), key, time.Now(), load("new"))
			second <- string(e.Body)
		}()
		synctest.Wait()
		close(gate)
		if a, b := <-first, <-second; a != "old" || b != "new" || loads != 2 {
			t.Errorf("%q and %q after %d loads", a, b, loads)
		}
	})
}
