package dashboards

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

const (
	adminToken = "admin-token-of-a-test"
	readToken  = "read-token-of-a-test"
)

// noon is when the stories below take place.
var noon = time.Date(2026, time.November, 18, 12, 0, 0, 0, time.UTC)

// backend is a daemon as far as the page can tell.
type backend struct {
	state     State
	decisions []Decision
	entries   []Entry // oldest first
	cached    []Cached
	price     Price
	version   atomic.Uint64

	mu    sync.Mutex
	done  []Action
	fails error
}

func (b *backend) State(context.Context) State { return b.state }
func (b *backend) Version() uint64             { return b.version.Load() }
func (b *backend) Decisions() []Decision       { return b.decisions }
func (b *backend) Cached(_ context.Context, v string) ([]Cached, error) {
	if v == "?" {
		return nil, errors.New("that is no value")
	}
	return b.cached, nil
}

func (b *backend) Entries(ctx context.Context, f EntryFilter, yield func(Entry) error) error {
	for i := len(b.entries) - 1; i >= 0; i-- {
		e := b.entries[i]
		if f.Before > 0 && e.Seq >= f.Before || f.Kind != "" && f.Kind != e.Kind || f.Trigger != "" && f.Trigger != e.Trigger ||
			f.Source != "" && f.Source != e.Source || !contains(f.Text, e.Subject, e.Client, e.Playbook, e.Work, e.By, e.Reason) {
			continue
		}
		if err := yield(e); err != nil {
			return err
		}
	}
	return ctx.Err()
}

func (b *backend) Export(ctx context.Context, w io.Writer, form Form, f EntryFilter) error {
	if f.Source == "nosuch" {
		return &FilterError{"there is no such source."}
	}
	return b.Entries(ctx, f, func(e Entry) error {
		_, err := fmt.Fprintf(w, "%s %d %s\n", form, e.Seq, e.Kind)
		return err
	})
}

func (b *backend) Prices(_ context.Context, v string) ([]Price, error) {
	if v == "?" {
		return nil, errors.New("that is no value")
	}
	return []Price{b.price}, nil
}

func (b *backend) Do(_ context.Context, a Action) (string, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.fails != nil {
		return "", b.fails
	}
	b.done = append(b.done, a)
	return "Done: " + string(a.Kind) + ".", nil
}

func (b *backend) actions() []Action {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]Action(nil), b.done...)
}

// page serves a backend. change may alter its configuration.
func page(t *testing.T, b *backend, change func(*Config)) (*Page, *httptest.Server) {
	t.Helper()
	c := Config{
		Reader: b, Decisions: b, Books: b, Answers: b, Admin: b, AdminToken: adminToken, ReadToken: readToken,
		Version: "v1.2.3", Log: slog.New(slog.DiscardHandler), Now: func() time.Time { return noon },
	}
	if change != nil {
		change(&c)
	}
	p := New(c)
	s := httptest.NewServer(p)
	t.Cleanup(s.Close)
	t.Cleanup(p.Close)
	return p, s
}

