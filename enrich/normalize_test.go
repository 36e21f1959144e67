package enrich

import (
	"errors"
	"strings"
	"testing"
)

func TestNormalize(t *testing.T) {
	md5 := func(v string) (string, error) { return NormalizeHash("MD5", v) }
	sha256 := func(v string) (string, error) { return NormalizeHash("SHA-256", v) }
	for _, c := range []struct {
		name      string
		normalize func(string) (string, error)
		in, want  string // an empty want is a refusal
	}{
		{"IPv4", NormalizeIPv4, "192.0.2.1", "192.0.2.1"},
		{"IPv4", NormalizeIPv4, " 192[.]0[.]2.1\n", "192.0.2.1"},
		{"IPv4", NormalizeIPv4, "192(.)0[dot]2.1", "192.0.2.1"},
		{"IPv4", NormalizeIPv4, "192.0.2.01", ""},
		{"IPv4", NormalizeIPv4, "192.0.2.256", ""},
		{"IPv4", NormalizeIPv4, "192.0.2", ""},
		{"IPv4", NormalizeIPv4, "192.0.2.0/24", ""},
		{"IPv4", NormalizeIPv4, "3221225985", ""},
		{"IPv4", NormalizeIPv4, "::ffff:192.0.2.1", ""},
		{"IPv4", NormalizeIPv4, "2001:db8::1", ""},
		{"IPv4", NormalizeIPv4, "", ""},
		{"IPv6", NormalizeIPv6, "2001:DB8:0:0::1", "2001:db8::1"},
		{"IPv6", NormalizeIPv6, "2001[:]db8::1", "2001:db8::1"},
		{"IPv6", NormalizeIPv6, "fe80::1%eth0", ""},
		{"IPv6", NormalizeIPv6, "192.0.2.1", ""},
		{"domain", NormalizeDomain, "Example.COM.", "example.com"},
		{"domain", NormalizeDomain, "c2[.]example(.)com", "c2.example.com"},
		{"domain", NormalizeDomain, "hxxps://c2[.]example.com/", "c2.example.com"},
		{"domain", NormalizeDomain, "HXXP[://]c2.example.com", "c2.example.com"},
		{"domain", NormalizeDomain, "_dmarc.example.com", "_dmarc.example.com"},
		{"domain", NormalizeDomain, "r3---sn.example.com", "r3---sn.example.com"},
		{"domain", NormalizeDomain, "xn--a.example.com", "xn--a.example.com"},
		{"domain", NormalizeDomain, "bücher.example", "xn--bcher-kva.example"},
		{"domain", NormalizeDomain, "BÜCHER。example", "xn--bcher-kva.example"},
		{"domain", NormalizeDomain, "_x.faß.example", "_x.xn--fa-hia.example"},
		{"domain", NormalizeDomain, "localhost", ""},
		{"domain", NormalizeDomain, "", ""},
		{"domain", NormalizeDomain, ".", ""},
		{"domain", NormalizeDomain, "a..example.com", ""},
		{"domain", NormalizeDomain, "a.example.com..", ""},
		{"domain", NormalizeDomain, "-a.example.com", ""},
		{"domain", NormalizeDomain, "a-.example.com", ""},
		{"domain", NormalizeDomain, "192.0.2.1", ""},
		{"domain", NormalizeDomain, "a b.example.com", ""},
		{"domain", NormalizeDomain, "a.example.com/path", ""},
		{"domain", NormalizeDomain, "http://a.example.com/path", ""},
		{"domain", NormalizeDomain, "a.example.com:443", ""},
		{"domain", NormalizeDomain, "user@example.com", ""},
		{"domain", NormalizeDomain, "*.example.com", ""},
		{"domain", NormalizeDomain, "\xff\xfe.example.com", ""},
		{"domain", NormalizeDomain, strings.Repeat("a", 63) + ".example", strings.Repeat("a", 63) + ".example"},
		{"domain", NormalizeDomain, strings.Repeat("a", 64) + ".example", ""},
		{"domain", NormalizeDomain, strings.Repeat("a.", 126) + "a", strings.Repeat("a.", 126) + "a"},
		{"domain", NormalizeDomain, strings.Repeat("a.", 127) + "a", ""},
		{"MD5", md5, " " + strings.ToUpper("0123456789abcdef0123456789abcdef"), "0123456789abcdef0123456789abcdef"},
		{"MD5", md5, "0123456789abcdef0123456789abcdef"[1:], ""},
		{"MD5", md5, "0123456789abcdef0123456789abcdef"[1:] + "g", ""},
		{"MD5", md5, "", ""},
		{"SHA-256", sha256, strings.Repeat("A1", 32), strings.Repeat("a1", 32)},
		{"SHA-256", sha256, "0123456789abcdef0123456789abcdef", ""},
	} {
		got, err := c.normalize(c.in)
		if got != c.want || (err == nil) != (c.want != "") {
			t.Errorf("%s %q: %q, %v; want %q", c.name, c.in, got, err, c.want)
		}
		var input *InputError
		if err != nil && (!errors.As(err, &input) || strings.Contains(err.Error(), "\n")) {
			t.Errorf("%s %q: not an input error of one line: %v", c.name, c.in, err)
		}
	}
}

func TestInputErrorIsShort(t *testing.T) {
	_, err := NormalizeDomain(strings.Repeat("ü ", 100000))
	if err == nil || len([]rune(err.Error())) > 200 || !strings.Contains(err.Error(), "…") {
		t.Errorf("got %v", err)
	}
}

func FuzzNormalize(f *testing.F) {
	for _, seed := range []string{"192[.]0.2.1", "2001:db8::1", "hxxp://Bücher.example/", "_a.example.com.", "0123456789abcdef0123456789abcdef", "xn--a.b", "ａ．example"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, value string) {
		for _, normalize := range []func(string) (string, error){NormalizeIPv4, NormalizeIPv6, NormalizeDomain} {
			once, err := normalize(value)
			if err != nil {
				continue
			}
			twice, err := normalize(once)
			if err != nil || twice != once {
				t.Errorf("%q: %q, then %q, %v", value, once, twice, err)
			}
		}
	})
}
