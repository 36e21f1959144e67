package source

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"time"

	"github.com/enrichgate/enrichgate/enrich"
	"github.com/enrichgate/enrichgate/enrich/source/wire"
)

const testKey = "key-of-a-test/+="

// asked is what a provider saw of a request.
type asked struct {
	line, body string
	header     http.Header
}

// serving opens a definition of a folder against a handler, and remembers what
// was asked last and how often.
func serving(t *testing.T, fsys fstest.MapFS, c Config, handler http.HandlerFunc) (*Source, *asked, *atomic.Int64) {
	t.Helper()
	return servingOne(t, mustLoad(t, fsys), c, handler)
}

func servingOne(t *testing.T, d *Definition, c Config, handler http.HandlerFunc) (*Source, *asked, *atomic.Int64) {
	t.Helper()
	var mu sync.Mutex // a batch test's requests come side by side
	var last asked
	var count atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		count.Add(1)
		body, _ := io.ReadAll(req.Body)
		req.Body = io.NopCloser(bytes.NewReader(body))
		mu.Lock()
		last = asked{req.Method + " " + req.RequestURI, string(body), req.Header.Clone()}
		mu.Unlock()
		handler(w, req)
	}))
	t.Cleanup(server.Close)
	c.BaseURL = server.URL
	if c.Secrets == nil {
		c.Secrets = map[string]wire.Secret{}
		for name, s := range d.def.Settings.Secrets {
			if !s.Optional {
				c.Secrets[name] = testKey
			}
		}
	}
	s, err := d.Open(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s, &last, &count
}

