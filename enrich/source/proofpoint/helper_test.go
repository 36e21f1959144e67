package proofpoint

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/enrichgate/enrichgate/enrich"
)

const (
	testKey = "k3y-0f-the-tests"
	testMD5 = "0123456789abcdef0123456789abcdef"
)

// today is some days after what the fixtures saw last.
var today = time.Date(2026, 8, 25, 13, 30, 0, 0, time.UTC)

// classNames are the names that testdata/cases.json and failures use.
var classNames = map[enrich.Class]string{
	enrich.ServerError: "server_error", enrich.Found: "found", enrich.Partial: "partial",
	enrich.NotFound: "not_found", enrich.InvalidInput: "invalid_input", enrich.RateLimited: "rate_limited",
	enrich.QuotaExhausted: "quota_exhausted", enrich.AuthFailed: "auth_failed", enrich.Forbidden: "forbidden",
	enrich.TimedOut: "timed_out", enrich.NetworkError: "network_error",
}

// newSource makes a source of today, with the rest as given.
func newSource(tb testing.TB, c Config) *Source {
	tb.Helper()
	if c.APIKey == "" {
		c.APIKey = testKey
	}
	if c.Now == nil {
		c.Now = func() time.Time { return today }
	}
	s, err := New(c)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(s.Close)
	return s
}

// lookup is a call as Plan would make it.
func lookup(endpoint, value string) enrich.Lookup {
	return enrich.Lookup{Endpoint: endpoint, Value: value, Units: 1}
}

// checkAnswer fails on what no answer may be, whatever happened.
func checkAnswer(tb testing.TB, a enrich.Answer) {
	tb.Helper()
	good := a.Class == enrich.Found || a.Class == enrich.NotFound
	if good != (a.Err == nil) {
		tb.Errorf("%s with error %v", classNames[a.Class], a.Err)
	}
	if !good && a.Body != nil {
		tb.Errorf("%s with a body of %d bytes", classNames[a.Class], len(a.Body))
	}
	if a.Err == nil {
		return
	}
	text := a.Err.Error()
	if strings.Contains(text, testKey) {
		tb.Errorf("the error shows the key: %s", text)
	}
	if strings.ContainsAny(text, "\r\n\t?") || len([]rune(text)) > 240 || text == "" {
		tb.Errorf("not one clear line without a query: %q", text)
	}
}

// want fails unless the answer is of the class.
func want(tb testing.TB, a enrich.Answer, class enrich.Class, sent bool) {
	tb.Helper()
	checkAnswer(tb, a)
	if a.Class != class || a.Sent != sent {
		tb.Errorf("got %s, sent %v, error %v; want %s, sent %v", classNames[a.Class], a.Sent, a.Err, classNames[class], sent)
	}
}

// fixture reads a file of testdata.
func fixture(tb testing.TB, name string) []byte {
	tb.Helper()
	body, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		tb.Fatal(err)
	}
	return body
}

// fixtureCase is a line of testdata/cases.json.
type fixtureCase struct {
	File, Request, Class string
	Status               int
}

// fixtureCases reads them all.
func fixtureCases(tb testing.TB) []fixtureCase {
	tb.Helper()
	var all []fixtureCase
	if err := json.Unmarshal(fixture(tb, "cases.json"), &all); err != nil {
		tb.Fatal(err)
	}
	return all
}

// split takes a fixture's request apart: its endpoint, made up with what is
// needed to recognize it if the source does not ask for it, and the value.
func (c fixtureCase) split(tb testing.TB) (endpoint, string) {
	tb.Helper()
	parts := strings.Split(strings.TrimPrefix(c.Request, "GET /v1/"), "/")
	parts = append(parts, "", "")
	for _, e := range endpoints(0, 0) {
		if e.path(parts[1]) == strings.TrimRight(strings.Join(parts, "/"), "/") {
			return e, parts[1]
		}
	}
	keys := map[string]string{
		"events": "signature", "geoloc": "country_code", "nameservers": "server", "connections": "source",
		"dns": "source", "http": "source", "whois": "domain", "urls": "", "": "name",
	}
	e := endpoint{name: "other", list: parts[2] != "whois", key: keys[parts[2]]}
	if strings.HasPrefix(c.File, "sample_events") {
		e.key = "signature_name"
	}
	return e, parts[1]
}

// roundTripper makes a transport of a function.
type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }
