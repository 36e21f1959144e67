package cache

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/enrichgate/enrichgate/cache/boltfile"
)

// damagedFile makes a file of n entries and closes it; it gives its bytes.
func damagedFile(t *testing.T, path string, n int, opts Options) []byte {
	t.Helper()
	c := open(t, path, opts)
	fill(t, c, 0, n, func(i int) (Key, *Entry) { return keyN("s", i), entry(bodyN(i), time.Hour, time.Hour) })
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func bodyN(i int) string { return strings.Repeat(fmt.Sprintf(`{"n":%d}`, i), 20+i%50) }

// readAll counts the entries that are read right; a wrong one is an error.
func readAll(t *testing.T, c *Cache, n int) (right int) {
	t.Helper()
	for i := range n {
		e, s, _, err := c.Get(keyN("s", i))
		switch {
		case err != nil:
			t.Fatalf("entry %d: %v", i, err)
		case s == Fresh && string(e.Body) == bodyN(i):
			right++
		case s != Gone:
			t.Fatalf("entry %d is served wrong: %s %.60q", i, s, e.Body)
		}
	}
	return right
}

// A flipped byte in a record costs the answer that it is in, and is counted once.
func TestDamageCostsOneEntry(t *testing.T) {
	for name, opts := range map[string]Options{"checksum": {}, "seal": {Key: bytes.Repeat([]byte("k"), 32)}} {
		t.Run(name, func(t *testing.T) {
			path := file(t)
			c := open(t, path, opts)
			fill(t, c, 0, 50, func(i int) (Key, *Entry) { return keyN("s", i), entry(bodyN(i), time.Hour, 0) })
			damaged := uint64(0)
			id := c.disk.codec.id(keyN("s", 7))
			for at := 0; ; at += 3 {
				whole := false
				err := c.disk.do(t.Context(), 0, func(tx *txn) error {
					p, ok := lookIndex(tx.tx, id)
					if !ok {
						t.Fatal("gone before its time")
					}
					record := bytes.Clone(tx.answers.Get(p.seqKey()))
					if whole = at >= len(record); whole {
						return nil
					}
					record[at] ^= 1 << (at % 8)
					return tx.answers.Put(p.seqKey(), record)
				})
				if err != nil {
					t.Fatal(err)
				}
				if whole {
					break
				}
				c.memory.changedAll()
				if s := state(t, c, keyN("s", 7)); s != Gone {
					t.Fatalf("byte %d flipped: %s", at, s)
				}
				settle(t, c)
				damaged++
				if s := c.Stats(); s.Damaged != damaged || s.Entries != 49 {
					t.Fatalf("byte %d flipped: %d damaged, %d entries", at, s.Damaged, s.Entries)
				}
				if err := c.Put(keyN("s", 7), entry(bodyN(7), time.Hour, 0)); err != nil {
					t.Fatal(err)
				}
			}
			if n := readAll(t, c, 50); n != 50 {
				t.Errorf("%d right at the end", n)
			}
			checkFile(t, c)
		})
	}
}

// Bytes flipped anywhere in the file cost entries, and never make a wrong answer:
// the file opens, without what cannot be read, or is refused untouched.
func TestDamageAnywhereInTheFile(t *testing.T) {
	const n = 300
	path := file(t)
	whole := damagedFile(t, path, n, Options{})
	seed := uint64(time.Now().UnixNano())
	rng := rand.New(rand.NewPCG(seed, 0))
	var refused, salvaged, least = 0, 0, n
	tries := 40
	for range tries {
		b := bytes.Clone(whole)
		at := rng.IntN(len(b))
		if rng.IntN(2) == 0 {
			at = at &^ (16<<10 - 1) // page headers, where bbolt panics
			at += rng.IntN(16 + 64)
		}
		b[at] ^= byte(1 + rng.IntN(255))
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		c, err := Open(path, Options{})
		if err != nil {
			if !errors.Is(err, boltfile.ErrForeign) || strings.Contains(err.Error(), "\n") {
				t.Fatalf("seed %d, byte %d: %v", seed, at, err)
			}
			if got, _ := os.ReadFile(path); !bytes.Equal(got, b) {
				t.Errorf("seed %d, byte %d: refused, and changed", seed, at)
			}
			refused++
			continue
		}
		right := readAll(t, c, n)
		if _, err := os.Stat(path + ".damaged"); err == nil {
			salvaged++
			_ = os.Remove(path + ".damaged")
		}
		least = min(least, right)
		// It takes new answers, whatever was lost.
		settle(t, c)
		for i := range 5 {
			if err := c.Put(keyN("new", i), entry("new", time.Hour, 0)); err != nil {
				t.Fatalf("seed %d, byte %d: %v", seed, at, err)
			}
		}
		if err := c.Close(); err != nil {
			t.Fatalf("seed %d, byte %d: %v", seed, at, err)
		}
	}
	t.Logf("of %d: %d refused, %d rewritten at open; at least %d of %d answers left", tries, refused, salvaged, least, n)
	if refused > tries/3 {
		t.Errorf("%d of %d refused", refused, tries)
	}
}

// A page that bbolt cannot make sense of is found by a reader; the file is
// rewritten around it while it is in use, and what is stored meanwhile is kept.
func TestADamagedPageIsSteppedAround(t *testing.T) {
	path := file(t)
	const n = 600
	c := open(t, path, Options{Memory: 1})
	fill(t, c, 0, n, func(i int) (Key, *Entry) { return keyN("s", i), entry(bodyN(i), time.Hour, time.Hour) })
	page := leafOf(t, path, c)
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt([]byte("no page header at all"), page); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	readAll(t, c, n)
	if err := c.Put(keyN("new", 1), entry("new", time.Hour, 0)); err != nil {
		t.Fatal(err)
	}
	right := readAll(t, c, n)
	if right < n/2 || right == n {
		t.Errorf("%d of %d answers left", right, n)
	}
	if state(t, c, keyN("new", 1)) != Fresh || c.Stats().Damaged == 0 || c.Healthy() != nil {
		t.Errorf("%+v, %v", c.Stats(), c.Healthy())
	}
	if _, err := os.Stat(path + ".damaged"); err != nil {
		t.Errorf("the damaged file was not kept: %v", err)
	}
	checkFile(t, c)
	t.Logf("%d of %d answers left", right, n)
}

// leafOf gives the offset of some page in the middle that holds answers.
func leafOf(t *testing.T, path string, c *Cache) (offset int64) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	err = c.disk.view(func(tx *bolt.Tx) error {
		p, _ := lookIndex(tx, c.disk.codec.id(keyN("s", 300)))
		record := tx.Bucket(bucketAnswers).Get(p.seqKey())
		offset = int64(bytes.Index(b, record)) &^ (16<<10 - 1)
		return nil
	})
	if err != nil || offset <= 0 {
		t.Fatalf("offset %d, %v", offset, err)
	}
	return offset
}

