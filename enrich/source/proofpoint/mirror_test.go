package proofpoint

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/enrichgate/enrichgate/enrich"
)

func mirrored(t *testing.T) *Source {
	t.Helper()
	s, err := New(Config{APIKey: "key-of-a-test", SkipPrivate: true})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// A request to the mirror is the very lookup that an enrichment makes, however
// its value is spelled.
func TestMatch(t *testing.T) {
	s := mirrored(t)
	for path, want := range map[string]string{
		"/v1/ips/198.51.100.7/reputation": ipReputation, "/ips/198.51.100.7/asn": ipASN, "/ips/198.51.100.7/geoloc": ipGeoloc,
		"/v1/domains/WWW.Example.COM./ips": domainIPs, "/domains/b%C3%BCcher.example/samples": domainSamples,
		"/samples/D41D8CD98F00B204E9800998ECF8427E": sample,
	} {
		r := httptest.NewRequest(http.MethodGet, path, nil)
		l, err := s.Match(r)
		if err != nil || l.Endpoint != want || l.Units != 1 || l.TTL.Found == 0 {
			t.Errorf("%s: %+v, %v", path, l, err)
		}
		plan, err := s.Plan(map[bool]enrich.Entity{true: {Type: "Domain-Name", Value: l.Value}, false: {Type: "IPv4-Addr", Value: l.Value}}[strings.Contains(path, "domains")])
		if l.Endpoint == sample {
			plan, err = s.Plan(enrich.Entity{Type: "StixFile", Hashes: map[string]string{"MD5": l.Value}})
		}
		if err != nil || !contains(plan, l) {
			t.Errorf("%s: no enrichment makes %+v (%v)", path, l, err)
		}
	}
	for _, path := range []string{"/", "/v1", "/v1/", "/ips", "/ips/198.51.100.7", "/ips/198.51.100.7/urls", "/ips/198.51.100.7/reputation/more",
		"/v2/ips/198.51.100.7/reputation", "/repcategories", "/samples", "/samples/", "/ips/198.51.100.7/reputation?all=1", "/v1/v1/ips/198.51.100.7/asn"} {
		if l, err := s.Match(httptest.NewRequest(http.MethodGet, path, nil)); !errors.Is(err, enrich.ErrNotOffered) && !isInput(err) {
			t.Errorf("%s: %+v, %v", path, l, err)
		}
	}
	for _, method := range []string{http.MethodPost, http.MethodPut, http.MethodDelete, http.MethodOptions, "PURGE"} {
		if _, err := s.Match(httptest.NewRequest(method, "/ips/198.51.100.7/asn", nil)); !errors.Is(err, enrich.ErrNotOffered) {
			t.Errorf("%s: %v", method, err)
		}
	}
	var policy *enrich.PolicyError
	if _, err := s.Match(httptest.NewRequest(http.MethodGet, "/ips/10.0.0.1/asn", nil)); !errors.As(err, &policy) {
		t.Errorf("a private address: %v", err)
	}
	if _, err := s.Match(httptest.NewRequest(http.MethodGet, "/ips/10.0.0.999/asn", nil)); !isInput(err) {
		t.Errorf("no address: %v", err)
	}
}

func isInput(err error) bool {
	var input *enrich.InputError
	return errors.As(err, &input)
}

func contains(plan []enrich.Lookup, l enrich.Lookup) bool {
	for _, p := range plan {
		if p == l {
			return true
		}
	}
	return false
}

// Whatever is asked of a mirror, what is matched is a call of ours about a
// normalized value.
func FuzzMatch(f *testing.F) {
	f.Add("GET", "/v1/ips/198.51.100.7/reputation", "")
	f.Add("GET", "/domains/example.com/ips", "x=1")
	f.Add("POST", "/samples/d41d8cd98f00b204e9800998ecf8427e", "")
	s, err := New(Config{APIKey: "key-of-a-test"})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, method, path, query string) {
		l, err := s.Match(&http.Request{Method: method, URL: &url.URL{Path: path, RawQuery: query}, Header: http.Header{}})
		if err != nil {
			if !errors.Is(err, enrich.ErrNotOffered) && !isInput(err) {
				t.Errorf("%s %q: %v", method, path, err)
			}
			return
		}
		e, ok := s.endpoints[l.Endpoint]
		if !ok || l.Value == "" || strings.ContainsAny(l.Value, "/?#% \x00") || method != http.MethodGet && method != http.MethodHead || query != "" {
			t.Errorf("%s %q became %+v", method, path, l)
		}
		if _, err := s.request(e, l.Value); err != nil {
			t.Errorf("%s %q became %+v: %v", method, path, l, err)
		}
	})
}
