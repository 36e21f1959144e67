package enrich

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/enrichgate/enrichgate/cache"
	"github.com/enrichgate/enrichgate/quota"
)

// many is a provider that takes several values in one request, and keeps a bill
// of requests.
type many struct {
	*fake
	most     int
	requests [][]string
	// hold, if set, is waited for in each request; arrived is told of each.
	hold    chan struct{}
	arrived chan int
	// each judges a value of a request.
	each func(i int, l Lookup) Answer
}

func newMany(most int) *many {
	m := &many{fake: newFake(), most: most, arrived: make(chan int, 100)}
	m.each = func(_ int, l Lookup) Answer {
		return Answer{Class: Found, Status: 200, Sent: true, Apart: true, Body: []byte("of many: " + l.Value), ContentType: "application/json"}
	}
	m.answer = func(l Lookup) Answer {
		m.note(l)
		return Answer{Class: Found, Status: 200, Sent: true, Body: []byte("alone: " + l.Value), ContentType: "application/json"}
	}
	return m
}

func (m *many) note(ls ...Lookup) {
	var values []string
	for _, l := range ls {
		values = append(values, l.Value)
	}
	m.mu.Lock()
	m.requests = append(m.requests, values)
	hold := m.hold
	m.mu.Unlock()
	m.arrived <- len(ls)
	if hold != nil {
		<-hold
	}
}

func (m *many) Batch(l Lookup) Batch { return Batch{Key: l.Endpoint, Most: m.most} }

func (m *many) FetchMany(_ context.Context, ls []Lookup) []Answer {
	m.note(ls...)
	answers := make([]Answer, len(ls))
	for i, l := range ls {
		answers[i] = m.each(i, l)
	}
	return answers
}

// waiting is how many lookups wait for the next request.
func (b *bench) waiting() (n int) {
	b.carrier.mu.Lock()
	defer b.carrier.mu.Unlock()
	for _, s := range b.carrier.stops {
		n += len(s.waiting)
	}
	return n
}

// flood asks about n values: the first alone, the others while its request is
// held at the provider.
func flood(t *testing.T, m *many, limits string, n int) (*bench, []Part) {
	t.Helper()
	b := newBench(t, limits, func(c *Config) { c.Source = m })
	m.hold = make(chan struct{})
	parts := make([]Part, n)
	var all sync.WaitGroup
	ask := func(i int) {
		all.Go(func() {
			parts[i] = b.enrich(t, request(t, fmt.Sprintf("198.51.100.%d", i+1), quota.Manual))
		})
	}
	ask(0)
	<-m.arrived
	for i := 1; i < n; i++ {
		ask(i)
	}
	for b.waiting() < n-1 {
		runtime.Gosched()
	}
	close(m.hold)
	all.Wait()
	return b, parts
}

// While one request is on its way the others gather and leave together, each
// value once; each has its own reservation, answer and place in the cache.
func TestManyInOneRequest(t *testing.T) {
	m := newMany(15)
	b, parts := flood(t, m, "100/day", 21)
	var sizes []int
	seen := map[string]int{}
	for _, r := range m.requests {
		sizes = append(sizes, len(r))
		for _, v := range r {
			seen[v]++
		}
	}
	if !slices.Equal(sizes, []int{1, 15, 5}) || len(seen) != 21 {
		t.Errorf("requests of %v values, %d values in all", sizes, len(seen))
	}
	for i, p := range parts {
		if p.Entry == nil || p.Units != 1 || !strings.HasSuffix(string(p.Entry.Body), p.Lookup.Value) {
			t.Errorf("value %d: %+v", i, p)
		}
	}
	if u := b.books(); u.Spent != 21 || u.Pending != 0 {
		t.Errorf("the ledger says %+v", u)
	}
	// What is kept is kept for each.
	if p := b.enrich(t, request(t, "198.51.100.20", quota.Manual)); !p.Cached() || len(m.requests) != 3 {
		t.Errorf("asked again: %+v", p)
	}
	if len(b.carrier.stops) != 0 {
		t.Error("a stop is left behind")
	}
}

// Where the provider bills the call, one of its values pays for it.
func TestPriceOfACall(t *testing.T) {
	m := newMany(50)
	free := m.each
	m.each = func(i int, l Lookup) Answer { a := free(i, l); a.Free = i > 0; return a }
	b, parts := flood(t, m, "100/day", 21)
	var units int64
	for _, p := range parts {
		units += p.Units
	}
	if u := b.books(); len(m.requests) != 2 || u.Spent != 2 || units != 2 || u.Pending != 0 {
		t.Errorf("%d requests, %d units told, the ledger says %+v", len(m.requests), units, u)
	}
}

