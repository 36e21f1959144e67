package httpapi_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/enrichgate/enrichgate/enrich/httpapi"
	"github.com/enrichgate/enrichgate/enrich/httpapi/clients"
	provider "github.com/enrichgate/enrichgate/enrich/source/proofpoint/sandbox"
)

func TestALookupSaysWhatItCostAndWhereItCameFrom(t *testing.T) {
	w := newWorld(t, options{quota: "60/minute,100/month"})
	const path = "/api/v1/lookup?value=198.51.100[.]7"
	first := w.want(200, `"cached":false`, "GET", path, adminToken, "")
	second := w.want(200, `"cached":true`, "GET", path, adminToken, "")
	w.bill(5)
	for resp, want := range map[*http.Response]map[string]string{
		first:  {"X-Enrichgate-Units": "5", "Cache-Status": "enrichgate; fwd=miss", "Age": ""},
		second: {"X-Enrichgate-Units": "0", "Cache-Status": "enrichgate; hit; ttl=", "Age": "0"},
	} {
		for name, value := range want {
			if got := resp.Header.Get(name); !strings.HasPrefix(got, value) || value == "" && got != "" {
				t.Errorf("%s: %q, want %q", name, got, value)
			}
		}
	}
	if got := second.Header.Get("RateLimit"); !strings.Contains(got, `"minute";r=55;t=`) || !strings.Contains(got, `"month";r=95;t=`) {
		t.Errorf("RateLimit: %s", got)
	}
	if got := second.Header.Get("RateLimit-Policy"); !strings.Contains(got, `"minute";q=60;w=60`) || !strings.Contains(got, `"month";q=100;w=2`) {
		t.Errorf("RateLimit-Policy: %s", got)
	}
	bundle := w.want(200, `"type":"bundle"`, "GET", path, adminToken, "", "Accept: application/stix+json")
	if got := bundle.Header.Get("Content-Type"); got != "application/stix+json;version=2.1" {
		t.Error(got)
	}
}

func TestCacheDirectivesAreFollowed(t *testing.T) {
	w := newWorld(t, options{})
	const path = "/api/v1/lookup?value=198.51.100.7"
	w.want(504, "not-cached", "GET", path, adminToken, "", "Cache-Control: only-if-cached")
	w.bill(0)
	w.want(200, `"units":5`, "GET", path, adminToken, "")
	w.want(200, `"units":0`, "GET", path, adminToken, "", "Cache-Control: only-if-cached")
	w.want(200, `"units":0`, "GET", path, adminToken, "", "Cache-Control: max-age=3600")
	if resp := w.want(504, "not-cached", "GET", path, adminToken, "", "Cache-Control: only-if-cached, no-cache"); resp.Header.Get("Cache-Status") != "enrichgate; fwd=miss" || resp.Header.Get("Age") != "" {
		t.Errorf("%v", resp.Header)
	}
	w.want(200, `"units":0`, "GET", path, adminToken, "", "Cache-Control: only-if-cached, max-age=3600")
	w.want(200, `"status":504`, "POST", "/api/v1/lookups", adminToken, `{"values":["198.51.100.7"]}`, "Cache-Control: only-if-cached, no-cache")
	w.bill(5)
	w.want(200, `"units":5`, "GET", path, adminToken, "", "Cache-Control: no-cache")
	w.bill(10)
	w.want(400, "max-age", "GET", path, adminToken, "", "Cache-Control: max-age=soon")
	// A reader may have what is there, and nothing more.
	w.want(200, `"units":0`, "GET", path, readToken, "", "Cache-Control: only-if-cached")
	w.want(403, "only-if-cached", "GET", path, readToken, "")
	w.bill(10)
}

