package enrich

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/enrichgate/enrichgate/cache"
	"github.com/enrichgate/enrichgate/cache/boltfile/powercut"
	"github.com/enrichgate/enrichgate/quota"
	"github.com/enrichgate/enrichgate/stixconv"
)

var (
	kills = flag.Int("kills", inCI(200, 40), "how often the process is killed at a random instant")
	cuts  = flag.Int("cuts", inCI(60, 20), "how often the power is cut at a random instant")
	seed  = flag.Uint64("crash-seed", uint64(time.Now().UnixNano()), "of the random instants")
)

func inCI(there, here int) int {
	if os.Getenv("CI") == "true" {
		return there
	}
	return here
}

const crashEnv = "ENRICH_CRASH_CHILD"

func TestMain(m *testing.M) {
	powercut.Serve()
	if far, ok := os.LookupEnv(crashEnv); ok {
		if err := crashChild(far, os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// job is a message on the far end's queue.
type job struct {
	ID       int
	Value    string
	Playbook bool
}

// farEnd is everything around the process that is killed: the provider with its
// bill, the platform, and the queue.
type farEnd struct {
	*httptest.Server
	mu        sync.Mutex
	bill      map[string]int // calls by value
	delivered map[int]int    // by job
	processed map[int]int
	used      map[string]bool // values whose answer the platform was given
	acked     map[int]bool
	// Processes are numbered. What one says after its power went counts for
	// nothing, however late it is heard: a real one would not have said it.
	process, dark int
	rng           *rand.Rand
}

func newFarEnd(t *testing.T, seed uint64) *farEnd {
	f := &farEnd{
		bill: map[string]int{}, delivered: map[int]int{}, processed: map[int]int{}, used: map[string]bool{}, acked: map[int]bool{},
		rng: rand.New(rand.NewPCG(seed, 1)),
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{process}/v1/{value}", f.provide)
	mux.HandleFunc("POST /{process}/deliver", func(_ http.ResponseWriter, r *http.Request) {
		var d deliveryNote
		if json.NewDecoder(r.Body).Decode(&d) == nil {
			f.note(r.PathValue("process"), func() { f.delivered[d.Job]++ })
		}
	})
	mux.HandleFunc("POST /{process}/processed", func(_ http.ResponseWriter, r *http.Request) {
		var d deliveryNote
		if json.NewDecoder(r.Body).Decode(&d) == nil {
			f.note(r.PathValue("process"), func() {
				f.processed[d.Job]++
				f.used[d.Value] = f.used[d.Value] || !d.Failed
			})
		}
	})
	f.Server = httptest.NewServer(mux)
	t.Cleanup(f.Close)
	return f
}

// note books what a process says, unless it had no power any more.
func (f *farEnd) note(process string, book func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if n, err := strconv.Atoi(process); err == nil && n > f.dark {
		book()
	}
}

// goDark takes the process that runs its voice.
func (f *farEnd) goDark() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.dark = f.process
}

// provide bills a call as it arrives, and answers a little later.
func (f *farEnd) provide(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	f.bill[r.PathValue("value")]++
	wait := time.Duration(f.rng.IntN(5000)) * time.Microsecond
	f.mu.Unlock()
	select {
	case <-time.After(wait):
	case <-r.Context().Done():
	}
	_, _ = io.WriteString(w, "known")
}

type deliveryNote struct {
	Job    int
	Value  string
	Failed bool
}

// crashSource calls the far end's provider, as a real source does.
type crashSource struct {
	fake
	far string
}

func (s *crashSource) Fetch(ctx context.Context, l Lookup) Answer {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.far+"/v1/"+l.Value, nil)
	if err != nil {
		return Answer{Err: err}
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return Answer{Class: NetworkError, Sent: true, Err: err}
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return Answer{Class: NetworkError, Sent: true, Err: err}
	}
	return Answer{Class: Found, Status: resp.StatusCode, Sent: true, Body: body}
}

// crashReporter tells the far end's platform.
type crashReporter struct {
	far string
	job job
}

func (c crashReporter) tell(path string, failed bool) error {
	body, err := json.Marshal(deliveryNote{Job: c.job.ID, Value: c.job.Value, Failed: failed})
	if err != nil {
		return err
	}
	resp, err := http.Post(c.far+path, "application/json", strings.NewReader(string(body)))
	if err != nil {
		return err
	}
	return resp.Body.Close()
}

func (c crashReporter) Received(context.Context) error { return nil }
func (c crashReporter) Deliver(context.Context, stixconv.Bundle) error {
	return c.tell("/deliver", false)
}
func (c crashReporter) Park(context.Context, time.Time, string) error { return ErrNotParked }
func (c crashReporter) Processed(_ context.Context, _ string, failed bool) error {
	return c.tell("/processed", failed)
}

// crashLimits are met only in the largest runs; then refusals are part of it.
const crashLimits = "100000/day"

func openCrashStores(dir string) (*quota.Ledger, *cache.Cache, error) {
	limits, err := quota.ParseLimits(crashLimits)
	if err != nil {
		return nil, nil, err
	}
	l, err := quota.Open(filepath.Join(dir, "ledger.db"), quota.Options{Accounts: map[string]quota.Account{fakeName: {Limits: limits}}})
	if err != nil {
		return nil, nil, err
	}
	c, err := cache.Open(filepath.Join(dir, "cache.db"), cache.Options{})
	if err != nil {
		return nil, nil, errors.Join(err, l.Close())
	}
	return l, c, nil
}

// crashChild works off jobs from its input and says on its output which are
// done with, until somebody kills it.
func crashChild(far string, in io.Reader, out io.Writer) error {
	ledger, store, err := openCrashStores(os.Getenv("ENRICH_CRASH_DIR"))
	if err != nil {
		return err
	}
	g := New(Config{
		Source: &crashSource{fake: *newFake(), far: far}, Cache: store, Ledger: ledger, Log: slog.New(slog.DiscardHandler),
		Registerer: prometheus.NewRegistry(), Policy: Policy{MaxTLP: stixconv.Amber, Scope: []string{"IPv4-Addr"}},
	})
	var mu sync.Mutex
	say := func(v any) {
		mu.Lock()
		defer mu.Unlock()
		_ = json.NewEncoder(out).Encode(v) // nobody listens to a dead process
	}
	say("ready")
	slots := make(chan struct{}, 16)
	for jobs := json.NewDecoder(in); ; {
		var j job
		if err := jobs.Decode(&j); err != nil {
			return err
		}
		slots <- struct{}{}
		go func() {
			defer func() { <-slots }()
			e, err := NewEntity("IPv4-Addr", j.Value)
			m := Message{Request: Request{Entity: e, Work: fmt.Sprint(j.ID)}, Problem: err}
			if j.Playbook {
				m.Trigger = quota.Playbook
			}
			if g.Handle(context.Background(), m, crashReporter{far, j}) == nil {
				say(j.ID)
			}
		}()
	}
}

// life runs one process on the jobs that are left, kills it after a while, and
// books what it acknowledged.
func (f *farEnd) life(t *testing.T, dir string, left []job, wait time.Duration, end func()) {
	t.Helper()
	f.mu.Lock()
	f.process++
	process := strconv.Itoa(f.process)
	f.mu.Unlock()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), crashEnv+"="+f.URL+"/"+process, "ENRICH_CRASH_DIR="+dir)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		enc := json.NewEncoder(in)
		for _, j := range left {
			if enc.Encode(j) != nil {
				return // it is dead
			}
		}
	}()
	said := bufio.NewScanner(out)
	if !said.Scan() {
		_ = cmd.Wait()
		t.Fatalf("the process does not come up: %s", stderr.String())
	}
	timer := time.AfterFunc(wait, func() {
		end()
		_ = cmd.Process.Kill() // it may have ended by itself when the disk failed
	})
	defer timer.Stop()
	for said.Scan() {
		var id int
		if json.Unmarshal(said.Bytes(), &id) == nil {
			f.note(process, func() { f.acked[id] = true })
		}
	}
	_ = cmd.Wait() // killed
	_ = in.Close()
}

