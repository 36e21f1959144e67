package dashboards

import (
	"bufio"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"
)

// Without a session there is no page but the sign-in, and no action at all.
func TestWhoMayLook(t *testing.T) {
	const away = "gate.example.com"
	for _, c := range []struct {
		name, read, admin, host string
		status                  int
	}{
		{"a token, none shown", readToken, adminToken, "", http.StatusSeeOther},
		{"an admin token alone, on this host", "", adminToken, "", http.StatusSeeOther},
		{"no token at all, on this host", "", "", "localhost:8080", http.StatusOK},
		{"no token at all, by a name that may be rebound", "", "", away, http.StatusForbidden},
		{"an admin token alone, by another name", "", adminToken, away, http.StatusSeeOther},
	} {
		_, s := page(t, story(), func(cfg *Config) { cfg.ReadToken, cfg.AdminToken = c.read, c.admin })
		for _, path := range []string{"/", "/enrichments", "/ledger", "/ledger.csv", "/ledger.jsonl", "/cache", "/clients", "/sources", "/health", "/lookup"} {
			header := []string{}
			if c.host != "" {
				header = []string{"Host", c.host}
			}
			g := newGuest(t, s.URL)
			if resp, body := g.get(path, header...); resp.StatusCode != c.status {
				t.Errorf("%s: %s: %s", c.name, path, resp.Status)
			} else if c.status != http.StatusOK && strings.Contains(body, "198.51.100") {
				t.Errorf("%s: %s shows something", c.name, path)
			}
		}
	}
}

func TestSignIn(t *testing.T) {
	_, s := page(t, story(), nil)
	g := newGuest(t, s.URL)
	if resp, body := g.send("POST", "/sign-in", url.Values{"token": {"wrong"}}); resp.StatusCode != http.StatusUnauthorized || !strings.Contains(body, "not valid") || len(resp.Cookies()) != 0 {
		t.Errorf("a wrong token: %s", resp.Status)
	}
	if resp, _ := g.send("POST", "/sign-in", url.Values{"token": {""}}); resp.StatusCode != http.StatusUnauthorized {
		t.Errorf("no token: %s", resp.Status)
	}
	resp, _ := g.send("POST", "/sign-in", url.Values{"token": {readToken}, "to": {"/ledger?q=x"}})
	if resp.StatusCode != http.StatusSeeOther || resp.Header.Get("Location") != "/ledger?q=x" {
		t.Errorf("%s to %s", resp.Status, resp.Header.Get("Location"))
	}
	c := resp.Cookies()[0]
	if !c.HttpOnly || c.SameSite != http.SameSiteStrictMode || c.Secure || c.Path != "/" || len(c.Value) < 40 || c.MaxAge != 12*3600 {
		t.Errorf("the cookie is %+v", c)
	}
	over := newGuest(t, s.URL)
	resp, _ = over.send("POST", "/sign-in", url.Values{"token": {readToken}}, "X-Forwarded-Proto", "https")
	if c := resp.Cookies()[0]; !c.Secure || c.Name != "__Host-enrichgate" {
		t.Errorf("over TLS the cookie is %+v", c)
	}
	if resp, body := g.get("/"); resp.StatusCode != http.StatusOK || !strings.Contains(body, "read only") {
		t.Errorf("with the cookie: %s", resp.Status)
	}
	_, body := g.get("/sources")
	if strings.Contains(body, "/actions/") {
		t.Error("a reader is offered actions")
	}
	csrf := g.csrf()
	if resp, _ := g.send("POST", "/sign-out", url.Values{"csrf": {"guess"}}); resp.StatusCode != http.StatusForbidden {
		t.Errorf("sign-out with a guess: %s", resp.Status)
	}
	if resp, _ := g.send("POST", "/sign-out", url.Values{"csrf": {csrf}}); resp.StatusCode != http.StatusSeeOther {
		t.Errorf("sign-out: %s", resp.Status)
	}
	if resp, _ := g.get("/"); resp.StatusCode != http.StatusSeeOther {
		t.Errorf("after the sign-out: %s", resp.Status)
	}
	g.http.Jar.SetCookies(mustParse(t, s.URL), []*http.Cookie{{Name: c.Name, Value: c.Value}})
	if resp, _ := g.get("/"); resp.StatusCode != http.StatusSeeOther {
		t.Errorf("with a cookie of a session that has ended: %s", resp.Status)
	}
}

