package main

import (
	"errors"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/enrichgate/enrichgate/quota"
)

// browser is an operator at the page.
type browser struct {
	t *testing.T
	b *bench
	c *http.Client
}

func newBrowser(t *testing.T, b *bench) browser {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return browser{t, b, &http.Client{Jar: jar}}
}

func (w browser) see(path string) string {
	w.t.Helper()
	resp, err := w.c.Get(w.b.front.URL + path)
	return w.read(resp, err)
}

func (w browser) send(path string, form url.Values) string {
	w.t.Helper()
	resp, err := w.c.PostForm(w.b.front.URL+path, form)
	return w.read(resp, err)
}

func (w browser) read(resp *http.Response, err error) string {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
	defer resp.Body.Close()
	var out strings.Builder
	if _, err := io.Copy(&out, resp.Body); err != nil {
		w.t.Fatal(err)
	}
	if resp.StatusCode != http.StatusOK {
		w.t.Errorf("%s: HTTP %d: %.300s", resp.Request.URL.Path, resp.StatusCode, out.String())
	}
	return out.String()
}

// An operator signs in, looks a value up, changes the limit, pauses the source
// and purges what is kept: the books, the cache and the provider agree.
func TestPageOfTheRealDaemon(t *testing.T) {
	b := newBench(t, "PROOFPOINT_ET_INTELLIGENCE_UNIT_PRICE=0.25", "PROOFPOINT_ET_INTELLIGENCE_CURRENCY=CHF")
	w := newBrowser(t, b)
	w.send("/sign-in", url.Values{"token": {httpToken}, "name": {"An Operator"}, "to": {"/"}})
	csrf := func(path string) string {
		m := regexp.MustCompile(`name="?csrf"?[^>]*value="?([^">\s]+)`).FindStringSubmatch(w.see(path))
		if m == nil {
			t.Fatalf("no form on %s", path)
		}
		return m[1]
	}
	act := func(kind string, fields url.Values) string {
		fields.Set("csrf", csrf("/sources"))
		fields.Set("reason", "a test of the page")
		fields.Set("to", "/")
		return w.send("/actions/"+kind, fields)
	}
	const source = "proofpoint_et_intelligence"

	if said := act("lookup", url.Values{"source": {source}, "value": {"198.51.100.7"}}); !strings.Contains(said, "198.51.100.7") {
		t.Errorf("lookup: %.500s", said)
	}
	if bill := b.provider.Bill(); bill.Total != 5 {
		t.Errorf("%d calls", bill.Total)
	}
	act("limit", url.Values{"source": {source}, "window": {"month"}, "units": {"20"}})
	if u := b.ledger.Usage()[0].Windows[0]; u.Limit != 20 || u.Used != 5 {
		t.Errorf("got %+v", u)
	}
	act("used", url.Values{"source": {source}, "window": {"month"}, "units": {"12"}})
	act("floor", url.Values{"source": {source}, "window": {"month"}, "units": {"7"}, "trigger": {"api"}})
	if u := b.ledger.Usage()[0].Windows[0]; u.Used != 12 || u.Floors["api"] != 7 {
		t.Errorf("got %+v", u)
	}
	act("pause", url.Values{"source": {source}, "for": {"1h"}})
	if p := b.ledger.Usage()[0].Paused; p == nil || p.By != "page: An Operator" || p.Until == nil {
		t.Errorf("got %+v", p)
	}
	act("resume", url.Values{"source": {source}})
	act("purge", url.Values{"source": {source}, "value": {"198.51.100.7"}})
	act("lookup", url.Values{"source": {source}, "value": {"198.51.100.7"}})
	if bill := b.provider.Bill(); bill.Total != 10 {
		t.Errorf("%d calls after the purge", bill.Total)
	}

	var orders []string
	if err := b.ledger.Entries(quota.Filter{}, func(e quota.Entry) error {
		if e.By == "page: An Operator" && strings.HasSuffix(e.Reason, "a test of the page") {
			orders = append(orders, e.Kind+" "+e.Subject)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	const looked = "note 198.51.100.7"
	if want := []string{looked, "set-limit ", "set-used ", "set-floor ", "pause ", "resume ", looked, looked}; !slices.Equal(orders, want) {
		t.Errorf("the audit has %q, want %q", orders, want)
	}
	if _, err := b.ledger.Verify(); err != nil {
		t.Error(err)
	}
	for path, want := range map[string]string{
		"/":                          "CHF",
		"/enrichments":               "198.51.100.7",
		"/enrichments/1":             "ip.reputation",
		"/ledger":                    "a test of the page",
		"/ledger.csv":                "set-limit",
		"/ledger.jsonl":              `"kind":"pause"`,
		"/cache?value=198.51.100.7":  "ip.asn",
		"/clients":                   "",
		"/sources":                   "Proofpoint ET Intelligence",
		"/health":                    "ledger",
		"/lookup?value=198.51.100.7": "198.51.100.7",
	} {
		if said := w.see(path); !strings.Contains(said, want) {
			t.Errorf("%s does not say %q: %.2000s", path, want, said)
		}
	}
	// One export, wherever it is asked for.
	for form, accept := range map[string]string{"csv": "text/csv", "jsonl": "application/x-ndjson"} {
		if _, api := b.get(t, "/api/v1/ledger", httpToken, accept); api != w.see("/ledger."+form) {
			t.Errorf("the page's export as %s is not the API's", form)
		}
	}
	for _, path := range []string{"/api/v1/ledger?source=nosuch", "/api/v1/enrichments?fate=lucky", "/api/v1/enrichments?source=nosuch"} {
		if status, body := b.get(t, path, httpToken, ""); status != 400 || !strings.Contains(body, "there is proofpoint_et_intelligence") && !strings.Contains(body, "use enriched") {
			t.Errorf("%s: %d %s", path, status, body)
		}
	}
	if strings.Contains(w.see("/sources"), apiKey) {
		t.Error("the key is on the page")
	}
}

// The health page says what keeps a source from being asked, and what to do when
// the ledger's file is gone.
func TestPageOfATroubledDaemon(t *testing.T) {
	b := newBench(t)
	w := newBrowser(t, b)
	w.send("/sign-in", url.Values{"token": {httpToken}, "name": {"An Operator"}, "to": {"/"}})
	order := quota.Order{By: "test", Reason: "a test of the page"}
	shows := func(want string) {
		t.Helper()
		if said := w.see("/health"); !strings.Contains(said, want) {
			t.Errorf("no %q: %.3000s", want, said)
		}
	}
	const source = "proofpoint_et_intelligence"
	shows("asked when needed")
	if err := b.ledger.SetUsed(source, "month", 10000, order); err != nil {
		t.Fatal(err)
	}
	shows("its quota of this month is used up")
	if err := b.ledger.Pause(source, time.Time{}, order); err != nil {
		t.Fatal(err)
	}
	shows("paused by test: a test of the page")

	path := filepath.Join(b.dir.path, "ledger.db")
	if err := os.Rename(path, path+".aside"); err != nil {
		t.Fatal(err)
	}
	if err := b.ledger.SetUsed(source, "month", 1, order); !errors.Is(err, quota.ErrMisplaced) {
		t.Errorf("an order without a file: %v", err)
	}
	shows("Bring the file back")
	if err := os.Rename(path+".aside", path); err != nil { // or it could not be closed well
		t.Fatal(err)
	}
}
