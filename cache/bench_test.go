package cache

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"
	"golang.org/x/sync/singleflight"
	"golang.org/x/sys/unix"
)

// million makes the benchmarks on a large file build one of that many entries.
var million = flag.Int("million", 0, "entries of the large file; building 1,000,000 of 4 KB takes minutes and 5 GB")

// document is a body of about n bytes that compresses as an API's answers do.
func document(rng *rand.Rand, n int) []byte {
	var b strings.Builder
	b.WriteString(`{"data":{"attributes":{"last_analysis_results":[`)
	for b.Len() < n {
		fmt.Fprintf(&b, `{"engine":"Engine-%d","category":"%s","result":"%x","updated":%d},`, rng.IntN(90),
			[]string{"harmless", "malicious", "undetected", "suspicious"}[rng.IntN(4)], rng.Uint64(), 20260000+rng.IntN(10000))
	}
	return []byte(b.String()[:b.Len()-1] + `]}}}`)
}

// build stores n entries of 4 KB, unsynced, as a cache that is in use has them.
func build(b *testing.B, path string, n int) *Cache {
	b.Helper()
	c, err := Open(path, Options{MaxDisk: 64 << 30})
	if err != nil {
		b.Fatal(err)
	}
	if err := c.disk.alone(b.Context(), func() error { c.disk.db.NoSync = true; return nil }); err != nil {
		b.Fatal(err)
	}
	bodies := make([][]byte, 1000)
	rng := rand.New(rand.NewPCG(1, 1))
	for i := range bodies {
		bodies[i] = document(rng, 4000)
	}
	fillBy(b, c, 256, 0, n, func(i int) (Key, *Entry) {
		return keyN("s", i), entry(string(bodies[i%len(bodies)]), 10000*time.Hour, time.Hour)
	})
	if err := c.disk.alone(b.Context(), func() error { c.disk.db.NoSync = false; return c.disk.db.Sync() }); err != nil {
		b.Fatal(err)
	}
	return c
}

func report(b *testing.B, name string, took []time.Duration) {
	q := quantiles(took)
	b.ReportMetric(float64(q[0].Nanoseconds())/1000, name+"-p50-µs")
	b.ReportMetric(float64(q[1].Nanoseconds())/1000, name+"-p99-µs")
}

func BenchmarkMemoryHit(b *testing.B) {
	c := open(b, file(b), Options{})
	if err := c.Put(key, entry(strings.Repeat("x", 1000), time.Hour, 0)); err != nil {
		b.Fatal(err)
	}
	c.memory.store.Wait()
	b.ReportAllocs()
	for b.Loop() {
		if _, origin, err := c.Fetch(b.Context(), key, nil); err != nil || origin != Memory {
			b.Fatal(origin, err)
		}
	}
}

// BenchmarkDiskHit reads entries of 4 KB from files of different sizes.
func BenchmarkDiskHit(b *testing.B) {
	sizes := []int{1_000, 10_000}
	if *million > 0 {
		sizes = append(sizes, *million)
	}
	for _, n := range sizes {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			path := filepath.Join(b.TempDir(), "cache.db")
			c := build(b, path, n)
			if err := c.Close(); err != nil {
				b.Fatal(err)
			}
			debug.FreeOSMemory() // what building took
			began, before := time.Now(), cpu(b)
			c = open(b, path, Options{MaxDisk: 64 << 30})
			opened, busy := time.Since(began), cpu(b)-before
			rng := rand.New(rand.NewPCG(2, 2))
			var took []time.Duration
			b.ReportAllocs()
			for b.Loop() {
				k := keyN("s", rng.IntN(n))
				began := time.Now()
				e, err := c.disk.get(c.disk.codec.id(k), k)
				took = append(took, time.Since(began))
				if err != nil || e == nil {
					b.Fatal(err)
				}
			}
			report(b, "get", took)
			for i := range 300_000 { // memory is full now
				if i < 30 || n > 10_000 {
					state(b, c, keyN("s", rng.IntN(n)))
				}
			}
			b.ReportMetric(anonymous(b), "RssAnon-MB")
			b.ReportMetric(float64(opened.Milliseconds()), "open-ms")
			b.ReportMetric(float64(busy.Milliseconds()), "open-cpu-ms")
			s := c.Stats()
			b.ReportMetric(float64(s.SizeBytes)/float64(s.LiveBytes), "file/live")
			b.ReportMetric(float64(s.LiveBytes)/float64(s.Entries), "bytes/entry")
		})
	}
}

