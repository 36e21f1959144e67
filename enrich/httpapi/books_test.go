package httpapi_test

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/enrichgate/enrichgate/enrich/httpapi"
	"github.com/enrichgate/enrichgate/enrich/httpapi/clients"
	"github.com/enrichgate/enrichgate/quota"
)

func TestTheLedgerIsPagedAndFiltered(t *testing.T) {
	w := newWorld(t, options{})
	soar := w.addClient(clients.Client{Name: "soar"})
	for i := range 6 {
		w.want(200, "", "GET", "/api/v1/lookup?value="+address(i+1), []string{adminToken, soar}[i%2], "")
	}
	var seqs []uint64
	cursor, pages := "", 0
	for {
		_, body := w.call("GET", "/api/v1/ledger?kind=reserve&limit=7"+cursor, readToken, "")
		var page struct {
			Entries []quota.Entry
			Next    string
		}
		w.must(json.Unmarshal([]byte(body), &page))
		for _, e := range page.Entries {
			seqs = append(seqs, e.Seq)
		}
		if pages++; page.Next == "" {
			break
		}
		cursor = "&cursor=" + page.Next
	}
	if len(seqs) != 30 || pages != 5 {
		t.Errorf("%d entries in %d pages", len(seqs), pages)
	}
	for i, s := range seqs[1:] {
		if s <= seqs[i] {
			t.Errorf("%v", seqs)
		}
	}
	for query, want := range map[string]int{
		"client=soar&kind=reserve": 15, "client=nobody": 0, "source=" + et + "&kind=spent": 30, "subject=198.51.100.1&kind=reserve": 5,
		"trigger=api&endpoint=ip.asn&kind=reserve": 6, "since=1h&kind=reserve": 30, "until=1h": 0,
		"order=newest&limit=4": 4, "since=" + time.Now().Add(time.Hour).UTC().Format(time.RFC3339): 0,
	} {
		page := query
		if !strings.Contains(query, "limit=") {
			page += "&limit=1000"
		}
		_, body := w.call("GET", "/api/v1/ledger?"+page, readToken, "")
		if n := strings.Count(body, `"seq":`); n != want {
			t.Errorf("%s: %d entries, want %d", query, n, want)
		}
		_, lines := w.call("GET", "/api/v1/ledger?"+query, readToken, "", "Accept: application/x-ndjson")
		if n := strings.Count(lines, "\n"); n != want {
			t.Errorf("%s: %d lines, want %d", query, n, want)
		}
	}
	_, table := w.call("GET", "/api/v1/ledger", readToken, "", "Accept: text/csv")
	rows, err := csv.NewReader(strings.NewReader(table)).ReadAll()
	if err != nil || len(rows) != 1+60 {
		t.Errorf("%d rows, %v", len(rows), err)
	}
	for bad, want := range map[string]string{
		"kind=nosuch": "use reserve, spent", "trigger=nosuch": "use manual, api", "sinse=1h": "there are since, until", "kind=%zz": "the query",
	} {
		w.want(400, want, "GET", "/api/v1/ledger?"+bad, readToken, "")
		w.want(400, want, "GET", "/api/v1/ledger?"+bad, readToken, "", "Accept: text/csv")
	}
	for _, bad := range []string{"since=soon", "until=-1h", "cursor=x", "cursor=0", "limit=0", "limit=x", "order=up"} {
		w.want(400, "invalid-input", "GET", "/api/v1/ledger?"+bad, readToken, "")
	}
}

