package httpapi_test

import (
	"bytes"
	"io/fs"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"go.yaml.in/yaml/v3"

	"github.com/enrichgate/enrichgate/cache"
	"github.com/enrichgate/enrichgate/enrich"
	"github.com/enrichgate/enrichgate/enrich/httpapi"
	"github.com/enrichgate/enrichgate/enrich/httpapi/clients"
	"github.com/enrichgate/enrichgate/enrich/source"
	"github.com/enrichgate/enrichgate/enrich/source/wire"
	"github.com/enrichgate/enrichgate/quota"
	"github.com/enrichgate/enrichgate/stixconv"
)

// shownAnswer is what a definition of the catalogue shows of its vendor.
type shownAnswer struct {
	Name, Lookup, Type, Value, Body string
	Status                          int
	Headers                         map[string]string
	Class                           string
	body                            []byte
}

// shownAnswers reads those of a definition's fixtures that are kept.
func (w *world) shownAnswers(name string) (kept []*shownAnswer) {
	w.t.Helper()
	text, err := fs.ReadFile(source.CatalogueFS(), path.Join(name, "fixtures.yaml"))
	w.must(err)
	var all struct{ Fixtures []*shownAnswer }
	w.must(yaml.Unmarshal(text, &all))
	for _, x := range all.Fixtures {
		if x.Class != "found" && x.Class != "not_found" {
			continue
		}
		if x.Body != "" {
			x.body, err = fs.ReadFile(source.CatalogueFS(), path.Join(name, "fixtures", x.Body))
			w.must(err)
		}
		kept = append(kept, x)
	}
	return kept
}

// shelf is the vendor of every definition: it gives the answer that is up, and
// notes what it was asked.
type shelf struct {
	up    atomic.Pointer[shownAnswer]
	asked atomic.Pointer[http.Request]
	calls atomic.Int64
}

func (s *shelf) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.calls.Add(1)
	s.asked.Store(r.Clone(r.Context()))
	x := s.up.Load()
	for name, value := range x.Headers {
		w.Header().Set(name, value)
	}
	w.WriteHeader(x.Status)
	_, _ = w.Write(x.body)
}