// cpu is the processor time that this process has taken.
func cpu(b *testing.B) time.Duration {
	b.Helper()
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// anonymous is the memory that is not the mapped file, in MB.
func anonymous(b *testing.B) float64 {
	b.Helper()
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		b.Skip(err)
	}
	_, after, _ := strings.Cut(string(status), "RssAnon:")
	kb, err := strconv.Atoi(strings.Fields(after)[0])
	if err != nil {
		b.Fatal(err)
	}
	return float64(kb) / 1024
}

// BenchmarkPut compares durable puts by many callers with the same bytes put by
// a bare bbolt transaction each, and by bbolt's own Batch.
func BenchmarkPut(b *testing.B) {
	body := document(rand.New(rand.NewPCG(1, 1)), 4000)
	for _, callers := range []int{1, 64, 256} {
		bare := func(b *testing.B, write func(*bolt.DB, func(*bolt.Tx) error) error) {
			db, err := bolt.Open(filepath.Join(b.TempDir(), "bare.db"), 0o600, &bolt.Options{NoFreelistSync: true, FreelistType: bolt.FreelistMapType})
			if err != nil {
				b.Fatal(err)
			}
			defer db.Close()
			if err := db.Update(func(tx *bolt.Tx) error { _, err := tx.CreateBucket(bucketAnswers); return err }); err != nil {
				b.Fatal(err)
			}
			c, err := newCodec(checksummed{})
			if err != nil {
				b.Fatal(err)
			}
			parallel(b, callers, func(i int) error {
				k := keyN("s", i)
				id := c.id(k)
				record := c.encode(id, k, entry(string(body), time.Hour, 0))
				return write(db, func(tx *bolt.Tx) error { return tx.Bucket(bucketAnswers).Put(id[:], record) })
			})
		}
		b.Run(fmt.Sprintf("callers=%d/cache", callers), func(b *testing.B) {
			c := open(b, file(b), Options{})
			parallel(b, callers, func(i int) error { return c.Put(keyN("s", i), entry(string(body), time.Hour, 0)) })
		})
		b.Run(fmt.Sprintf("callers=%d/update", callers), func(b *testing.B) { bare(b, (*bolt.DB).Update) })
		b.Run(fmt.Sprintf("callers=%d/batch", callers), func(b *testing.B) { bare(b, (*bolt.DB).Batch) })
	}
}