// A slip in a parameter's name must not widen what is asked for, or removed.
func TestUnknownParametersAreRefused(t *testing.T) {
	w := newWorld(t, options{})
	w.want(200, "", "GET", "/api/v1/lookup?value=198.51.100.7", adminToken, "")
	w.want(400, `\"souce\" is not a parameter here; there are source, endpoint, before, all`, "DELETE", "/api/v1/cache?souce="+et+"&all=true", adminToken, "")
	w.want(200, `"units":0`, "GET", "/api/v1/lookup?value=198.51.100.7", adminToken, "")
	w.want(400, "not a parameter", "GET", "/api/v1/lookup?value=198.51.100.8&tpl=TLP:RED", adminToken, "")
	w.want(400, "not a trigger", "GET", "/api/v1/enrichments?trigger=nosuch", readToken, "")
	w.want(400, "source is given more than once", "DELETE", "/api/v1/cache?reason=x&source="+et+"&source=another", adminToken, "")
	w.want(400, "has no parameters", "GET", "/api/v1/quota?source="+et, readToken, "")
	w.bill(5)
}

func TestTheCacheIsSeenAndForgotten(t *testing.T) {
	w := newWorld(t, options{})
	const path = "/api/v1/cache/" + et + "/ipv4-addr/198.51.100.7"
	w.want(200, `"state":"gone"`, "GET", path, readToken, "")
	w.want(200, "", "GET", "/api/v1/lookup?value=198.51.100.7", adminToken, "")
	_, body := w.call("GET", path, readToken, "")
	if strings.Count(body, `"state":"fresh"`) != 5 || strings.Contains(body, "gone") {
		t.Error(body)
	}
	w.want(200, `"disk_hits"`, "GET", "/api/v1/cache", readToken, "")
	w.want(403, "may not do that", "DELETE", path, readToken, "")
	w.want(400, "a reason is needed", "DELETE", path, adminToken, "")
	w.want(400, "a reason is needed", "DELETE", path+"?reason=%20", adminToken, "")
	w.want(200, `"units":0`, "GET", "/api/v1/lookup?value=198.51.100.7", adminToken, "")
	w.want(200, `{"removed":5}`, "DELETE", path+"?reason=wrong", adminToken, "")
	w.want(200, `"subject":"198.51.100.7","units":0,"reason":"answers removed from the cache: wrong","by":"admin"`, "GET", "/api/v1/ledger?kind=note", readToken, "")
	w.want(200, `{"removed":0}`, "DELETE", path+"?reason=wrong", adminToken, "")
	w.want(200, `"units":5`, "GET", "/api/v1/lookup?value=198.51.100.7", adminToken, "")
	w.want(400, "invalid-input", "GET", "/api/v1/cache/"+et+"/ipv4-addr/nonsense", readToken, "")
	w.want(400, "there is no source", "GET", "/api/v1/cache/nobody/ipv4-addr/198.51.100.7", readToken, "")
	w.bill(10)
	w.want(400, "nothing chooses", "DELETE", "/api/v1/cache", adminToken, "")
	w.want(400, "not a source", "DELETE", "/api/v1/cache?source=nobody", adminToken, "")
	w.want(400, "before", "DELETE", "/api/v1/cache?before=soon", adminToken, "")
	w.want(400, "a reason is needed", "DELETE", "/api/v1/cache?all=true", adminToken, "")
	w.want(200, `{"removed":0}`, "DELETE", "/api/v1/cache?reason=old&before=1h", adminToken, "")
	w.want(200, `{"removed":1}`, "DELETE", "/api/v1/cache?reason=old&source="+et+"&endpoint=ip.asn", adminToken, "")
	w.want(200, `"units":1`, "GET", "/api/v1/lookup?value=198.51.100.7", adminToken, "")
	w.want(200, `{"removed":5}`, "DELETE", "/api/v1/cache?reason=all&all=true", adminToken, "")
	w.bill(11)
	if _, body := w.call("GET", "/api/v1/ledger?kind=note", readToken, ""); strings.Count(body, "answers removed from the cache: ") != 5 {
		t.Errorf("each removal that was ordered is in the audit log, once: %s", body)
	}
}