// What a question about many does not answer is asked about alone, under a
// reservation of its own.
func TestAskedAboutAlone(t *testing.T) {
	m := newMany(50)
	m.each = func(i int, l Lookup) Answer {
		if i%2 == 0 {
			return Answer{Class: Found, Status: 200, Sent: true, Apart: true, AskAlone: true, Body: []byte("known")}
		}
		return Answer{Class: NotFound, Status: 200, Sent: true, Apart: true, Body: []byte("unknown")}
	}
	b, parts := flood(t, m, "100/day", 21)
	alone, unknown := 0, 0
	for i, p := range parts {
		switch {
		case p.Entry == nil:
			t.Errorf("value %d: %v", i, p.Err)
		case strings.HasPrefix(string(p.Entry.Body), "alone: "):
			alone++
		default:
			unknown++
		}
	}
	// The first, which nobody travelled with, then one request about twenty, and
	// ten alone.
	if u := b.books(); alone != 11 || unknown != 10 || len(m.requests) != 12 || u.Spent != 31 || u.Pending != 0 {
		t.Errorf("%d alone, %d unknown, %d requests, the ledger says %+v", alone, unknown, len(m.requests), u)
	}
}

// A request that fails fails for all that were in it, and counts as one failure
// of the provider.
func TestManyFail(t *testing.T) {
	m := newMany(50)
	m.each = func(int, Lookup) Answer { return Answer{Class: Forbidden, Status: 403, Sent: true} }
	b, parts := flood(t, m, "100/day", 21)
	for i, p := range parts[1:] {
		if p.Entry != nil || p.Class != Forbidden || p.Err == nil {
			t.Errorf("value %d: %+v", i+1, p)
		}
	}
	if u := b.books(); len(m.requests) != 2 || u.Spent != 21 {
		t.Errorf("%d requests, the ledger says %+v", len(m.requests), u)
	}
	panics := newMany(50)
	panics.each = func(int, Lookup) Answer { panic("broken") }
	b, _ = flood(t, panics, "100/day", 5)
	if u := b.books(); u.Uncertain < 4 || u.Pending != 0 {
		t.Errorf("after a panic: %+v", u)
	}
}

// Whoever wants the provider's own bytes is not answered by a part of something
// else, kept or under way.
func TestVerbatim(t *testing.T) {
	m := newMany(50)
	b, _ := flood(t, m, "100/day", 3)
	r := request(t, "198.51.100.3", quota.Manual)
	if p := b.enrich(t, r); !p.Cached() || !isApart(p.Entry.ContentType) {
		t.Fatalf("%+v", p)
	}
	r.Verbatim, r.Cache.OnlyIfCached = true, true
	if p := b.enrich(t, r); p.Entry != nil || p.Err == nil {
		t.Errorf("only if cached: %+v", p)
	}
	r.Cache.OnlyIfCached = false
	for _, origin := range []cache.Origin{cache.Loaded, cache.Memory} {
		p := b.enrich(t, r)
		if p.Entry == nil || string(p.Entry.Body) != "alone: 198.51.100.3" || p.Entry.ContentType != "application/json" || (origin == cache.Loaded) == p.Cached() {
			t.Errorf("%s: %+v", origin, p)
		}
	}
	if len(m.requests) != 3 {
		t.Errorf("requests %v", m.requests)
	}
}

// Whoever is called away before its request leaves has not asked, and costs the
// others nothing.
func TestCalledAwayFromAStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMany(10)
		m.hold = make(chan struct{})
		c := newCarrier(m, func(ctx context.Context, ls []Lookup) []Answer {
			if len(ls) == 1 {
				return []Answer{m.Fetch(ctx, ls[0])}
			}
			return m.FetchMany(ctx, ls)
		})
		var all sync.WaitGroup
		fetch := func(ctx context.Context, value string, want Class) {
			all.Go(func() {
				if a := c.fetch(ctx, Lookup{Endpoint: "ip", Value: value}, false); a.Class != want || a.Sent != (want == Found) {
					t.Errorf("%s: %+v", value, a)
				}
			})
			synctest.Wait()
		}
		ctx, cancel := context.WithCancel(t.Context())
		fetch(t.Context(), "1", Found)
		fetch(ctx, "2", TimedOut)
		fetch(t.Context(), "3", Found)
		fetch(t.Context(), "4", Found)
		cancel()
		synctest.Wait()
		close(m.hold)
		all.Wait()
		if len(m.requests) != 2 || !slices.Equal(m.requests[1], []string{"3", "4"}) || len(c.stops) != 0 {
			t.Errorf("requests %v, %d stops", m.requests, len(c.stops))
		}
	})
}
