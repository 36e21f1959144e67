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
		{"IPv4", NormalizeIPv4, "::ffff:192.0.2.1", "192.0.2.1"},
		{"IPv4", NormalizeIPv4, "\ufeff192。0．2｡1\u200b", "192.0.2.1"},
		{"IPv4", NormalizeIPv4, `192\.0\.2\.1`, "192.0.2.1"},
		{"IPv4", NormalizeIPv4, "192 [.] 0 dot 2[.1", "192.0.2.1"},
		{"IPv4", NormalizeIPv4, "192.0 .2.1", ""},
		{"IPv4", NormalizeIPv4, "2001:db8::1", ""},
		{"IPv4", NormalizeIPv4, "", ""},
		{"IPv6", NormalizeIPv6, "2001:DB8:0:0::1", "2001:db8::1"},
		{"IPv6", NormalizeIPv6, "2001[:]db8::1", "2001:db8::1"},
		{"IPv6", NormalizeIPv6, "2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"},
		{"IPv6", NormalizeIPv6, "2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"},
		{"IPv6", NormalizeIPv6, "[2001:DB8::A]", "2001:db8::a"},
		{"IPv6", NormalizeIPv6, "2001[:]db8[:][:]1", "2001:db8::1"},
		{"IPv6", NormalizeIPv6, "::ffff:192.0.2.1", ""},
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
		{"domain", NormalizeDomain, `Example\.com`, "example.com"},
		{"domain", NormalizeDomain, "example (DOT) com", "example.com"},
		{"domain", NormalizeDomain, "example dot com", "example.com"},
		{"domain", NormalizeDomain, "example[.com", "example.com"},
		{"domain", NormalizeDomain, "example.]com", "example.com"},
		{"domain", NormalizeDomain, "example<.>com\u00ad", "example.com"},
		{"domain", NormalizeDomain, "a\x00.example.com", ""},
		{"hostname", NormalizeHostname, "WS-0042", "ws-0042"},
		{"hostname", NormalizeHostname, "Mail[.]example.com.", "mail.example.com"},
		{"hostname", NormalizeHostname, "two words", ""},
		{"hostname", NormalizeHostname, "", ""},
		{"e-mail", NormalizeEmail, "Jane.Doe+x@Example.COM", "jane.doe+x@example.com"},
		{"e-mail", NormalizeEmail, "mailto:jane[at]example[.]com", "jane@example.com"},
		{"e-mail", NormalizeEmail, "jane (AT) example (dot) com", "jane@example.com"},
		{"e-mail", NormalizeEmail, "jane@bücher.example", "jane@xn--bcher-kva.example"},
		{"e-mail", NormalizeEmail, "jane", ""},
		{"e-mail", NormalizeEmail, "@example.com", ""},
		{"e-mail", NormalizeEmail, "jane@", ""},
		{"e-mail", NormalizeEmail, "jane doe@example.com", ""},
		{"e-mail", NormalizeEmail, "jane@localhost", ""},
		{"e-mail", NormalizeEmail, "a@b@example.com", ""},
		{"URL", NormalizeURL, "HTTP://Example.COM", "http://example.com/"},
		{"URL", NormalizeURL, "https://example.com:443/a", "https://example.com/a"},
		{"URL", NormalizeURL, "https://example.com:0443/a", "https://example.com/a"},
		{"URL", NormalizeURL, "http://example.com:443", "http://example.com:443/"},
		{"URL", NormalizeURL, "http://example.com:/", "http://example.com/"},
		{"URL", NormalizeURL, "http://example.com./A/%7Eb/../?Q=%41&b=#frag", "http://example.com/A/%7Eb/../?Q=%41&b="},
		{"URL", NormalizeURL, "http://example.com?a=b/c", "http://example.com/?a=b/c"},
		{"URL", NormalizeURL, "http://example.com#frag", "http://example.com/"},
		{"URL", NormalizeURL, "hxxps://c2[.]example[.]com/x[.]php", "https://c2.example.com/x.php"},
		{"URL", NormalizeURL, "hxxp[://]c2(dot)example.com[/]a", "http://c2.example.com/a"},
		{"URL", NormalizeURL, "h**p[:]//c2.example.com", "http://c2.example.com/"},
		{"URL", NormalizeURL, "fxp://example.com:21/a", "ftp://example.com/a"},
		{"URL", NormalizeURL, "http://example.com/x[.]php", "http://example.com/x[.]php"},
		{"URL", NormalizeURL, "http://User:Pass@Example.com/", "http://User:Pass@example.com/"},
		{"URL", NormalizeURL, "http://[2001:DB8::1]:8080/", "http://[2001:db8::1]:8080/"},
		{"URL", NormalizeURL, "http://[2001[:]db8[:][:]1]", "http://[2001:db8::1]/"},
		{"URL", NormalizeURL, "http://192[.]0[.]2[.]1:80/", "http://192.0.2.1/"},
		{"URL", NormalizeURL, "http://intranet/", "http://intranet/"},
		{"URL", NormalizeURL, "https://bücher.example/ä?ö", "https://xn--bcher-kva.example/ä?ö"},
		{"URL", NormalizeURL, "http://3221225985/", ""},
		{"URL", NormalizeURL, "http://example.com:99999/", ""},
		{"URL", NormalizeURL, "http://[::1", ""},
		{"URL", NormalizeURL, "http://a b.example/", ""},
		{"URL", NormalizeURL, "http://example.com/a b", ""},
		{"URL", NormalizeURL, "http://example.com/a\x00b", ""},
		{"URL", NormalizeURL, "http://", ""},
		{"URL", NormalizeURL, "example.com/a", ""},
		{"URL", NormalizeURL, "javascript:alert(1)", ""},
		{"URL", NormalizeURL, "/a://b", ""},
		{"URL", NormalizeURL, "http://example.com/" + strings.Repeat("a", maxURL), ""},
		{"CVE", NormalizeCVE, " cve-2021-44228", "CVE-2021-44228"},
		{"CVE", NormalizeCVE, "CVE_2021–44228", "CVE-2021-44228"},
		{"CVE", NormalizeCVE, "CVE-2021-0001", "CVE-2021-0001"},
		{"CVE", NormalizeCVE, "CVE-2021-00001", ""},
		{"CVE", NormalizeCVE, "CVE-2021-123", ""},
		{"CVE", NormalizeCVE, "CVE-1998-1234", ""},
		{"CVE", NormalizeCVE, "2021-44228", ""},
		{"CVE", NormalizeCVE, "CVE-2021-44228; x", ""},
		{"ASN", NormalizeASN, "as64496", "AS64496"},
		{"ASN", NormalizeASN, "ASN 64496", "AS64496"},
		{"ASN", NormalizeASN, "064496", "AS64496"},
		{"ASN", NormalizeASN, "AS1.10", "AS65546"},
		{"ASN", NormalizeASN, "4294967295", "AS4294967295"},
		{"ASN", NormalizeASN, "4294967296", ""},
		{"ASN", NormalizeASN, "AS0", ""},
		{"ASN", NormalizeASN, "AS-1", ""},
		{"ASN", NormalizeASN, "AS+1", ""},
		{"ASN", NormalizeASN, "AS1.70000", ""},
		{"ASN", NormalizeASN, "AS", ""},
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
