package source_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/enrichgate/enrichgate/enrich"
	"github.com/enrichgate/enrichgate/enrich/source"
	"github.com/enrichgate/enrichgate/enrich/source/wire"
)

// shipped opens every source of the catalogue with made-up secrets.
func shipped(t testing.TB) map[string]*source.Source {
	t.Helper()
	all, problems := source.Catalogue()
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	opened := map[string]*source.Source{}
	for _, d := range all {
		secrets := map[string]wire.Secret{}
		for _, one := range d.Settings().Secrets {
			secrets[one.Name] = "secret-of-a-test"
		}
		s, err := d.Open(source.Config{Secrets: secrets, SkipPrivate: true})
		if err != nil {
			t.Fatal(err)
		}
		opened[d.Name()] = s
	}
	return opened
}

// A request that a public client of the API makes is the lookup that an
// enrichment makes, and its key is found where it stands.
func TestMirror(t *testing.T) {
	sources := shipped(t)
	for _, c := range []struct{ source, request, header, endpoint, value, fault string }{
		{"abuseipdb", "GET /api/v2/check?maxAgeInDays=365&verbose=True&ipAddress=192.0.2.10", "Key: token", "check", "192.0.2.10", ""},
		{"abuseipdb", "GET /check?ipAddress=2001:DB8::1&maxAgeInDays=365&verbose=true", "Key: token", "check", "2001:db8::1", ""},
		{"abuseipdb", "GET /api/v2/check?maxAgeInDays=30&verbose=True&ipAddress=192.0.2.10", "Key: token", "", "", `maxAgeInDays is "365"`},
		{"abuseipdb", "GET /api/v2/check?ipAddress=192.0.2.10&maxAgeInDays=365", "Key: token", "", "", `verbose is "true"`},
		{"abuseipdb", "GET /api/v2/check?ipAddress=192.0.2.10&ipAddress=192.0.2.11&maxAgeInDays=365&verbose=true", "Key: token", "", "", "twice"},
		{"abuseipdb", "GET /api/v2/check?ipAddress=192.0.2.10&maxAgeInDays=365&verbose=true&x=1", "Key: token", "", "", "not among"},
		{"abuseipdb", "GET /api/v2/check?ipAddress=10.0.0.1&maxAgeInDays=365&verbose=true", "Key: token", "", "", "private"},
		{"abuseipdb", "GET /api/v2/check?ipAddress=nonsense&maxAgeInDays=365&verbose=true", "Key: token", "", "", "not an IPv4"},
		{"abuseipdb", "GET /api/v2/check?maxAgeInDays=365&verbose=true", "Key: token", "", "", "none of the lookups"},
		{"abuseipdb", "GET /api/v2/blacklist", "Key: token", "", "", "none of the lookups"},
		{"abuseipdb", "POST /api/v2/report?ip=192.0.2.10", "Key: token", "", "", "none of the lookups"},
		{"virustotal", "GET /api/v3/ip_addresses/192.0.2.10", "X-Apikey: token", "ip", "192.0.2.10", ""},
		{"virustotal", "GET /ip_addresses/192.0.2.10/", "X-Apikey: token", "ip", "192.0.2.10", ""},
		{"virustotal", "GET /api/v3/domains/C2.Example.com", "X-Apikey: token", "domain", "c2.example.com", ""},
		{"virustotal", "GET /api/v3/files/0123456789ABCDEF0123456789ABCDEF", "X-Apikey: token", "file", "0123456789abcdef0123456789abcdef", ""},
		{"virustotal", "GET /api/v3/urls/aHR0cHM6Ly9jMi5leGFtcGxlLmNvbS9nYXRlLnBocA", "X-Apikey: token", "url", "https://c2.example.com/gate.php", ""},
		{"virustotal", "GET /api/v3/urls/not*base64", "X-Apikey: token", "", "", "none of the lookups"},
		{"virustotal", "GET /api/v3/files/short", "X-Apikey: token", "", "", "hashes"},
		{"virustotal", "GET /api/v3/analyses/abc", "X-Apikey: token", "", "", "none of the lookups"},
		{"virustotal", "GET /api/v3/ip_addresses/192.0.2.10/resolutions", "X-Apikey: token", "", "", "none of the lookups"},
		{"virustotal", "POST /api/v3/urls", "X-Apikey: token", "", "", "none of the lookups"},
	} {
		s := sources[c.source]
		method, target, _ := strings.Cut(c.request, " ")
		r := httptest.NewRequest(method, target, nil)
		name, value, _ := strings.Cut(c.header, ": ")
		r.Header.Set(name, value)
		if got := s.Token(r); got != "token" {
			t.Errorf("%s %s: the token is %q", c.source, c.request, got)
		}
		l, err := s.Match(r)
		if c.fault != "" {
			if err == nil || !strings.Contains(err.Error(), c.fault) {
				t.Errorf("%s %s: %+v, %v; want %q", c.source, c.request, l, err, c.fault)
			}
			continue
		}
		if err != nil || l.Endpoint != c.endpoint || l.Value != c.value || l.Units < 1 || l.TTL.Found == 0 {
			t.Errorf("%s %s: %+v, %v", c.source, c.request, l, err)
		}
	}
}

// Whatever is asked of a mirror, what is matched can be made of a plan.
func FuzzMirror(f *testing.F) {
	sources := shipped(f)
	for _, s := range []string{"/api/v2/check?maxAgeInDays=365&verbose=True&ipAddress=192.0.2.10", "/api/v3/urls/aHR0cA", "/%2e%2e/x?=", "/ip_addresses/%00"} {
		f.Add("abuseipdb", s)
		f.Add("virustotal", s)
	}
	f.Fuzz(func(t *testing.T, name, target string) {
		s, u := sources[name], &url.URL{}
		if parsed, err := url.ParseRequestURI(target); err == nil {
			u = parsed
		}
		if s == nil {
			return
		}
		r := &http.Request{Method: http.MethodGet, URL: u, Header: http.Header{}}
		_ = s.Token(r)
		l, err := s.Match(r)
		var input *enrich.InputError
		var policy *enrich.PolicyError
		switch {
		case err == nil && (l.Value == "" || l.Endpoint == "" || strings.ContainsAny(l.Value, "\x00\r\n")):
			t.Errorf("%q became %+v", target, l)
		case err != nil && !errors.Is(err, enrich.ErrNotOffered) && !errors.As(err, &input) && !errors.As(err, &policy):
			t.Errorf("%q: %v", target, err)
		}
	})
}