func TestBadQuestionsAreAnsweredInOneLine(t *testing.T) {
	w := newWorld(t, options{})
	for query, want := range map[string]struct {
		status int
		piece  string
	}{
		"":                                    {400, "no value was given"},
		"value=999.1.1.1&type=ipv4-addr":      {400, "not an IPv4 address"},
		"value=x&type=nonsense":               {400, "not a type"},
		"value=198.51.100.8&tlp=TLP:RED":      {403, "tlp-denied"},
		"value=198.51.100.8&tlp=TLP:PINK":     {400, `tlp: \"TLP:PINK\" is no TLP marking; use TLP:CLEAR`},
		"value=10.1.2.3":                      {403, "private-denied"},
		"value=198.51.100.8&source=elsewhere": {400, "there is no source"},
		"value=https://example.com/a":         {403, "scope-denied"},
	} {
		w.want(want.status, want.piece, "GET", "/api/v1/lookup?"+query, adminToken, "")
	}
	for body, want := range map[string]string{
		``: "body", `{`: "body", `{"values":[]}`: "0 values", `{"values":[1]}`: "body", `{"values":["x"],"more":1}`: "unknown field",
		`{"values":["x"]} {}`: "follows", `{"values":["x"],"max_units":-1}`: "max_units", `{"values":[` + strings.Repeat(`"x",`, 1000) + `"x"]}`: "1001 values",
	} {
		w.want(400, want, "POST", "/api/v1/lookups", adminToken, body)
	}
	for body, want := range map[string]string{
		`[]`: "a JSON array where an object is wanted", `""`: "a JSON string where an object is wanted", `{"values":"x"}`: "values: a JSON string where a list is wanted",
		`{"values":["x"],"max_units":"5"}`: "max_units: a JSON string where a whole number is wanted", `{"values":["x"],"bundles":1}`: "bundles: a JSON number where true or false is wanted",
		`{"values":[[]]}`: "a value is a string, or an object", `{"values":[{"value":1}]}`: "value: a JSON number where a string is wanted", ``: "there is no JSON value",
	} {
		w.want(400, want, "POST", "/api/v1/lookups", adminToken, body)
		w.want(400, want, "POST", "/api/v1/estimate", adminToken, body)
	}
	w.want(400, "a time is wanted", "POST", "/api/v1/clients", adminToken, `{"name":"x","expires_at":1}`)
	if told := w.answers.String(); strings.Contains(told, "Go ") || strings.Contains(told, "httpapi.") {
		t.Error("a Go type is told")
	}
	for query, want := range map[string]string{"max_units=-1": "below zero", "max_units=many": "not a whole number", "bundles=perhaps": "neither", "tlp=PINK": "no TLP", "tlp=TLP:RED&tlp=TLP:GREEN": "more than once"} {
		w.want(400, want, "POST", "/api/v1/lookups?"+query, adminToken, "\"198.51.100.8\"", "Content-Type: application/x-ndjson")
	}
	w.want(400, "the query is for a body of lines", "POST", "/api/v1/lookups?max_units=1", adminToken, `{"values":["198.51.100.8"]}`)
	w.want(400, "value is given more than once", "GET", "/api/v1/lookup?value=198.51.100.8&value=198.51.100.9", adminToken, "")
	w.want(400, `is no TLP marking`, "POST", "/api/v1/lookups", adminToken, `{"values":["198.51.100.8"],"tlp":"PINK"}`)
	w.want(200, `is no TLP marking`, "POST", "/api/v1/lookups", adminToken, `{"values":[{"value":"198.51.100.8","tlp":"PINK"}]}`)
	w.want(400, "line 2", "POST", "/api/v1/lookups", adminToken, "\"x\"\n{\n", "Content-Type: application/x-ndjson")
	w.want(400, "application/xml", "POST", "/api/v1/lookups", adminToken, "<x/>", "Content-Type: application/xml")
	w.want(413, "too-large", "POST", "/api/v1/lookups", adminToken, `{"values":["`+strings.Repeat("x", 1<<20)+`"]}`)
	w.want(404, "not-found", "GET", "/api/v1/nothing", adminToken, "")
	if resp := w.want(405, "method-not-allowed", "POST", "/api/v1/lookup", adminToken, ""); resp.Header.Get("Allow") != "GET, HEAD" {
		t.Error(resp.Header)
	}
	if resp := w.want(405, "DELETE", "PATCH", "/api/v1/cache/x/y/z", adminToken, ""); resp.Header.Get("Allow") != "GET, HEAD, DELETE" {
		t.Error(resp.Header)
	}
	w.bill(0)
	w.spent(0)
}

