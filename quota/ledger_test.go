package quota

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

const src = "proofpoint_et_intelligence"

// openLedger opens a ledger that is verified and closed after the test: the
// books balance after every test.
func openLedger(tb testing.TB, path string, limits string, floors map[Trigger]float64) *Ledger {
	tb.Helper()
	lims, err := ParseLimits(limits)
	if err != nil {
		tb.Fatal(err)
	}
	l, err := Open(path, Options{Accounts: map[string]Account{src: {Limits: lims, Floors: floors}}})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { balance(tb, l) })
	return l
}

func balance(tb testing.TB, l *Ledger) {
	tb.Helper()
	select {
	case <-l.done:
		return // closed by the test itself
	default:
	}
	if _, err := l.Verify(); err != nil {
		tb.Errorf("books do not balance: %v", err)
	}
	if err := l.Close(); err != nil {
		tb.Errorf("close: %v", err)
	}
}

func ask(tr Trigger) Request {
	return Request{Account: src, Endpoint: "ip.reputation", Subject: "198.51.100.7", Units: 1, Trigger: tr}
}

func mustReserve(tb testing.TB, l *Ledger, r Request) uint64 {
	tb.Helper()
	d, err := l.Reserve(context.Background(), r)
	if err != nil || !d.Allowed {
		tb.Fatalf("reserve: %+v, %v", d, err)
	}
	return d.ID
}

func usage(l *Ledger) Usage { return l.Usage()[0] }

func TestReservationsAreCountedUntilSettled(t *testing.T) {
	l := openLedger(t, filepath.Join(t.TempDir(), "ledger.db"), "3/month", nil)
	a, b, c := mustReserve(t, l, ask(Manual)), mustReserve(t, l, ask(Manual)), mustReserve(t, l, ask(Manual))
	d, err := l.Reserve(context.Background(), ask(Manual))
	if err != nil || d.Allowed || d.Limit.Per != Month || d.RetryAt.IsZero() || !strings.Contains(d.Reason(), "exhausted") {
		t.Fatalf("fourth of three: %+v, %v", d, err)
	}
	for id, o := range map[uint64]Outcome{a: Spent, b: Void, c: Uncertain} {
		if err := l.Settle(id, o, 200); err != nil {
			t.Fatal(err)
		}
	}
	u := usage(l)
	if u.Spent != 1 || u.Uncertain != 1 || u.Pending != 0 || u.Windows[0].Used != 2 || u.Windows[0].Remaining != 1 {
		t.Fatalf("usage: %+v", u)
	}
	if err := l.Settle(a, Void, 0); err == nil {
		t.Fatal("settled twice")
	}
	mustReserve(t, l, ask(Manual)) // the void one's unit
}

func TestOpenReservationsBecomeUncertain(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ledger.db")
	l := openLedger(t, path, "5/day", nil)
	mustReserve(t, l, ask(Manual))
	if err := l.Settle(mustReserve(t, l, ask(Playbook)), Spent, 200); err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	l = openLedger(t, path, "5/day", nil)
	if u := usage(l); u.Spent != 1 || u.Uncertain != 1 || u.Pending != 0 || u.Windows[0].Used != 2 {
		t.Fatalf("after reopen: %+v", u)
	}
}