// story is an ordinary day: playbooks spend too much, the cache saves more.
func story() *backend {
	start := time.Date(2026, time.November, 1, 0, 0, 0, 0, time.UTC)
	end := start.AddDate(0, 1, 0)
	month := Window{
		Period: "month", Limit: 10000, Used: 6310, Pending: 5, Left: 3685, Start: start, Reset: end,
		Floors:   []Floor{{"playbook", 1000}, {"api", 2000}, {"auto", 10000}},
		Forecast: &Forecast{RunsOut: time.Date(2026, time.November, 26, 14, 0, 0, 0, time.UTC), Latest: time.Date(2026, time.November, 28, 9, 0, 0, 0, time.UTC), Rate: 19, Basis: "the last 6 h"},
		Spent: Spending{
			Triggers:  []Share{{"playbook", 4870}, {"manual", 910}, {"api", 430}, {"uncertain", 100}},
			Clients:   []Share{{"soar", 320}, {"hunting-notebook", 110}},
			Playbooks: []Share{{"IP triage", 3900}, {"Phishing intake", 970}},
		},
	}
	left := month.Limit
	for at := start; at.Before(noon); at = at.Add(3 * time.Hour) {
		if h := at.Hour(); h >= 6 && h < 21 && at.Weekday() != time.Sunday && at.Weekday() != time.Saturday {
			left -= 80 + int64(at.Day()*h%37)
		} else if h == 9 {
			left -= 12
		}
		month.History = append(month.History, Point{at, max(left, month.Left)})
	}
	b := &backend{
		state: State{
			At: noon,
			Sources: []Source{{
				Name: "proofpoint_et_intelligence", Title: "Proofpoint ET Intelligence", MaxTLP: "TLP:AMBER+STRICT", BaseURL: "https://api.example.com/v1/",
				Types: []string{"IPv4-Addr", "Domain-Name", "StixFile"}, Spent: 48210, Uncertain: 12, Pending: 5,
				Windows: []Window{
					{Period: "minute", Rolling: true, Limit: 200, Used: 41, Pending: 5, Left: 154, Start: noon.Add(-time.Minute), Reset: noon.Add(41 * time.Second), Floors: []Floor{{"playbook", 20}}},
					{Period: "day", Limit: 1000, Used: 731, Pending: 5, Left: 264, Start: noon.Add(-12 * time.Hour), Reset: noon.Add(12 * time.Hour), Floors: []Floor{{"playbook", 100}}, Changed: "limit raised from 800 by A. Operator: audit week"},
					month,
				},
				Saved: Saved{Cache: 13020, Negative: 1940, Shared: 250, Hits: 15210, Lookups: 21020}, Price: 0.04, Currency: "EUR",
			}},
			Clients: []Client{
				{Name: "soar", Sources: []string{"proofpoint_et_intelligence"}, MaxTLP: "TLP:AMBER", Budgets: []Budget{{Period: "month", Limit: 500, Used: 320}}, Spent: 320, LastUsed: noon.Add(-4 * time.Minute)},
				{Name: "hunting-notebook", Spent: 110, Expires: noon.Add(-time.Hour), LastUsed: noon.Add(-50 * time.Hour)},
			},
			Cache: CacheStats{MemoryHits: 9120, DiskHits: 5840, Shared: 250, Misses: 5810, SizeBytes: 184_320_000, MaxBytes: 1_073_741_824, Entries: 23114,
				Sources: []CacheShare{{Source: "proofpoint_et_intelligence", Entries: 23114, Bytes: 151_000_000, Expired: 412, Evicted: 3, Purged: 5}}},
			Health: []Check{
				{"platform", Good, "pinged 12 s ago", ""},
				{"broker", Good, "connected, 3 messages in hand", ""},
				{"ledger", Good, "saved 2 s ago", ""},
				{"provider", Warn, "2 × 429 in the last hour", "Lower the limit a minute, or see who else uses this key."},
			},
		},
		cached: []Cached{
			{Source: "proofpoint_et_intelligence", Endpoint: "ip.reputation", Value: "198.51.100.7", Class: "found", State: "fresh", Stored: noon.Add(-2 * time.Hour), FreshUntil: noon.Add(4 * time.Hour), StaleUntil: noon.Add(172 * time.Hour), Bytes: 512, Status: 200},
			{Source: "proofpoint_et_intelligence", Endpoint: "ip.domains", Value: "198.51.100.7", Class: "not_found", State: "stale", Stored: noon.Add(-30 * time.Hour), FreshUntil: noon.Add(-6 * time.Hour), StaleUntil: noon.Add(144 * time.Hour), Bytes: 48, Status: 200},
		},
		price: Price{Source: "proofpoint_et_intelligence", Value: "198.51.100.7", Type: "ipv4-addr", Units: 3, Lookups: 5, Kept: 2, Left: 154},
	}
	tell := []struct {
		value, kind, trigger, who, tlp, fate, reason string
		units, saved                                 int64
		parts                                        []Part
	}{
		{"198.51.100.23", "IPv4-Addr", "manual", "", "TLP:AMBER", "enriched", "198.51.100.23: Proofpoint ET Intelligence added a score, 2 labels, 14 related objects. 5 lookups, 5 from cache (2 h old)", 0, 5, []Part{{"ip.reputation", "found", "memory", false, 0, 2 * time.Hour, ""}, {"ip.domains", "found", "disk", false, 0, 2 * time.Hour, ""}}},
		{"host4.example.org", "Domain-Name", "playbook", "IP triage", "TLP:GREEN", "enriched", "host4.example.org: added a score", 3, 0, []Part{{"domain.reputation", "found", "loaded", false, 1, 0, ""}, {"domain.ips", "found", "loaded", false, 2, 0, ""}}},
		{"203.0.113.9", "IPv4-Addr", "auto", "", "TLP:RED", "denied", "not looked up: it is marked TLP:RED, and this connector's maximum is TLP:AMBER+STRICT", 0, 0, nil},
		{"192.0.2.4", "IPv4-Addr", "api", "soar", "", "incomplete", "192.0.2.4: could only partly be asked", 2, 2, []Part{{"ip.reputation", "found", "loaded", false, 2, 0, ""}, {"ip.samples", "quota_exhausted", "disk", true, 0, 30 * time.Hour, "the quota of 1000/day is exhausted; it opens at 2026-11-19T00:00:00Z"}, {"ip.asn", "timeout", "", false, 1, 0, "no answer within 20 s"}}},
		{"00000000000000000000000000000001", "StixFile", "playbook", "Phishing intake", "TLP:CLEAR", "unchanged", "Proofpoint ET Intelligence has no record of it", 1, 0, []Part{{"sample", "not_found", "loaded", false, 1, 0, ""}}},
		{"2001:db8::7", "IPv6-Addr", "manual", "", "", "failed", "the provider gave no answer", 2, 0, []Part{{"ip.reputation", "server_error", "", false, 2, 0, "the provider answered 503"}}},
	}
	for i := range 14 {
		s := tell[i%len(tell)]
		d := Decision{
			ID: uint64(200 - i), Time: noon.Add(-time.Duration(i*i+3) * 7 * time.Second), Took: time.Duration(8+i*53) * time.Millisecond, Source: "proofpoint_et_intelligence",
			Value: s.value, Type: s.kind, Trigger: s.trigger, TLP: s.tlp, MaxTLP: "TLP:AMBER+STRICT", Fate: s.fate, Reason: s.reason, Units: s.units, Saved: s.saved, Parts: s.parts, Objects: i,
		}
		if s.trigger == "playbook" {
			d.Playbook = s.who
		} else {
			d.Client = s.who
		}
		b.decisions = append(b.decisions, d)
	}
	for i := range 230 {
		e := Entry{Seq: uint64(i + 1), Time: noon.Add(time.Duration(i-230) * 31 * time.Second), Kind: "reserve", Source: "proofpoint_et_intelligence", Endpoint: "ip.reputation", Subject: fmt.Sprintf("198.51.100.%d", i/2), Units: 1, Trigger: "playbook", Playbook: "IP triage"}
		switch {
		case i%2 == 1:
			e.Kind, e.Ref, e.Status = "spent", uint64(i), 200
			if i%31 == 0 {
				e.Kind, e.Status, e.Reason = "uncertain", 0, "the process that reserved it ended"
			}
		case i == 228:
			e = Entry{Seq: e.Seq, Time: e.Time, Kind: "pause", Source: e.Source, By: "A. Operator", Reason: "contract talks"}
		}
		b.entries = append(b.entries, e)
	}
	return b
}