func mustParse(t *testing.T, address string) *url.URL {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// Guessing is slow, for one address; the right token is not let in either
// while that lasts, and others are not kept waiting.
func TestSignInIsLimited(t *testing.T) {
	now := noon
	_, s := page(t, story(), func(c *Config) { c.Now = func() time.Time { return now } })
	g := newGuest(t, s.URL)
	for range maxAttempts {
		if resp, _ := g.send("POST", "/sign-in", url.Values{"token": {"guess"}}); resp.StatusCode != http.StatusUnauthorized {
			t.Fatal(resp.Status)
		}
	}
	resp, body := g.send("POST", "/sign-in", url.Values{"token": {adminToken}})
	if resp.StatusCode != http.StatusTooManyRequests || resp.Header.Get("Retry-After") != "60" || !strings.Contains(body, "Wait 60 seconds") {
		t.Errorf("%s, Retry-After %s", resp.Status, resp.Header.Get("Retry-After"))
	}
	now = now.Add(attemptWindow)
	g.signIn(adminToken)

	a := newAttempts(func() time.Time { return now })
	for range maxAttempts {
		a.wait("[2001:db8::1]:1")
	}
	if a.wait("[2001:db8::ffff]:2") == 0 {
		t.Error("another address of the same machine may go on guessing")
	}
	if a.wait("[2001:db8:1::1]:1") != 0 || a.wait("192.0.2.1:4") != 0 {
		t.Error("others have to wait")
	}
}

func TestSessionsEnd(t *testing.T) {
	now := noon
	s := newSessions(func() time.Time { return now })
	first := s.open(reader, "")
	for range maxSessions {
		now = now.Add(time.Second)
		s.open(reader, "")
	}
	if _, ok := s.find(first); ok {
		t.Error("there is no bound")
	}
	last := s.open(admin, "x")
	now = now.Add(sessionLife)
	if _, ok := s.find(last); ok {
		t.Error("a session does not end")
	}
}

// Every action needs the admin's session, its token, this origin and a reason.
func TestActionsAreProtected(t *testing.T) {
	b := story()
	_, s := page(t, b, nil)
	form := func(csrf string) url.Values {
		return url.Values{"csrf": {csrf}, "source": {"s"}, "window": {"day"}, "trigger": {"playbook"}, "units": {"7"}, "value": {"198.51.100.7"}, "for": {"1h"}, "reason": {"because"}, "to": {"/sources"}}
	}
	nobodyIn, looker, boss := newGuest(t, s.URL), newGuest(t, s.URL), newGuest(t, s.URL)
	looker.signIn(readToken)
	boss.signIn(adminToken)
	for _, k := range Kinds() {
		path := "/actions/" + string(k)
		if resp, _ := nobodyIn.send("POST", path, form("")); resp.StatusCode != http.StatusForbidden {
			t.Errorf("%s without a session: %s", k, resp.Status)
		}
		if resp, _ := looker.send("POST", path, form(looker.csrf())); resp.StatusCode != http.StatusForbidden {
			t.Errorf("%s by a reader: %s", k, resp.Status)
		}
		if resp, _ := boss.send("POST", path, form("")); resp.StatusCode != http.StatusForbidden {
			t.Errorf("%s without a token: %s", k, resp.Status)
		}
		if resp, _ := boss.send("POST", path, form(looker.csrf())); resp.StatusCode != http.StatusForbidden {
			t.Errorf("%s with another session's token: %s", k, resp.Status)
		}
		if resp, _ := boss.send("POST", path, form(boss.csrf()), "Origin", "https://evil.example.com", "Sec-Fetch-Site", "cross-site"); resp.StatusCode != http.StatusForbidden {
			t.Errorf("%s from elsewhere: %s", k, resp.Status)
		}
		silent := form(boss.csrf())
		silent.Del("reason")
		boss.send("POST", path, silent)
		if resp, _ := boss.get(path); resp.StatusCode == http.StatusOK {
			t.Errorf("GET %s: %s", path, resp.Status)
		}
	}
	if got := b.actions(); len(got) != 0 {
		t.Fatalf("done all the same: %+v", got)
	}
	for _, k := range Kinds() {
		if resp, _ := boss.send("POST", "/actions/"+string(k), form(boss.csrf())); resp.StatusCode != http.StatusSeeOther {
			t.Errorf("%s: %s", k, resp.Status)
		}
		if _, body := boss.get("/sources"); !strings.Contains(body, "Done: "+string(k)) {
			t.Errorf("%s: the notice is not shown", k)
		}
		if _, body := boss.get("/sources"); strings.Contains(body, "Done: ") {
			t.Errorf("%s: the notice is shown again", k)
		}
	}
	want := map[Kind]Action{
		PauseSource: {Until: noon.Add(time.Hour)}, ResumeSource: {}, PurgeAnswers: {Value: "198.51.100.7"}, LookUp: {Value: "198.51.100.7"},
		SetLimit: {Window: "day", Units: 7}, SetFloor: {Window: "day", Units: 7, Trigger: "playbook"}, SetUsed: {Window: "day", Units: 7},
	}
	for _, a := range b.actions() {
		w := want[a.Kind]
		w.Kind, w.Source, w.By, w.Reason = a.Kind, "s", "A. Operator", "because"
		if a != w {
			t.Errorf("%+v, want %+v", a, w)
		}
	}
	b.fails = errors.New("the disk is full")
	boss.send("POST", "/actions/pause", form(boss.csrf()))
	if _, body := boss.get("/"); !strings.Contains(body, "Nothing was changed: the disk is full") {
		t.Error("a failure is not shown")
	}
}

func TestParseAction(t *testing.T) {
	for _, c := range []struct {
		kind Kind
		form string
		says string
	}{
		{"explode", "reason=x", "no such action"},
		{PauseSource, "for=1h", "say why"},
		{PauseSource, "for=1h&reason=+%09+", "say why"},
		{PauseSource, "for=soon&reason=x", `"soon"`},
		{PauseSource, "for=-1h&reason=x", `"-1h"`},
		{PauseSource, "for=999999h&reason=x", `"999999h"`},
		{SetLimit, "window=day&units=many&reason=x", `"many"`},
		{SetLimit, "window=day&units=-1&reason=x", `"-1"`},
		{SetUsed, "window=day&units=99999999999999999999&reason=x", "units"},
		{PurgeAnswers, "value=+&reason=x", "name a value"},
		{LookUp, "value=" + strings.Repeat("x", 3000) + "&reason=x", "name a value"},
	} {
		form, err := url.ParseQuery(c.form)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := parseAction(c.kind, form, noon); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s %.40s: %v", c.kind, c.form, err)
		}
	}
	a, err := parseAction(PauseSource, url.Values{"for": {""}, "reason": {strings.Repeat("é", 500) + "\x00\n"}}, noon)
	if err != nil || !a.Until.IsZero() || len([]rune(a.Reason)) != 200 {
		t.Errorf("%+v, %v", a, err)
	}
}