func TestLimitsHoldUnderConcurrency(t *testing.T) {
	l := openLedger(t, filepath.Join(t.TempDir(), "ledger.db"), "50/day", nil)
	var wg sync.WaitGroup
	var mu sync.Mutex
	granted := 0
	for range 200 {
		wg.Go(func() {
			d, err := l.Reserve(context.Background(), ask(Manual))
			if err != nil {
				t.Error(err)
			}
			if d.Allowed {
				mu.Lock()
				granted++
				mu.Unlock()
				if err := l.Settle(d.ID, Spent, 200); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if granted != 50 {
		t.Fatalf("granted %d of 50", granted)
	}
}

func TestFloors(t *testing.T) {
	l := openLedger(t, filepath.Join(t.TempDir(), "ledger.db"), "20/day", DefaultFloors())
	count := func(tr Trigger) (n int, last Decision) {
		for {
			d, err := l.Reserve(context.Background(), ask(tr))
			if err != nil {
				t.Fatal(err)
			}
			if !d.Allowed {
				return n, d
			}
			n++
		}
	}
	if n, d := count(Auto); n != 0 || d.Reason() != "auto enrichment has no budget" {
		t.Errorf("auto: %d, %q", n, d.Reason())
	}
	if n, d := count(API); n != 16 || !d.Floor {
		t.Errorf("api: %d, %+v", n, d)
	}
	if n, d := count(Playbook); n != 2 || !d.Floor {
		t.Errorf("playbook: %d, %+v", n, d)
	}
	if n, d := count(Manual); n != 2 || d.Floor {
		t.Errorf("manual: %d, %+v", n, d)
	}
}

// The waiting room is served manual first, and a rolling minute holds at most
// its limit however the calls fall.
func TestWaitingIsServedManualFirst(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ledger.db")
	synctest.Test(t, func(t *testing.T) {
		l := openLedger(t, path, "2/minute", nil)
		for range 2 {
			if err := l.Settle(mustReserve(t, l, ask(Manual)), Spent, 200); err != nil {
				t.Fatal(err)
			}
		}
		began := time.Now()
		order := make(chan Trigger, 4)
		for _, tr := range []Trigger{Playbook, Playbook, Manual, Manual} {
			go func() {
				r := ask(tr)
				r.MaxWait = 3 * time.Minute
				if err := l.Settle(mustReserve(t, l, r), Spent, 200); err != nil {
					t.Error(err)
				}
				order <- tr
			}()
			synctest.Wait()
		}
		for i, want := range []Trigger{Manual, Manual, Playbook, Playbook} {
			if got := <-order; got != want {
				t.Errorf("turn %d: %s before %s", i, got, want)
			}
			if waited := time.Since(began); waited < time.Duration(1+i/2)*time.Minute {
				t.Errorf("turn %d came after %s", i, waited)
			}
		}
		r := ask(Manual)
		r.MaxWait = time.Second
		if d, err := l.Reserve(t.Context(), r); err != nil || d.Allowed {
			t.Errorf("impatient: %+v %v", d, err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		r.MaxWait = time.Hour
		go func() { synctest.Wait(); cancel() }()
		if _, err := l.Reserve(ctx, r); !errors.Is(err, context.Canceled) {
			t.Errorf("cancelled: %v", err)
		}
		balance(t, l)
	})
}

func TestForeignFilesAreRefusedUntouched(t *testing.T) {
	for name, content := range map[string]string{"empty": "", "text": strings.Repeat("not a database\n", 1000), "short": "x"} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "ledger.db")
			if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := Open(path, Options{})
			if !errors.Is(err, ErrForeign) || strings.Contains(err.Error(), "\n") {
				t.Fatalf("want one line of ErrForeign, got %v", err)
			}
			if got, _ := os.ReadFile(path); string(got) != content {
				t.Fatal("the file was changed")
			}
		})
	}
}

func TestFlippedByteIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ledger.db")
	l := openLedger(t, path, "5/day", nil)
	for range 3 {
		if err := l.Settle(mustReserve(t, l, ask(Manual)), Spent, 200); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	// Each place where the totals record lies in the file, live or freed.
	needle := []byte(`"spent":3`)
	found := 0
	for i := 0; i+len(needle) < len(whole); i++ {
		if string(whole[i:i+len(needle)]) == string(needle) {
			whole[i+len(needle)-1] = '0'
			found++
		}
	}
	if found == 0 {
		t.Fatal("the record was not found")
	}
	if err := os.WriteFile(path, whole, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(path, Options{}); !errors.Is(err, ErrForeign) {
		t.Fatalf("opened with 0 spent: %v", err)
	}
}

// A second process does not get the file, and learns so at once.
func TestOneProcessOwnsTheFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ledger.db")
	l := openLedger(t, path, "5/day", nil)
	began := time.Now()
	_, err := Open(path, Options{})
	if err == nil || strings.Contains(err.Error(), "\n") {
		t.Errorf("opened twice: %v", err)
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("it took %s to say so", took)
	}
	mustReserve(t, l, ask(Manual))
}