func says(status int, body string, headers ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		for i := 0; i+1 < len(headers); i += 2 {
			w.Header().Set(headers[i], headers[i+1])
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

const goodBody = `{"ip":"192.0.2.10","score":8.5,"tags":["scanner"]}`

func planOne(t *testing.T, s *Source, kind, value string) enrich.Lookup {
	t.Helper()
	e, err := enrich.NewEntity(kind, value)
	if err != nil {
		t.Fatal(err)
	}
	plan, err := s.Plan(e)
	if err != nil {
		t.Fatal(err)
	}
	return plan[0]
}

func TestAuth(t *testing.T) {
	for auth, want := range map[string]string{
		`{in: header, name: X-Api-Key, value: "{secrets.api_key}"}`:    "X-Api-Key: " + testKey,
		`{in: header, name: X-Api-Key, value: "v1 {secrets.api_key}"}`: "X-Api-Key: v1 " + testKey,
		`{in: bearer, value: "{secrets.api_key}"}`:                     "Authorization: Bearer " + testKey,
		`{in: basic, user: me, password: "{secrets.api_key}"}`:         "Authorization: Basic bWU6a2V5LW9mLWEtdGVzdC8rPQ==",
		`{in: query, name: key, value: "{secrets.api_key}"}`:           "days=90&key=key-of-a-test%2F%2B%3D",
	} {
		fsys := skeleton(t, "acme")
		edit(t, fsys, "acme/source.yaml", `{in: header, name: X-Api-Key, value: "{secrets.api_key}"}`, auth)
		s, last, _ := serving(t, fsys, Config{}, says(200, goodBody))
		if a := s.Fetch(t.Context(), planOne(t, s, "ipv4-addr", "192.0.2.10")); a.Class != enrich.Found || a.Err != nil {
			t.Fatalf("%s: %+v", auth, a)
		}
		name, value, isHeader := strings.Cut(want, ": ")
		if isHeader && last.header.Get(name) != value || !isHeader && !strings.HasSuffix(last.line, "?"+want) {
			t.Errorf("%s: %+v", auth, last)
		}
		if last.header.Get("User-Agent") == "" || last.header.Get("Accept") != "application/json" || last.header.Get("Accept-Encoding") != "gzip" {
			t.Errorf("%v", last.header)
		}
	}
	// A key that need not be there, and is not.
	fsys := skeleton(t, "acme")
	edit(t, fsys, "acme/source.yaml", `title: API key}`, `title: API key, optional: true}`)
	s, last, _ := serving(t, fsys, Config{}, says(200, goodBody))
	if s.Fetch(t.Context(), planOne(t, s, "ipv4-addr", "192.0.2.10")); last.header.Values("X-Api-Key") != nil {
		t.Errorf("%v", last.header)
	}
}

// What an entity is called cannot lead a request elsewhere.
func TestRequestsStayWhereTheyBelong(t *testing.T) {
	fsys := skeleton(t, "acme")
	s, last, count := serving(t, fsys, Config{}, says(404, `{"error":"no record"}`))
	for value, want := range map[string]string{
		"a/../../admin": "GET /ip/a%2F..%2F..%2Fadmin?days=90",
		"a?x=1#y z":     "GET /ip/a%3Fx=1%23y%20z?days=90",
		"a%2Fb":         "GET /ip/a%252Fb?days=90",
		"ü":             "GET /ip/%C3%BC?days=90",
	} {
		s.Fetch(t.Context(), enrich.Lookup{Endpoint: "ip", Value: value})
		if last.line != want {
			t.Errorf("%q: %s, not %s", value, last.line, want)
		}
	}
	before := count.Load()
	for _, l := range []enrich.Lookup{{Endpoint: "ip", Value: ".."}, {Endpoint: "ip", Value: "."}, {Endpoint: "ip"}, {Endpoint: "other", Value: "x"}} {
		if a := s.Fetch(t.Context(), l); a.Class.Keep() || a.Sent || a.Err == nil {
			t.Errorf("%+v: %+v", l, a)
		}
	}
	if count.Load() != before {
		t.Error("something was sent")
	}
}

// posting is a definition whose lookup is a POST that the engine knows.
func posting(t *testing.T, block string) fstest.MapFS {
	fsys := skeleton(t, "acme")
	edit(t, fsys, "acme/source.yaml", "https://api.acme.test/v1", "https://safebrowsing.googleapis.com")
	edit(t, fsys, "acme/source.yaml", "      path: \"/ip/{value}\"\n      query: {days: \"{params.max_age_days}\"}\n", block)
	edit(t, fsys, "acme/fixtures.yaml", "    request: GET /ip/192.0.2.10?days=90\n", "")
	return fsys
}

func TestPostedLookups(t *testing.T) {
	s, last, count := serving(t, posting(t, `      method: POST
      path: /v4/threatMatches:find
      json: {client: {id: acme, version: 1}, entries: [{url: "{value}", days: "{params.max_age_days}"}], all: true}
`), Config{}, says(200, strings.Replace(goodBody, "192.0.2.10", `a\"b`, 1)))
	if a := s.Fetch(t.Context(), enrich.Lookup{Endpoint: "ip", Value: `a"b`}); a.Class != enrich.Found {
		t.Fatalf("%+v", a)
	}
	want := `{"all":true,"client":{"id":"acme","version":1},"entries":[{"days":"90","url":"a\"b"}]}`
	if last.line != "POST /v4/threatMatches:find" || last.body != want || last.header.Get("Content-Type") != "application/json" || count.Load() != 1 {
		t.Errorf("%+v", last)
	}
	s, last, _ = serving(t, posting(t, `      method: POST
      path: /v4/threatMatches:find
      form: {domain: "{value}", a: "b c"}
`), Config{}, says(200, strings.Replace(goodBody, "192.0.2.10", "a&b", 1)))
	if a := s.Fetch(t.Context(), enrich.Lookup{Endpoint: "ip", Value: "a&b"}); a.Class != enrich.Found || last.body != "a=b+c&domain=a%26b" {
		t.Errorf("%+v, %+v", a, last)
	}
}

// Whatever the provider sends back, no error shows a secret, and each is one
// short line.
func TestErrorsShowNoSecret(t *testing.T) {
	echo := `{"error":"bad key ` + testKey + `\n\u0000 and key-of-a-test%2F%2B%3D ` + strings.Repeat("x", 1000) + `"}`
	for status, handler := range map[int]http.HandlerFunc{
		401: says(401, echo), 429: says(429, echo), 500: says(500, echo), 200: says(200, echo), 403: says(403, "<p>"+testKey),
		302: says(302, "", "Location", "https://"+"key-of-a-test.example/?key="+testKey),
	} {
		s, _, count := serving(t, skeleton(t, "acme"), Config{}, handler)
		a := s.Fetch(t.Context(), planOne(t, s, "ipv4-addr", "192.0.2.10"))
		if a.Class.Keep() || a.Body != nil || a.Err == nil || !a.Sent || a.Status != status || count.Load() != 1 {
			t.Errorf("%d: %+v", status, a)
			continue
		}
		if text := a.Err.Error(); strings.Contains(text, testKey) || strings.Contains(text, "%2F%2B") || strings.ContainsAny(text, "\n\x00") || len([]rune(text)) > 240 || !strings.HasPrefix(text, "Acme answered") {
			t.Errorf("%d: %q", status, text)
		}
	}
	d := mustLoad(t, skeleton(t, "acme"))
	s, err := d.Open(Config{Secrets: map[string]wire.Secret{"api_key": testKey}})
	if err != nil {
		t.Fatal(err)
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%d"} {
		if text := fmt.Sprintf(verb, s); strings.Contains(text, testKey) || len(text) > 20 {
			t.Errorf("%s: %s", verb, text)
		}
	}
}

// A predicate that fails is not "no, the next one": it ends the search.
func TestRulesFailClosed(t *testing.T) {
	const first = `{status: 401, class: auth_failed}`
	for rule, want := range map[string]enrich.Class{
		`{when: '.body.nothing.deep[0] | error', class: found}`:                enrich.ServerError,
		`{when: '.body.ip + 1 > 0', class: not_found}`:                         enrich.ServerError,
		`{when: '.body.tags | test("x")', class: not_found}`:                   enrich.ServerError,
		`{when: '.body.score', class: not_found}`:                              enrich.ServerError, // neither true nor false
		`{when: 'null', class: not_found}`:                                     enrich.ServerError,
		`{when: 'empty', class: not_found}`:                                    enrich.ServerError,
		`{when: 'true, true', class: not_found}`:                               enrich.ServerError,
		`{when: '[range(1e9)] | length > 0', class: not_found}`:                enrich.ServerError,
		`{when: 'false', class: not_found}`:                                    enrich.Found, // the next rule's turn
		`{status: [201, 202], when: 'error', class: not_found}`:                enrich.Found, // not asked
		`{status: 200, when: '.headers["x-no"] == null', class: rate_limited}`: enrich.RateLimited,
	} {
		fsys := skeleton(t, "acme")
		edit(t, fsys, "acme/source.yaml", first, rule)
		d, problems := loadOne(fsys, "acme", false) // its trials would say so, too
		if len(problems) > 0 {
			t.Fatal(rule, problems)
		}
		s, _, _ := servingOne(t, d, Config{}, says(200, goodBody))
		if a := s.Fetch(t.Context(), planOne(t, s, "ipv4-addr", "192.0.2.10")); a.Class != want {
			t.Errorf("%s: %s (%v), not %s", rule, a.Class, a.Err, want)
		}
	}
}

// Kept answers are JSON and come under 2xx or 4xx, whatever the rules say.
func TestGuard(t *testing.T) {
	fsys := skeleton(t, "acme")
	edit(t, fsys, "acme/source.yaml", `{status: 401, class: auth_failed}`, `{when: 'true', class: found}`)
	d, _ := loadOne(fsys, "acme", false)
	for status, body := range map[int]string{200: "<html>", 201: "", 202: "null", 203: `"text"`, 206: `1`, 301: goodBody, 304: "", 500: goodBody, 503: goodBody} {
		s, _, _ := servingOne(t, d, Config{}, says(status, body))
		if a := s.Fetch(t.Context(), planOne(t, s, "ipv4-addr", "192.0.2.10")); a.Class.Keep() || a.Err == nil {
			t.Errorf("%d %s: %+v", status, body, a)
		}
	}
}

func TestFetchFailures(t *testing.T) {
	fsys := skeleton(t, "acme")
	edit(t, fsys, "acme/source.yaml", "  base_url: ", "  max_body: 1KiB\n  base_url: ")
	block := make(chan struct{})
	for name, c := range map[string]struct {
		handler http.HandlerFunc
		class   enrich.Class
		status  int
	}{
		"too large":     {says(200, `{"ip":"192.0.2.10","score":1,"x":"`+strings.Repeat("x", 2000)+`"}`), enrich.ServerError, 200},
		"large and 401": {says(401, strings.Repeat("x", 2000)), enrich.AuthFailed, 401},
		"no gzip":       {says(200, goodBody, "Content-Encoding", "gzip"), enrich.ServerError, 200},
		"cut off":       {says(200, goodBody, "Content-Length", "500"), enrich.NetworkError, 200},
		"silent":        {func(http.ResponseWriter, *http.Request) { <-block }, enrich.TimedOut, 0},
		"redirect":      {says(307, "", "Location", "/elsewhere"), enrich.ServerError, 307},
		"later":         {says(503, "", "Retry-After", "60"), enrich.ServerError, 503},
	} {
		s, _, count := serving(t, fsys, Config{Timeout: 200 * time.Millisecond}, c.handler)
		a := s.Fetch(t.Context(), planOne(t, s, "ipv4-addr", "192.0.2.10"))
		if a.Class != c.class || a.Status != c.status || !a.Sent || a.Err == nil || count.Load() != 1 {
			t.Errorf("%s: %+v, %d requests", name, a, count.Load())
		}
		if later := !a.RetryAfter.IsZero(); later != (name == "later") {
			t.Errorf("%s: retry after %s", name, a.RetryAfter)
		}
	}
	close(block)
	s, _, _ := serving(t, fsys, Config{}, says(200, goodBody))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if a := s.Fetch(ctx, planOne(t, s, "ipv4-addr", "192.0.2.10")); a.Sent || a.Class != enrich.NetworkError {
		t.Errorf("%+v", a)
	}
	s.base = "http://127.0.0.1:1"
	if a := s.Fetch(t.Context(), planOne(t, s, "ipv4-addr", "192.0.2.10")); a.Sent || a.Class != enrich.NetworkError {
		t.Errorf("%+v", a)
	}
}

// The answer may say how long it is good; nothing outlives the maximum.
func TestTimes(t *testing.T) {
	const hour = time.Hour
	fsys := skeleton(t, "acme")
	edit(t, fsys, "acme/source.yaml", "  ttl: {found: 24h, not_found: 24h}", "  ttl: {found: 24h, not_found: 6h}\n  max: 2h\n  from: .body.good_for\n  stale: 1h")
	d := mustLoad(t, fsys)
	stale := 10 * hour
	for name, c := range map[string]struct {
		config  Config
		body    string
		ttl     time.Duration
		noStale bool
		planned enrich.TTL
	}{
		"says nothing":  {Config{}, goodBody, 2 * hour, false, enrich.TTL{Found: 2 * hour, NotFound: 2 * hour}},
		"says less":     {Config{}, `{"ip":"192.0.2.10","score":1,"good_for":60}`, time.Minute, true, enrich.TTL{Found: 2 * hour, NotFound: 2 * hour}},
		"says more":     {Config{}, `{"ip":"192.0.2.10","score":1,"good_for":1e300}`, 2 * hour, true, enrich.TTL{Found: 2 * hour, NotFound: 2 * hour}},
		"says nonsense": {Config{}, `{"ip":"192.0.2.10","score":1,"good_for":"soon"}`, 2 * hour, false, enrich.TTL{Found: 2 * hour, NotFound: 2 * hour}},
		"operator":      {Config{TTL: hour, Stale: &stale}, goodBody, hour, false, enrich.TTL{Found: hour, NotFound: hour, Stale: hour, Set: hour}},
	} {
		s, _, _ := servingOne(t, d, c.config, says(200, c.body))
		l := planOne(t, s, "ipv4-addr", "192.0.2.10")
		a := s.Fetch(t.Context(), l)
		if a.Class != enrich.Found || a.TTL != c.ttl || a.NoStale != c.noStale || l.TTL != c.planned {
			t.Errorf("%s: %s %v, planned %+v", name, a.TTL, a.NoStale, l.TTL)
		}
		// Somebody who stretches the lookup's times does not stretch the maximum.
		l.TTL = enrich.TTL{Found: 100 * hour, NotFound: 100 * hour, Stale: 100 * hour}
		if a := s.Fetch(t.Context(), l); a.TTL > 2*hour || !a.NoStale {
			t.Errorf("%s: stretched to %s, stale %v", name, a.TTL, !a.NoStale)
		}
	}
	plain := mustLoad(t, skeleton(t, "acme"))
	s, _, _ := servingOne(t, plain, Config{}, says(200, goodBody))
	l := planOne(t, s, "ipv4-addr", "192.0.2.10")
	if a := s.Fetch(t.Context(), l); a.TTL != 0 || a.NoStale || l.TTL != (enrich.TTL{Found: 24 * hour, NotFound: 24 * hour, Stale: 7 * 24 * hour}) {
		t.Errorf("%+v, %+v", a, l.TTL)
	}
}

func TestUsage(t *testing.T) {
	for _, d := range catalogue(t) {
		if d.report == nil {
			s, _, count := servingOne(t, d, Config{Params: exampleParams(d)}, says(200, "{}"))
			if all, err := s.Usage(t.Context()); all != nil || err != nil || count.Load() != 0 {
				t.Errorf("%s: %v, %v", d.Name(), all, err)
			}
			continue
		}
		r := d.tests.Report
		s, last, _ := servingOne(t, d, Config{Params: exampleParams(d)}, says(r.Status, string(r.body)))
		all, err := s.Usage(t.Context())
		if err != nil || usageText(all) != expectedText(r.Usage) {
			t.Errorf("%s: %s, %v (%s)", d.Name(), usageText(all), err, last.line)
		}
		for _, handler := range []http.HandlerFunc{says(500, "no"), says(200, "<html>"+testKey), says(200, "{}"), says(401, `{"error":"`+testKey+`"}`)} {
			s, _, _ := servingOne(t, d, Config{Params: exampleParams(d)}, handler)
			if all, err := s.Usage(t.Context()); err == nil || all != nil || strings.Contains(err.Error(), testKey) {
				t.Errorf("%s: %v, %v", d.Name(), all, err)
			}
		}
	}
}

func exampleParams(d *Definition) map[string]any {
	params := map[string]any{}
	for _, p := range d.Settings().Params {
		if p.Default == nil && !p.Optional {
			params[p.Name] = p.example()
		}
	}
	return params
}

func TestOpenRefuses(t *testing.T) {
	d := mustLoad(t, skeleton(t, "acme"))
	key := map[string]wire.Secret{"api_key": testKey}
	for say, c := range map[string]Config{
		"no api_key":                       {},
		"a character that no key has":      {Secrets: map[string]wire.Secret{"api_key": "a key"}},
		"no parameter is called nonsense":  {Secrets: key, Params: map[string]any{"nonsense": 1}},
		"max_age_days: 0 is out of bounds": {Secrets: key, Params: map[string]any{"max_age_days": 0}},
		`"often" is not a whole number`:    {Secrets: key, Params: map[string]any{"max_age_days": "often"}},
		"must start with https://":         {Secrets: key, BaseURL: "ftp://example.com"},
		"no user, query or fragment":       {Secrets: key, BaseURL: "https://u:key@example.com/"},
		"is not a URL":                     {Secrets: key, BaseURL: "https://exa mple.com\x7f"},
	} {
		_, err := d.Open(c)
		if err == nil || !strings.Contains(err.Error(), say) || !strings.HasPrefix(err.Error(), "acme: ") || strings.Contains(err.Error(), testKey) {
			t.Errorf("%v, not %q", err, say)
		}
	}
}

func TestPlan(t *testing.T) {
	d := mustLoad(t, skeleton(t, "acme"))
	s, err := d.Open(Config{Secrets: map[string]wire.Secret{"api_key": testKey}, SkipPrivate: true, Params: map[string]any{"max_age_days": 7}})
	if err != nil {
		t.Fatal(err)
	}
	for _, kind := range []string{"IPv4-Addr", "ipv4-addr", "IPV4-ADDR"} {
		plan, err := s.Plan(enrich.Entity{Type: kind, Value: "192[.]0.2.10"})
		if err != nil || len(plan) != 1 || plan[0].Value != "192.0.2.10" || plan[0].Endpoint != "ip" || plan[0].Units != 1 || plan[0].Title != "reputation" || plan[0].Vary != "max_age_days=7" {
			t.Errorf("%+v, %v", plan, err)
		}
	}
	var input *enrich.InputError
	var policy *enrich.PolicyError
	if _, err := s.Plan(enrich.Entity{Type: "Domain-Name", Value: "example.com"}); !errors.As(err, &input) || !strings.Contains(err.Error(), "it takes IPv4-Addr, IPv6-Addr") {
		t.Errorf("%v", err)
	}
	if _, err := s.Plan(enrich.Entity{Type: "IPv4-Addr", Value: "no"}); !errors.As(err, &input) {
		t.Errorf("%v", err)
	}
	for _, private := range []string{"10.0.0.1", "127.0.0.1"} {
		if _, err := s.Plan(enrich.Entity{Type: "IPv4-Addr", Value: private}); !errors.As(err, &policy) || policy.Kind != "private" {
			t.Errorf("%v", err)
		}
	}
	// Another address is another provider: its answers are kept apart.
	mirror, err := d.Open(Config{Secrets: map[string]wire.Secret{"api_key": testKey}, BaseURL: "https://mirror.test/v1/"})
	if err != nil {
		t.Fatal(err)
	}
	if l := planOne(t, mirror, "ipv4-addr", "192.0.2.10"); l.Vary != "https://mirror.test/v1 max_age_days=90" {
		t.Errorf("%q", l.Vary)
	}
}

// Files are asked about by the best hash that they have.
func TestPlanOfFiles(t *testing.T) {
	for _, d := range catalogue(t) {
		if d.Name() != "virustotal" {
			continue
		}
		s, err := d.openForTrial(nil)
		if err != nil {
			t.Fatal(err)
		}
		md5, sha256 := strings.Repeat("A", 32), strings.Repeat("b", 64)
		for _, c := range []struct {
			hashes map[string]string
			want   string
		}{
			{map[string]string{"MD5": md5, "SHA-256": sha256}, sha256},
			{map[string]string{"md5": md5}, strings.ToLower(md5)},
			{map[string]string{"sha256": sha256}, sha256},
			{map[string]string{"SSDEEP": "3:x"}, ""},
			{map[string]string{"MD5": "no"}, ""},
		} {
			plan, err := s.Plan(enrich.Entity{Type: "StixFile", Hashes: c.hashes})
			if c.want == "" && err == nil || c.want != "" && (err != nil || plan[0].Value != c.want) {
				t.Errorf("%v: %+v, %v", c.hashes, plan, err)
			}
		}
	}
}