// No redirect leads away.
func TestLocal(t *testing.T) {
	for to, want := range map[string]string{
		"/": "/", "/ledger?q=a&kind=spent": "/ledger?q=a&kind=spent", "": "/", "ledger": "/", "//evil.example.com": "/", `/\evil.example.com`: "/",
		"https://evil.example.com/": "/", "/\n/evil.example.com": "/", "javascript:alert(1)": "/", "/%0d%0aX: y": "/%0d%0aX: y",
	} {
		if got := local(to); got != want {
			t.Errorf("%q: %q, want %q", to, got, want)
		}
	}
}

func TestHeaders(t *testing.T) {
	_, s := page(t, story(), nil)
	g := newGuest(t, s.URL)
	for _, path := range []string{"/", "/sign-in", "/nowhere", "/assets/style.css", "/assets/nothing", "/ledger.csv"} {
		resp, _ := g.get(path)
		h := resp.Header
		csp := h.Get("Content-Security-Policy")
		if !strings.Contains(csp, "default-src 'none'") || !strings.Contains(csp, "frame-ancestors 'none'") || strings.Contains(csp, "unsafe") || strings.Contains(csp, "http") {
			t.Errorf("%s: CSP %q", path, csp)
		}
		if h.Get("X-Content-Type-Options") != "nosniff" || h.Get("Referrer-Policy") != "no-referrer" {
			t.Errorf("%s: %v", path, h)
		}
	}
	_, body := g.get("/sign-in")
	href, _, _ := strings.Cut(body[strings.Index(body, "/assets/style.css"):], `"`)
	if resp, css := g.get(href); !strings.Contains(resp.Header.Get("Cache-Control"), "immutable") || !strings.HasPrefix(resp.Header.Get("Content-Type"), "text/css") || len(css) < 1000 {
		t.Errorf("%s: %v", href, resp.Header)
	}
}

