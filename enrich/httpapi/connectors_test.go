package httpapi_test

import (
	"bytes"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/enrichgate/enrichgate/enrich"
	"github.com/enrichgate/enrichgate/enrich/httpapi"
	"github.com/enrichgate/enrichgate/enrich/httpapi/clients"
	"github.com/enrichgate/enrichgate/enrich/source"
	"github.com/enrichgate/enrichgate/enrich/source/wire"
	"github.com/enrichgate/enrichgate/quota"
	"github.com/enrichgate/enrichgate/stixconv"
)

// vendor is a fake provider that keeps its own bill: one unit for each request
// that brings the right key, in the right place.
type vendor struct {
	source  string
	base    string                                               // path of its base URL
	key     func(*http.Request) string                           // where the key stands
	value   func(*http.Request) string                           // what is asked about
	request func(base, key, value string) (*http.Request, error) // as a public connector makes it
	answer  string                                               // a fixture, about 192.0.2.10
	billed  atomic.Int64
	other   atomic.Int64
}

func (v *vendor) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	address := v.value(r)
	if v.key(r) != vendorKey || !strings.HasPrefix(address, "198.51.100.") {
		v.other.Add(1)
		http.Error(w, "no", http.StatusUnauthorized)
		return
	}
	v.billed.Add(1)
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("Set-Cookie", "session="+vendorKey)
	_, _ = io.WriteString(w, strings.ReplaceAll(v.answer, "192.0.2.10", address))
}

