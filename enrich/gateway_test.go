package enrich

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/enrichgate/enrichgate/cache"
	"github.com/enrichgate/enrichgate/quota"
	"github.com/enrichgate/enrichgate/stixconv"
)

// fake is a provider that keeps its own bill: one entry for each call.
type fake struct {
	mu     sync.Mutex
	bill   []string
	answer func(Lookup) Answer
	// lookups that each entity needs.
	endpoints []string
	ttl       TTL
}

const fakeName = "fake"

func newFake() *fake {
	return &fake{
		endpoints: []string{"ip"}, ttl: TTL{Found: time.Hour, NotFound: time.Hour, Stale: 24 * time.Hour},
		answer: func(l Lookup) Answer { return Answer{Class: Found, Status: 200, Sent: true, Body: []byte(l.Value)} },
	}
}

func (f *fake) Name() string { return fakeName }

func (f *fake) Plan(e Entity) (plan []Lookup, err error) {
	for _, name := range f.endpoints {
		plan = append(plan, Lookup{Endpoint: name, Value: e.Value, Units: 1, Title: name, TTL: f.ttl})
	}
	return plan, nil
}

func (f *fake) Fetch(_ context.Context, l Lookup) Answer {
	f.mu.Lock()
	f.bill = append(f.bill, l.Endpoint+" "+l.Value)
	f.mu.Unlock()
	return f.answer(l)
}

func (f *fake) Facts(Lookup, []byte, time.Time) (stixconv.Facts, []error) {
	return stixconv.Facts{}, nil
}

func (f *fake) Author() stixconv.Author { return stixconv.Author{Name: "Fake", TLP: "TLP:GREEN"} }

// calls is the length of the provider's bill.
func (f *fake) calls() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.bill)
}

// bench is a gateway on real stores, with a clock of its own.
type bench struct {
	*Gateway
	source *fake
	ledger *quota.Ledger
	cache  *cache.Cache
	wall   atomic.Pointer[time.Time]

	mu   sync.Mutex
	seen []Decided
}

func (b *bench) tick(d time.Duration) {
	now := b.wall.Load().Add(d)
	b.wall.Store(&now)
}

func newBench(t *testing.T, limits string, how func(*Config)) *bench {
	t.Helper()
	b := &bench{source: newFake()}
	start := time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)
	b.wall.Store(&start)
	now := func() time.Time { return *b.wall.Load() }
	parsed, err := quota.ParseLimits(limits)
	if err != nil {
		t.Fatal(err)
	}
	account := quota.Account{Limits: parsed, Floors: quota.DefaultFloors()}
	b.ledger, err = quota.Open(filepath.Join(t.TempDir(), "ledger.db"), quota.Options{Accounts: map[string]quota.Account{fakeName: account}, Now: now})
	if err != nil {
		t.Fatal(err)
	}
	if b.cache, err = cache.Open(filepath.Join(t.TempDir(), "cache.db"), cache.Options{Now: now}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.cache.Close(); err != nil {
			t.Error(err)
		}
		if _, err := b.ledger.Verify(); err != nil {
			t.Errorf("the books do not balance: %v", err)
		}
		if err := b.ledger.Close(); err != nil {
			t.Error(err)
		}
	})
	c := Config{
		Source: b.source, Cache: b.cache, Ledger: b.ledger, Log: slog.New(slog.DiscardHandler), Registerer: prometheus.NewRegistry(), Now: now,
		Policy:  Policy{MaxTLP: stixconv.Amber, Scope: []string{"IPv4-Addr"}},
		Observe: func(d Decided) { b.mu.Lock(); defer b.mu.Unlock(); b.seen = append(b.seen, d) },
	}
	if how != nil {
		how(&c)
	}
	b.Gateway = New(c)
	return b
}

// books are the ledger's own count.
func (b *bench) books() quota.Usage { return b.ledger.Usage()[0] }

func request(t *testing.T, value string, trigger quota.Trigger) Request {
	t.Helper()
	e, err := NewEntity("IPv4-Addr", value)
	if err != nil {
		t.Fatal(err)
	}
	return Request{Entity: e, Trigger: trigger, Patience: time.Millisecond}
}

