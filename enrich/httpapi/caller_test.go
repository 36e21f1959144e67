package httpapi_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/enrichgate/enrichgate/enrich/httpapi"
	"github.com/enrichgate/enrichgate/enrich/httpapi/clients"
)

// Who may do what, for every route.
func TestRoles(t *testing.T) {
	w := newWorld(t, options{})
	client := w.addClient(clients.Client{Name: "tool"})
	tokens := map[string]string{"none": "", "wrong": "wrong-token-0123456789", "read": readToken, "client": client, "admin": adminToken}
	for _, route := range httpapi.Routes() {
		method, path, _ := strings.Cut(route, " ")
		if path == "/api/v1/events" {
			continue // endless for those who may
		}
		path = strings.NewReplacer("{source}", et, "{type}", "ipv4-addr", "{value}", "198.51.100.7", "{client}", "nobody").Replace(path)
		allowed := map[string]bool{"admin": true}
		switch {
		case path == "/api/v1/openapi.json":
			allowed = map[string]bool{"none": true, "wrong": true, "read": true, "client": true, "admin": true}
		case strings.Contains(path, "/clients"), strings.Contains(path, "/cache"), strings.HasSuffix(path, "/ledger"), strings.HasSuffix(path, "/enrichments"):
			allowed["read"] = method == "GET"
		case strings.Contains(path, "/lookup"):
			allowed["client"] = true
		case method == "GET", strings.HasSuffix(path, "/estimate"):
			allowed["client"], allowed["read"] = true, true
		}
		body := ""
		if method == "POST" || method == "PUT" {
			body = `{"values":["198.51.100.7"]}`
		}
		if strings.HasSuffix(path, "/lookup") {
			path += "?value=198.51.100.7"
		}
		for who, token := range tokens {
			resp, answer := w.call(method, path, token, body)
			denied := resp.StatusCode == 401 || resp.StatusCode == 403
			if denied == allowed[who] {
				t.Errorf("%s as %s: %d %.200s", route, who, resp.StatusCode, answer)
			}
			if (who == "none" || who == "wrong") && denied && (resp.StatusCode != 401 || resp.Header.Get("WWW-Authenticate") == "") {
				t.Errorf("%s as %s: %d", route, who, resp.StatusCode)
			}
		}
		// The failures of one round are forgotten for the next.
		w.front.Close()
		w.serve()
	}
	w.noSecrets(client)
}

func TestAClientIsHeldToWhatItMay(t *testing.T) {
	w := newWorld(t, options{})
	elsewhere := w.addClient(clients.Client{Name: "elsewhere", Sources: []string{"another_source"}})
	green := w.addClient(clients.Client{Name: "green", MaxTLP: "TLP:GREEN"})
	soon := time.Now().Add(time.Hour)
	ending := w.addClient(clients.Client{Name: "ending", ExpiresAt: &soon})
	w.want(400, "no source that this token may ask", "GET", "/api/v1/lookup?value=198.51.100.7", elsewhere, "")
	w.want(200, `{"sources":[]}`, "GET", "/api/v1/quota", elsewhere, "")
	w.want(404, "not-found", "GET", "/api/v1/quota/"+et, elsewhere, "")
	w.want(200, `{"sources":[]}`, "GET", "/api/v1/sources", elsewhere, "")
	w.want(403, "tlp-denied", "GET", "/api/v1/lookup?value=198.51.100.7&tlp=TLP:AMBER", green, "")
	w.bill(0)
	w.want(200, "", "GET", "/api/v1/lookup?value=198.51.100.7&tlp=TLP:GREEN", green, "")
	w.want(200, "", "GET", "/api/v1/lookup?value=198.51.100.7", ending, "")
	w.bill(5)
	w.must(w.clients.Revoke("green"))
	w.want(401, "nobody has this token", "GET", "/api/v1/quota", green, "")
	w.noSecrets(elsewhere, green, ending)
}

func TestWithoutATokenOnlyReading(t *testing.T) {
	w := newWorld(t, options{change: func(c *httpapi.Config) { c.AdminToken, c.ReadToken = "", "" }})
	w.want(200, "", "GET", "/api/v1/quota", "", "")
	w.want(403, "needs an admin's", "GET", "/api/v1/lookup?value=198.51.100.7", "", "")
	w.want(504, "not-cached", "GET", "/api/v1/lookup?value=198.51.100.7", "", "", "Cache-Control: only-if-cached")
	w.want(403, "may not do that", "POST", "/api/v1/clients", "", `{"name":"x"}`)
	// A client's token is as good as ever.
	w.want(200, "", "GET", "/api/v1/lookup?value=198.51.100.7", w.addClient(clients.Client{Name: "soar"}), "")
	w.bill(5)
	// A page elsewhere that makes its name point here is not answered.
	req, err := http.NewRequestWithContext(t.Context(), "GET", w.front.URL+"/api/v1/quota", nil)
	w.must(err)
	req.Host = "rebound.example.com"
	resp, err := w.client.Do(req)
	w.must(err)
	defer resp.Body.Close()
	if resp.StatusCode != 403 {
		t.Errorf("%d", resp.StatusCode)
	}
}

func TestTheSocketNeedsNoToken(t *testing.T) {
	w := newWorld(t, options{change: func(c *httpapi.Config) { c.Local = true }})
	w.want(200, "", "GET", "/api/v1/lookup?value=198.51.100.7", "", "")
	w.want(200, `"trigger":"manual"`, "GET", "/api/v1/ledger?client=cli", "", "")
	w.want(200, "clients", "GET", "/api/v1/clients", "", "")
}

// Guessing is slowed down, and locks out nobody who knows. A clock of the books
// that runs faster than life changes nothing about it.
func TestWrongTokensAreRateLimited(t *testing.T) {
	now := time.Now()
	books := now
	fast := func() time.Time {
		books = books.Add(24 * time.Hour)
		return books
	}
	w := newWorld(t, options{now: fast, change: func(c *httpapi.Config) { c.Clock = func() time.Time { return now } }})
	client := w.addClient(clients.Client{Name: "soar"})
	statuses := map[int]int{}
	for range 30 {
		resp, _ := w.call("GET", "/api/v1/quota", "guess-0123456789", "")
		statuses[resp.StatusCode]++
	}
	if statuses[401] != 10 || statuses[429] != 20 {
		t.Errorf("%v", statuses)
	}
	if resp := w.want(429, "too-many-attempts", "GET", "/api/v1/quota", adminToken, ""); resp.Header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	w.want(200, "", "GET", "/api/v1/quota", client, "")
	w.want(429, "too-many-attempts", "GET", "/api/v1/quota", "egc_"+strings.Repeat("A", 43), "")
	if n := strings.Count(w.log.String(), "wrong tokens"); n != 1 {
		t.Errorf("%d lines in the log", n)
	}
	now = now.Add(time.Minute)
	w.want(200, "", "GET", "/api/v1/quota", adminToken, "")
}
