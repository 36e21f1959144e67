package httpapi_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/enrichgate/enrichgate/enrich/httpapi"
	"github.com/enrichgate/enrichgate/enrich/httpapi/clients"
	provider "github.com/enrichgate/enrichgate/enrich/source/proofpoint/sandbox"
	"github.com/enrichgate/enrichgate/quota"
	"github.com/enrichgate/enrichgate/stixconv"
)

// etConnector asks as the public ET Intelligence connector does: the path is
// glued to a base URL that ends with a slash, the key stands in Authorization
// without a scheme, all else is aiohttp's.
func etConnector(t testing.TB, client *http.Client, base, key, path string) (*http.Response, []byte) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, base+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header = http.Header{"Authorization": {key}, "Accept": {"*/*"}, "Accept-Encoding": {"gzip, deflate"}, "User-Agent": {"Python/3.12 aiohttp/3.11.11"}}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, body
}

// mirrorOf is the base URL that the connector is given instead of the vendor's.
func (w *world) mirrorOf() string { return w.front.URL + "/proxy/" + et + "/v1/" }

// asPublicConnector asks through the proxy.
func (w *world) asPublicConnector(token, path string) (*http.Response, []byte) {
	w.t.Helper()
	return etConnector(w.t, w.client, w.mirrorOf(), token, path)
}

// Status, content type and bytes are the vendor's, from its own mouth and from
// the cache, for every lookup, found or not.
func TestTheProxyAnswersAsTheVendor(t *testing.T) {
	w := newWorld(t, options{})
	token := w.addClient(clients.Client{Name: "connector"})
	vendor := provider.New(provider.Options{Key: vendorKey}) // answers depend on the value only
	unusual := func(r *http.Request, _ int) (provider.Reply, bool) {
		switch {
		case strings.HasSuffix(r.URL.Path, "198.51.100.44/reputation"):
			return provider.Reply{Status: 404, Header: http.Header{"Content-Type": {"text/plain"}}, Body: []byte("Not found")}, true
		case strings.HasSuffix(r.URL.Path, "198.51.100.45/reputation"):
			body := "{\r\n \"success\" : true, \"response\": [ {\"category\":\"CnC\",\"score\":\"\\u0031\"} ]}\n\n"
			return provider.Reply{Header: http.Header{"Content-Type": {"application/json; charset=UTF-8"}}, Body: []byte(body)}, true
		}
		return provider.Reply{}, false
	}
	vendor.Handle(unusual)
	w.provider.Handle(unusual)
	direct := httptest.NewServer(vendor)
	t.Cleanup(direct.Close)
	paths := []string{"ips/198.51.100.44/reputation", "ips/198.51.100.45/reputation", "domains/example.com/reputation", "domains/example.com/ips",
		"domains/example.com/samples", "samples/00000000000000000000000000000001", "ips/198.51.100.7/reputation", "ips/198.51.100.7/domains",
		"ips/198.51.100.7/samples", "ips/198.51.100.7/geoloc", "ips/198.51.100.7/asn"}
	for i, path := range paths {
		want, wantBody := etConnector(t, http.DefaultClient, direct.URL+"/v1/", vendorKey, path)
		for _, status := range []string{"enrichgate; fwd=miss", "enrichgate; hit; ttl="} {
			got, body := w.asPublicConnector(token, path)
			if got.StatusCode != want.StatusCode || got.Header.Get("Content-Type") != want.Header.Get("Content-Type") || !bytes.Equal(body, wantBody) {
				t.Errorf("%s: %d %q %.200q, the vendor says %d %q %.200q", path, got.StatusCode, got.Header.Get("Content-Type"), body,
					want.StatusCode, want.Header.Get("Content-Type"), wantBody)
			}
			if !strings.HasPrefix(got.Header.Get("Cache-Status"), status) || got.Header.Get("RateLimit") == "" {
				t.Errorf("%s: %v", path, got.Header)
			}
		}
		w.bill(i + 1)
	}
	// An analyst who asks now finds all of it there, and the other way round.
	w.want(200, `"cached":true`, "GET", "/api/v1/lookup?value=198.51.100.7", adminToken, "")
	w.bill(len(paths))
	w.want(200, `"cached":false`, "GET", "/api/v1/lookup?value=198.51.100.8", adminToken, "")
	if got, _ := w.asPublicConnector(token, "ips/198.51.100.8/asn"); got.Header.Get("X-Enrichgate-Units") != "0" {
		t.Errorf("%v", got.Header)
	}
	w.bill(len(paths) + 5)
	w.want(200, `"trigger":"proxy"`, "GET", "/api/v1/ledger?client=connector&limit=1", adminToken, "")
	w.noSecrets(token)
}