func (b *bench) enrich(t *testing.T, r Request) Part {
	t.Helper()
	res, err := b.Enrich(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	return res.Parts[0]
}

func TestDirectives(t *testing.T) {
	b := newBench(t, "none", nil)
	r := request(t, "192.0.2.1", quota.Manual)
	for _, step := range []struct {
		name  string
		d     Directives
		later time.Duration
		calls int
		kept  bool // an answer came
		fail  bool // and says what is wrong with it
	}{
		{"only if cached, and nothing is", Directives{OnlyIfCached: true}, 0, 0, false, true},
		{"nothing is kept", Directives{}, 0, 1, true, false},
		{"fresh", Directives{}, time.Minute, 1, true, false},
		{"young enough", Directives{MaxAge: time.Hour}, 0, 1, true, false},
		{"too old for this request", Directives{MaxAge: 30 * time.Second}, 0, 2, true, false},
		{"anew", Directives{NoCache: true}, time.Second, 3, true, false},
		{"only if cached, fresh", Directives{OnlyIfCached: true}, 0, 3, true, false},
		{"only if cached, past its time", Directives{OnlyIfCached: true}, 2 * time.Hour, 3, true, true},
		{"past its time", Directives{}, 0, 4, true, false},
	} {
		b.tick(step.later)
		r.Cache = step.d
		p := b.enrich(t, r)
		if got := b.source.calls(); got != step.calls || (p.Entry != nil) != step.kept || (p.Err != nil) != step.fail {
			t.Errorf("%s: %d calls, entry %v, error %v", step.name, got, p.Entry != nil, p.Err)
		}
	}
	if u := b.books(); u.Spent != 4 {
		t.Errorf("ledger says %d spent, the bill 4", u.Spent)
	}
}

func TestEstimate(t *testing.T) {
	b := newBench(t, "none", nil)
	b.source.endpoints = []string{"ip", "whois"}
	r := request(t, "192.0.2.1", quota.Manual)
	want := func(d Directives, want Estimate) {
		t.Helper()
		if got, err := b.Estimate(r.Entity, d); err != nil || got != want {
			t.Errorf("%+v, %v; want %+v", got, err, want)
		}
	}
	want(Directives{}, Estimate{Lookups: 2, Units: 2})
	b.enrich(t, r)
	want(Directives{}, Estimate{Lookups: 2, Cached: 2})
	b.tick(time.Second)
	want(Directives{NoCache: true}, Estimate{Lookups: 2, Units: 2})
	if b.source.calls() != 2 {
		t.Errorf("an estimate asked the provider: %v", b.source.bill)
	}
	r.Entity.TLP = []string{"TLP:RED"}
	if _, err := b.Estimate(r.Entity, Directives{}); err == nil {
		t.Error("an entity that is not looked up has a price")
	}
}

// What is documented as free costs nothing; what is not, does.
func TestFreeAnswers(t *testing.T) {
	b := newBench(t, "1/day", nil)
	b.source.answer = func(Lookup) Answer {
		return Answer{Class: QuotaExhausted, Status: 429, Sent: true, Free: true, Err: errors.New("exhausted")}
	}
	b.enrich(t, request(t, "192.0.2.1", quota.Manual))
	if u := b.books(); u.Spent != 0 || b.source.calls() != 1 {
		t.Errorf("%d spent, %d calls", u.Spent, b.source.calls())
	}
}

// An answer's own TTL goes before the lookup's, and may bar it from being stale.
func TestTTLOfTheAnswer(t *testing.T) {
	b := newBench(t, "1/day", nil)
	b.source.answer = func(l Lookup) Answer {
		return Answer{Class: Found, Status: 200, Sent: true, Body: []byte("x"), TTL: time.Minute, NoStale: true}
	}
	r := request(t, "192.0.2.1", quota.Manual)
	b.enrich(t, r)
	b.tick(59 * time.Second)
	if p := b.enrich(t, r); !p.Cached() {
		t.Errorf("not kept: %+v", p)
	}
	b.tick(2 * time.Second)
	if p := b.enrich(t, r); p.Entry != nil {
		t.Errorf("served past its time: %+v", p)
	}
}

// The observer is told of every request, and why it ended as it did.
func TestObserve(t *testing.T) {
	b := newBench(t, "1/day", nil)
	r := request(t, "192.0.2.1", quota.Playbook)
	r.Entity.TLP = []string{"TLP:RED"}
	if _, err := b.Enrich(t.Context(), r); err == nil {
		t.Fatal("looked up")
	}
	b.enrich(t, request(t, "192.0.2.1", quota.Manual))
	b.enrich(t, request(t, "192.0.2.2", quota.Manual))
	var got []Fate
	for _, d := range b.seen {
		got = append(got, d.Fate)
		if d.Text == "" || d.Source != fakeName || d.At.IsZero() {
			t.Errorf("%+v", d)
		}
	}
	if want := []Fate{Denied, Unchanged, Failed}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

// A paused source is reported as a failure; a trigger without a budget is not.
func TestPausedIsNotDenied(t *testing.T) {
	b := newBench(t, "10/day", nil)
	if err := b.ledger.Pause(fakeName, b.now().Add(time.Hour), quota.Order{By: "operator", Reason: "maintenance"}); err != nil {
		t.Fatal(err)
	}
	b.enrich(t, request(t, "192.0.2.1", quota.Manual))
	if err := b.ledger.Resume(fakeName, quota.Order{By: "operator", Reason: "done"}); err != nil {
		t.Fatal(err)
	}
	b.enrich(t, request(t, "192.0.2.1", quota.Auto))
	if paused, barred := b.seen[0], b.seen[1]; paused.Fate != Failed || barred.Fate != Denied {
		t.Errorf("%s (%s), %s (%s)", paused.Fate, paused.Text, barred.Fate, barred.Text)
	}
}

// Who asked, as far as it is known, stands in the audit entry of the unit.
func TestWhoAskedIsInTheAudit(t *testing.T) {
	b := newBench(t, "none", nil)
	r := request(t, "192.0.2.1", quota.Playbook)
	r.Playbook, r.PlaybookName, r.Person, r.Work, r.Client = "p1", "Triage", "Ada", "w1", "c1"
	b.enrich(t, r)
	var got quota.Entry
	if err := b.ledger.Entries(quota.Filter{Kind: "reserve"}, func(e quota.Entry) error { got = e; return nil }); err != nil {
		t.Fatal(err)
	}
	if got.Trigger != "playbook" || got.Playbook != "p1" || got.PlaybookName != "Triage" || got.Person != "Ada" || got.Work != "w1" || got.Client != "c1" {
		t.Errorf("%+v", got)
	}
}
