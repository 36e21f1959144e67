package powercut

import (
	"bytes"
	"errors"
	"os"
	"syscall"
	"testing"
)

func TestMain(m *testing.M) {
	Serve()
	os.Exit(m.Run())
}

func write(t *testing.T, path string, at int64, data []byte, sync bool) error {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.WriteAt(data, at)
	if err == nil && sync {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// What was synced is there after a cut, what was not is gone; with a share,
// some pages of it are there and others are not.
func TestCut(t *testing.T) {
	d := New(t)
	old, fresh := bytes.Repeat([]byte{1}, 64*pageSize), bytes.Repeat([]byte{2}, 64*pageSize)
	for _, share := range []float64{0, 0.5, 1} {
		if err := write(t, d.Path("f"), 0, old, true); err != nil {
			t.Fatal(err)
		}
		if err := write(t, d.Path("f"), 0, fresh, false); err != nil {
			t.Fatal(err)
		}
		before := d.Path("f")
		d.Cut(1, share)
		if _, err := os.OpenFile(before, os.O_RDWR, 0); !errors.Is(err, syscall.EIO) {
			t.Errorf("without power: %v", err)
		}
		d.Restore()
		got, err := os.ReadFile(d.Path("f"))
		if err != nil || len(got) != len(old) {
			t.Fatalf("%d bytes, %v", len(got), err)
		}
		kept := bytes.Count(got, []byte{2}) / pageSize
		if share == 0 && kept != 0 || share == 1 && kept != 64 || share == 0.5 && (kept < 10 || kept > 54) {
			t.Errorf("share %v: %d of 64 pages that were not synced are there", share, kept)
		}
	}
}

func TestFailures(t *testing.T) {
	d := New(t)
	page := make([]byte, pageSize)
	d.FailWrites(1)
	if err := write(t, d.Path("f"), 0, page, true); err != nil {
		t.Errorf("the first: %v", err)
	}
	if err := write(t, d.Path("f"), 0, page, true); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("the second: %v", err)
	}
	d.Heal()
	d.FailSyncs(0)
	if err := write(t, d.Path("f"), 0, page, true); !errors.Is(err, syscall.EIO) {
		t.Errorf("a failed sync: %v", err)
	}
	d.Heal()
	if err := write(t, d.Path("f"), 0, page, true); err != nil {
		t.Errorf("healed: %v", err)
	}
	if writes, syncs := d.Counts(); writes != 4 || syncs != 3 {
		t.Errorf("%d writes, %d syncs", writes, syncs)
	}
}