func TestExhaustionSaysWhenItEnds(t *testing.T) {
	w := newWorld(t, options{quota: "5/day"})
	w.want(200, "", "GET", "/api/v1/lookup?value=198.51.100.7", adminToken, "")
	resp, body := w.call("GET", "/api/v1/lookup?value=198.51.100.8", adminToken, "")
	var p httpapi.Details
	if err := json.Unmarshal([]byte(body), &p); err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode != 429 || p.Type != "urn:enrichgate:quota-exceeded" || p.Source != et || p.Window != "day" || p.ResetAt == nil || p.RetryAfter < 1 || p.RetryAfter > 86400 {
		t.Errorf("%d %s", resp.StatusCode, body)
	}
	if resp.Header.Get("Retry-After") != fmt.Sprint(p.RetryAfter) || resp.Header.Get("Content-Type") != "application/problem+json" || !strings.Contains(resp.Header.Get("RateLimit"), `"day";r=0`) {
		t.Errorf("%v", resp.Header)
	}
	w.bill(5)
}

func TestABatchInBothForms(t *testing.T) {
	w := newWorld(t, options{})
	resp, body := w.call("POST", "/api/v1/lookups", adminToken, `{"values":["198.51.100.1","nonsense",{"value":"198.51.100.2","tlp":"TLP:RED"},"198.51.100.1"],"bundles":false}`)
	var got struct {
		Done           bool
		Values, Failed int
		Units          int64
		Answers        []struct {
			Index, Status int
			Value         string
			Answer        *httpapi.LookupAnswer
			Problem       *httpapi.Details
		}
	}
	if err := json.Unmarshal([]byte(body), &got); err != nil || resp.StatusCode != 200 {
		t.Fatalf("%d %s", resp.StatusCode, body)
	}
	if !got.Done || got.Values != 4 || got.Failed != 2 || got.Units != 5 || resp.Header.Get("X-Enrichgate-Units") != "5" || strings.Contains(body, `"bundle"`) {
		t.Errorf("%s", body)
	}
	for i, want := range []int{200, 400, 403, 200} {
		if a := got.Answers[i]; a.Index != i || a.Status != want || (a.Answer == nil) != (want != 200) || (a.Problem == nil) != (want == 200) {
			t.Errorf("%d: %+v", i, a)
		}
	}
	w.bill(5)
	// As lines: each value once, the totals last.
	_, body = w.call("POST", "/api/v1/lookups?tlp=TLP:GREEN", adminToken, "\"198.51.100.1\"\n{\"value\":\"198.51.100.3\"}\n", "Content-Type: application/x-ndjson", "Accept: application/x-ndjson")
	lines := strings.Split(strings.TrimSpace(body), "\n")
	if len(lines) != 3 || !strings.Contains(lines[2], `"done":true`) || !strings.Contains(lines[2], `"units":5`) || !strings.Contains(lines[2], `"units_saved":5`) {
		t.Errorf("%s", body)
	}
	w.bill(10)
}

// Lines come as the answers do, and not at the end.
func TestAStreamDoesNotWaitForTheLast(t *testing.T) {
	w := newWorld(t, options{})
	held := make(chan struct{})
	w.provider.Handle(func(r *http.Request, _ int) (provider.Reply, bool) {
		if strings.Contains(r.URL.Path, "198.51.100.2") {
			<-held
		}
		return provider.Reply{}, false
	})
	req, err := http.NewRequestWithContext(t.Context(), "POST", w.front.URL+"/api/v1/lookups", strings.NewReader(`{"values":["198.51.100.2","198.51.100.1"]}`))
	w.must(err)
	req.Header.Set("Authorization", "Bearer "+adminToken)
	req.Header.Set("Accept", "application/x-ndjson")
	resp, err := http.DefaultClient.Do(req)
	w.must(err)
	defer resp.Body.Close()
	lines := bufio.NewReader(resp.Body)
	line, err := lines.ReadString('\n')
	if err != nil || !strings.Contains(line, `"index":1`) {
		t.Errorf("%s, %v", line, err)
	}
	close(held)
	rest, err := io.ReadAll(lines)
	if err != nil || !strings.Contains(string(rest), `"index":0`) || !strings.Contains(string(rest), `"done":true`) {
		t.Errorf("%s, %v", rest, err)
	}
}