func TestASourceIsSteered(t *testing.T) {
	w := newWorld(t, options{quota: "100/month"})
	const path = "/api/v1/sources/" + et
	w.want(200, `"paused":{`, "POST", path+"/pause", adminToken, `{"for":"1h","reason":"maintenance"}`)
	resp := w.want(503, "source-paused", "GET", "/api/v1/lookup?value=198.51.100.7", adminToken, "")
	if resp.Header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	w.want(200, `"source":`, "POST", path+"/resume", adminToken, `{"reason":"over"}`)
	w.want(400, "not paused", "POST", path+"/resume", adminToken, `{"reason":"over"}`)
	w.want(200, `"limit":8`, "PATCH", path+"/limits", adminToken, `{"window":"month","limit":8,"reason":"contract"}`)
	w.want(200, "", "GET", "/api/v1/lookup?value=198.51.100.7", adminToken, "")
	w.want(200, `"complete":false`, "GET", "/api/v1/lookup?value=198.51.100.8", adminToken, "")
	w.bill(8)
	w.want(200, `"used":4`, "PATCH", path+"/limits", adminToken, `{"window":"month","used":4,"floors":{"api":4},"reason":"the provider says so"}`)
	w.want(429, "kept for", "GET", "/api/v1/lookup?value=198.51.100.9", adminToken, "")
	w.bill(8)
	for body, want := range map[string]string{
		`{"for":"1h"}`: "a reason is needed", `{"for":"soon","reason":"x"}`: "for:", `{"until":"2020-01-01T00:00:00Z","reason":"x"}`: "past",
		`{"until":"2099-01-01T00:00:00Z","for":"1h","reason":"x"}`: "one is enough", `{`: "the body",
	} {
		w.want(400, want, "POST", path+"/pause", adminToken, body)
	}
	for body, want := range map[string]string{
		`{"window":"month","reason":"x"}`: "nothing to change", `{"window":"year","limit":1,"reason":"x"}`: "no window", `{"window":"month","limit":0,"reason":"x"}`: "at least 1",
		`{"window":"month","used":-1,"reason":"x"}`: "between", `{"window":"month","floors":{"people":1},"reason":"x"}`: "not a trigger",
	} {
		w.want(400, want, "PATCH", path+"/limits", adminToken, body)
	}
	w.want(404, "no source", "POST", "/api/v1/sources/nobody/pause", adminToken, `{"reason":"x"}`)
	// An order that cannot be followed to its end is not begun.
	entries := w.entries()
	for _, wrong := range []string{
		`"used":-1`, `"floors":{"api":-1}`, `"floors":{"people":1}`, `"used":2000000000000000`, `"floors":{"api":2000000000000000}`, `"reason":" "`,
	} {
		body := `{"window":"month","reason":"x","limit":500,` + wrong + `}`
		w.want(400, "invalid-input", "PATCH", path+"/limits", adminToken, body)
	}
	if n := w.entries(); n != entries {
		t.Errorf("%d entries were %d", n, entries)
	}
	// Each order that was followed is in the audit log, with who and why.
	for _, kind := range []string{"pause", "resume", "set-limit", "set-used", "set-floor"} {
		w.want(200, `"by":"admin"`, "GET", "/api/v1/ledger?kind="+kind, readToken, "")
	}
	if _, err := w.ledger.Verify(); err != nil {
		t.Error(err)
	}
}

// entries is how many the audit log has.
func (w *world) entries() (n int) {
	w.t.Helper()
	w.must(w.ledger.Entries(quota.Filter{}, func(quota.Entry) error { n++; return nil }))
	return n
}