// Two clients, ten units each, all at once: ten each, to the unit.
func TestBudgetsOfProxyClients(t *testing.T) {
	w := newWorld(t, options{})
	tokens := map[string]string{}
	for _, name := range []string{"first", "second"} {
		tokens[name] = w.addClient(clients.Client{Name: name, Budgets: map[string]string{et: "10/day"}})
	}
	var good, refused [2]atomic.Int64
	var all sync.WaitGroup
	for i := range 60 { // thirty each
		all.Go(func() {
			who := i % 2
			path := fmt.Sprintf("ips/%s/reputation", address(i+1))
			resp, body := w.asPublicConnector(tokens[[]string{"first", "second"}[who]], path)
			switch resp.StatusCode {
			case 200, 404:
				good[who].Add(1)
			case 429:
				refused[who].Add(1)
				var p httpapi.Details
				if err := json.Unmarshal(body, &p); err != nil || p.RetryAfter < 1 || p.ResetAt == nil || p.Window != "day" || p.Source != et || !strings.HasPrefix(p.Budget, "client ") ||
					resp.Header.Get("Retry-After") != fmt.Sprint(p.RetryAfter) || resp.Header.Get("Content-Type") != "application/problem+json" {
					t.Errorf("%s %v", body, resp.Header)
				}
			default:
				t.Errorf("%d %s", resp.StatusCode, body)
			}
		})
	}
	all.Wait()
	for who := range 2 {
		if good[who].Load() != 10 || refused[who].Load() != 20 {
			t.Errorf("client %d: %d answers and %d refusals of 30", who, good[who].Load(), refused[who].Load())
		}
	}
	w.bill(20)
	w.spent(20)
	for _, u := range w.ledger.Usage() {
		for _, c := range u.Clients {
			if c.Windows[0].Used != 10 || c.Windows[0].Remaining != 0 {
				t.Errorf("%+v", c)
			}
		}
		if len(u.Clients) != 2 {
			t.Errorf("%d budgets", len(u.Clients))
		}
	}
	// More budget, over the API, holds at once.
	w.want(200, `"15/day"`, "PUT", "/api/v1/clients/first/budgets/"+et, adminToken, `{"limits":"15/day"}`)
	for i := range 10 {
		w.asPublicConnector(tokens["first"], fmt.Sprintf("ips/%s/asn", address(i+1)))
	}
	w.bill(25)
	w.noSecrets(tokens["first"], tokens["second"])
}

// Many at once for one thing are one call, whoever pays.
func TestTheProxySharesFlights(t *testing.T) {
	w := newWorld(t, options{})
	held := make(chan struct{})
	var seen sync.Once
	w.provider.Handle(func(*http.Request, int) (provider.Reply, bool) {
		seen.Do(func() { time.AfterFunc(50*time.Millisecond, func() { close(held) }) })
		<-held
		return provider.Reply{}, false
	})
	token := w.addClient(clients.Client{Name: "connector"})
	var all sync.WaitGroup
	for range 30 {
		all.Go(func() {
			if resp, body := w.asPublicConnector(token, "ips/198.51.100.7/asn"); resp.StatusCode != 200 {
				t.Errorf("%d %s", resp.StatusCode, body)
			}
		})
	}
	all.Wait()
	w.bill(1)
	w.spent(1)
}