func fixture(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile("../source/catalogue/" + path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// vendors with the requests of the public OpenCTI connectors for them.
func vendors(t *testing.T) []*vendor {
	return []*vendor{
		{
			source: "abuseipdb", base: "/api/v2", answer: fixture(t, "abuseipdb/fixtures/found.json"),
			key:   func(r *http.Request) string { return r.Header.Get("Key") },
			value: func(r *http.Request) string { return r.URL.Query().Get("ipAddress") },
			request: func(base, key, value string) (*http.Request, error) {
				r, err := http.NewRequest(http.MethodGet, base+"/check?maxAgeInDays=365&verbose=True&ipAddress="+value, nil)
				if err == nil {
					r.Header = http.Header{"Accept": {"application/json"}, "Content-Type": {"application/x-www-form-urlencoded"}, "Key": {key}, "User-Agent": {"python-requests/2.32.3"}}
				}
				return r, err
			},
		},
		{
			source: "virustotal", base: "/api/v3", answer: fixture(t, "virustotal/fixtures/ip_found.json"),
			key:   func(r *http.Request) string { return r.Header.Get("x-apikey") },
			value: func(r *http.Request) string { return strings.TrimPrefix(r.URL.Path, "/api/v3/ip_addresses/") },
			request: func(base, key, value string) (*http.Request, error) {
				r, err := http.NewRequest(http.MethodGet, base+"/ip_addresses/"+value, nil)
				if err == nil {
					r.Header = http.Header{"Accept": {"application/json"}, "Content-Type": {"application/json"}, "X-Apikey": {key}, "X-Tool": {"OpenCTI VirusTotal Connector"}}
				}
				return r, err
			},
		},
		{
			source: "shodan", answer: fixture(t, "shodan/fixtures/host_found.json"),
			key:   func(r *http.Request) string { return r.URL.Query().Get("key") },
			value: func(r *http.Request) string { return strings.TrimPrefix(r.URL.Path, "/shodan/host/") },
			request: func(base, key, value string) (*http.Request, error) {
				r, err := http.NewRequest(http.MethodGet, base+"/shodan/host/"+value+"?key="+key, nil)
				if err == nil {
					r.Header = http.Header{"Accept": {"*/*"}, "Accept-Encoding": {"gzip, deflate"}, "User-Agent": {"python-requests/2.32.3"}}
				}
				return r, err
			},
		},
	}
}

// declared is a world with one declared source before a fake vendor.
func declared(t *testing.T, v *vendor) *world {
	t.Helper()
	w := &world{t: t, dir: t.TempDir(), recent: httpapi.NewRecent(), log: &lockedBuffer{}, answers: &lockedBuffer{}}
	upstream := httptest.NewServer(v)
	t.Cleanup(upstream.Close)
	all, problems := source.Catalogue()
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	var src *source.Source
	for _, d := range all {
		if d.Name() != v.source {
			continue
		}
		secrets := map[string]wire.Secret{}
		for _, one := range d.Settings().Secrets {
			secrets[one.Name] = vendorKey
		}
		var err error
		src, err = d.Open(source.Config{BaseURL: upstream.URL + v.base, Secrets: secrets})
		w.must(err)
		t.Cleanup(src.Close)
	}
	w.openFor(map[string]quota.Account{v.source: {}})
	log := slog.New(slog.NewTextHandler(w.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	policy := enrich.Policy{MaxTLP: stixconv.Amber, Unmarked: stixconv.Clear, Scope: []string{"IPv4-Addr"}}
	gateway := enrich.New(enrich.Config{Source: src, Cache: w.cache, Ledger: w.ledger, Policy: policy, Log: log, Registerer: prometheus.NewRegistry(), Observe: w.recent.Observe})
	w.config = httpapi.Config{
		Sources: []httpapi.Source{{Name: v.source, Gateway: gateway, Policy: policy, Proxy: src}},
		Ledger:  w.ledger, Cache: w.cache, Clients: w.clients, Recent: w.recent, AdminToken: adminToken, Log: log,
	}
	w.serve()
	return w
}

// The connectors for three more providers move over by their base URL and their
// key alone: the same bytes, two budgets of ten under sixty requests at once,
// ten each on the vendor's own bill, and the vendor's key nowhere.
func TestPublicConnectorsMoveOver(t *testing.T) {
	for _, v := range vendors(t) {
		t.Run(v.source, func(t *testing.T) {
			w := declared(t, v)
			base := w.front.URL + "/proxy/" + v.source + v.base
			var tokens []string
			for _, name := range []string{"first", "second"} {
				token, err := w.clients.Add(clients.Client{Name: name, Budgets: map[string]string{v.source: "10/day"}})
				w.must(err)
				tokens = append(tokens, token)
			}
			w.must(w.ledger.SetClients(v.source, w.clients.Budgets(v.source)))
			ask := func(token, value string) (*http.Response, []byte) {
				r, err := v.request(base, token, value)
				w.must(err)
				resp, err := w.client.Do(r.WithContext(t.Context()))
				w.must(err)
				defer resp.Body.Close()
				body, err := io.ReadAll(resp.Body)
				w.must(err)
				return resp, body
			}
			var good [2]atomic.Int64
			var all sync.WaitGroup
			for i := range 60 {
				all.Go(func() {
					value := address(i + 1)
					resp, body := ask(tokens[i%2], value)
					switch {
					case resp.StatusCode == 429 && resp.Header.Get("Retry-After") != "":
					case resp.StatusCode != 200, resp.Header.Get("Content-Type") != "application/json; charset=utf-8", resp.Header.Get("Set-Cookie") != "",
						!bytes.Equal(body, []byte(strings.ReplaceAll(v.answer, "192.0.2.10", value))):
						t.Errorf("%d %v %.300s", resp.StatusCode, resp.Header, body)
					default:
						good[i%2].Add(1)
						again, same := ask(tokens[(i+1)%2], value) // the other client, from the cache
						if again.StatusCode != 200 || again.Header.Get("X-Enrichgate-Units") != "0" || !bytes.Equal(same, body) {
							t.Errorf("%d %v", again.StatusCode, again.Header)
						}
					}
				})
			}
			all.Wait()
			if good[0].Load() != 10 || good[1].Load() != 10 || v.billed.Load() != 20 || v.other.Load() != 0 {
				t.Errorf("%d and %d answers; the vendor billed %d and refused %d", good[0].Load(), good[1].Load(), v.billed.Load(), v.other.Load())
			}
			for _, u := range w.ledger.Usage() {
				if u.Spent != 20 || u.Uncertain != 0 || u.Pending != 0 || len(u.Clients) != 2 || u.Clients[0].Windows[0].Used != 10 || u.Clients[1].Windows[0].Used != 10 {
					t.Errorf("%+v", u)
				}
			}
			w.noSecrets(tokens...)
			for _, entry := range []string{"/api/v1/ledger", "/api/v1/enrichments", "/api/v1/sources", "/api/v1/clients", "/api/v1/quota"} {
				if _, body := w.call("GET", entry, adminToken, ""); strings.Contains(body, vendorKey) || strings.Contains(body, tokens[0]) {
					t.Errorf("%s tells a secret", entry)
				}
			}
		})
	}
}

// A parameter that would change the answer is refused with its name.
func TestAnotherParameterIsAnotherQuestion(t *testing.T) {
	v := vendors(t)[0]
	w := declared(t, v)
	token, err := w.clients.Add(clients.Client{Name: "script"})
	w.must(err)
	w.want(403, `maxAgeInDays is \"365\"`, "GET", "/proxy/abuseipdb/api/v2/check?maxAgeInDays=30&verbose=true&ipAddress=198.51.100.7", "", "", "Key: "+token)
	w.want(401, "unauthorized", "GET", "/proxy/abuseipdb/api/v2/check?maxAgeInDays=365&verbose=true&ipAddress=198.51.100.7", "", "", "Key: "+vendorKey)
	if n := v.billed.Load() + v.other.Load(); n != 0 {
		t.Errorf("%d requests", n)
	}
}