// Whatever a value holds, it stays text: in every field of every page.
func TestHostileValues(t *testing.T) {
	const evil = `"><script>alert(1)</script><img src=x onerror=alert(2)>'{{.}}` + "\u202e" + `javascript:alert(3)`
	b := story()
	poison(reflect.ValueOf(&b.state).Elem(), evil)
	poison(reflect.ValueOf(&b.decisions).Elem(), evil)
	poison(reflect.ValueOf(&b.entries).Elem(), evil)
	poison(reflect.ValueOf(&b.cached).Elem(), evil)
	poison(reflect.ValueOf(&b.price).Elem(), evil)
	b.price.Refused = ""
	_, s := page(t, b, func(c *Config) { c.Version = evil })
	g := newGuest(t, s.URL)
	g.send("POST", "/sign-in", url.Values{"token": {adminToken}, "name": {evil[:50]}})
	b.fails = errors.New(evil)
	g.send("POST", "/actions/pause", url.Values{"csrf": {g.csrf()}, "reason": {evil}, "to": {"/"}})
	b.fails = nil
	q := url.QueryEscape(evil)
	for _, path := range []string{"/", "/enrichments", "/enrichments?q=" + q + "&fate=" + q, "/enrichments/197", "/ledger", "/ledger?q=" + q + "&kind=" + q + "&source=" + q, "/cache?value=" + q, "/clients", "/sources", "/health", "/lookup?value=" + q, "/nowhere/" + url.PathEscape(evil), "/sign-in?to=" + q} {
		resp, body := g.get(path)
		if resp.StatusCode >= 500 {
			t.Errorf("%s: %s", path, resp.Status)
		}
		for _, bad := range []string{"<script>alert", "<img src=x", `href="javascript:`} {
			if strings.Contains(body, bad) {
				t.Errorf("%.40s: %s got through", path, bad)
			}
		}
		if !strings.Contains(body, "</html>") {
			t.Errorf("%.40s is cut short", path)
		}
	}
}

// poison writes a text into every text field.
func poison(v reflect.Value, text string) {
	switch v.Kind() {
	case reflect.String:
		v.SetString(text)
	case reflect.Struct:
		if v.Type() != reflect.TypeFor[time.Time]() {
			for i := range v.NumField() {
				if v.Field(i).CanSet() {
					poison(v.Field(i), text)
				}
			}
		}
	case reflect.Slice:
		for i := range v.Len() {
			poison(v.Index(i), text)
		}
	case reflect.Pointer:
		if !v.IsNil() {
			poison(v.Elem(), text)
		}
	}
}

