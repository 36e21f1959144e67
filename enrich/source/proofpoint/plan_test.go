package proofpoint

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/enrichgate/enrichgate/enrich"
)

func TestPlan(t *testing.T) {
	md5 := func(name, value string) map[string]string {
		return map[string]string{"SHA-256": strings.Repeat("0", 64), name: value}
	}
	ip := "ip.reputation ip.domains ip.samples ip.geoloc ip.asn "
	domain := "domain.reputation domain.ips domain.samples "
	for _, c := range []struct {
		entity enrich.Entity
		want   string // calls and value, or "!" and a part of the reason
	}{
		{enrich.Entity{Type: "IPv4-Addr", Value: " 192.0.2[.]10"}, ip + "192.0.2.10"},
		{enrich.Entity{Type: "ipv4-addr", Value: "10.0.0.1"}, ip + "10.0.0.1"},
		{enrich.Entity{Type: "Domain-Name", Value: "C2.example.com."}, domain + "c2.example.com"},
		{enrich.Entity{Type: "domain-name", Value: "c2.example.com"}, domain + "c2.example.com"},
		{enrich.Entity{Type: "StixFile", Hashes: md5("MD5", strings.ToUpper(testMD5))}, "sample " + testMD5},
		{enrich.Entity{Type: "file", Hashes: md5("md5", testMD5)}, "sample " + testMD5},
		{enrich.Entity{Type: "Artifact", Hashes: md5("MD-5", testMD5)}, "sample " + testMD5},
		{enrich.Entity{Type: "StixFile", Hashes: md5("MD5", "12")}, `!"12" is not a hash of the kind MD5 (32 hexadecimal digits)`},
		{enrich.Entity{Type: "StixFile", Hashes: md5("SHA-1", strings.Repeat("0", 40))}, "!has no MD5"},
		{enrich.Entity{Type: "StixFile"}, "!has no MD5"},
		{enrich.Entity{Type: "IPv6-Addr", Value: "2001:db8::1"}, `!"IPv6-Addr" is not a type`},
		{enrich.Entity{Type: "Url", Value: "http://example.com/"}, `!"Url" is not a type`},
		{enrich.Entity{Type: "", Value: "192.0.2.1"}, `!"" is not a type`},
		{enrich.Entity{Type: "IPv4-Addr", Value: "192.0.2.300"}, `!"192.0.2.300" is not an IPv4 address`},
		{enrich.Entity{Type: "Domain-Name", Value: "../../etc"}, `!is not a domain`},
	} {
		lookups, err := newSource(t, Config{}).Plan(c.entity)
		got := ""
		for _, l := range lookups {
			got += l.Endpoint + " "
			c.want = strings.TrimSuffix(c.want, l.Value)
			if l.Units != 1 || l.Title == "" || l.TTL.Found <= 0 || l.TTL.NotFound <= 0 || l.TTL.Stale != 7*day {
				t.Errorf("%+v", l)
			}
		}
		var input *enrich.InputError
		if reason, refused := strings.CutPrefix(c.want, "!"); refused {
			if !errors.As(err, &input) || !strings.Contains(err.Error(), reason) || lookups != nil {
				t.Errorf("%+v: %v, %v; want %q", c.entity, lookups, err, reason)
			}
		} else if err != nil || got != c.want {
			t.Errorf("%+v: %q, %v; want %q", c.entity, got, err, c.want)
		}
	}
}

func TestPlanSkipPrivate(t *testing.T) {
	s := newSource(t, Config{SkipPrivate: true})
	for value, private := range map[string]bool{
		"10.1.2.3": true, "172.16.0.1": true, "172.32.0.1": false, "192.168.1.1": true, "127.0.0.1": true,
		"169.254.1.1": true, "224.0.0.1": true, "239.1.1.1": true, "0.0.0.0": true, "0.1.2.3": true,
		"100.64.0.1": true, "100.128.0.1": false, "255.255.255.255": true, "240.0.0.1": true,
		"192.0.2.10": false, "198.51.100.77": false, "203.0.113.1": false, "198.18.0.1": false, "8.8.8.8": false,
	} {
		_, err := s.Plan(enrich.Entity{Type: "IPv4-Addr", Value: value})
		if (err != nil) != private {
			t.Errorf("%s: %v", value, err)
		}
		if err != nil && err.Error() != "not looked up: it is a private address" {
			t.Errorf("%s: %v", value, err)
		}
	}
}