// What is no lookup of ours never leaves, whatever it looks like.
func TestTheProxyOffersLookupsOnly(t *testing.T) {
	w := newWorld(t, options{})
	token := w.addClient(clients.Client{Name: "connector"})
	elsewhere := w.addClient(clients.Client{Name: "elsewhere", Sources: []string{"another"}})
	for request, want := range map[string]int{
		"GET /proxy/" + et + "/v1/repcategories":               403,
		"GET /proxy/" + et + "/v1/ips/198.51.100.7/urls":       403,
		"GET /proxy/" + et + "/v1/ips/198.51.100.7/asn?full=1": 403,
		"POST /proxy/" + et + "/v1/ips/198.51.100.7/asn":       403,
		"DELETE /proxy/" + et + "/v1/samples/x":                403,
		"PURGE /proxy/" + et + "/v1/ips/198.51.100.7/asn":      403,
		"GET /proxy/" + et + "/":                               403,
		"GET /proxy/" + et:                                     403,
		"GET /proxy/nobody/v1/ips/198.51.100.7/asn":            404,
		"GET /proxy/": 404,
		"GET /proxy/" + et + "/v1/../v1/ips/198.51.100.7/asn":         404,
		"GET /proxy/" + et + "/%2e%2e/admin":                          404,
		"GET /proxy/" + et + "/v1/ips/198.51.100.7%2Fasn":             200, // the same, escaped
		"GET /proxy/" + et + "/http://192.0.2.1/ips/x":                403,
		"GET /proxy/" + et + "/v1/ips/192.0.2.1@example.com/asn":      400,
		"GET /proxy/" + et + "/v1/ips/10.1.2.3/asn":                   403,
		"GET /proxy/" + et + "/v1/domains/localhost/ips":              400,
		"GET /proxy/" + et + "/v1/samples/xyz":                        400,
		"GET /proxy/" + et + "/v1//ips/198.51.100.7/asn":              200,
		"GET /proxy/" + et + "/ips/198.51.100.7/asn":                  200,
		"HEAD /proxy/" + et + "/v1/ips/198.51.100.7/asn":              200,
		"GET /proxy/" + et + "/v1/ips/198[.]51[.]100[.]7/asn":         200,
		"GET /proxy/" + et + "/v1/ips/198.51.100.7/asn/":              200,
		"GET /proxy/" + et + "/v1/ips/198.51.100.7/asn\u00e9":         403,
		"GET /proxy/" + et + "/v1/domains/EXAMPLE.com./reputation":    200,
		"GET /proxy/" + et + "/v1/domains/example.com/reputation":     200,
		"GET /proxy/" + et + "/v1/samples/" + strings.Repeat("A", 32): 200,
		"GET /proxy/" + et + "/v1/samples/" + strings.Repeat("a", 32): 200,
	} {
		method, path, _ := strings.Cut(request, " ")
		resp, body := w.call(method, path, "", "", "Authorization: "+token)
		if resp.StatusCode != want && !(want == 200 && resp.StatusCode == 404 && resp.Header.Get("Cache-Status") != "") {
			t.Errorf("%s: %d %.300s, want %d", request, resp.StatusCode, body, want)
		}
		if resp.StatusCode/100 == 3 || resp.Header.Get("Location") != "" {
			t.Errorf("%s: a redirect", request)
		}
	}
	w.bill(3) // one address, one domain, one file, however they were spelled
	w.want(401, "unauthorized", "GET", "/proxy/"+et+"/v1/ips/198.51.100.7/asn", "", "")
	w.want(401, "unauthorized", "GET", "/proxy/"+et+"/v1/ips/198.51.100.7/asn", token, "") // "Bearer …" is not where this vendor's key stands
	w.want(403, "may not ask", "GET", "/proxy/"+et+"/v1/ips/198.51.100.7/asn", "", "", "Authorization: "+elsewhere)
	w.want(403, "client's token", "GET", "/proxy/"+et+"/v1/ips/198.51.100.9/asn", "", "", "Authorization: "+readToken)
	w.bill(3)
	w.noSecrets(token, elsewhere)
}

