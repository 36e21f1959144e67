package cache

import (
	"bufio"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/enrichgate/enrichgate/cache/boltfile/powercut"
)

// kills is how often the process is killed; thousands by flag.
var kills = flag.Int("kills", 30, "how often TestKilledAtAnyMoment kills the process")

// childFile marks the process that is to be killed, and names its file.
const childFile = "CACHE_CHILD_FILE"

func TestMain(m *testing.M) {
	powercut.Serve()
	if path := os.Getenv(childFile); path != "" {
		if err := beKilled(path, os.Getenv(childFile+"_FROM")); err != nil {
			fmt.Println("error", err)
			os.Exit(1)
		}
	}
	os.Exit(m.Run())
}

// beKilled stores, removes, purges and compacts until it is killed. It says what
// was acknowledged.
func beKilled(path, from string) error {
	c, err := Open(path, Options{})
	if err != nil {
		return err
	}
	out := make(chan string, 64)
	go func() {
		for line := range out {
			fmt.Println(line)
		}
	}()
	go func() {
		for {
			if err := c.Compact(c.closing); err != nil {
				out <- "error " + err.Error()
			}
		}
	}()
	start, err := strconv.Atoi(from)
	if err != nil {
		return err
	}
	for w := range 4 {
		go func() {
			for i := start + w; ; i += 4 {
				if err := c.Put(keyN("s", i), entry(bodyN(i), time.Hour, time.Hour)); err != nil {
					out <- "error " + err.Error()
				}
				out <- fmt.Sprint("put ", i)
				if i%5 == 0 {
					if err := c.Delete(keyN("s", i)); err != nil {
						out <- "error " + err.Error()
					}
					out <- fmt.Sprint("deleted ", i)
				}
			}
		}()
	}
	select {}
}

// A process that stores, removes and compacts is killed at random moments:
// what was acknowledged is there, what was removed is not, and the file is whole.
func TestKilledAtAnyMoment(t *testing.T) {
	path := file(t)
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	put, deleted := map[int]bool{}, map[int]bool{}
	for kill := range *kills {
		next := 0
		for i := range put {
			next = max(next, i+1)
		}
		for _, line := range untilKilled(t, path, next+100, time.Duration(rng.IntN(60_000))*time.Microsecond) {
			what, number, _ := strings.Cut(line, " ")
			i, err := strconv.Atoi(number)
			switch {
			case what == "put" && err == nil:
				put[i] = true
			case what == "deleted" && err == nil:
				deleted[i] = true
			case strings.HasPrefix(line, "error"):
				t.Fatalf("seed %d, kill %d: %s", seed, kill, line)
			}
		}
		if kill%5 != 4 && kill != *kills-1 {
			continue // it is opened by the next child
		}
		c := open(t, path, Options{})
		for i := range put {
			e, s, _, err := c.Get(keyN("s", i))
			if err != nil || deleted[i] && s != Gone || i%5 != 0 && (s != Fresh || string(e.Body) != bodyN(i)) {
				t.Fatalf("seed %d, after kill %d: %d is %s, %v", seed, kill, i, s, err)
			}
		}
		checkFile(t, c)
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if len(put) < *kills {
		t.Errorf("only %d answers were stored between %d kills", len(put), *kills)
	}
	t.Logf("%d kills, %d stored, %d removed", *kills, len(put), len(deleted))
	if left, _ := filepath.Glob(path + ".damaged"); len(left) > 0 {
		t.Error("a kill has damaged the file")
	}
}

// untilKilled runs a child, kills it a while after its first word, and gives the
// whole lines that it said.
func untilKilled(t *testing.T, path string, from int, after time.Duration) (lines []string) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childFile+"="+path, fmt.Sprint(childFile, "_FROM=", from))
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	r := bufio.NewReader(out)
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			break // without its end it was not acknowledged
		}
		if len(lines) == 0 {
			time.AfterFunc(after, func() { _ = cmd.Process.Kill() })
		}
		lines = append(lines, strings.TrimSuffix(line, "\n"))
	}
	_ = cmd.Wait() // it was killed
	return lines
}

// The power goes at random moments of storing and compacting: what was not
// synced is lost in part, what was acknowledged is there.
func TestPowerCut(t *testing.T) {
	disk := powercut.New(t)
	rng := rand.New(rand.NewPCG(1, 1))
	put := map[int]bool{}
	for cut := range 6 {
		c, err := Open(disk.Path("cache.db"), Options{})
		if err != nil {
			t.Fatalf("cut %d: %v", cut, err)
		}
		for i := range put {
			if e, s, _, err := c.Get(keyN("s", i)); err != nil || s != Fresh || string(e.Body) != bodyN(i) {
				t.Fatalf("cut %d: %d is %s, %v", cut, i, s, err)
			}
		}
		compacting := make(chan error, 1)
		for i := cut * 1000; i < cut*1000+20+rng.IntN(20); i++ {
			if err := c.Put(keyN("s", i), entry(bodyN(i), time.Hour, time.Hour)); err != nil {
				t.Fatalf("cut %d: %v", cut, err)
			}
			put[i] = true
			if i%1000 == 10 {
				go func() { compacting <- c.Compact(t.Context()) }()
			}
		}
		// Something is under way when the power goes.
		late := make(chan error, 1)
		go func() { late <- c.Put(keyN("late", cut), entry("x", time.Hour, 0)) }()
		disk.Cut(uint64(cut), []float64{0, 0.5, 1}[cut%3])
		<-late
		<-compacting
		_ = c.Close() // it cannot be closed well
		disk.Restore()
	}
}