func TestMaxUnitsHolds(t *testing.T) {
	w := newWorld(t, options{})
	var values []string
	for i := range 40 {
		values = append(values, fmt.Sprintf("%q", address(i+1)))
	}
	body := `{"values":[` + strings.Join(values, ",") + `],"max_units":23,"bundles":false}`
	w.want(200, "max-units-reached", "POST", "/api/v1/lookups", adminToken, body)
	w.bill(20) // four addresses of five calls: a fifth might have gone beyond
	w.want(200, `"units":20`, "POST", "/api/v1/lookups", adminToken, body)
	w.bill(40)
}

// Nothing may be spent within zero; what is kept is given. A list of lines has
// its bound in the query.
func TestMaxUnitsOfNothing(t *testing.T) {
	w := newWorld(t, options{})
	w.want(200, `"units":5`, "GET", "/api/v1/lookup?value=198.51.100.1", adminToken, "")
	_, body := w.call("POST", "/api/v1/lookups", adminToken, `{"values":["198.51.100.1","198.51.100.2"],"max_units":0}`)
	_, lines := w.call("POST", "/api/v1/lookups?max_units=0&bundles=false", adminToken, "\"198.51.100.1\"\n\"198.51.100.2\"\n", "Content-Type: application/x-ndjson")
	for _, got := range []string{body, lines} {
		if strings.Count(got, `"status":200`) != 1 || strings.Count(got, "max-units-reached") != 1 || !strings.Contains(got, `"units":0,"units_saved":5`) {
			t.Errorf("%s", got)
		}
	}
	if !strings.Contains(body, `"bundle"`) || strings.Contains(lines, `"bundle"`) {
		t.Error("bundles are not as they were asked for")
	}
	w.bill(5)
	w.want(200, `"units":5`, "POST", "/api/v1/lookups?max_units=9", adminToken, "\"198.51.100.2\"\n\"198.51.100.3\"\n", "Content-Type: application/x-ndjson")
	w.bill(10)
}

// What failed has cost something, too, and the answer says so: each value, the
// sum, and a lookup alone.
func TestFailuresSayWhatTheyCost(t *testing.T) {
	w := newWorld(t, options{})
	refused := provider.Reply{Status: 429, Header: http.Header{"Retry-After": {"3600"}}}
	w.provider.Handle(func(*http.Request, int) (provider.Reply, bool) { return refused, true })
	const file = "0123456789abcdef0123456789abcdef" // one call
	resp := w.want(502, `"units":1`, "GET", "/api/v1/lookup?value="+file, adminToken, "")
	if resp.Header.Get("X-Enrichgate-Units") != "1" || resp.Header.Get("Retry-After") == "" {
		t.Errorf("%v", resp.Header)
	}
	w.spent(1)
	w = newWorld(t, options{})
	w.provider.Handle(func(*http.Request, int) (provider.Reply, bool) { return refused, true })
	_, body := w.call("POST", "/api/v1/lookups", adminToken, `{"values":["`+file+`","nonsense"]}`)
	var got struct {
		Units   int64
		Answers []struct {
			Units   *int64
			Problem httpapi.Details
		}
	}
	w.must(json.Unmarshal([]byte(body), &got))
	if a := got.Answers; got.Units != 1 || a[0].Units == nil || *a[0].Units != 1 || a[0].Problem.Units != 1 || a[0].Problem.RetryAfter == 0 || a[1].Units == nil || *a[1].Units != 0 {
		t.Errorf("%s", body)
	}
	w.spent(1)
}

// A source that is left alone for a while says for how long, and costs nothing.
func TestASourceLeftAloneSaysWhenToComeBack(t *testing.T) {
	w := newWorld(t, options{})
	w.provider.Handle(func(*http.Request, int) (provider.Reply, bool) { return provider.Reply{Status: 401}, true })
	const path = "/api/v1/lookup?value=0123456789abcdef0123456789abcdef" // one call
	w.want(502, "provider-unavailable", "GET", path, adminToken, "")
	if resp := w.want(502, `"reset_at":`, "GET", path, adminToken, ""); resp.Header.Get("Retry-After") == "" || resp.Header.Get("X-Enrichgate-Units") != "0" {
		t.Errorf("%v", resp.Header)
	}
	w.bill(1)
	w.spent(1)
}

