package opencti

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/enrichgate/enrichgate/cache"
	"github.com/enrichgate/enrichgate/enrich"
	"github.com/enrichgate/enrichgate/enrich/opencti/openctitest"
	"github.com/enrichgate/enrichgate/enrich/opencti/sandbox"
	"github.com/enrichgate/enrichgate/quota"
	"github.com/enrichgate/enrichgate/stixconv"
)

func TestMain(m *testing.M) { os.Exit(openctitest.Main(m)) }

// provider is a paid API that keeps its own bill.
type provider struct {
	mu    sync.Mutex
	calls map[string]int
	// gate, if set, is called in each call.
	gate func(value string)
	// facts, if set, replaces what is known of a value.
	facts func(value string) stixconv.Facts
	class enrich.Class
}

func newProvider() *provider { return &provider{calls: map[string]int{}, class: enrich.Found} }

func (p *provider) Name() string { return "paid" }

func (p *provider) Plan(e enrich.Entity) ([]enrich.Lookup, error) {
	value := e.Value
	for _, h := range e.Hashes {
		value = h
	}
	if value == "" {
		return nil, &enrich.InputError{Reason: e.Type + " cannot be looked up"}
	}
	return []enrich.Lookup{{Endpoint: "look", Value: value, Units: 1, Title: "look", TTL: enrich.TTL{Found: time.Hour, NotFound: time.Hour}}}, nil
}

func (p *provider) Fetch(_ context.Context, l enrich.Lookup) enrich.Answer {
	p.mu.Lock()
	p.calls[l.Value]++
	gate, class := p.gate, p.class
	p.mu.Unlock()
	if gate != nil {
		gate(l.Value)
	}
	return enrich.Answer{Class: class, Status: 200, Body: []byte(`{}`), Sent: true}
}

func (p *provider) Facts(l enrich.Lookup, _ []byte, asOf time.Time) (stixconv.Facts, []error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.facts != nil {
		f := p.facts(l.Value)
		f.AsOf = asOf
		return f, nil
	}
	score := 80
	return stixconv.Facts{Score: &score, Labels: []string{"scanner"}, AsOf: asOf}, nil
}

func (p *provider) Author() stixconv.Author {
	return stixconv.Author{Name: "Example Feed", TLP: "TLP:GREEN"}
}

// bill is how many calls the provider saw, and the most for one value.
func (p *provider) bill() (total, most int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, n := range p.calls {
		total += n
		most = max(most, n)
	}
	return total, most
}

// world is a platform, a provider, and all that stands between them but the connectors.
type world struct {
	tb       testing.TB
	platform *sandbox.Platform
	provider *provider
	gateway  *enrich.Gateway
	journal  *Journal
	ledger   *quota.Ledger
	registry *prometheus.Registry
	scope    []string
}

func newWorld(tb testing.TB, platform *sandbox.Platform) *world {
	tb.Helper()
	w := &world{tb: tb, platform: platform, provider: newProvider(), registry: prometheus.NewRegistry(), scope: []string{"IPv4-Addr", "Domain-Name", "StixFile", "Indicator"}}
	dir := tb.TempDir()
	must := func(err error) {
		tb.Helper()
		if err != nil {
			tb.Fatal(err)
		}
	}
	var err error
	w.ledger, err = quota.Open(filepath.Join(dir, "ledger.db"), quota.Options{Accounts: map[string]quota.Account{"paid": {}}})
	must(err)
	store, err := cache.Open(filepath.Join(dir, "cache.db"), cache.Options{FlightTimeout: time.Minute})
	must(err)
	w.journal, err = OpenJournal(filepath.Join(dir, "journal.db"), time.Now)
	must(err)
	tb.Cleanup(func() {
		must(w.journal.Close())
		must(store.Close())
		must(w.ledger.Close())
	})
	w.gateway = enrich.New(enrich.Config{
		Source: w.provider, Cache: store, Ledger: w.ledger, Log: slog.New(slog.DiscardHandler), Registerer: w.registry,
		Policy: enrich.Policy{MaxTLP: stixconv.AmberStrict, Unmarked: stixconv.Clear, Scope: w.scope},
	})
	return w
}

