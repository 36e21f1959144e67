package enrich

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/enrichgate/enrichgate/cache"
	"pgregory.net/rapid"
)

// normalizers are all of them, by the type of value that they are for.
func normalizers() map[string]func(string) (string, error) {
	return map[string]func(string) (string, error){
		"ipv4-addr": NormalizeIPv4, "ipv6-addr": NormalizeIPv6, "domain-name": NormalizeDomain, "hostname": NormalizeHostname,
		"url": NormalizeURL, "email-addr": NormalizeEmail, "vulnerability": NormalizeCVE, "autonomous-system": NormalizeASN,
		"file": func(v string) (string, error) { return NormalizeHash("SHA-256", v) },
	}
}

// However a value is spelled, it has one key in the cache.
func TestTwinsShareOneKey(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		kind, value, twin := drawTwins(t)
		key := func(v string) cache.Key {
			n, err := normalizers()[kind](v)
			if err != nil {
				t.Fatalf("%s %q, twin of %q: %v", kind, v, value, err)
			}
			return cache.NewKey("source", "endpoint", n, "")
		}
		if key(value) != key(twin) {
			t.Fatalf("%s %q and %q: %q and %q", kind, value, twin, key(value), key(twin))
		}
		a, errA := NewEntity(kind, value)
		b, errB := NewEntity(kind, twin)
		if err := errors.Join(errA, errB); err != nil || a.ID != b.ID || a.ID == "" || a.Value != b.Value {
			t.Fatalf("entities %q and %q of %q and %q: %v", a.ID, b.ID, value, twin, err)
		}
	})
}

// drawTwins gives a value of some kind, and another spelling of the same.
func drawTwins(t *rapid.T) (kind, value, twin string) {
	name := rapid.StringMatching(`([a-z0-9_]([a-z0-9_-]{0,8}[a-z0-9])?\.){1,3}[a-z]{2,6}`).Draw(t, "name")
	octets := rapid.SliceOfN(rapid.Byte(), 4, 4).Draw(t, "octets")
	v4 := fmt.Sprintf("%d.%d.%d.%d", octets[0], octets[1], octets[2], octets[3])
	number := rapid.Uint32Range(1, 1<<32-1).Draw(t, "number")
	switch kind = rapid.SampledFrom([]string{
		"ipv4-addr", "ipv6-addr", "domain-name", "hostname", "url", "email-addr", "vulnerability", "autonomous-system", "file",
	}).Draw(t, "kind"); kind {
	case "ipv4-addr":
		return kind, v4, rapid.SampledFrom([]string{defang(t, v4, ".", ""), "::ffff:" + v4}).Draw(t, "form")
	case "ipv6-addr":
		b := rapid.SliceOfN(rapid.Uint16Range(0, 2), 7, 7).Draw(t, "groups")
		long := fmt.Sprintf("2001:%04x:%04x:%04x:%04x:%04x:%04x:%04x", b[0], b[1], b[2], b[3], b[4], b[5], b[6])
		short := fmt.Sprintf("2001:%X:%X:%X:%X:%X:%X:%X", b[0], b[1], b[2], b[3], b[4], b[5], b[6])
		return kind, long, defang(t, short, ":", "")
	case "url":
		path := rapid.StringMatching(`(/[A-Za-z0-9%._~\[\]-]{0,5}){0,3}(\?[a-zA-Z=&/]{0,8})?`).Draw(t, "path")
		port := rapid.SampledFrom([][2]string{{"", ""}, {"", ":443"}, {"", ":"}, {":8443", ":08443"}}).Draw(t, "port")
		if !strings.HasPrefix(path, "/") {
			return kind, "https://" + name + port[0] + "/" + path, "HTTPS://" + mixed(t, name) + port[1] + path + "#x"
		}
		return kind, "https://" + name + port[0] + path, "HttpS://" + defangDots(t, mixed(t, name)) + "." + port[1] + path
	case "email-addr":
		return kind, "jane.doe@" + name, "Jane.Doe" + rapid.SampledFrom([]string{"@", "[at]", " (AT) ", "[@]"}).Draw(t, "at") + defang(t, mixed(t, name), ".", ".")
	case "vulnerability":
		n := fmt.Sprintf("2%03d-%d", octets[0], 1000+number%1_000_000)
		return kind, "CVE-" + n, " cve_" + strings.ReplaceAll(n, "-", "–")
	case "autonomous-system":
		return kind, fmt.Sprintf("AS%d", number), rapid.SampledFrom([]string{
			fmt.Sprint(number), fmt.Sprintf("asn %d", number), fmt.Sprintf("AS%d.%d", number>>16, number&0xffff),
		}).Draw(t, "form")
	case "file":
		h := rapid.StringMatching(`[0-9a-f]{64}`).Draw(t, "hash")
		return kind, h, "\t" + mixed(t, h) + "\n"
	default:
		return kind, name, defang(t, mixed(t, name), ".", ".")
	}
}