// An answer past its time is no saving, wherever savings are counted.
func TestStaleIsNoSaving(t *testing.T) {
	w := newWorld(t, options{quota: "5/month", ttl: time.Nanosecond})
	const path = "/api/v1/lookup?value=198.51.100.7"
	w.want(200, `"units":5,"units_saved":0`, "GET", path, adminToken, "")
	w.want(200, `"units":0,"units_saved":0`, "GET", path, adminToken, "")
	w.want(200, `"units":0,"units_saved":0,"answers"`, "POST", "/api/v1/lookups", adminToken, `{"values":["198.51.100.7"]}`)
	_, body := w.call("GET", "/api/v1/enrichments", readToken, "")
	if strings.Count(body, `"units_saved":0`) != 3 {
		t.Errorf("%s", body)
	}
	w.bill(5)
}

// The money goes to the first of the list: what does not fit ends the spending,
// even if something cheaper follows. What is kept, or shared, is given all the same.
func TestMaxUnitsGoesToTheFirst(t *testing.T) {
	const one, two, three, file = `"198.51.100.1"`, `"198.51.100.2"`, `"198.51.100.3"`, `"0123456789abcdef0123456789abcdef"`
	for _, c := range []struct {
		values []string
		most   int
		want   []int // statuses
		bill   int
	}{
		{[]string{one, two, three, file, one}, 12, []int{200, 200, 429, 429, 200}, 10},
		{[]string{file, one, two, three}, 11, []int{200, 200, 200, 429}, 11},
		{[]string{one, one, one, two}, 10, []int{200, 200, 200, 200}, 10}, // a price is only known when the one before has settled
		{[]string{one, file}, 4, []int{429, 429}, 0},
	} {
		w := newWorld(t, options{})
		_, body := w.call("POST", "/api/v1/lookups", adminToken, fmt.Sprintf(`{"values":[%s],"max_units":%d,"bundles":false}`, strings.Join(c.values, ","), c.most))
		var got struct{ Answers []struct{ Status int } }
		w.must(json.Unmarshal([]byte(body), &got))
		var statuses []int
		for _, a := range got.Answers {
			statuses = append(statuses, a.Status)
		}
		if !slices.Equal(statuses, c.want) {
			t.Errorf("%s within %d: %v, want %v", c.values, c.most, statuses, c.want)
		}
		w.bill(c.bill)
	}
}

func TestAnEstimateCostsNothing(t *testing.T) {
	w := newWorld(t, options{quota: "12/month"})
	w.want(200, "", "GET", "/api/v1/lookup?value=198.51.100.1", adminToken, "")
	const list = `{"values":["198.51.100.1","198.51.100.2","198.51.100[.]2","example.com","10.0.0.1","?"]}`
	w.want(200, `"lookups":13,"cached":5,"units":8,"affordable":false`, "POST", "/api/v1/estimate", readToken, list)
	w.want(200, `"units":13`, "POST", "/api/v1/estimate", adminToken, list, "Cache-Control: no-cache")
	w.want(200, `"affordable":true`, "POST", "/api/v1/estimate", adminToken, `{"values":["198.51.100.2"]}`)
	w.bill(5)
	w.spent(5)
}

// A hundred at once for the same thing cost what one costs.
func TestManyAskForTheSame(t *testing.T) {
	w := newWorld(t, options{})
	token := w.addClient(clients.Client{Name: "soar"})
	var all sync.WaitGroup
	for i := range 100 {
		all.Go(func() {
			who := []string{adminToken, token}[i%2]
			if resp, body := w.call("GET", "/api/v1/lookup?value=198.51.100.7", who, "", "Prefer: wait=60"); resp.StatusCode != 200 {
				t.Errorf("%d %s", resp.StatusCode, body)
			}
		})
	}
	all.Wait()
	w.bill(5)
	w.spent(5)
}

// Patience ends when the client says so.
func TestPreferWait(t *testing.T) {
	w := newWorld(t, options{quota: "5/minute"})
	w.want(200, "", "GET", "/api/v1/lookup?value=198.51.100.7", adminToken, "")
	began := time.Now()
	resp := w.want(429, "quota-exceeded", "GET", "/api/v1/lookup?value=198.51.100.8", adminToken, "", "Prefer: wait=0")
	if took := time.Since(began); took > 10*time.Second || resp.Header.Get("Preference-Applied") != "wait=0" {
		t.Errorf("%s, %q", took, resp.Header.Get("Preference-Applied"))
	}
}
