package cache

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/enrichgate/enrichgate/cache/boltfile/powercut"
)

// surviveBrokenDisk breaks the disk and stores until it is refused; what was
// stored before is served all the time. Then it heals the disk, and waits until
// the cache has noticed.
func surviveBrokenDisk(t *testing.T, c *Cache, stored int, fail, heal func()) {
	t.Helper()
	fail()
	var err error
	for i := range 10_000 {
		if err = c.Put(keyN("full", i), entry(string(noise(4000)), time.Hour, 0)); err != nil {
			break
		}
	}
	if err == nil || strings.Contains(err.Error(), "\n") {
		t.Fatalf("a disk that refuses everything: %v", err)
	}
	if h := c.Healthy(); !errors.Is(h, ErrNotDurable) {
		t.Errorf("it says that it is healthy: %v", h)
	}
	c.memory.changedAll() // from disk
	if n := readAll(t, c, stored); n != stored {
		t.Errorf("%d of %d are served while the disk refuses", n, stored)
	}
	if err := c.Put(keyN("s", 0), entry("x", time.Hour, 0)); !errors.Is(err, ErrNotDurable) {
		t.Errorf("at once again: %v", err)
	}
	heal()
	deadline := time.Now().Add(20 * time.Second)
	for c.Healthy() != nil { // by itself, without being asked to store
		if time.Now().After(deadline) {
			t.Fatalf("not recovered: %v", c.Healthy())
		}
		<-time.After(10 * time.Millisecond)
	}
	if err := c.Put(keyN("after", 1), entry("x", time.Hour, 0)); err != nil {
		t.Fatal(err)
	}
	c.memory.changedAll()
	if n := readAll(t, c, stored); n != stored || state(t, c, keyN("after", 1)) != Fresh {
		t.Errorf("%d of %d after it", n, stored)
	}
	if c.Stats().WriteErrors == 0 {
		t.Error("no write error was counted")
	}
	checkFile(t, c)
}

func TestFullDisk(t *testing.T) {
	dir := powercut.Small(t, "8m")
	c := open(t, filepath.Join(dir, "cache.db"), Options{})
	fill(t, c, 0, 100, func(i int) (Key, *Entry) { return keyN("s", i), entry(bodyN(i), time.Hour, time.Hour) })
	hog := filepath.Join(dir, "hog")
	surviveBrokenDisk(t, c, 100, func() {
		if err := os.WriteFile(hog, make([]byte, 4<<20), 0o600); err != nil {
			t.Fatal(err)
		}
	}, func() {
		if err := os.Remove(hog); err != nil {
			t.Fatal(err)
		}
	})
}

func TestFailedWrites(t *testing.T) {
	disk := powercut.New(t)
	c := open(t, disk.Path("cache.db"), Options{})
	fill(t, c, 0, 50, func(i int) (Key, *Entry) { return keyN("s", i), entry(bodyN(i), time.Hour, time.Hour) })
	surviveBrokenDisk(t, c, 50, func() { disk.FailWrites(2) }, disk.Heal)
}

func TestFailedSyncs(t *testing.T) {
	disk := powercut.New(t)
	c := open(t, disk.Path("cache.db"), Options{})
	fill(t, c, 0, 50, func(i int) (Key, *Entry) { return keyN("s", i), entry(bodyN(i), time.Hour, time.Hour) })
	for _, after := range []int{0, 1} { // that of the pages, that of the meta page
		surviveBrokenDisk(t, c, 50, func() { disk.FailSyncs(after) }, disk.Heal)
	}
}

func TestReadOnlyDirectory(t *testing.T) {
	dir := powercut.Small(t, "8m")
	if err := unix.Mount("", dir, "", unix.MS_REMOUNT|unix.MS_RDONLY, ""); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(filepath.Join(dir, "cache.db"), Options{}); err == nil || strings.Contains(err.Error(), "\n") {
		t.Errorf("%v", err)
	}
}

// Between a caller's first look and its flight another caller's answer lands.
// This forces that order for callers in numbers: all look, then one loads and
// stores, then the others fly. Without the second look inside the flight each
// round would pay twice.
func TestTheGapBeforeTheFlight(t *testing.T) {
	c := open(t, file(t), Options{})
	for round := range 50 {
		k := keyN("gap", round)
		var loads atomic.Int32
		load := func(context.Context) (*Entry, error) {
			loads.Add(1)
			e := entry("paid", time.Hour, 0)
			return e, c.Put(k, e)
		}
		if _, s, _, err := c.Get(k); s != Gone || err != nil { // the late caller's first look
			t.Fatal(s, err)
		}
		if _, _, err := c.Fetch(t.Context(), k, load); err != nil { // the other, from look to landing
			t.Fatal(err)
		}
		e, origin, err := c.fly(t.Context(), k, time.Time{}, load) // the late caller goes on
		if err != nil || string(e.Body) != "paid" || origin == Loaded || loads.Load() != 1 {
			t.Fatalf("round %d: %d loads, %s, %v", round, loads.Load(), origin, err)
		}
	}
}

// Close ends a flight, waits for it, and what it stores before it ends is kept.
func TestCloseDuringAFlight(t *testing.T) {
	path := file(t)
	c := open(t, path, Options{})
	flying, ended := make(chan struct{}), make(chan error, 1)
	go func() {
		_, _, err := c.Fetch(context.Background(), key, func(ctx context.Context) (*Entry, error) {
			close(flying)
			<-ctx.Done()
			e := entry("it came all the same", time.Hour, 0)
			return e, c.Put(key, e)
		})
		ended <- err
	}()
	<-flying
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err != nil {
		t.Errorf("who waited got %v", err)
	}
	if _, _, err := c.Fetch(t.Context(), keyN("s", 1), nil); err == nil {
		t.Error("a flight after Close")
	}
	if err := c.Put(key, entry("x", time.Hour, 0)); !errors.Is(err, ErrClosed) {
		t.Errorf("Put after Close: %v", err)
	}
	c = open(t, path, Options{})
	if e, s, _, err := c.Get(key); err != nil || s != Fresh || string(e.Body) != "it came all the same" {
		t.Errorf("%s %v", s, err)
	}
}

// A load that panics takes neither the process nor the next caller with it, and
// all who had joined it hear of it.
func TestAPanicIsHeardByAllWhoJoined(t *testing.T) {
	c := open(t, file(t), Options{})
	gate, flying := make(chan struct{}), make(chan struct{})
	errs := make(chan error, 10)
	call := func() {
		_, _, err := c.Fetch(t.Context(), key, func(context.Context) (*Entry, error) {
			close(flying)
			<-gate
			panic("boom")
		})
		errs <- err
	}
	go call()
	<-flying
	for range 9 {
		go call()
	}
	close(gate)
	for i := range 10 {
		// A caller that came too late to join flies itself, into a closed channel.
		if err := <-errs; err == nil || !strings.Contains(err.Error(), "panicked") {
			t.Errorf("caller %d: %v", i, err)
		}
	}
	if _, _, err := c.Fetch(t.Context(), key, func(context.Context) (*Entry, error) { return entry("fine", time.Hour, 0), nil }); err != nil {
		t.Error(err)
	}
}