// guest is a browser without a script: it keeps cookies and shows redirects.
type guest struct {
	t    *testing.T
	base string
	http *http.Client
}

func newGuest(t *testing.T, base string) *guest {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &guest{t, base, &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
}

// send makes a request; header is names and values in turn.
func (g *guest) send(method, path string, form url.Values, header ...string) (*http.Response, string) {
	g.t.Helper()
	r, err := http.NewRequestWithContext(g.t.Context(), method, g.base+path, strings.NewReader(form.Encode()))
	if err != nil {
		g.t.Fatal(err)
	}
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for i := 0; i+1 < len(header); i += 2 {
		if header[i] == "Host" {
			r.Host = header[i+1]
		}
		r.Header.Set(header[i], header[i+1])
	}
	resp, err := g.http.Do(r)
	if err != nil {
		g.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		g.t.Fatal(err)
	}
	return resp, string(body)
}

func (g *guest) get(path string, header ...string) (*http.Response, string) {
	g.t.Helper()
	return g.send("GET", path, nil, header...)
}

// signIn signs in and fails the test if that fails.
func (g *guest) signIn(token string) {
	g.t.Helper()
	resp, _ := g.send("POST", "/sign-in", url.Values{"token": {token}, "name": {"A. Operator"}, "to": {"/sources"}})
	if resp.StatusCode != http.StatusSeeOther || resp.Header.Get("Location") != "/sources" {
		g.t.Fatalf("sign-in: %s to %q", resp.Status, resp.Header.Get("Location"))
	}
}

// csrf is the token in the forms of a page.
func (g *guest) csrf() string {
	g.t.Helper()
	_, body := g.get("/sources")
	m := regexp.MustCompile(`name="csrf" value="([^"]+)"`).FindStringSubmatch(body)
	if m == nil {
		g.t.Fatal("no form has a token")
	}
	return m[1]
}