// parallel runs f b.N times by that many callers.
func parallel(b *testing.B, callers int, f func(i int) error) {
	var all sync.WaitGroup
	b.ResetTimer()
	for w := range callers {
		all.Go(func() {
			for i := w; i < b.N; i += callers {
				if err := f(i); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "puts/s")
}

// BenchmarkMiss compares a miss (flight, load, durable put, return) with the
// same built from singleflight and a bbolt transaction of its own.
func BenchmarkMiss(b *testing.B) {
	body := document(rand.New(rand.NewPCG(1, 1)), 4000)
	const callers = 64
	b.Run("cache", func(b *testing.B) {
		c := open(b, file(b), Options{})
		parallel(b, callers, func(i int) error {
			k := keyN("s", i/4) // four ask for the same
			_, _, err := c.Fetch(context.Background(), k, func(context.Context) (*Entry, error) {
				e := entry(string(body), time.Hour, 0)
				return e, c.Put(k, e)
			})
			return err
		})
	})
	b.Run("singleflight+update", func(b *testing.B) {
		db, err := bolt.Open(filepath.Join(b.TempDir(), "bare.db"), 0o600, nil)
		if err != nil {
			b.Fatal(err)
		}
		defer db.Close()
		if err := db.Update(func(tx *bolt.Tx) error { _, err := tx.CreateBucket(bucketAnswers); return err }); err != nil {
			b.Fatal(err)
		}
		var flights singleflight.Group
		parallel(b, callers, func(i int) error {
			k := keyN("s", i/4)
			_, err, _ := flights.Do(string(k), func() (any, error) {
				known := false
				if err := db.View(func(tx *bolt.Tx) error { known = tx.Bucket(bucketAnswers).Get([]byte(k)) != nil; return nil }); err != nil || known {
					return nil, err
				}
				return nil, db.Update(func(tx *bolt.Tx) error { return tx.Bucket(bucketAnswers).Put([]byte(k), body) })
			})
			return err
		})
	})
}

// BenchmarkZipf measures what memory is good for: the share of hits that it
// answers when a tenth of the entries fits in it, beside the best that a fixed
// choice could have.
func BenchmarkZipf(b *testing.B) {
	const keys, size = 20_000, 1000
	c := open(b, file(b), Options{Memory: keys / 10 * (size + 420) * 5 / 4})
	body := strings.Repeat("x", size)
	if err := c.disk.alone(b.Context(), func() error { c.disk.db.NoSync = true; return nil }); err != nil {
		b.Fatal(err)
	}
	fillBy(b, c, 256, 0, keys, func(i int) (Key, *Entry) { return keyN("s", i), entry(body, time.Hour, 0) })
	zipf := rand.NewZipf(rand.New(rand.NewPCG(1, 1)), 1.01, 1, keys-1)
	hits, top, n := 0, 0, 0
	for b.Loop() {
		i := int(zipf.Uint64())
		_, _, origin, err := c.Get(keyN("s", i))
		if err != nil {
			b.Fatal(err)
		}
		n++
		if origin == Memory {
			hits++
		}
		if i < keys/10 {
			top++
		}
	}
	b.ReportMetric(float64(hits)/float64(n), "memory-share")
	b.ReportMetric(float64(top)/float64(n), "best-share")
}

// BenchmarkMemoryHeap says how much heap full memory takes, by its own account.
func BenchmarkMemoryHeap(b *testing.B) {
	for _, size := range []int{300, 1000, 4000} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			for b.Loop() {
				const memory = 64 << 20
				before := heap()
				m, err := newMemory(memory)
				if err != nil {
					b.Fatal(err)
				}
				for i := range memory / size * 3 / 2 {
					k := keyN("s", i)
					m.set(k, &Entry{Body: make([]byte, size)}, checksummed{}.id(k), 0)
					m.store.Wait()
				}
				b.ReportMetric(float64(heap()-before)/memory, "heap/limit")
				m.store.Close()
			}
		})
	}
}

func heap() int64 {
	runtime.GC()
	var s runtime.MemStats
	runtime.ReadMemStats(&s)
	return int64(s.HeapAlloc)
}

// BenchmarkSweep reports what reads and puts take while the sweep runs, beside
// what they take when it does not.
func BenchmarkSweep(b *testing.B) {
	for b.Loop() {
		now := newClock()
		c := open(b, file(b), Options{Now: now.now})
		const entries = 30_000
		body := document(rand.New(rand.NewPCG(1, 1)), 4000)
		fillBy(b, c, 256, 0, entries, func(i int) (Key, *Entry) {
			return keyN("s", i), now.entry(body, time.Duration(1+i%2*1000)*time.Hour, 0)
		})
		measure := func(name string, until func() bool) {
			var reads, puts []time.Duration
			for i := 0; !until(); i++ {
				k := keyN("s", i*7919%entries)
				began := time.Now()
				if _, err := c.disk.get(c.disk.codec.id(k), k); err != nil {
					b.Fatal(err)
				}
				reads = append(reads, time.Since(began))
				if i%20 == 0 {
					began := time.Now()
					if err := c.Put(keyN(name, i), now.entry(body, time.Hour*5000, 0)); err != nil {
						b.Fatal(err)
					}
					puts = append(puts, time.Since(began))
				}
			}
			report(b, name+"-get", reads)
			report(b, name+"-put", puts)
		}
		n := 0
		measure("quiet", func() bool { n++; return n > 2000 })
		now.advance(2 * time.Hour)
		measure("sweep", func() bool { return c.Stats().Swept >= entries/2 })
		if err := c.Close(); err != nil {
			b.Fatal(err)
		}
	}
}
