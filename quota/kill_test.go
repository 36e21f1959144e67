package quota

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/enrichgate/enrichgate/cache/boltfile/powercut"
)

var (
	kills = flag.Int("kills", 30, "how often the process that spends is killed")
	cuts  = flag.Int("cuts", 15, "how often the power is cut")
	flips = flag.Int("flips", 600, "how many bytes of the file are flipped, one at a time")
	seed  = flag.Uint64("seed", 0, "seed of the tests that kill; 0: of the clock")
)

func seeded(t *testing.T) *rand.Rand {
	s := *seed
	if s == 0 {
		s = uint64(time.Now().UnixNano())
	}
	t.Logf("-seed=%d", s)
	return rand.New(rand.NewPCG(s, 0))
}

// spendEnv names the ledger that a process of the test binary spends from,
// until it is killed.
const spendEnv = "QUOTA_TEST_SPEND"

// spendUntilKilled says each grant before it is settled, and each settlement,
// on its standard output: what it says has happened.
func spendUntilKilled() {
	path, ok := os.LookupEnv(spendEnv)
	if !ok {
		return
	}
	limits, err := ParseLimits("1000000/day")
	if err != nil {
		panic(err)
	}
	l, err := Open(path, Options{Accounts: map[string]Account{src: {Limits: limits}}})
	if err != nil {
		panic(err)
	}
	var mu sync.Mutex
	say := func(what string) {
		mu.Lock()
		defer mu.Unlock()
		fmt.Println(what)
	}
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for {
				d, err := l.Reserve(context.Background(), ask(Manual))
				if err != nil {
					return
				}
				say("granted")
				if l.Settle(d.ID, Spent, 200) == nil {
					say("spent")
				}
			}
		})
	}
	all.Wait()
	os.Exit(1) // the disk is gone
}

// spendAndDie lets a process spend, calls end after so many of its lines, and
// returns what it said until it was dead.
func spendAndDie(t *testing.T, path string, lines int, end func(*os.Process)) (granted, spent int64) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), spendEnv+"="+path)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	var trouble strings.Builder
	cmd.Stderr = &trouble
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	said := bufio.NewScanner(out)
	for n := 0; ; n++ {
		if n == lines {
			end(cmd.Process)
		}
		if !said.Scan() {
			if n < lines {
				t.Fatalf("it ended by itself after %d lines: %s", n, trouble.String())
			}
			break
		}
		switch said.Text() {
		case "granted":
			granted++
		case "spent":
			spent++
		}
	}
	_ = cmd.Wait() // it was killed
	return granted, spent
}

// survived checks a ledger after its process died: whatever was granted counts,
// and no more than was under way counts too much.
func survived(t *testing.T, path string, granted, spent int64) {
	t.Helper()
	l := openLedger(t, path, "1000000/day", nil)
	u := usage(l)
	if u.Spent < spent || u.Spent+u.Uncertain < granted || u.Spent+u.Uncertain > granted+8*int64(*kills+*cuts) || u.Pending != 0 {
		t.Errorf("%d granted and %d spent by what was said, the books have %+v", granted, spent, u)
	}
	balance(t, l)
}

// A process that is killed at any time forgets no grant that it made.
func TestKilledAtAnyTime(t *testing.T) {
	rng := seeded(t)
	path := filepath.Join(t.TempDir(), "ledger.db")
	var granted, spent int64
	for range *kills {
		g, s := spendAndDie(t, path, rng.IntN(200), func(p *os.Process) {
			<-time.After(time.Duration(rng.IntN(2000)) * time.Microsecond)
			_ = p.Kill()
		})
		granted, spent = granted+g, spent+s
		survived(t, path, granted, spent)
	}
}

// Nor when the power goes, and of what was not synced a random part stays.
func TestPowerCut(t *testing.T) {
	rng := seeded(t)
	disk := powercut.New(t)
	var granted, spent int64
	for range *cuts {
		g, s := spendAndDie(t, disk.Path("ledger.db"), rng.IntN(200), func(p *os.Process) {
			disk.Cut(rng.Uint64(), []float64{0, 0.3, 0.7, 1}[rng.IntN(4)])
			_ = p.Kill() // what it maps is gone as well
		})
		granted, spent = granted+g, spent+s
		disk.Restore()
		survived(t, disk.Path("ledger.db"), granted, spent)
	}
}
