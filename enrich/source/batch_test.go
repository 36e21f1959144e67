package source

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	"github.com/enrichgate/enrichgate/enrich"
	"github.com/enrichgate/enrichgate/stixconv"
)

// shippedOne is a definition of the catalogue.
func shippedOne(t *testing.T, name string) *Definition {
	t.Helper()
	for _, d := range catalogue(t) {
		if d.Name() == name {
			return d
		}
	}
	t.Fatalf("no %s ships", name)
	return nil
}

// crowd asks about values: the first alone, the others while it is held, and
// gives what the provider was asked, a line each.
func crowd(t *testing.T, d *Definition, c Config, kind string, values []string, answer func(r *http.Request, body string) (int, string)) (lines []string, spent int64, results []enrich.Result) {
	t.Helper()
	arrived, hold := make(chan struct{}, 100), make(chan struct{})
	var mu sync.Mutex
	s, _, _ := servingOne(t, d, c, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		mu.Lock()
		lines = append(lines, r.Method+" "+r.URL.RequestURI()+" "+string(body))
		mu.Unlock()
		arrived <- struct{}{}
		<-hold
		status, text := answer(r, string(body))
		says(status, text, "Content-Type", "application/json")(w, r)
	})
	stores := openStores(t, d.Name())
	g := stores.gateway(s)
	results = make([]enrich.Result, len(values))
	var all sync.WaitGroup
	ask := func(i int) {
		all.Go(func() {
			e, err := enrich.NewEntity(kind, values[i])
			if err != nil {
				t.Error(err)
				return
			}
			if kind == "Vulnerability" {
				e.Object = stixconv.Object{"type": "vulnerability", "id": e.ID, "name": values[i], "spec_version": "2.1"}
			}
			results[i], err = g.Enrich(t.Context(), enrich.Request{Entity: e})
			if err != nil {
				t.Error(err)
			}
		})
	}
	ask(0)
	<-arrived
	for i := range values[1:] {
		ask(i + 1)
	}
	for stores.ledger.Usage()[0].Pending < int64(len(values)) {
		runtime.Gosched()
	}
	for range 1000 { // to the carrier it is a few steps more
		runtime.Gosched()
	}
	close(hold)
	all.Wait()
	return lines, stores.spent(), results
}

// EPSS takes many CVEs in one call, and leaves out those that it does not know.
func TestManyCVEs(t *testing.T) {
	var values []string
	for i := range 12 {
		values = append(values, fmt.Sprintf("CVE-2099-%04d", i+1))
	}
	lines, _, results := crowd(t, shippedOne(t, "first_epss"), Config{}, "Vulnerability", values, func(r *http.Request, _ string) (int, string) {
		data := []map[string]any{}
		for cve := range strings.SplitSeq(r.URL.Query().Get("cve"), ",") {
			if cve != "CVE-2099-0007" {
				data = append(data, map[string]any{"cve": cve, "epss": "0.5", "percentile": "0.9"})
			}
		}
		text, err := json.Marshal(map[string]any{"status": "OK", "total": len(data), "data": data})
		if err != nil {
			t.Error(err)
		}
		return 200, string(text)
	})
	// Whoever holds its reservation when a call returns travels with the others;
	// how many do is this machine's affair.
	asked := 0
	for _, line := range lines {
		asked += strings.Count(line, "CVE-2099-")
	}
	if len(lines) < 2 || len(lines) >= len(values) || asked != len(values) {
		t.Errorf("%d calls about %d: %q", len(lines), asked, lines)
	}
	for i, r := range results {
		want := enrich.Found
		if i == 6 {
			want = enrich.NotFound
		}
		if len(r.Parts) != 1 || r.Parts[0].Class != want || r.Changed != (want == enrich.Found) {
			t.Errorf("%s: %+v", values[i], r.Parts)
		}
	}
}