// defang guards separators, adds an end that does not count, and spaces around.
func defang(t *rapid.T, s, separator, end string) string {
	if separator == "." {
		s = defangDots(t, s)
	} else {
		s = strings.ReplaceAll(s, separator, rapid.SampledFrom([]string{separator, "[" + separator + "]"}).Draw(t, "guard"))
	}
	if rapid.Bool().Draw(t, "end") {
		s += end
	}
	return rapid.SampledFrom([]string{"", " ", "\u00a0", "\ufeff", "\n"}).Draw(t, "around") + s
}

func defangDots(t *rapid.T, s string) string {
	return strings.ReplaceAll(s, ".", rapid.SampledFrom([]string{
		".", "[.]", "(.)", "{.}", "<.>", "[dot]", "(DOT)", " [.] ", " dot ", `\.`, "。", "．", "[.", ".]",
	}).Draw(t, "dot"))
}

func mixed(t *rapid.T, s string) string {
	if rapid.Bool().Draw(t, "upper") {
		return strings.ToUpper(s)
	}
	return strings.ToUpper(s[:1]) + s[1:]
}

// A normalized value stays as it is, holds nothing that could end a part of a
// key, and nothing makes a normalizer panic.
func FuzzNormalize(f *testing.F) {
	for _, seed := range []string{
		"192[.]0.2.1", "2001:db8::1", "hxxp://Bücher.example/", "_a.example.com.", "0123456789abcdef0123456789abcdef", "xn--a.b", "ａ．example",
		"http://u[.]@[::1]:80/[.]#[.]", "jane[at]example(dot)com", "cve 2021 1234", "AS1.10", "http://[[.].]/", "h**p[:]//a", "[..]", "a dot dot b",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, value string) {
		if e, err := NewEntity("", value); err == nil && e.ID == "" {
			t.Errorf("%q became %+v", value, e)
		}
		for kind, normalize := range normalizers() {
			once, err := normalize(value)
			if err != nil {
				continue
			}
			twice, err := normalize(once)
			if err != nil || twice != once {
				t.Errorf("%s %q: %q, then %q, %v", kind, value, once, twice, err)
			}
			if strings.ContainsAny(once, "\x00\x01\n") {
				t.Errorf("%s %q: %q", kind, value, once)
			}
		}
	})
}

func TestNewEntityGuesses(t *testing.T) {
	for value, want := range map[string]string{
		"192[.]0[.]2[.]1": "IPv4-Addr", "2001:DB8::1": "IPv6-Addr", "hxxps://example[.]com/a": "Url", "example[.]com": "Domain-Name",
		"jane[at]example.com": "Email-Addr", "cve-2021-44228": "Vulnerability", "as64496": "Autonomous-System",
		strings.Repeat("A1", 16): "StixFile", strings.Repeat("1", 32): "StixFile", "as.example": "Domain-Name",
		"64496": "", "ws-0042": "", "": "", "two words": "",
	} {
		e, err := NewEntity("", value)
		if e.Type != want || (err == nil) != (want != "") {
			t.Errorf("%q: %q, %v; want %q", value, e.Type, err, want)
		}
	}
	if e, err := NewEntity("Autonomous-System", "64496"); err != nil || e.Value != "AS64496" || e.Object["number"] != int64(64496) {
		t.Errorf("%+v, %v", e, err)
	}
	if _, err := NewEntity("Wallet", "x"); err == nil || !strings.Contains(err.Error(), "autonomous-system") {
		t.Errorf("unknown type: %v", err)
	}
}

func TestIsPrivate(t *testing.T) {
	for _, a := range []string{"10.1.2.3", "::ffff:10.1.2.3", "100.64.0.1", "169.254.1.1", "224.0.0.1", "::1", "fe80::1", "fd00::1", "ff02::1", "fec0::1", "::"} {
		if !IsPrivate(a) {
			t.Errorf("%s is not private", a)
		}
	}
	for _, a := range []string{"192.0.2.1", "2001:db8::1", "203.0.113.9", "example.com", ""} {
		if IsPrivate(a) {
			t.Errorf("%s is private", a)
		}
	}
}
