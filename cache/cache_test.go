package cache

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	bolt "go.etcd.io/bbolt"

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
	const callers = 1000
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
	c.memory.Wait()
	if _, state, _, _ := c.Get(key); state != Gone {
		t.Error("deleted, and still there")
	}
}

// A flipped byte costs the entry that it is in, and is counted.
func TestDamageCostsOneEntry(t *testing.T) {
	path := file(t)
	c := open(t, path, Options{})
	other := NewKey("et", "ip.asn", "198.51.100.7", "")
	for _, k := range []Key{key, other} {
		if err := c.Put(k, entry("body of "+string(k), time.Hour, 0)); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	db, err := boltfile.Open(path, spec)
	if err != nil {
		t.Fatal(err)
	}
	err = db.Update(func(tx *bolt.Tx) error {
		b := tx.Bucket(bucketAnswers)
		record := bytes.Clone(b.Get([]byte(key)))
		record[len(record)-3] ^= 1
		return b.Put([]byte(key), record)
	})
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	c = open(t, path, Options{})
	if _, state, _, err := c.Get(key); state != Gone || err != nil {
		t.Errorf("damaged: %v %v", state, err)
	}
	if _, state, _, _ := c.Get(other); state != Fresh {
		t.Errorf("its neighbour: %v", state)
	}
	if s := c.Stats(); s.Damaged != 1 {
		t.Errorf("damaged %d", s.Damaged)
	}
}

func TestSweepRemovesOnlyWhatIsGone(t *testing.T) {
	path := file(t)
	c := open(t, path, Options{})
	now := time.Now()
	for i := range 300 {
		e := entry("old", 0, 0)
		e.FreshUntil, e.StaleUntil = now.Add(-2*time.Minute), now.Add(-time.Minute)
		if err := c.disk.put(Key(fmt.Sprintf("old%d", i)), e); err != nil {
			t.Fatal(err)
		}
	}
	// This one was listed as due and stored anew since.
	again := entry("renewed", 0, 0)
	again.FreshUntil, again.StaleUntil = now.Add(-2*time.Minute), now.Add(-time.Minute)
	for _, e := range []*Entry{again, entry("renewed", time.Hour, 0)} {
		if err := c.Put(key, e); err != nil {
			t.Fatal(err)
		}
	}
	for {
		n, err := c.disk.sweep()
		if err != nil {
			t.Fatal(err)
		}
		if n < sweepStep {
			break
		}
	}
	if e, state, _, _ := c.Get(key); state != Fresh || string(e.Body) != "renewed" {
		t.Errorf("renewed entry: %v", state)
	}
	left := 0
	err := c.disk.db.View(func(tx *bolt.Tx) error {
		left = tx.Bucket(bucketAnswers).Stats().KeyN
		return nil
	})
	if err != nil || left != 1 {
		t.Errorf("%d entries left, %v", left, err)
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

// Answers that a release before content types kept were paid for too.
func TestAnEntryOfVersionOneIsRead(t *testing.T) {
	c, err := newCodec()
	if err != nil {
		t.Fatal(err)
	}
	e := entry("body", time.Hour, time.Hour)
	old := c.encode(e)
	old[0] = oldestVersion
	old = slices.Delete(old, len(old)-len(c.enc.EncodeAll(e.Body, nil))-1, len(old)-len(c.enc.EncodeAll(e.Body, nil))) // the length of no content type
	got, err := c.decode(old)
	if err != nil || string(got.Body) != "body" || got.ContentType != "" || got.Status != 200 {
		t.Errorf("%+v, %v", got, err)
	}
}

func FuzzDecodeEntry(f *testing.F) {
	c, err := newCodec()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(c.encode(entry("body", time.Hour, time.Hour)))
	typed := entry("body", time.Hour, time.Hour)
	typed.ContentType = "application/json; charset=utf-8"
	f.Add(c.encode(typed))
	f.Add([]byte{})
	f.Add([]byte{entryVersion, 1, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		e, err := c.decode(b)
		if err != nil {
			return
		}
		again, err := c.decode(c.encode(e))
		if err != nil || !bytes.Equal(again.Body, e.Body) || again.ContentType != e.ContentType || !again.FreshUntil.Equal(e.FreshUntil) {
			t.Errorf("%+v became %+v, %v", e, again, err)
		}
	})
}

func BenchmarkMemoryHit(b *testing.B) {
	c := open(b, file(b), Options{})
	if err := c.Put(key, entry(strings.Repeat("x", 1000), time.Hour, 0)); err != nil {
		b.Fatal(err)
	}
	c.memory.Wait()
	b.ReportAllocs()
	for b.Loop() {
		if _, origin, err := c.Fetch(b.Context(), key, nil); err != nil || origin != Memory {
			b.Fatal(origin, err)
		}
	}
}

func BenchmarkDiskHit(b *testing.B) {
	c := open(b, file(b), Options{Memory: 1})
	const entries = 10_000
	var all sync.WaitGroup
	for w := range 100 {
		all.Go(func() {
			for i := w; i < entries; i += 100 {
				if err := c.disk.put(Key(fmt.Sprint("k", i)), entry(strings.Repeat("x", 4000), time.Hour, 0)); err != nil {
					b.Error(err)
				}
			}
		})
	}
	all.Wait()
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if e, err := c.disk.get(Key(fmt.Sprint("k", i*7919%entries))); err != nil || e == nil {
			b.Fatal(err)
		}
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