// GreyNoise tells of many addresses which it knows; those are asked about one by
// one, and each question costs a unit.
func TestManyAddresses(t *testing.T) {
	var values []string
	for i := range 10 {
		values = append(values, fmt.Sprintf("192.0.2.%d", i+1))
	}
	known := func(ip string) bool { return strings.HasSuffix(ip, ".4") || strings.HasSuffix(ip, ".9") }
	about := func(ip string) string {
		class := ""
		if known(ip) {
			class = "malicious"
		}
		return fmt.Sprintf(`{"ip": %q, "business_service_intelligence": {"found": false, "trust_level": ""}, "internet_scanner_intelligence": {"found": %v, "classification": %q, "metadata": {}}}`, ip, known(ip), class)
	}
	c := Config{Params: map[string]any{"batch": true}}
	lines, spent, results := crowd(t, shippedOne(t, "greynoise"), c, "IPv4-Addr", values, func(r *http.Request, body string) (int, string) {
		if r.Method == http.MethodGet {
			return 200, about(r.URL.Path[strings.LastIndex(r.URL.Path, "/")+1:])
		}
		var asked struct{ IPs []string }
		if err := json.Unmarshal([]byte(body), &asked); err != nil {
			t.Error(err)
		}
		var all []string
		for _, ip := range asked.IPs {
			all = append(all, about(ip))
		}
		return 200, `{"data": [` + strings.Join(all, ",") + `]}`
	})
	together, billed := 0, 0
	for _, line := range lines {
		if n := strings.Count(line, "192.0.2."); strings.HasPrefix(line, "POST /v3/ip?quick=true ") {
			together++
			billed += n
		} else {
			billed++
		}
	}
	if together == 0 || int64(billed) != spent || spent < 10 || spent > 12 {
		t.Errorf("%d calls about many, %d units on the bill, %d in the ledger: %q", together, billed, spent, lines)
	}
	for i, r := range results {
		if want := known(values[i]); len(r.Parts) != 1 || (r.Parts[0].Class == enrich.Found) != want || r.Changed != want {
			t.Errorf("%s: %+v", values[i], r.Parts)
		}
	}
}

// What an answer about many does not tell of a value, or tells twice, is a
// failure of that value, and never "not found".
func TestSilenceIsNoAnswer(t *testing.T) {
	d := shippedOne(t, "greynoise")
	for body, want := range map[string]string{
		`{"data": [{"ip": "192.0.2.1", "business_service_intelligence": {"found": false}, "internet_scanner_intelligence": {"found": false}}]}`: "not_found server_error",
		`{"data": []}`:                    "server_error server_error",
		`{"data": [{"ip": "192.0.2.7"}]}`: "server_error server_error",
		`{"data": [{"ip": "192.0.2.1", "business_service_intelligence": {"found": false}, "internet_scanner_intelligence": {"found": false}}, {"ip": "192.0.2.1"}]}`: "server_error server_error",
		`<html>`: "server_error server_error",
	} {
		s, _, count := servingOne(t, d, Config{Params: map[string]any{"batch": true}}, says(200, body, "Content-Type", "application/json"))
		var got []string
		for _, a := range s.FetchMany(t.Context(), []enrich.Lookup{planOne(t, s, "IPv4-Addr", "192.0.2.1"), planOne(t, s, "IPv4-Addr", "192.0.2.2")}) {
			got = append(got, a.Class.String())
			if a.Class == enrich.ServerError && a.Err == nil || !a.Sent || a.Status != 200 {
				t.Errorf("%+v", a)
			}
		}
		if strings.Join(got, " ") != want || count.Load() != 1 {
			t.Errorf("%s: %s in %d calls", body, got, count.Load())
		}
	}
	s, _, _ := servingOne(t, d, Config{}, says(200, ``))
	if b := s.Batch(planOne(t, s, "IPv4-Addr", "192.0.2.1")); b.Most != 0 {
		t.Errorf("nobody switched it on: %+v", b)
	}
	// The price that is told before is never below what is paid.
	for on, want := range map[bool]int64{false: 1, true: 2} {
		s, _, _ := servingOne(t, d, Config{Params: map[string]any{"batch": on}}, says(200, ``))
		e, err := enrich.NewEntity("IPv4-Addr", "192.0.2.1")
		if err != nil {
			t.Fatal(err)
		}
		est, err := openStores(t, d.Name()).gateway(s).Estimate(e, enrich.Directives{})
		if err != nil || est.Units != want {
			t.Errorf("%v: %+v, %v", on, est, err)
		}
	}
}

