package httpapi_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/enrichgate/enrichgate/cache"
	"github.com/enrichgate/enrichgate/enrich"
	"github.com/enrichgate/enrichgate/enrich/httpapi"
	"github.com/enrichgate/enrichgate/enrich/httpapi/clients"
	"github.com/enrichgate/enrichgate/enrich/source/proofpoint"
	provider "github.com/enrichgate/enrichgate/enrich/source/proofpoint/sandbox"
	"github.com/enrichgate/enrichgate/quota"
	"github.com/enrichgate/enrichgate/stixconv"
)

// Tokens and the provider's key of every test. None may ever be told.
const (
	adminToken = "admin-token-of-a-test-0123456789"
	readToken  = "read-token-of-a-test-0123456789"
	vendorKey  = "vendor-key-of-a-test-0123456789"
	et         = proofpoint.Name
)

// world is the API on real stores, before a sandbox provider that keeps its own
// bill. Every exchange with it is held against the OpenAPI document.
type world struct {
	t        testing.TB
	dir      string
	provider *provider.Provider
	ledger   *quota.Ledger
	cache    *cache.Cache
	clients  *clients.Store
	recent   *httpapi.Recent
	repeats  *httpapi.Repeats
	config   httpapi.Config
	front    *httptest.Server
	client   *http.Client
	log      *lockedBuffer
	answers  *lockedBuffer // everything that was ever answered
}

// options of a world; the zero value is the usual one.
type options struct {
	quota    string
	maxTLP   stixconv.TLP
	unmarked stixconv.TLP
	change   func(*httpapi.Config)
	now      func() time.Time
	ttl      time.Duration
	accounts map[string]quota.Account // nil: one for et
}

