package quota

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/enrichgate/enrichgate/cache/boltfile/powercut"
)

// A disk that refuses a commit: nothing is granted on it, what was granted
// before stays counted, the outcome that it refused is written when it is
// back, and all of that without a restart.
func TestRefusedCommitAndRecovery(t *testing.T) {
	l := openLedger(t, filepath.Join(t.TempDir(), "ledger.db"), "10/day", nil)
	held := mustReserve(t, l, ask(Manual))
	l.mu.Lock()
	if err := l.db.Close(); err != nil { // the next commit fails
		t.Fatal(err)
	}
	l.mended = time.Now().Add(-time.Hour)
	l.mu.Unlock()
	if err := l.Settle(held, Spent, 200); !errors.Is(err, ErrNotDurable) {
		t.Fatalf("settled on a closed file: %v", err)
	}
	if l.Healthy() == nil {
		t.Error("healthy, though the disk refuses")
	}
	// The writer tries again by itself, and pays what it owes.
	for deadline := time.Now().Add(20 * time.Second); l.Healthy() != nil || usage(l).Spent != 1; {
		if time.Now().After(deadline) {
			t.Fatalf("not recovered: %v, %+v", l.Healthy(), usage(l))
		}
		<-time.After(10 * time.Millisecond)
	}
	if u := usage(l); u.Pending != 0 || u.Uncertain != 0 {
		t.Errorf("%+v", u)
	}
	mustReserve(t, l, ask(Manual))
}

// A full disk, for real: no reservation, no call; room again, and it goes on.
func TestFullDisk(t *testing.T) {
	dir := powercut.Small(t, "1m")
	l := openLedger(t, filepath.Join(dir, "ledger.db"), "none", nil)
	filler := filepath.Join(dir, "filler")
	f, err := os.Create(filler)
	if err != nil {
		t.Fatal(err)
	}
	for err == nil {
		_, err = f.Write(make([]byte, 4096))
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	granted, refused := 0, 0
	for range 2000 {
		d, err := l.Reserve(context.Background(), ask(Manual))
		if err != nil {
			if !errors.Is(err, ErrNotDurable) {
				t.Fatal(err)
			}
			refused++
			break
		}
		granted++
		if err := l.Settle(d.ID, Spent, 200); err != nil && !errors.Is(err, ErrNotDurable) {
			t.Fatal(err)
		}
	}
	if refused == 0 {
		t.Fatal("the disk never filled up")
	}
	if l.Healthy() == nil {
		t.Error("healthy on a full disk")
	}
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(20 * time.Second); ; {
		d, err := l.Reserve(context.Background(), ask(Manual))
		if err == nil && d.Allowed {
			if err := l.Settle(d.ID, Spent, 200); err != nil {
				t.Fatal(err)
			}
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("not recovered: %v", err)
		}
		<-time.After(20 * time.Millisecond)
	}
	if u := usage(l); u.Spent+u.Uncertain != int64(granted)+1 || u.Pending != 0 {
		t.Errorf("granted %d and one more, the books say %+v", granted, u)
	}
}