func TestFileOfTheFutureIsRefused(t *testing.T) {
	path := file(t)
	db, err := boltfile.Open(path, boltfile.Spec{Format: "enrichgate-cache/3"})
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	_, err = Open(path, Options{})
	if err == nil || !strings.Contains(err.Error(), "enrichgate-cache/3") || strings.Contains(err.Error(), "\n") {
		t.Errorf("%v", err)
	}
}

func TestSecondOpenIsRefused(t *testing.T) {
	path := file(t)
	open(t, path, Options{})
	if _, err := Open(path, Options{}); !errors.Is(err, boltfile.ErrLocked) || strings.Contains(err.Error(), "\n") {
		t.Errorf("%v", err)
	}
}

// Answers of the format before were paid for too, with and without content types.
func TestFormatBeforeIsRead(t *testing.T) {
	for name, opts := range map[string]Options{"plain": {}, "encrypted": {Key: bytes.Repeat([]byte("k"), 32)}} {
		t.Run(name, func(t *testing.T) {
			path := file(t)
			db, err := boltfile.Open(path, boltfile.Spec{Format: formatBefore, Buckets: [][]byte{bucketAnswers, bucketExpiry}})
			if err != nil {
				t.Fatal(err)
			}
			const n = 700
			old, err := newCodec(checksummed{})
			if err != nil {
				t.Fatal(err)
			}
			for i := range n {
				e := entry(bodyN(i), time.Hour, time.Hour)
				if i%2 == 0 {
					e.ContentType = "application/json"
				}
				if err := putBefore(db, old, keyN("s", i), e); err != nil {
					t.Fatal(err)
				}
				if i == 0 { // they need not be synced one by one
					db.NoSync = true
				}
			}
			if err := errors.Join(db.Close(), old.close()); err != nil {
				t.Fatal(err)
			}
			c := open(t, path, opts)
			if right := readAll(t, c, n); right != n {
				t.Errorf("%d of %d", right, n)
			}
			e, _, _, err := c.Get(keyN("s", 4))
			if err != nil || e.ContentType != "application/json" || e.Status != 200 || e.Kind != 1 {
				t.Errorf("%+v, %v", e, err)
			}
			checkFile(t, c)
		})
	}
}

// putBefore writes as the format before did.
func putBefore(db *boltfile.DB, c *codec, k Key, e *Entry) error {
	b := appendNumbers([]byte{1, e.Kind}, e)
	if e.ContentType != "" {
		b = appendText(append([]byte{2, e.Kind}, b[2:]...), e.ContentType)
	}
	b = c.enc.EncodeAll(e.Body, b)
	return db.Update(func(tx *bolt.Tx) error {
		return tx.Bucket(bucketAnswers).Put([]byte(k), boltfile.Protect([]byte(k), b))
	})
}

func FuzzRecord(f *testing.F) {
	c, err := newCodec(checksummed{})
	if err != nil {
		f.Fatal(err)
	}
	e := entry("body", time.Hour, time.Hour)
	e.ContentType = "application/json; charset=utf-8"
	id := c.id(key)
	f.Add(c.encode(id, key, e)[len(id)+4:])
	f.Add([]byte{})
	f.Add([]byte{recordVersion, 1, 0, 0, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, inside []byte) {
		record := append(id[:], c.protect(id, inside)...)
		k, e, err := c.decode(id, record)
		if err != nil {
			return
		}
		k2, again, err := c.decode(id, c.encode(id, k, e))
		if err != nil || k2 != k || !bytes.Equal(again.Body, e.Body) || again.ContentType != e.ContentType || !again.FreshUntil.Equal(e.FreshUntil) {
			t.Errorf("%q %+v became %q %+v, %v", k, e, k2, again, err)
		}
	})
}
