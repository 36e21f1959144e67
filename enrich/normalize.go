package enrich

import (
	"fmt"
	"net/netip"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/idna"
)

// NormalizeIPv4 gives the one spelling of an IPv4 address. It takes defanged
// input ("192[.]0[.]2[.]1"). An octet with a leading zero is refused: half the
// world reads it as octal. The error is an *InputError.
func NormalizeIPv4(value string) (string, error) {
	addr, err := netip.ParseAddr(refang(value))
	if err != nil || !addr.Is4() {
		return "", invalid(value, "an IPv4 address", "four numbers up to 255 without leading zeros")
	}
	return addr.String(), nil
}

// NormalizeIPv6 gives the one spelling of an IPv6 address (RFC 5952). Zones are
// refused: they mean nothing elsewhere. The error is an *InputError.
func NormalizeIPv6(value string) (string, error) {
	addr, err := netip.ParseAddr(refang(value))
	if err != nil || !addr.Is6() || addr.Zone() != "" {
		return "", invalid(value, "an IPv6 address", "groups of hexadecimal digits, no zone")
	}
	return addr.String(), nil
}

// NormalizeDomain gives the one spelling of a domain: lower case, ASCII
// (punycode), no dot at the end. It takes defanged input, a URL's scheme before
// the name included. Underscores are allowed, as in "_dmarc.example.com". The
// error is an *InputError.
func NormalizeDomain(value string) (string, error) {
	name := refang(value)
	if scheme, rest, ok := strings.Cut(name, "://"); ok && isWebScheme(scheme) {
		name = strings.TrimSuffix(rest, "/")
	}
	if !isASCII(name) {
		ascii, err := toASCII(name)
		if err != nil || !utf8.ValidString(name) {
			return "", invalid(value, "a domain", "it cannot be written in ASCII")
		}
		name = ascii
	}
	name = strings.ToLower(strings.TrimSuffix(name, "."))
	if why := badDomain(name); why != "" {
		return "", invalid(value, "a domain", why)
	}
	return name, nil
}

// NormalizeHash gives the one spelling (lower case) of a hash of the kind
// "MD5", "SHA-1", "SHA-256" or "SHA-512". The error is an *InputError.
func NormalizeHash(kind, value string) (string, error) {
	digits := map[string]int{"MD5": 32, "SHA-1": 40, "SHA-256": 64, "SHA-512": 128}[kind]
	hash := strings.ToLower(strings.TrimSpace(value))
	if digits == 0 || len(hash) != digits || strings.Trim(hash, "0123456789abcdef") != "" {
		return "", invalid(value, "a hash of the kind "+kind, fmt.Sprintf("%d hexadecimal digits", digits))
	}
	return hash, nil
}

// refang undoes what people do to indicators so that nobody clicks on them.
func refang(value string) string {
	value = strings.TrimSpace(value)
	if !strings.ContainsAny(value, "[({") {
		return value
	}
	return strings.NewReplacer(
		"[.]", ".", "(.)", ".", "{.}", ".", "[dot]", ".", "(dot)", ".", "[DOT]", ".", "(DOT)", ".",
		"[:]", ":", "[://]", "://",
	).Replace(value)
}

// isWebScheme takes http and https, plain and defanged.
func isWebScheme(s string) bool {
	switch strings.ToLower(s) {
	case "http", "https", "hxxp", "hxxps":
		return true
	}
	return false
}

// badDomain says what is wrong with a name in ASCII and lower case, or nothing.
func badDomain(name string) string {
	if len(name) > 253 {
		return "longer than 253 characters"
	}
	labels := strings.Split(name, ".")
	if len(labels) < 2 {
		return "it has no dot"
	}
	for _, label := range labels {
		switch {
		case label == "":
			return "a part of it is empty"
		case len(label) > 63:
			return "a part of it is longer than 63 characters"
		case label[0] == '-' || label[len(label)-1] == '-':
			return "a part of it starts or ends with a hyphen"
		case strings.ContainsFunc(label, notInDomain):
			return "only letters, digits, hyphens, underscores and dots are allowed"
		}
	}
	if strings.Trim(labels[len(labels)-1], "0123456789") == "" {
		return "its last part is a number"
	}
	return ""
}

// notInDomain is true for what a domain's part never holds.
func notInDomain(r rune) bool {
	return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-' && r != '_'
}

// toASCII writes an international name in punycode, as a browser would. Names
// that are ASCII already do not come here: idna would refuse some that exist.
func toASCII(name string) (string, error) {
	profile := idna.New(
		idna.MapForLookup(), idna.BidiRule(), idna.Transitional(false),
		idna.StrictDomainName(false), // underscores; badDomain refuses the rest
		idna.CheckHyphens(false),     // names such as r3---sn exist
	)
	return profile.ToASCII(name)
}

// IsPrivate is true for IPv4 addresses that are nobody's on the internet. The
// ranges for documentation and benchmarks are not among them, so that examples
// and tests can be asked about.
func IsPrivate(ipv4 string) bool {
	addr, err := netip.ParseAddr(ipv4)
	if err != nil {
		return false
	}
	if addr.IsPrivate() || addr.IsLoopback() || addr.IsLinkLocalUnicast() || addr.IsMulticast() || addr.IsUnspecified() {
		return true
	}
	for _, block := range []string{"0.0.0.0/8", "100.64.0.0/10", "240.0.0.0/4"} {
		if netip.MustParsePrefix(block).Contains(addr) {
			return true
		}
	}
	return false
}

// invalid words why a value cannot be looked up.
func invalid(value, what, why string) error {
	return &InputError{Reason: fmt.Sprintf("%s is not %s (%s)", Shown(value), what, why)}
}

// Shown quotes a foreign value in at most 80 characters of one line.
func Shown(value string) string {
	const most = 80
	if utf8.RuneCountInString(value) > most {
		value = string([]rune(value[:min(len(value), 4*most)])[:most-1]) + "…"
	}
	return fmt.Sprintf("%q", value)
}

// isASCII is true if no byte has its high bit set.
func isASCII(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r >= utf8.RuneSelf })
}