// batched is a definition whose split passes on what it finds, whatever it is.
func batched(t *testing.T) *Definition {
	t.Helper()
	fsys := skeleton(t, "acme")
	edit(t, fsys, "acme/source.yaml", "# What an answer means.", `    batch:
      most: 10
      request: {path: /ips, query: {of: "{values}"}}
      split: '.body[] | if type == "object" and has("ip") then {value: .ip, body: .} else . end'

# What an answer means.`)
	fsys["acme/fixtures.yaml"].Data = append(fsys["acme/fixtures.yaml"].Data, `
batches:
  - name: two
    values: [192.0.2.1, 192.0.2.2]
    request: GET /ips?of=192.0.2.1%2C192.0.2.2
    status: 200
    body: two.json
    basis: inferred
    classes: [found, server_error]
`...)
	fsys["acme/fixtures/two.json"] = &fstest.MapFile{Data: []byte(`[{"ip": "192.0.2.1", "score": 3}]`)}
	return mustLoad(t, fsys)
}

// One odd row of an answer about many costs no value that it does not name.
func TestOddRowsOfABatch(t *testing.T) {
	const one, two = `{"ip": "192.0.2.1", "score": 3}`, `{"ip": "192.0.2.2", "score": 5}`
	d := batched(t)
	for body, want := range map[string]string{
		one + `,` + two:                            "found found",
		one + `,{"ip": "192.0.2.7", "score": 1}`:   "found server_error",
		`null,3,"text",[],{},` + two:               "server_error found",
		`{"value": "192.0.2.1"},` + two:            "server_error found",
		`{"ip": 5},{"ip": null},` + one:            "found server_error",
		one + `,` + two + `,` + one:                "server_error found",
		two + `,` + one + `,` + two + `,` + two:    "found server_error",
		one + `,{"value": "192.0.2.1"},` + two:     "found found",
		`{"value": "192.0.2.1", "body": 0},` + two: "server_error found",
	} {
		s, _, count := servingOne(t, d, Config{}, says(200, `[`+body+`]`, "Content-Type", "application/json"))
		var got []string
		for _, a := range s.FetchMany(t.Context(), []enrich.Lookup{planOne(t, s, "IPv4-Addr", "192.0.2.1"), planOne(t, s, "IPv4-Addr", "192.0.2.2")}) {
			got = append(got, a.Class.String())
		}
		if strings.Join(got, " ") != want || count.Load() != 1 {
			t.Errorf("%s: %s in %d calls, not %s", body, got, count.Load(), want)
		}
	}
	// A split that fails as a program says nothing of anyone.
	s, _, _ := servingOne(t, d, Config{}, says(200, `5`, "Content-Type", "application/json"))
	for _, a := range s.FetchMany(t.Context(), []enrich.Lookup{planOne(t, s, "IPv4-Addr", "192.0.2.1")}) {
		if a.Class != enrich.ServerError || a.Err == nil {
			t.Errorf("%+v", a)
		}
	}
}

// The rows of values that differ in case only go each to its own.
func TestBatchTellsCaseApart(t *testing.T) {
	values := []any{"https://c2.example.com/a", "https://c2.example.com/A"}
	for _, v := range values {
		if got, ok := askedAs(v.(string), values); !ok || got != v {
			t.Errorf("%s is taken for %s", v, got)
		}
	}
	if got, ok := askedAs("HTTPS://C2.example.com/a", values); !ok || got != values[0] {
		t.Errorf("%s", got)
	}
}
