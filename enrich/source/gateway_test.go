package source

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/enrichgate/enrichgate/cache"
	"github.com/enrichgate/enrichgate/enrich"
	"github.com/enrichgate/enrichgate/enrich/source/wire"
	"github.com/enrichgate/enrichgate/quota"
	"github.com/enrichgate/enrichgate/stixconv"
)

// provider answers everything with one fixture and counts what it is asked.
type provider struct {
	*httptest.Server
	requests atomic.Int64
	line     atomic.Value
}

func newProvider(t *testing.T, x *fixture) *provider {
	p := &provider{}
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		p.requests.Add(1)
		p.line.Store(req.Method + " " + req.RequestURI)
		for name, value := range x.Headers {
			w.Header().Set(name, value)
		}
		w.WriteHeader(x.Status)
		_, _ = w.Write(x.body)
	}))
	t.Cleanup(p.Close)
	return p
}

// stores are a ledger and a cache for the gateways of one definition.
type stores struct {
	ledger *quota.Ledger
	cache  *cache.Cache
}

func openStores(t testing.TB, name string) stores {
	t.Helper()
	ledger, err := quota.Open(filepath.Join(t.TempDir(), "ledger.db"), quota.Options{Accounts: map[string]quota.Account{name: {}}})
	if err != nil {
		t.Fatal(err)
	}
	kept, err := cache.Open(filepath.Join(t.TempDir(), "cache.db"), cache.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := kept.Close(); err != nil {
			t.Error(err)
		}
		if err := ledger.Close(); err != nil {
			t.Error(err)
		}
	})
	return stores{ledger, kept}
}

func (s stores) spent() int64 {
	u := s.ledger.Usage()[0]
	return u.Spent + u.Uncertain
}

func (s stores) gateway(src enrich.Source) *enrich.Gateway {
	return enrich.New(enrich.Config{
		Source: src, Cache: s.cache, Ledger: s.ledger, Log: slog.New(slog.DiscardHandler), Registerer: prometheus.NewRegistry(),
		Policy: enrich.Policy{MaxTLP: stixconv.Red, Unmarked: stixconv.Clear, Scope: []string{"IPv4-Addr", "IPv6-Addr", "Domain-Name", "Hostname", "Url", "Email-Addr", "StixFile", "Artifact", "Vulnerability", "Autonomous-System"}},
	})
}

// openAt gives the fixture's source, asking the provider instead of the vendor.
func openAt(t *testing.T, d *Definition, x *fixture, address string) *Source {
	t.Helper()
	c := Config{BaseURL: address, Secrets: map[string]wire.Secret{}, Params: map[string]any{}}
	for name := range d.def.Settings.Secrets {
		c.Secrets[name] = wire.Secret("key-of-a-test-" + name)
	}
	for _, p := range d.Settings().Params {
		if p.Default == nil && !p.Optional {
			c.Params[p.Name] = p.example()
		}
	}
	for name, v := range x.Params {
		c.Params[name] = v
	}
	s, err := d.Open(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// only plans the one lookup that a fixture is about.
type only struct {
	*Source
	lookup string
}

func (o only) Plan(e enrich.Entity) ([]enrich.Lookup, error) {
	plan, err := o.Source.Plan(e)
	for _, l := range plan {
		if o.lookup == "" || l.Endpoint == o.lookup {
			return []enrich.Lookup{l}, err
		}
	}
	return nil, err
}

// Every fixture of every source through the whole flow, twice, with the bill
// taken at the provider: an answer is asked for once and kept, a refusal is
// reported and never kept, and the ledger says what the definition says of the
// price.
func TestCatalogueThroughTheGateway(t *testing.T) {
	for _, d := range catalogue(t) {
		t.Run(d.Name(), func(t *testing.T) {
			t.Parallel()
			stores := openStores(t, d.Name())
			for i := range d.tests.Fixtures {
				x := &d.tests.Fixtures[i]
				t.Run(x.Name, func(t *testing.T) { throughTheGateway(t, d, x, stores) })
			}
		})
	}
}

func throughTheGateway(t *testing.T, d *Definition, x *fixture, stores stores) {
	// The provider's address is in the cache's key, and may be that of one before.
	if _, err := stores.cache.Purge(t.Context(), cache.Filter{}); err != nil {
		t.Fatal(err)
	}
	p := newProvider(t, x)
	before := stores.spent()
	g := stores.gateway(only{openAt(t, d, x, p.URL), x.Lookup})
	e, err := x.entity()
	if err != nil {
		t.Fatal(err)
	}
	e.Type = x.Type
	var results [2]enrich.Result
	for i := range results {
		r := enrich.Request{Entity: e, Trigger: quota.Manual, Patience: time.Millisecond}
		if results[i], err = g.Enrich(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
	first, second := results[0].Parts[0], results[1].Parts[0]
	class, _ := parseClass(x.Class)
	units := first.Lookup.Units
	if line, _ := p.line.Load().(string); x.Request != "" && !strings.HasPrefix(line, x.Request) {
		t.Errorf("asked %q, not %q", line, x.Request)
	}
	if first.Class != class {
		t.Errorf("%s, not %s: %v", first.Class, class, first.Err)
	}
	if !class.Keep() {
		if first.Err == nil || second.Err == nil || first.Entry != nil || second.Entry != nil {
			t.Errorf("a refusal became an answer: %v, %v", first.Err, second.Err)
		}
		if text := results[0].Summary; strings.Contains(text, "has no record") || strings.Contains(text, "key-of-a-test") {
			t.Errorf("an outage looks like %q", text)
		}
		free := slices.Contains(d.free, class)
		if spent := stores.spent() - before; free && spent != 0 || !free && spent < units*p.requests.Load() {
			t.Errorf("%d units spent for %d requests (free: %v)", spent, p.requests.Load(), free)
		}
		return
	}
	if p.requests.Load() != 1 || first.Err != nil || second.Err != nil || !second.Cached() {
		t.Errorf("%d requests; %v, %v", p.requests.Load(), first.Err, second.Err)
	}
	want := units
	if slices.Contains(d.free, class) {
		want = 0
	}
	if spent := stores.spent() - before; spent != want {
		t.Errorf("%d units spent, not %d", spent, want)
	}
	if found := class == enrich.Found || class == enrich.Partial; results[0].Changed != found || results[1].Changed != found {
		t.Errorf("changed: %v, %v", results[0].Changed, results[1].Changed)
	}
	if len(results[0].Skipped) != x.Skipped {
		t.Errorf("lost: %v", results[0].Skipped)
	}
}