// The vendor's failures are passed on under their own status; the key that it
// refuses is not the client's.
func TestTheProxyPassesFailuresOn(t *testing.T) {
	for _, c := range []struct {
		reply provider.Reply
		want  int
		calls int
	}{
		{provider.Reply{Status: 401, Body: []byte(vendorKey)}, 401, 1},
		{provider.Reply{Status: 402}, 402, 1},
		{provider.Reply{Status: 403}, 403, 1},
		{provider.Reply{Status: 429, Header: http.Header{"Retry-After": {"3600"}}}, 429, 1},
		{provider.Reply{Status: 503}, 503, 2},
		{provider.Reply{Status: 200, Body: []byte("<html>login</html>")}, 502, 2},
		{provider.Reply{Status: 302, Header: http.Header{"Location": {"http://192.0.2.1/"}}}, 502, 2},
		{provider.Reply{Drop: true}, 502, 2},
	} {
		t.Run(fmt.Sprint(c.reply.Status), func(t *testing.T) {
			t.Parallel() // a second attempt waits a second
			w := newWorld(t, options{})
			token := w.addClient(clients.Client{Name: "connector"})
			w.provider.Handle(func(*http.Request, int) (provider.Reply, bool) { return c.reply, true })
			resp, body := w.asPublicConnector(token, "ips/198.51.100.7/asn")
			if resp.StatusCode != c.want || resp.Header.Get("Content-Type") != "application/problem+json" || !strings.Contains(string(body), "provider-unavailable") {
				t.Errorf("%d %s", resp.StatusCode, body)
			}
			if !strings.Contains(string(body), fmt.Sprintf(`"units":%d`, c.calls)) || resp.Header.Get("X-Enrichgate-Units") != fmt.Sprint(c.calls) {
				t.Errorf("%d calls, and it says %s %v", c.calls, body, resp.Header)
			}
			if c.want == 429 && resp.Header.Get("Retry-After") == "" {
				t.Errorf("%v", resp.Header)
			}
			w.bill(c.calls)
			w.spent(int64(c.calls))
			w.noSecrets(token)
			// An outage is not kept.
			w.want(504, "not-cached", "GET", "/proxy/"+et+"/v1/ips/198.51.100.7/asn", "", "", "Authorization: "+token, "Cache-Control: only-if-cached")
		})
	}
}

// When nothing may be spent an expired answer is given, marked; without one it
// is 429, or 503 while the source is paused.
func TestTheProxyServesStale(t *testing.T) {
	w := newWorld(t, options{quota: "1/month", ttl: time.Nanosecond})
	token := w.addClient(clients.Client{Name: "connector"})
	_, first := w.asPublicConnector(token, "ips/198.51.100.7/asn")
	resp, body := w.asPublicConnector(token, "ips/198.51.100.7/asn")
	if resp.StatusCode != 200 || !bytes.Equal(body, first) || !strings.Contains(resp.Header.Get("Cache-Status"), "detail=stale") || !strings.Contains(resp.Header.Get("X-Enrichgate-Stale"), "exhausted") || resp.Header.Get("Age") == "" {
		t.Errorf("%d %s %v", resp.StatusCode, body, resp.Header)
	}
	if resp, body := w.asPublicConnector(token, "ips/198.51.100.8/asn"); resp.StatusCode != 429 || resp.Header.Get("Retry-After") == "" {
		t.Errorf("%d %s", resp.StatusCode, body)
	}
	w.must(w.ledger.Pause(et, time.Now().Add(time.Hour), quota.Order{By: "test", Reason: "maintenance"}))
	if resp, body := w.asPublicConnector(token, "ips/198.51.100.8/asn"); resp.StatusCode != 503 || resp.Header.Get("Retry-After") == "" || !strings.Contains(string(body), "source-paused") {
		t.Errorf("%d %s", resp.StatusCode, body)
	}
	w.bill(1)
}

// A request in the vendor's form has no marking: what that counts as is what
// the operator says, and a client may be held to less.
func TestTheProxyAndMarkings(t *testing.T) {
	w := newWorld(t, options{maxTLP: stixconv.Green, unmarked: stixconv.Amber})
	if resp, body := w.asPublicConnector(w.addClient(clients.Client{Name: "connector"}), "ips/198.51.100.7/asn"); resp.StatusCode != 403 || !strings.Contains(string(body), "tlp-denied") {
		t.Errorf("%d %s", resp.StatusCode, body)
	}
	w.bill(0)
	w = newWorld(t, options{unmarked: stixconv.Amber})
	if resp, _ := w.asPublicConnector(w.addClient(clients.Client{Name: "green", MaxTLP: "TLP:GREEN"}), "ips/198.51.100.7/asn"); resp.StatusCode != 403 {
		t.Errorf("%d", resp.StatusCode)
	}
	w.bill(0)
	if resp, _ := w.asPublicConnector(w.addClient(clients.Client{Name: "amber", MaxTLP: "TLP:AMBER"}), "ips/198.51.100.7/asn"); resp.StatusCode != 200 {
		t.Errorf("%d", resp.StatusCode)
	}
	w.bill(1)
}
