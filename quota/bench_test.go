package quota

import (
	"context"
	"encoding/binary"
	"fmt"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/enrichgate/enrichgate/cache/boltfile"
)

// BenchmarkDurableWrite puts a durable reservation beside what the store alone
// can do, in one run: compare the lines, not the figures. "update" is a bare
// fsynced bbolt.Update of a record of the same size, "batch" is bbolt.Batch.
func BenchmarkDurableWrite(b *testing.B) {
	value := make([]byte, 300)
	for _, callers := range []int{1, 64, 256} {
		for _, way := range []struct {
			name string
			open func(b *testing.B) func() error
		}{
			{"update", func(b *testing.B) func() error {
				db, key := bare(b)
				return func() error { return put(db.Update, key, value) }
			}},
			{"batch", func(b *testing.B) func() error {
				db, key := bare(b)
				return func() error { return put(db.Batch, key, value) }
			}},
			{"reserve", func(b *testing.B) func() error {
				l := openLedger(b, filepath.Join(b.TempDir(), "ledger.db"), "1000000000/month", nil)
				r := ask(Manual)
				return func() error {
					d, err := l.Reserve(context.Background(), r)
					if err == nil && !d.Allowed {
						err = fmt.Errorf("refused: %s", d.Reason())
					}
					return err
				}
			}},
		} {
			b.Run(fmt.Sprintf("%s/callers=%d", way.name, callers), func(b *testing.B) {
				do := way.open(b)
				b.SetParallelism(max(1, callers/2)) // times GOMAXPROCS, 2 on the machines that this is quoted from
				if callers == 1 {
					for b.Loop() {
						if err := do(); err != nil {
							b.Fatal(err)
						}
					}
					return
				}
				b.RunParallel(func(pb *testing.PB) {
					for pb.Next() {
						if err := do(); err != nil {
							b.Error(err)
							return
						}
					}
				})
			})
		}
	}
}

func bare(b *testing.B) (*bolt.DB, *atomic.Uint64) {
	b.Helper()
	db, err := boltfile.Open(filepath.Join(b.TempDir(), "bare.db"), spec)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = db.Close() })
	return db, new(atomic.Uint64)
}

func put(how func(func(*bolt.Tx) error) error, key *atomic.Uint64, value []byte) error {
	k := binary.BigEndian.AppendUint64(nil, key.Add(1))
	return how(func(tx *bolt.Tx) error { return tx.Bucket(bucketEntries).Put(k, value) })
}

// BenchmarkReserveByLength is one caller's reserve and settle on ledgers of
// growing length: the lines must not grow with it.
func BenchmarkReserveByLength(b *testing.B) {
	for _, entries := range []int{1_000, 10_000, 100_000} {
		b.Run(fmt.Sprint(entries), func(b *testing.B) {
			path := filepath.Join(b.TempDir(), "ledger.db")
			l := openLedger(b, path, "1000000000/month", nil)
			l.db.NoSync = true
			fill(b, l, entries)
			l.db.NoSync = false
			for b.Loop() {
				d, err := l.Reserve(context.Background(), ask(Manual))
				if err == nil {
					err = l.Settle(d.ID, Spent, 200)
				}
				if err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkOpen is a start on a ledger of 100,000 entries.
func BenchmarkOpen(b *testing.B) {
	path := filepath.Join(b.TempDir(), "ledger.db")
	l := openLedger(b, path, "1000000000/month", nil)
	l.db.NoSync = true
	fill(b, l, 100_000)
	if err := l.Close(); err != nil {
		b.Fatal(err)
	}
	began := time.Now()
	for b.Loop() {
		l := openLedger(b, path, "1000000000/month", nil)
		if err := l.Close(); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(time.Since(began).Milliseconds())/float64(b.N), "ms/open")
}

// fill writes entries by many callers at once.
func fill(b *testing.B, l *Ledger, entries int) {
	b.Helper()
	const callers = 200
	done := make(chan error, callers)
	for range callers {
		go func() {
			for range entries / callers / 2 {
				d, err := l.Reserve(context.Background(), ask(Playbook))
				if err == nil {
					err = l.Settle(d.ID, Spent, 200)
				}
				if err != nil {
					done <- err
					return
				}
			}
			done <- nil
		}()
	}
	for range callers {
		if err := <-done; err != nil {
			b.Fatal(err)
		}
	}
}
