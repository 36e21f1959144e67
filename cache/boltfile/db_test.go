package boltfile

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"
)

func openTest(t *testing.T) (*DB, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file.db")
	db, err := Open(path, Spec{Format: "test/1", Buckets: [][]byte{[]byte("all")}})
	if err != nil {
		t.Fatal(err)
	}
	return db, path
}

func nothing(*bolt.Tx) error { return nil }

// A file whose pages are gone is an error for readers and writers alike, nobody
// waits for anybody, and it can be closed.
func TestAFileThatIsGone(t *testing.T) {
	db, path := openTest(t)
	if err := os.Truncate(path, 0); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if err := Guard(func() error { return db.View(nothing) }); !errors.Is(err, ErrDamaged) {
			t.Errorf("reading: %v", err)
		}
		if err := Guard(func() error { return db.Update(nothing) }); !errors.Is(err, ErrDamaged) {
			t.Errorf("writing: %v", err)
		}
	}
	if err := db.Close(); err != nil {
		t.Error(err)
	}
	if err := db.Close(); err != nil {
		t.Errorf("again: %v", err)
	}
}

// A writer's lock that a fault has left behind stops nobody: the file is refused
// to writers, read on, given up by Close, and can be opened again at once.
func TestALockThatIsNeverReleased(t *testing.T) {
	db, path := openTest(t)
	err := Guard(func() error {
		return db.Update(func(*bolt.Tx) error { panic("the disk is gone") })
	})
	if !errors.Is(err, ErrDamaged) {
		t.Fatal(err)
	}
	if _, err := db.Begin(true); err != nil { // bbolt's own: what a fault in it would leave behind
		t.Fatal(err)
	}
	if err := db.Update(nothing); !errors.Is(err, ErrDamaged) {
		t.Errorf("writing: %v", err)
	}
	if err := db.View(nothing); err != nil {
		t.Errorf("reading: %v", err)
	}
	closed := make(chan error, 1)
	go func() { closed <- db.Close() }()
	select {
	case err = <-closed:
	case <-time.After(time.Minute):
		t.Fatal("Close waits for ever")
	}
	if err != nil {
		t.Error(err)
	}
	again, err := Open(path, Spec{Format: "test/1"})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(again.Update(nothing), again.Close()); err != nil {
		t.Error(err)
	}
}
