package cache

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"
)

// clock is a time that tests move.
type clock struct{ at atomic.Int64 }

func newClock() *clock {
	c := &clock{}
	c.at.Store(time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC).UnixNano())
	return c
}

func (c *clock) now() time.Time          { return time.Unix(0, c.at.Load()) }
func (c *clock) advance(d time.Duration) { c.at.Add(int64(d)) }

func (c *clock) entry(body []byte, fresh, stale time.Duration) *Entry {
	now := c.now()
	return &Entry{Kind: 1, Status: 200, Body: body, StoredAt: now, FreshUntil: now.Add(fresh), StaleUntil: now.Add(fresh + stale)}
}

// noise does not compress.
func noise(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(rand.Uint32())
	}
	return b
}

// keyN is the n-th key of a source.
func keyN(source string, n int) Key { return NewKey(source, "e", fmt.Sprint("v", n), "") }

// fill stores entries from many goroutines, so that they share fsyncs.
func fill(tb testing.TB, c *Cache, from, to int, make func(i int) (Key, *Entry)) {
	tb.Helper()
	fillBy(tb, c, 64, from, to, make)
}

func fillBy(tb testing.TB, c *Cache, workers, from, to int, make func(i int) (Key, *Entry)) {
	tb.Helper()
	var all sync.WaitGroup
	for w := range workers {
		all.Go(func() {
			for i := from + w; i < to; i += workers {
				if k, e := make(i); k != "" {
					if err := c.Put(k, e); err != nil {
						tb.Error(err)
						return
					}
				}
			}
		})
	}
	all.Wait()
}

// settle waits until the writer has nothing left to do.
func settle(tb testing.TB, c *Cache) {
	tb.Helper()
	for {
		more := false
		if err := c.disk.alone(tb.Context(), func() error { more = c.disk.chores(); return nil }); err != nil {
			tb.Fatal(err)
		}
		if !more {
			return
		}
	}
}

