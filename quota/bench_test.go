package quota

import (
	"context"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"path/filepath"
	"sync/atomic"
	"testing"

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

func bare(b *testing.B) (*boltfile.DB, *atomic.Uint64) {
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

var million = flag.Bool("million", false, "also measure with a million entries")

// lengths of ledgers, in entries.
func lengths() []int {
	if *million {
		return []int{10_000, 100_000, 1_000_000}
	}
	return []int{10_000, 100_000}
}

// BenchmarkByLength is one caller's reserve and settle on ledgers of growing
// length, and a start on them: the first must not grow with it, the second is
// to stay below a second at a million.
func BenchmarkByLength(b *testing.B) {
	for _, entries := range lengths() {
		path := filepath.Join(b.TempDir(), "ledger.db")
		l := openLedger(b, path, "1000000000/month", nil)
		l.mu.Lock()
		l.db.NoSync = true
		l.mu.Unlock()
		fill(b, l, entries)
		if err := errors.Join(l.db.Sync(), l.Close()); err != nil {
			b.Fatal(err)
		}
		b.Run(fmt.Sprintf("reserve+settle/%d", entries), func(b *testing.B) {
			l := openLedger(b, path, "1000000000/month", nil)
			for b.Loop() {
				d, err := l.Reserve(context.Background(), ask(Manual))
				if err == nil {
					err = l.Settle(d.ID, Spent, 200)
				}
				if err != nil {
					b.Fatal(err)
				}
			}
			b.StopTimer()
			if err := l.Close(); err != nil {
				b.Fatal(err)
			}
		})
		b.Run(fmt.Sprintf("open/%d", entries), func(b *testing.B) {
			for b.Loop() {
				l := openLedger(b, path, "1000000000/month", nil)
				if err := l.Close(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
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