func TestClientsOverHTTP(t *testing.T) {
	w := newWorld(t, options{})
	_, body := w.call("POST", "/api/v1/clients", adminToken, `{"name":"soar","budgets":{"`+et+`":"5/day"},"max_tlp":"TLP:GREEN","expires_at":"2099-01-01T00:00:00Z"}`)
	var added struct{ Token string }
	w.must(json.Unmarshal([]byte(body), &added))
	w.want(200, `"units":5`, "GET", "/api/v1/lookup?value=198.51.100.7", added.Token, "")
	w.want(429, `"budget":"client soar"`, "GET", "/api/v1/lookup?value=198.51.100.8", added.Token, "")
	w.want(200, `"clients":[{"name":"soar"`, "GET", "/api/v1/quota", added.Token, "")
	w.want(200, `"last_used_at"`, "GET", "/api/v1/clients", readToken, "")
	for body, want := range map[string]struct {
		status int
		piece  string
	}{
		`{"name":"soar"}`: {409, "conflict"}, `{"name":"Soar"}`: {400, "name"}, `{"name":"admin"}`: {400, "own"}, `{"name":"x","sources":["nobody"]}`: {400, "not a source"},
		`{"name":"x","budgets":{"` + et + `":"5/fortnight"}}`: {400, "fortnight"}, `{"name":"x","token":"y"}`: {400, "unknown field"}, `[]`: {400, "the body"},
		`{"name":"x","expires_at":"2020-01-01T00:00:00Z"}`: {400, "expired"},
	} {
		w.want(want.status, want.piece, "POST", "/api/v1/clients", adminToken, body)
	}
	w.want(400, "limits", "PUT", "/api/v1/clients/soar/budgets/"+et, adminToken, `{"limits":"5/fortnight"}`)
	w.addClient(clients.Client{Name: "elsewhere", Sources: []string{"another"}})
	w.want(400, "which it may not ask", "PUT", "/api/v1/clients/elsewhere/budgets/"+et, adminToken, `{"limits":"5/day"}`)
	w.want(404, "no such client", "PUT", "/api/v1/clients/nobody/budgets/"+et, adminToken, `{"limits":"5/day"}`)
	w.want(200, "", "PUT", "/api/v1/clients/soar/budgets/"+et, adminToken, `{"limits":""}`)
	w.want(200, `"units":5`, "GET", "/api/v1/lookup?value=198.51.100.8", added.Token, "")
	w.want(204, "", "DELETE", "/api/v1/clients/soar", adminToken, "")
	w.want(404, "no such client", "DELETE", "/api/v1/clients/soar", adminToken, "")
	w.want(401, "unauthorized", "GET", "/api/v1/lookup?value=198.51.100.7", added.Token, "")
	w.bill(10)
	_, list := w.call("GET", "/api/v1/clients", adminToken, "")
	if strings.Contains(list+w.log.String(), added.Token) {
		t.Error("the token was told again")
	}
}

func TestRecentEnrichments(t *testing.T) {
	w := newWorld(t, options{})
	for i := range 5 {
		w.want(200, "", "GET", "/api/v1/lookup?value="+address(i+1), adminToken, "")
	}
	w.want(403, "", "GET", "/api/v1/lookup?value=198.51.100.1&tlp=TLP:RED", adminToken, "")
	w.asPublicConnector(w.addClient(clients.Client{Name: "connector"}), "ips/198.51.100.1/asn")
	_, body := w.call("GET", "/api/v1/enrichments?limit=3", readToken, "")
	var got httpapi.EnrichmentsAnswer
	w.must(json.Unmarshal([]byte(body), &got))
	if e := got.Enrichments; len(e) != 3 || e[0].ID != 7 || e[0].Trigger != "proxy" || e[0].Client != "connector" || e[0].UnitsSaved != 1 || e[0].Lookups[0].From == "" ||
		e[1].Fate != "denied" || e[2].Units != 5 || e[2].Value != "198.51.100.5" || len(e[2].Lookups) != 5 {
		t.Error(body)
	}
	for query, want := range map[string]int{"before=3": 2, "trigger=proxy": 1, "fate=denied": 1, "client=nobody": 0, "source=" + et: 7} {
		_, body := w.call("GET", "/api/v1/enrichments?"+query, readToken, "")
		if n := strings.Count(body, `"took_ms"`); n != want {
			t.Errorf("%s: %d, want %d", query, n, want)
		}
	}
	w.want(400, "limit", "GET", "/api/v1/enrichments?limit=1001", readToken, "")
	w.want(400, "before", "GET", "/api/v1/enrichments?before=x", readToken, "")
}