func TestLedgerPages(t *testing.T) {
	b := story()
	_, s := page(t, b, nil)
	g := newGuest(t, s.URL)
	g.signIn(readToken)
	_, body := g.get("/ledger")
	if n := strings.Count(body, `<th scope="row">`); n != rowsPerPage || !strings.Contains(body, "before=131") {
		t.Errorf("%d rows", n)
	}
	if _, body = g.get("/ledger?before=131"); !strings.Contains(body, "before=31") || strings.Contains(body, `class="n">131<`) {
		t.Error("the second page is not the second")
	}
	if _, body = g.get("/ledger?before=31"); strings.Contains(body, `rel="next"`) || !strings.Contains(body, ">Newest<") {
		t.Error("the last page is not the last")
	}
	if _, body = g.get("/ledger?q=CONTRACT"); strings.Count(body, `<th scope="row">`) != 1 || !strings.Contains(body, "A. Operator: contract talks") {
		t.Error("the audit is not found by its reason")
	}

	for query, want := range map[string]string{
		"since=banana": "cannot be narrowed by &#34;since&#34;; there are source", "kind=nosuch": "is not a kind; there are reserve",
		"trigger=nosuch": "is not a trigger; there are manual", "before=x": "is not the number of an entry",
	} {
		resp, body := g.get("/ledger?" + query)
		if resp.StatusCode != http.StatusBadRequest || !strings.Contains(body, want) || strings.Contains(body, "No entry is like that") {
			t.Errorf("%s: %s", query, resp.Status)
		}
		for _, export := range []string{"/ledger.csv?", "/ledger.jsonl?"} {
			if resp, body := g.get(export + query); resp.StatusCode != http.StatusBadRequest || strings.Count(body, "\n") != 1 {
				t.Errorf("%s%s: %s %s", export, query, resp.Status, body)
			}
		}
	}

	for form, kind := range map[string]string{"csv": "text/csv; charset=utf-8", "jsonl": "application/x-ndjson"} {
		resp, text := g.get("/ledger." + form + "?kind=reserve")
		if resp.Header.Get("Content-Disposition") != `attachment; filename="ledger.`+form+`"` || resp.Header.Get("Content-Type") != kind ||
			strings.Count(text, form+" ") != 114 {
			t.Errorf("%v\n%.200s", resp.Header, text)
		}
		if resp, text := g.get("/ledger." + form + "?source=nosuch"); resp.StatusCode != http.StatusBadRequest || resp.Header.Get("Content-Disposition") != "" {
			t.Errorf("%s %s", resp.Status, text)
		}
	}
	for query, want := range map[string]string{"fate=lucky": "is not an outcome; there are enriched", "trigger=nosuch": "is not a trigger; there are manual"} {
		if resp, body := g.get("/enrichments?" + query); resp.StatusCode != http.StatusBadRequest || !strings.Contains(body, want) {
			t.Errorf("%s: %s", query, resp.Status)
		}
	}
}

// An open stream tells of each change, and ends with the session and the page.
func TestLive(t *testing.T) {
	b := story()
	p, s := page(t, b, nil)
	g := newGuest(t, s.URL)
	if resp, _ := g.get("/live"); resp.StatusCode != http.StatusUnauthorized {
		t.Errorf("without a session: %s", resp.Status)
	}
	g.signIn(readToken)
	open := func() (*http.Response, *bufio.Scanner) {
		r, err := http.NewRequestWithContext(t.Context(), "GET", s.URL+"/live", nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := g.http.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = resp.Body.Close() })
		sc := bufio.NewScanner(resp.Body)
		for sc.Scan() && sc.Text() != ": hello" { // up to the first words
		}
		return resp, sc
	}
	resp, sc := open()
	if resp.Header.Get("Content-Type") != "text/event-stream" {
		t.Errorf("%v", resp.Header)
	}
	b.version.Add(1)
	for sc.Scan() && sc.Text() != "event: change" { // up to the event
	}
	if sc.Err() != nil || sc.Text() != "event: change" {
		t.Fatalf("no event: %v", sc.Err())
	}
	p.streams.Add(maxStreams)
	if resp, _ := g.get("/live"); resp.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("one too many: %s", resp.Status)
	}
	p.streams.Add(-maxStreams)
	g.send("POST", "/sign-out", url.Values{"csrf": {g.csrf()}})
	for sc.Scan() { // to the end, or the test hangs
	}
	g.signIn(readToken)
	_, sc = open()
	p.Close()
	for sc.Scan() { // to the end, or the test hangs
	}
}

// Many connectors do not push the quota off the overview: what is well is
// counted there, and what is not is shown.
func TestManyChecks(t *testing.T) {
	b := story()
	b.state.Health = []Check{{Name: "messages to one", Level: Bad, Says: "not listening"}}
	for i := range 40 {
		b.state.Health = append(b.state.Health, Check{Name: fmt.Sprintf("messages to %d", i), Says: "taken"})
	}
	_, server := page(t, b, nil)
	guest := newGuest(t, server.URL)
	guest.signIn(readToken)
	_, overview := guest.get("/")
	if !strings.Contains(overview, "not listening") || !strings.Contains(overview, "<b>40 checks</b> are well") || strings.Contains(overview, "messages to 7") {
		t.Error(overview)
	}
	if _, health := guest.get("/health"); !strings.Contains(health, "messages to 7") || !strings.Contains(health, "not listening") {
		t.Error(health)
	}
}