func state(tb testing.TB, c *Cache, k Key) State {
	tb.Helper()
	_, s, _, err := c.Get(k)
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

// Over the limit, what is gone goes first, then what was used the longest ago;
// an entry that memory answers for is in use too.
func TestLimitOfTheDisk(t *testing.T) {
	now := newClock()
	c := open(t, file(t), Options{MaxDisk: MinDisk, Now: now.now})
	const size = 64 << 10
	add := func(from, to int, fresh time.Duration) {
		fill(t, c, from, to, func(i int) (Key, *Entry) { return keyN("s", i), now.entry(noise(size), fresh, 0) })
	}
	add(0, 50, time.Minute) // will be gone
	now.advance(time.Hour)
	add(50, 150, 100*time.Hour)
	now.advance(time.Hour)
	add(150, 200, 100*time.Hour)
	settle(t, c)
	if s := c.Stats().Sources[0]; s.Expired != 50 || s.Evicted != 0 || s.Entries != 150 {
		t.Fatalf("before the limit: %+v", s)
	}
	// From the oldest hour, these are used again: from disk, then from memory.
	now.advance(time.Hour)
	c.memory.store.Clear()
	for range 2 {
		for i := 60; i < 70; i++ {
			if state(t, c, keyN("s", i)) != Fresh {
				t.Fatal("lost early")
			}
		}
		c.memory.store.Wait()
	}
	add(200, 370, 100*time.Hour)
	settle(t, c)
	s := c.Stats()
	if s.LiveBytes > MinDisk || s.LiveBytes < MinDisk*9/10 || s.Entries != s.Sources[0].Entries {
		t.Errorf("%d bytes live of %d, %d entries", s.LiveBytes, int64(MinDisk), s.Entries)
	}
	c.memory.changedAll() // it may hold what the disk has given up, which is as good
	for i := 60; i < 70; i++ {
		if state(t, c, keyN("s", i)) != Fresh {
			t.Fatalf("evicted %d, which was used an hour ago", i)
		}
	}
	for i := 200; i < 370; i++ {
		if state(t, c, keyN("s", i)) != Fresh {
			t.Fatalf("evicted %d, the newest", i)
		}
	}
	left := 0
	for i := 50; i < 150; i++ {
		if state(t, c, keyN("s", i)) == Fresh {
			left++
		}
	}
	if want := int(s.Entries) - 50 - 170; left != want {
		t.Errorf("%d of the oldest are left, not %d", left, want)
	}
	if d := s.Sources[0]; int64(d.Evicted) != 370-50-d.Entries || d.Expired != 50 {
		t.Errorf("%+v", d)
	}
}

// A limit that is lowered is kept after the next open, however far the file is
// above it.
func TestLoweredLimit(t *testing.T) {
	path := file(t)
	c := open(t, path, Options{})
	if err := c.disk.alone(t.Context(), func() error { c.disk.db.NoSync = true; return nil }); err != nil { // for speed
		t.Fatal(err)
	}
	body := noise(1 << 20)
	fill(t, c, 0, 110, func(i int) (Key, *Entry) { return keyN("s", i), entry(string(body), time.Hour, 0) })
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	c = open(t, path, Options{MaxDisk: MinDisk})
	settle(t, c)
	if s := c.Stats(); s.LiveBytes > MinDisk || s.SizeBytes < 100<<20 || s.WriteErrors > 0 {
		t.Fatalf("%+v", s)
	}
	if err := c.Compact(t.Context()); err != nil {
		t.Fatal(err)
	}
	if s := c.Stats(); s.SizeBytes > 2*MinDisk || s.Entries < 10 {
		t.Errorf("%+v", s)
	}
	checkFile(t, c)
}

// Uses cost no write of their own.
func TestUsesAreWrittenLazily(t *testing.T) {
	now := newClock()
	c := open(t, file(t), Options{Now: now.now})
	fill(t, c, 0, 90, func(i int) (Key, *Entry) { return keyN("s", i), now.entry([]byte("x"), 100*time.Hour, 0) })
	now.advance(2 * time.Hour)
	before := txid(t, c)
	for range 100 {
		for i := range 90 {
			state(t, c, keyN("s", i))
		}
	}
	settle(t, c)
	if n := txid(t, c) - before; n != 0 {
		t.Errorf("9,000 reads made %d transactions", n)
	}
	if err := c.disk.alone(t.Context(), c.disk.writeTouches); err != nil {
		t.Fatal(err)
	}
	if n := txid(t, c) - before; n != 1 {
		t.Errorf("the uses of an hour made %d transactions", n)
	}
	it, ok, err := c.Peek(keyN("s", 7))
	if err != nil || !ok || !it.LastUsed.Equal(now.now().Truncate(time.Hour)) {
		t.Errorf("%+v %v %v", it, ok, err)
	}
}

func txid(tb testing.TB, c *Cache) (n int) {
	tb.Helper()
	if err := c.disk.view(func(tx *bolt.Tx) error { n = tx.ID(); return nil }); err != nil {
		tb.Fatal(err)
	}
	return n
}

func TestSweepRemovesOnlyWhatIsGone(t *testing.T) {
	now := newClock()
	c := open(t, file(t), Options{Now: now.now})
	fill(t, c, 0, 3*step, func(i int) (Key, *Entry) { return keyN("a", i), now.entry([]byte("old"), time.Minute, time.Minute) })
	// This one is listed as due and stored anew.
	for _, fresh := range []time.Duration{time.Minute, time.Hour} {
		if err := c.Put(key, now.entry([]byte("renewed"), fresh, 0)); err != nil {
			t.Fatal(err)
		}
	}
	now.advance(time.Minute + 30*time.Second)
	settle(t, c)
	if n := c.Stats().Entries; n != 3*step+1 {
		t.Errorf("%d entries while they are stale", n)
	}
	now.advance(time.Minute)
	settle(t, c)
	if state(t, c, key) != Fresh {
		t.Error("the renewed entry is gone")
	}
	s := c.Stats()
	if s.Entries != 1 || s.Sources[0].Expired != 3*step || s.Sources[0].Bytes != 0 {
		t.Errorf("%+v", s)
	}
	checkFile(t, c)
}

// checkFile walks the file's buckets and compares them with each other and with
// the books.
func checkFile(tb testing.TB, c *Cache) {
	tb.Helper()
	d := c.disk
	var want, got tally
	err := d.view(func(tx *bolt.Tx) error {
		for err := range tx.Check() {
			tb.Errorf("bbolt: %v", err)
		}
		for _, b := range [][]byte{bucketAnswers, bucketExpiry, bucketUsed} {
			if n, all := tx.Bucket(b).Stats().KeyN, tx.Bucket(bucketIndex).Stats().KeyN; n != all {
				tb.Errorf("%s has %d keys, the index %d", b, n, all)
			}
		}
		return tx.Bucket(bucketIndex).ForEach(func(k, _ []byte) error {
			p, _ := lookIndex(tx, entryID(k))
			record := tx.Bucket(bucketAnswers).Get(p.seqKey())
			if _, _, err := d.codec.decode(entryID(k), record); err != nil || len(record) != int(p.size) {
				tb.Errorf("%x: %v, %d bytes, not %d", k, err, len(record), p.size)
			}
			if tx.Bucket(bucketExpiry).Get(p.expiryKey()) == nil || tx.Bucket(bucketUsed).Get(p.usedKey()) == nil {
				tb.Errorf("%x is not in the order of expiry or of use", k)
			}
			want.add(1, int64(p.size))
			return nil
		})
	})
	if err != nil {
		tb.Fatal(err)
	}
	for _, t := range d.books.all() {
		got.add(t.entries, t.bytes)
	}
	if got.entries != want.entries || got.bytes != want.bytes || d.books.live.Load() != want.bytes {
		tb.Errorf("the books have %d entries of %d bytes (%d live); the file %d of %d", got.entries, got.bytes, d.books.live.Load(), want.entries, want.bytes)
	}
}

// churn scales the simulated day: -churn 16 is a cache of 256 MiB.
var churn = flag.Int("churn", 1, "how large the cache of the simulated day is, in 16 MiB")

// A simulated day: entries of mixed sizes and ages come, are renewed, read and
// go, at the limit. The file stays within 1.3 times of what is in it, and the
// two megabytes that a transaction and the next one need.
func TestADayOfChurn(t *testing.T) {
	now := newClock()
	limit := int64(*churn) * MinDisk
	c := open(t, file(t), Options{MaxDisk: limit, Now: now.now, Memory: 1 << 20})
	rng := rand.New(rand.NewPCG(1, 2))
	body := func() []byte { return noise(400 + int(rng.ExpFloat64()*900)) }
	worst, n := 0.0, 0
	const steps = 48
	for range steps {
		keys := make([]Key, 280**churn)
		entries := make([]*Entry, len(keys))
		for i := range keys {
			source, id := "a", n
			switch rng.IntN(10) {
			case 0, 1, 2: // an old one again
				id = rng.IntN(n + 1)
			case 3:
				source = "b"
			}
			n++
			ttl := []time.Duration{20 * time.Minute, 12 * time.Hour, 24 * time.Hour}[rng.IntN(3)]
			keys[i], entries[i] = keyN(source, id), now.entry(body(), ttl, ttl)
			state(t, c, keyN("a", max(0, n-rng.IntN(5000))))
		}
		if err := c.disk.alone(t.Context(), func() error { c.disk.db.NoSync = true; return nil }); err != nil { // for speed
			t.Fatal(err)
		}
		fillBy(t, c, 8, 0, len(keys), func(i int) (Key, *Entry) { return keys[i], entries[i] })
		now.advance(24 * time.Hour / steps)
		settle(t, c)
		if c.disk.wasteful() { // as the tick of the chores asks
			c.disk.compactWaste()
		}
		if s := c.Stats(); s.LiveBytes > limit/2 {
			worst = max(worst, float64(s.SizeBytes-2<<20)/float64(s.LiveBytes))
		}
	}
	s := c.Stats()
	t.Logf("%d puts, %d entries of %d bytes, file of %d: %.2f times (less 2 MiB: at worst %.2f), %d compactions",
		n, s.Entries, s.LiveBytes, s.SizeBytes, float64(s.SizeBytes)/float64(s.LiveBytes), worst, s.Compactions)
	if worst > 1.3 || worst == 0 || s.LiveBytes > limit {
		t.Errorf("at worst %.2f times its contents; %d live of %d", worst, s.LiveBytes, limit)
	}
	checkFile(t, c)
}

// A put never waits long for a sweep, and a read not at all.
func TestSweepHoldsNobodyUp(t *testing.T) {
	now := newClock()
	c := open(t, file(t), Options{Now: now.now, Memory: 1})
	body := []byte(strings.Repeat(`{"score":1}`, 100))
	const entries = 6_000
	fill(t, c, 0, entries, func(i int) (Key, *Entry) {
		ttl := time.Hour
		if i%2 == 0 {
			ttl = 1000 * time.Hour
		}
		return keyN("s", i), now.entry(body, ttl, 0)
	})
	now.advance(2 * time.Hour)
	swept := make(chan struct{})
	go func() {
		defer close(swept)
		for c.Stats().Sources[0].Expired < entries/2 {
			if err := c.disk.do(t.Context(), 0, func(*txn) error { return nil }); err != nil { // wakes the writer
				t.Error(err)
				return
			}
		}
	}()
	var reads, puts []time.Duration
	for i := 0; ; i++ {
		select {
		case <-swept:
			t.Logf("%d reads: %v; %d puts: %v", len(reads), quantiles(reads), len(puts), quantiles(puts))
			// Bounds for a slow machine with the race detector: the figures are in the log.
			if r := quantiles(reads); r[1] > 5*time.Millisecond {
				t.Errorf("reads during a sweep: %v", r)
			}
			return
		default:
		}
		began := time.Now()
		if _, err := c.disk.get(c.disk.codec.id(keyN("s", i*7919%entries)), keyN("s", i*7919%entries)); err != nil {
			t.Fatal(err)
		}
		reads = append(reads, time.Since(began))
		if i%50 == 0 {
			began := time.Now()
			if err := c.Put(keyN("p", i), now.entry(body, time.Hour, 0)); err != nil {
				t.Fatal(err)
			}
			puts = append(puts, time.Since(began))
		}
	}
}

// quantiles are the median, the 99th percentile and the greatest.
func quantiles(d []time.Duration) [3]time.Duration {
	if len(d) == 0 {
		return [3]time.Duration{}
	}
	sorted := append([]time.Duration(nil), d...)
	slices.Sort(sorted)
	return [3]time.Duration{sorted[len(sorted)/2], sorted[len(sorted)*99/100], sorted[len(sorted)-1]}
}