// Every definition that ships, moved over as a tool of its vendor's would be, by
// base URL and key: its own request goes through the proxy, with and without a
// slash at the path's end, and brings the vendor's answer, byte by byte. Only
// what the proxy does not offer (a POST) is refused, and is not sent.
func TestEveryDefinitionThroughItsProxy(t *testing.T) {
	const key = "key-of-the-vendor-0123456789"
	vendor := &shelf{}
	upstream := httptest.NewServer(vendor)
	t.Cleanup(upstream.Close)
	all, problems := source.Catalogue()
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	opened := func(w *world, d *source.Definition, base, secret string) *source.Source {
		c := source.Config{BaseURL: base, Secrets: map[string]wire.Secret{}}
		for _, one := range d.Settings().Secrets {
			c.Secrets[one.Name] = wire.Secret(secret)
		}
		s, err := d.Open(c)
		w.must(err)
		t.Cleanup(s.Close)
		return s
	}
	accounts := map[string]quota.Account{et: {}}
	for _, d := range all {
		accounts[d.Name()] = quota.Account{}
	}
	gateways := map[string]*enrich.Gateway{}
	w := newWorld(t, options{accounts: accounts})
	for _, d := range all {
		s := opened(w, d, upstream.URL+vendorPath(t, d), key)
		policy := enrich.Policy{MaxTLP: stixconv.AmberStrict, Unmarked: stixconv.Clear, Scope: []string{"IPv4-Addr"}}
		gateways[d.Name()] = enrich.New(enrich.Config{
			Source: s, Cache: w.cache, Ledger: w.ledger, Policy: policy, Log: slog.New(slog.DiscardHandler), Registerer: prometheus.NewRegistry(),
		})
		w.config.Sources = append(w.config.Sources, httpapi.Source{Name: d.Name(), Gateway: gateways[d.Name()], Policy: policy, Proxy: s})
	}
	w.serve()
	token := w.addClient(clients.Client{Name: "tool"})
	brought := map[string]int{}
	for _, d := range all {
		tool := opened(w, d, upstream.URL+vendorPath(t, d), token)
		bearer := ""
		if len(d.Settings().Secrets) == 0 {
			bearer = token
		}
		for _, x := range w.shownAnswers(d.Name()) {
			vendor.up.Store(x)
			own := w.ownRequest(tool, vendor, x)
			if own == nil {
				continue // a fixture of what is not looked up
			}
			for _, slash := range []bool{false, true} {
				_, err := w.cache.Purge(t.Context(), cache.Filter{})
				w.must(err)
				before := vendor.calls.Load()
				resp, body := w.throughProxy(d.Name(), bearer, own, slash)
				sent := vendor.calls.Load() - before
				if own.Method != http.MethodGet {
					if resp.StatusCode != http.StatusForbidden && resp.StatusCode != http.StatusUnauthorized || sent != 0 {
						t.Errorf("%s %s: %d, %d calls", d.Name(), x.Name, resp.StatusCode, sent)
					}
					continue
				}
				if resp.StatusCode != x.Status || !bytes.Equal(body, x.body) || resp.Header.Get("Content-Type") != x.Headers["Content-Type"] || sent != 1 {
					t.Errorf("%s %s: %s became %d %.200q, %d calls", d.Name(), x.Name, own.RequestURI, resp.StatusCode, body, sent)
					continue
				}
				if got := vendor.asked.Load().URL; got.Path != own.URL.Path {
					t.Errorf("%s %s: the vendor was asked for %s, its own tool asks for %s", d.Name(), x.Name, got, own.URL)
				}
				brought[d.Name()]++
			}
		}
	}
	t.Log(brought)
	for _, d := range all {
		if n := brought[d.Name()]; n == 0 && d.Name() != "domaintools" && d.Name() != "google_safebrowsing" { // POST only
			t.Errorf("nothing of %s came through the proxy", d.Name())
		}
	}
	w.noSecrets(token, key)
}

// vendorPath is the path of a definition's base URL.
func vendorPath(t *testing.T, d *source.Definition) string {
	t.Helper()
	var text struct {
		HTTP struct {
			BaseURL string `yaml:"base_url"`
		}
	}
	if err := yaml.Unmarshal(d.Text(), &text); err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(text.HTTP.BaseURL)
	if err != nil {
		t.Fatal(err)
	}
	return u.Path
}

// ownRequest is what the definition itself sends for a fixture.
func (w *world) ownRequest(s *source.Source, vendor *shelf, x *shownAnswer) *http.Request {
	w.t.Helper()
	kind := x.Type
	if strings.EqualFold(kind, "artifact") {
		kind = "StixFile"
	}
	e, err := enrich.NewEntity(kind, x.Value)
	w.must(err)
	e.Type = x.Type
	plan, err := s.Plan(e)
	if err != nil {
		return nil
	}
	for _, l := range plan {
		if x.Lookup == "" || l.Endpoint == x.Lookup {
			s.Fetch(w.t.Context(), l)
			return vendor.asked.Load()
		}
	}
	w.t.Fatalf("%s: no lookup %q", x.Name, x.Lookup)
	return nil
}

// throughProxy sends such a request to the mirror instead; slash sets or drops
// the one at the end of its path. Where the vendor wants no key, bearer is one.
func (w *world) throughProxy(name, bearer string, own *http.Request, slash bool) (*http.Response, []byte) {
	w.t.Helper()
	p, query, _ := strings.Cut(own.RequestURI, "?")
	p = strings.TrimSuffix(p, "/")
	if slash {
		p += "/"
	}
	headers := []string{}
	for field := range own.Header {
		if field != "Content-Length" {
			headers = append(headers, field+": "+own.Header.Get(field))
		}
	}
	resp, body := w.call(own.Method, "/proxy/"+name+p+"?"+query, bearer, "", headers...)
	return resp, []byte(body)
}