// crash runs processes until so many have been killed, and each job is done with.
func (f *farEnd) crash(t *testing.T, times int, rng *rand.Rand, dir func() string, end func(), check func(dir string)) {
	next := 0
	var left []job
	for n := 0; n < times; n++ {
		for len(left) < 60 { // more than a life can do
			left = append(left, job{ID: next, Value: fmt.Sprintf("198.51.%d.%d", next/3/250, next/3%250), Playbook: next%2 == 0})
			next++
		}
		rng.Shuffle(len(left), func(i, j int) { left[i], left[j] = left[j], left[i] })
		f.life(t, dir(), left, time.Duration(rng.IntN(60_000))*time.Microsecond, end)
		check(dir())
		var rest []job
		for _, j := range left {
			if !f.acked[j.ID] {
				rest = append(rest, j)
			}
		}
		left = rest
		if t.Failed() {
			t.Fatalf("after %d of %d", n+1, times)
		}
	}
	t.Logf("%d jobs, %d done with, %d values, %d calls", next, len(f.acked), len(f.bill), f.calls())
}

func (f *farEnd) calls() (n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, c := range f.bill {
		n += c
	}
	return n
}

// balance holds the books that a dead process left against the far end's.
func (f *farEnd) balance(t *testing.T, dir string) {
	t.Helper()
	ledger, store, err := openCrashStores(dir)
	if err != nil {
		t.Fatalf("the stores do not open: %v", err)
	}
	defer func() {
		if err := errors.Join(store.Close(), ledger.Close()); err != nil {
			t.Error(err)
		}
	}()
	if _, err := ledger.Verify(); err != nil {
		t.Errorf("the books do not balance: %v", err)
	}
	reserved := map[string]int{} // reservations that were not given back, by value
	spent := map[string]bool{}
	subjects := map[uint64]string{}
	if err := ledger.Entries(quota.Filter{}, func(e quota.Entry) error {
		switch e.Kind {
		case "reserve":
			subjects[e.Seq] = e.Subject
			reserved[e.Subject]++
		case "void":
			reserved[subjects[e.Ref]]--
		case "spent":
			spent[subjects[e.Ref]] = true
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for value, calls := range f.bill {
		if calls > reserved[value] {
			t.Errorf("%s: the provider saw %d calls, the ledger knows %d", value, calls, reserved[value])
		}
	}
	kept := func(value string) bool {
		_, state, _, err := store.Get(cache.NewKey(fakeName, "ip", value, ""))
		return err == nil && state == cache.Fresh
	}
	for value := range spent {
		if !kept(value) {
			t.Errorf("%s is paid for and not kept", value)
		}
	}
	for value, answered := range f.used {
		if answered && !kept(value) {
			t.Errorf("the platform was given the answer for %s, which is not kept", value)
		}
	}
	for id := range f.acked {
		if f.processed[id] == 0 || id%2 == 0 && f.delivered[id] == 0 {
			t.Errorf("job %d is acknowledged, and the platform was not told", id)
		}
	}
}

// A process that is killed at any instant forgets no call that it made, loses
// no message, keeps what it used, and leaves files that open.
func TestRandomKills(t *testing.T) {
	t.Logf("-crash-seed=%d", *seed)
	rng := rand.New(rand.NewPCG(*seed, 2))
	dir := t.TempDir()
	f := newFarEnd(t, *seed)
	f.crash(t, *kills, rng, func() string { return dir }, func() {}, func(dir string) { f.balance(t, dir) })
}

// The same when the power goes: what was not synced is lost, or a part of it is.
func TestPowerCuts(t *testing.T) {
	t.Logf("-crash-seed=%d", *seed)
	rng := rand.New(rand.NewPCG(*seed, 3))
	disk := powercut.New(t)
	f := newFarEnd(t, *seed)
	cut := func() {
		f.goDark()
		disk.Cut(rng.Uint64(), []float64{0, 0.3, 0.7, 1}[rng.IntN(4)])
	}
	f.crash(t, *cuts, rng, func() string { return filepath.Dir(disk.Path("x")) }, cut, func(string) {
		disk.Restore()
		f.balance(t, filepath.Dir(disk.Path("x")))
	})
}
