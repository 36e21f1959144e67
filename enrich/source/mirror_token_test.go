package source

import (
	"net/http"
	"net/http/httptest"
	"testing"
)

// A client's token is found wherever a provider wants its key, and nowhere else.
func TestTokenPlaces(t *testing.T) {
	of := func(in, name, value, user, password string) auth {
		a := auth{in: in, name: name}
		var err error
		for text, to := range map[string]*template{"v" + value: &a.value, "u" + user: &a.user, "p" + password: &a.password} {
			if *to, err = parseTemplate(text[1:]); err != nil {
				t.Fatal(err)
			}
		}
		return a
	}
	basic := func(user, password string) func(*http.Request) {
		return func(r *http.Request) { r.SetBasicAuth(user, password) }
	}
	header := func(name, value string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set(name, value) }
	}
	nothing := func(*http.Request) {}
	for _, c := range []struct {
		auth   auth
		target string
		set    func(*http.Request)
		want   string
	}{
		{of("query", "key", "{secrets.key}", "", ""), "/shodan/host/192.0.2.1?key=token&minify=true", nothing, "token"},
		{of("query", "key", "{secrets.key}", "", ""), "/shodan/host/192.0.2.1?apikey=token", nothing, ""},
		{of("header", "Authorization", "ApiKey {secrets.key}", "", ""), "/", header("Authorization", "ApiKey token"), "token"},
		{of("header", "Authorization", "ApiKey {secrets.key}", "", ""), "/", header("Authorization", "Bearer token"), ""},
		{of("header", "X-Key", "{secrets.key}", "", ""), "/", header("x-key", "token"), "token"},
		{of("header", "X-Plan", "free", "", ""), "/", header("x-plan", "free"), ""},
		{of("bearer", "", "{secrets.key}", "", ""), "/", header("Authorization", "bearer  token "), "token"},
		{of("bearer", "", "{secrets.key}", "", ""), "/", header("Authorization", "token"), ""},
		{of("basic", "", "", "{secrets.id}", "{secrets.key}"), "/", basic("id", "token"), "token"},
		{of("basic", "", "", "{secrets.key}", ""), "/", basic("token", ""), "token"},
		{of("basic", "", "", "api", "{secrets.key}"), "/", nothing, ""},
	} {
		r := httptest.NewRequest(http.MethodGet, c.target, nil)
		c.set(r)
		if got := c.auth.token(r); got != c.want {
			t.Errorf("%+v, %s %v: %q, want %q", c.auth, c.target, r.Header, got, c.want)
		}
	}
}

func TestTemplatesAreReadBackwards(t *testing.T) {
	for _, c := range []struct {
		text, in string
		want     string
		ok       bool
	}{
		{"/ips/{value}/asn", "/ips/192.0.2.1/asn", "192.0.2.1", true}, {"/ips/{value}/asn", "/ips//asn", "", false},
		{"/ips/{value}/asn", "/ips/a/b/asn", "", false}, {"/ips/{value}", "/ips/a", "a", true}, {"/ips/{value}", "/ips/a/b", "", false},
		{"/ips/{value}.json", "/ips/192.0.2.1.json", "192.0.2.1", true}, {"/ips/{value}.json", "/ips/192.0.2.1/x.json", "", false},
		{"/{params.plan}/{value}", "/pro/x", "prox", true}, {"/fixed", "/fixed", "", true}, {"/fixed", "/fixed/", "", false}, {"{value}", "", "", false},
	} {
		tpl, err := parseTemplate(c.text)
		if err != nil {
			t.Fatal(err)
		}
		got, ok := tpl.match(c.in, "/")
		all := ""
		for _, g := range got {
			all += g
		}
		if ok != c.ok || ok && all != c.want {
			t.Errorf("%s of %s: %q, %v", c.text, c.in, got, ok)
		}
	}
}
