package quota

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/enrichgate/enrichgate/cache/boltfile/powercut"
)

func TestMain(m *testing.M) {
	powercut.Serve()
	spendUntilKilled()
	os.Exit(m.Run())
}

// openHasty opens a ledger that tries a broken disk again at once.
func openHasty(t *testing.T, path, limits string) *Ledger {
	t.Helper()
	lims, err := ParseLimits(limits)
	if err != nil {
		t.Fatal(err)
	}
	l, err := Open(path, Options{Accounts: map[string]Account{src: {Limits: lims}}, retryDisk: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// recovered waits until the ledger has mended itself and owes nothing.
func recovered(t *testing.T, l *Ledger) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; {
		d, err := l.Reserve(context.Background(), ask(Manual))
		if err == nil && d.Allowed {
			if err := l.Settle(d.ID, Void, 0); err != nil {
				t.Fatal(err)
			}
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("not recovered: %+v %v", d, err)
		}
		<-time.After(2 * time.Millisecond)
	}
}

// The n-th write, then the n-th fsync fails, for every n of a short history:
// nothing is granted that is not on disk, nothing that was granted is
// forgotten, and it goes on without a restart as soon as the disk does.
func TestEachWriteAndSyncFails(t *testing.T) {
	disk := powercut.New(t)
	for what, fail := range map[string]func(int){"write": disk.FailWrites, "sync": disk.FailSyncs} {
		for n := 0; ; n++ {
			path := disk.Path(fmt.Sprintf("%s%d.db", what, n))
			l := openHasty(t, path, "1000/day")
			fail(n)
			granted, refused := 0, 0
			for range 4 {
				d, err := l.Reserve(context.Background(), ask(Manual))
				switch {
				case err == nil && d.Allowed:
					granted++
					if err := l.Settle(d.ID, Spent, 200); err != nil && !errors.Is(err, ErrNotDurable) {
						t.Fatal(err)
					}
				case errors.Is(err, ErrNotDurable):
					refused++
				default:
					t.Fatalf("%s %d: %+v, %v", what, n, d, err)
				}
			}
			if refused > 0 && l.Healthy() == nil {
				t.Errorf("%s %d: healthy, and nothing can be written", what, n)
			}
			disk.Heal()
			recovered(t, l)
			check := func(when string) {
				if u := usage(l); u.Spent != int64(granted) || u.Uncertain != 0 || u.Pending != 0 || u.Windows[0].Used != int64(granted) {
					t.Errorf("%s %d, %s: %d calls were granted, the books say %+v", what, n, when, granted, u)
				}
				if _, err := l.Verify(); err != nil {
					t.Errorf("%s %d, %s: %v", what, n, when, err)
				}
			}
			check("mended")
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
			l = openHasty(t, path, "1000/day")
			check("restarted")
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
			if refused == 0 && granted == 4 {
				break // the history is over before the disk fails
			}
			if n > 200 {
				t.Fatalf("%s: the history never ends", what)
			}
		}
	}
}

// Any byte of the file may be wrong: either nothing depends on it, or the
// ledger is not opened. It never shows less than was spent. (All but the two
// meta pages: a damaged one is what a power cut leaves of a transaction that
// was under way, and bbolt goes by the other. A checkpoint notices that.)
func TestAnyFlippedByte(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ledger.db")
	l := openHasty(t, path, "1000/day,10000/month")
	for i := range 40 {
		r := ask(Trigger(i % 3))
		r.Client, r.Playbook = "soar", "pb-1"
		o := Spent
		if i%5 == 0 {
			o = Uncertain
		}
		if err := l.Settle(mustReserve(t, l, r), o, 200); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(l.SetUsed(src, "day", 50, order), l.Pause(src, time.Time{}, order)); err != nil {
		t.Fatal(err)
	}
	want := usage(l)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	rng := seeded(t)
	refused := 0
	for i := range *flips {
		damaged := append([]byte(nil), whole...)
		at := 2*os.Getpagesize() + rng.IntN(len(damaged)-2*os.Getpagesize())
		damaged[at] ^= 1 << rng.IntN(8)
		bad := filepath.Join(t.TempDir(), fmt.Sprintf("%d.db", i))
		if err := os.WriteFile(bad, damaged, 0o600); err != nil {
			t.Fatal(err)
		}
		lims, _ := ParseLimits("1000/day,10000/month")
		l, err := Open(bad, Options{Accounts: map[string]Account{src: {Limits: lims}}})
		if err != nil {
			refused++
			if !errors.Is(err, ErrForeign) || strings.Contains(err.Error(), "\n") {
				t.Errorf("byte %d: %v", at, err)
			}
			continue
		}
		if u := usage(l); u.Spent != want.Spent || u.Uncertain != want.Uncertain || u.Windows[0].Used != 50 || u.Windows[1].Used != want.Windows[1].Used || u.Paused == nil {
			t.Errorf("byte %d: opened with %+v, want %+v", at, u, want)
		}
		if err := l.Close(); err != nil {
			t.Errorf("byte %d: %v", at, err)
		}
	}
	if refused == 0 {
		t.Error("no damage was noticed")
	}
	t.Logf("%d of %d refused", refused, *flips)
}

// A directory that cannot be written: no ledger, and one line that says why.
func TestReadOnlyDirectory(t *testing.T) {
	dir := powercut.Small(t, "1m")
	path := filepath.Join(dir, "ledger.db")
	l := openHasty(t, path, "10/day")
	mustReserve(t, l, ask(Manual))
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("", dir, "", unix.MS_REMOUNT|unix.MS_RDONLY, "size=1m"); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"ledger.db", "new.db"} {
		_, err := Open(filepath.Join(dir, name), Options{})
		if err == nil || strings.Contains(err.Error(), "\n") || !strings.Contains(err.Error(), "read-only") {
			t.Errorf("%s on a read-only disk: %v", name, err)
		}
	}
}