func newWorld(t testing.TB, o options) *world {
	t.Helper()
	w := &world{t: t, dir: t.TempDir(), provider: provider.New(provider.Options{Key: vendorKey}), recent: httpapi.NewRecent(), log: &lockedBuffer{}, answers: &lockedBuffer{}}
	upstream := httptest.NewServer(w.provider)
	t.Cleanup(upstream.Close)
	if o.quota == "" {
		o.quota = "10000/month"
	}
	if o.maxTLP == 0 {
		o.maxTLP = stixconv.AmberStrict
	}
	if o.unmarked == 0 {
		o.unmarked = stixconv.Clear
	}
	limits, err := quota.ParseLimits(o.quota)
	w.must(err)
	if o.accounts == nil {
		o.accounts = map[string]quota.Account{et: {Limits: limits}}
	}
	w.openFor(o.accounts)
	source, err := proofpoint.New(proofpoint.Config{BaseURL: upstream.URL + "/v1/", APIKey: vendorKey, SkipPrivate: true, TTL: o.ttl})
	w.must(err)
	t.Cleanup(source.Close)
	log := slog.New(slog.NewTextHandler(w.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	policy := enrich.Policy{MaxTLP: o.maxTLP, Unmarked: o.unmarked, Scope: []string{"IPv4-Addr", "Domain-Name", "StixFile"}}
	gateway := enrich.New(enrich.Config{
		Source: source, Cache: w.cache, Ledger: w.ledger, Policy: policy, Log: log, Registerer: prometheus.NewRegistry(), Observe: w.recent.Observe,
	})
	w.config = httpapi.Config{
		Sources: []httpapi.Source{{Name: et, Gateway: gateway, Policy: policy, Proxy: source}},
		Ledger:  w.ledger, Cache: w.cache, Clients: w.clients, Recent: w.recent, Repeats: w.repeats,
		AdminToken: adminToken, ReadToken: readToken, Log: log, Now: o.now,
	}
	w.config.ClientsChanged = func() { w.must(w.ledger.SetClients(et, w.clients.Budgets(et))) }
	if o.change != nil {
		o.change(&w.config)
	}
	w.serve()
	return w
}

// openFor opens the stores of the directory.
func (w *world) openFor(accounts map[string]quota.Account) {
	var err error
	w.ledger, err = quota.Open(filepath.Join(w.dir, "ledger.db"), quota.Options{Accounts: accounts})
	w.must(err)
	w.cache, err = cache.Open(filepath.Join(w.dir, "cache.db"), cache.Options{})
	w.must(err)
	w.clients, err = clients.Open(filepath.Join(w.dir, "clients.json"), nil)
	w.must(err)
	w.repeats, err = httpapi.OpenRepeats(filepath.Join(w.dir, "repeats.db"), nil)
	w.must(err)
	w.t.Cleanup(func() {
		for _, c := range []io.Closer{w.cache, w.ledger, w.repeats, w.clients} {
			if err := c.Close(); err != nil {
				w.t.Error(err)
			}
		}
	})
}

// serve starts a server on the configuration as it is.
func (w *world) serve() {
	w.front = httptest.NewServer(httpapi.New(w.config))
	w.t.Cleanup(w.front.Close)
	w.client = &http.Client{
		Transport:     &checked{t: w.t, answers: w.answers, base: w.front.Client().Transport},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// call sends one request. Headers come as "Name: value".
func (w *world) call(method, path, token, body string, headers ...string) (*http.Response, string) {
	w.t.Helper()
	req, err := http.NewRequestWithContext(w.t.Context(), method, w.front.URL+path, strings.NewReader(body))
	w.must(err)
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		req.Header.Set(name, value)
	}
	resp, err := w.client.Do(req)
	w.must(err)
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	w.must(err)
	return resp, string(b)
}

// want sends a request and checks the status and a piece of the body.
func (w *world) want(status int, piece, method, path, token, body string, headers ...string) *http.Response {
	w.t.Helper()
	resp, got := w.call(method, path, token, body, headers...)
	if resp.StatusCode != status || !strings.Contains(got, piece) {
		w.t.Errorf("%s %s: %d %.600s; want %d with %q", method, path, resp.StatusCode, got, status, piece)
	}
	return resp
}

// bill is what the provider has seen.
func (w *world) bill(want int) {
	w.t.Helper()
	if n := w.provider.Bill().Total; n != want {
		w.t.Errorf("the provider saw %d calls, want %d: %v", n, want, w.provider.Bill().Counts)
	}
}

// spent is what the ledger has booked.
func (w *world) spent(want int64) {
	w.t.Helper()
	for _, u := range w.ledger.Usage() {
		if u.Source == et && (u.Spent+u.Uncertain != want || u.Pending != 0) {
			w.t.Errorf("the ledger has %d spent, %d uncertain and %d pending; want %d", u.Spent, u.Uncertain, u.Pending, want)
		}
	}
}

// addClient makes a client and gives its token.
func (w *world) addClient(c clients.Client) string {
	w.t.Helper()
	token, err := w.clients.Add(c)
	w.must(err)
	w.must(w.ledger.SetClients(et, w.clients.Budgets(et)))
	return token
}

// noSecrets looks for every secret in everything that was answered or logged.
func (w *world) noSecrets(more ...string) {
	w.t.Helper()
	for _, secret := range append(more, adminToken, readToken, vendorKey) {
		for where, text := range map[string]string{"an answer": w.answers.String(), "the log": w.log.String()} {
			if strings.Contains(text, secret) {
				w.t.Errorf("%.12s… is in %s", secret, where)
			}
		}
	}
}

// lockedBuffer is a bytes.Buffer for several goroutines.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// address is the nth of the addresses for documentation.
func address(n int) string { return fmt.Sprintf("198.51.100.%d", n) }

// stream is an answer that does not end by itself.
type stream struct {
	*bufio.Reader
	leave func()
}

// stream opens one; last is its Last-Event-ID.
func (w *world) stream(path, token, last string) stream {
	w.t.Helper()
	ctx, cancel := context.WithCancel(w.t.Context())
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, w.front.URL+path, nil)
	w.must(err)
	req.Header.Set("Authorization", "Bearer "+token)
	if last != "" {
		req.Header.Set("Last-Event-ID", last)
	}
	resp, err := w.client.Do(req)
	w.must(err)
	if resp.StatusCode != http.StatusOK {
		w.t.Fatalf("%d", resp.StatusCode)
	}
	leave := func() {
		cancel()
		_ = resp.Body.Close()
	}
	w.t.Cleanup(leave)
	return stream{bufio.NewReader(resp.Body), leave}
}