func TestTTL(t *testing.T) {
	h := time.Hour
	want := map[string][2]time.Duration{
		ipReputation: {6 * h, 6 * h}, domainReputation: {6 * h, 6 * h},
		ipDomains: {24 * h, 24 * h}, ipSamples: {24 * h, 24 * h}, domainIPs: {24 * h, 24 * h}, domainSamples: {24 * h, 24 * h},
		ipGeoloc: {720 * h, 168 * h}, ipASN: {720 * h, 168 * h}, sample: {8760 * h, 24 * h},
	}
	own, short, long := endpoints(0, h), endpoints(h, h), endpoints(9999*h, h)
	for name, ttl := range want {
		for _, c := range []struct{ got, want enrich.TTL }{
			{own[name].ttl, enrich.TTL{Found: ttl[0], NotFound: ttl[1], Stale: h}},
			{short[name].ttl, enrich.TTL{Found: h, NotFound: h, Stale: h}},
			{long[name].ttl, enrich.TTL{Found: 9999 * h, NotFound: ttl[1], Stale: h}},
		} {
			if c.got != c.want {
				t.Errorf("%s: %+v, want %+v", name, c.got, c.want)
			}
		}
	}
	if len(own) != len(want) {
		t.Errorf("%d endpoints, %d in this table", len(own), len(want))
	}
}

func TestNew(t *testing.T) {
	for _, c := range []struct {
		config Config
		want   string // base URL, or "!" and a part of the error
	}{
		{Config{APIKey: "k"}, "https://api.emergingthreats.net/v1/"},
		{Config{APIKey: "k", BaseURL: "http://127.0.0.1:8081/v1"}, "http://127.0.0.1:8081/v1/"},
		{Config{APIKey: "k", BaseURL: "https://relay.example/et/v1//"}, "https://relay.example/et/v1/"},
		{Config{}, "!no API key"},
		{Config{APIKey: "k\n"}, "!a character that no key has"},
		{Config{APIKey: "Authorization: k"}, "!a character that no key has"},
		{Config{APIKey: "k", BaseURL: "ftp://relay.example/"}, "!must start with"},
		{Config{APIKey: "k", BaseURL: "relay.example"}, "!must start with"},
		{Config{APIKey: "k", BaseURL: "https:///v1"}, "!names no host"},
		{Config{APIKey: "k", BaseURL: "https://me:pass@relay.example/"}, "!no user"},
		{Config{APIKey: "k", BaseURL: "https://relay.example/?key=pass"}, "!no user, query"},
		{Config{APIKey: "k", BaseURL: "https://relay.example/#pass"}, "!no user, query"},
		{Config{APIKey: "k", BaseURL: "https://pass%"}, "!not a URL"},
		{Config{APIKey: "k", Timeout: -1}, "!Timeout is negative"},
		{Config{APIKey: "k", SeenWithin: -1}, "!SeenWithin is negative"},
		{Config{APIKey: "k", MaxBody: -1}, "!MaxBody is negative"},
		{Config{APIKey: "k", UserAgent: "a\r\nb"}, "!user agent"},
	} {
		s, err := New(c.config)
		if reason, refused := strings.CutPrefix(c.want, "!"); refused {
			if err == nil || !strings.Contains(err.Error(), reason) || strings.Contains(err.Error(), "pass") {
				t.Errorf("%+v: %v, want %q", c.config, err, reason)
			}
		} else if err != nil || s.base != c.want {
			t.Errorf("%+v: %v, want %s", c.config, err, c.want)
		}
	}
}

func TestNothingPrintsTheKey(t *testing.T) {
	s := newSource(t, Config{})
	c := Config{APIKey: testKey}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x"} {
		for _, v := range []any{s, *s, c, &c, c.APIKey, struct{ inner any }{s}} {
			if text := fmt.Sprintf(verb, v); strings.Contains(text, testKey) || strings.Contains(text, fmt.Sprintf("%x", testKey)) {
				t.Errorf("%s of %T shows the key: %s", verb, v, text)
			}
		}
	}
	if s.Name() != "proofpoint_et_intelligence" || s.Author().Name != "Proofpoint ET Intelligence" || s.Author().TLP != "TLP:AMBER+STRICT" {
		t.Errorf("%s, %+v", s.Name(), s.Author())
	}
}

// Types are those that Plan takes.
func TestPlanTakesTheTypes(t *testing.T) {
	values := map[string]enrich.Entity{
		"IPv4-Addr": {Value: "192.0.2.1"}, "Domain-Name": {Value: "example.com"},
		"StixFile": {Hashes: map[string]string{"MD5": "0123456789abcdef0123456789abcdef"}}, "Artifact": {Hashes: map[string]string{"MD5": "0123456789abcdef0123456789abcdef"}},
	}
	for _, name := range Types() {
		e := values[name]
		e.Type = name
		if plan, err := (&Source{}).Plan(e); err != nil || len(plan) == 0 {
			t.Errorf("%s: %v, %v", name, plan, err)
		}
	}
}