// config of a connector of this world.
func (w *world) config(name string) Config {
	return Config{
		ID: openctitest.NewConnectorID(), Name: name, Scope: w.scope, EnrichmentResolution: "none", Auto: true, AutoUpdate: true,
		ListenProtocol: ProtocolAMQP, QueueProtocol: ProtocolAMQP, Workers: 16, ShutdownTimeout: 5 * time.Second,
		Client:  NewClient(ClientConfig{URL: w.platform.URL(), Token: w.platform.Token()}),
		Journal: w.journal, Handle: w.gateway.Handle, Log: slog.New(testLog(w.tb)),
		Registerer: prometheus.WrapRegistererWith(prometheus.Labels{"connector": name}, w.registry),
		pingEvery:  200 * time.Millisecond,
	}
}

// run runs connectors until the test ends or stop is called, and returns when
// each has pinged.
func (w *world) run(configs ...Config) (g *Group, stop func()) {
	w.tb.Helper()
	g, stop = w.launch(configs...)
	for _, c := range g.Connectors() {
		openctitest.Eventually(w.tb, func() bool { return c.Healthy() == nil }, c.Name()+" is healthy")
	}
	return g, stop
}

// launch is run without waiting.
func (w *world) launch(configs ...Config) (g *Group, stop func()) {
	w.tb.Helper()
	g, err := NewGroup(slog.New(testLog(w.tb)), configs...)
	if err != nil {
		w.tb.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- g.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			w.tb.Errorf("group: %v", err)
		}
	})
	w.tb.Cleanup(stop)
	return g, stop
}

// ask sends one message about a new entity and returns its work.
func (w *world) ask(connector string, e sandbox.Entity) string {
	w.tb.Helper()
	w.platform.AddEntity(e)
	id, err := w.platform.Ask(openctitest.Context(w.tb), sandbox.Ask{ConnectorID: connector, EntityID: e.ID})
	if err != nil {
		w.tb.Fatal(err)
	}
	return id
}

// done waits for works to end without errors.
func (w *world) done(works ...string) {
	w.tb.Helper()
	for _, id := range works {
		k := w.ended(id)
		if len(k.Errors) > 0 || k.Processed < k.Expected || k.Expected == 0 {
			w.tb.Errorf("work ended as %v", k)
		}
	}
}

// ended waits for the work's end, and that it was told.
func (w *world) ended(id string) sandbox.Work {
	w.tb.Helper()
	err := w.platform.Wait(openctitest.Context(w.tb), func() bool { k := w.platform.Work(id); return k.Complete() && k.ProcessedCount > 0 })
	if err != nil {
		w.tb.Fatalf("%v: %v", err, w.platform.Work(id))
	}
	return w.platform.Work(id)
}

// paidOnce compares the provider's bill with the values asked for and the ledger.
func (w *world) paidOnce(values int) {
	w.tb.Helper()
	total, most := w.provider.bill()
	if total != values || most > 1 {
		w.tb.Errorf("%d values cost %d calls, %d for one of them", values, total, most)
	}
	u := w.ledger.Usage()[0]
	if got := u.Spent + u.Uncertain + u.Pending; got != int64(total) {
		w.tb.Errorf("the ledger says %d, the bill %d", got, total)
	}
}

// host is the nth domain.
func host(n int) sandbox.Entity {
	return sandbox.NewEntity("Domain-Name", "host"+string(rune('a'+n/26))+string(rune('a'+n%26))+".example.com", "TLP:GREEN")
}

// testLog sends a connector's log to the test's.
func testLog(tb testing.TB) slog.Handler {
	return slog.NewTextHandler(writerFunc(func(b []byte) { tb.Logf("%s", strings.TrimRight(string(b), "\n")) }), &slog.HandlerOptions{
		ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
			if a.Key == slog.LevelKey {
				return slog.Attr{}
			}
			return a
		},
	})
}

type writerFunc func([]byte)

func (f writerFunc) Write(b []byte) (int, error) { f(b); return len(b), nil }

func freshRegistry() *prometheus.Registry { return prometheus.NewRegistry() }

func insecureTransport() *http.Transport {
	return &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}} //nolint:gosec // a test's own server
}

func proxied(address string) *http.Transport {
	return &http.Transport{Proxy: func(*http.Request) (*url.URL, error) { return url.Parse(address) }}
}