// An event for each, in order; who comes back gets what it missed.
func TestEvents(t *testing.T) {
	w := newWorld(t, options{})
	doc := spec(t)
	listen := func(last string) (next func() (name, id, data string), leave func()) {
		resp := w.stream("/api/v1/events", readToken, last)
		return func() (name, id, data string) {
			for {
				line, err := resp.ReadString('\n')
				if err != nil {
					t.Fatal(err)
				}
				field, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
				switch field {
				case "event":
					name = value
				case "id":
					id = value
				case "data":
					data = value
				case "":
					return name, id, data
				}
			}
		}, resp.leave
	}
	next, leave := listen("")
	if name, _, data := next(); name != "quota" {
		t.Errorf("%s %s", name, data)
	} else {
		matches(t, doc, "QuotaAnswer", data)
	}
	for i := range 3 {
		w.want(200, "", "GET", "/api/v1/lookup?value="+address(i+1), adminToken, "")
	}
	for i := range 2 {
		name, id, data := next()
		if name != "enrichment" || id != fmt.Sprint(i+1) || !strings.Contains(data, address(i+1)) {
			t.Errorf("%s %s %s", name, id, data)
		}
		matches(t, doc, "Enrichment", data)
	}
	leave()
	next, leave = listen("2")
	defer leave()
	if name, id, _ := next(); name != "enrichment" || id != "3" {
		t.Errorf("%s %s", name, id)
	}
}

// A listener that does not listen is let go, and holds up nobody.
func TestASlowListenerIsLetGo(t *testing.T) {
	w := newWorld(t, options{})
	slow := w.stream("/api/v1/events", readToken, "")
	defer slow.leave()
	for i := range 2000 {
		w.recent.Observe(httpapi.Decision(address(i%200 + 1)))
	}
	if _, body := w.call("GET", "/api/v1/enrichments?limit=1000", readToken, ""); strings.Count(body, `"took_ms"`) != 1000 || !strings.Contains(body, `"id":2000,`) || strings.Contains(body, `"id":1000,`) {
		t.Errorf("%d are kept", strings.Count(body, `"took_ms"`))
	}
	if _, err := io.Copy(io.Discard, slow); err != nil {
		t.Errorf("%v: the stream should end, and not break", err)
	}
}

// What is told to be left is what the caller may have: less what is kept for
// others, and no more than its own budget.
func TestWhatIsLeftIsTheCallers(t *testing.T) {
	w := newWorld(t, options{quota: "100/month"})
	w.must(w.ledger.SetFloor(et, "month", quota.API, 20, quota.Order{By: "test", Reason: "test"}))
	w.must(w.ledger.SetFloor(et, "month", quota.Proxy, 40, quota.Order{By: "test", Reason: "test"}))
	soar := w.addClient(clients.Client{Name: "soar", Budgets: map[string]string{et: "8/day"}})
	for token, want := range map[string]string{adminToken: `"month";r=75;t=`, soar: `"month";r=75;t=`} {
		resp := w.want(200, "", "GET", "/api/v1/lookup?value=198.51.100.7", token, "")
		if got := resp.Header.Get("RateLimit"); !strings.HasPrefix(got, want) || strings.Contains(got, `"budget_day";r=8;t=`) != (token == soar) && strings.Contains(got, `"budget_day";r=3;t=`) != (token == soar) {
			t.Errorf("%s", got)
		}
	}
	resp, _ := w.asPublicConnector(soar, "ips/198.51.100.7/asn")
	if got := resp.Header.Get("RateLimit"); !strings.HasPrefix(got, `"month";r=55;t=`) {
		t.Errorf("%s", got)
	}
	two := `{"values":["198.51.100.1","198.51.100.2"]}`
	w.want(200, `"units":10,"affordable":false`, "POST", "/api/v1/estimate", soar, two)
	w.want(200, `"units":10,"affordable":true`, "POST", "/api/v1/estimate", adminToken, two)
}
