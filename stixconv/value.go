package stixconv

import (
	"errors"
	"net/netip"
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/net/idna"
)

// maxURL is longer than any browser takes, and short enough to be indexed.
const maxURL = 8192

// normalizeIP also says which of the two kinds the address is: providers list
// IPv6 addresses among IPv4 ones.
func normalizeIP(s string) (kind, value string, err error) {
	address, err := netip.ParseAddr(strings.TrimSpace(s))
	if err != nil || address.Zone() != "" {
		return "", "", errors.New("not an IP address")
	}
	address = address.Unmap()
	if address.Is4() {
		return "ipv4-addr", address.String(), nil
	}
	return "ipv6-addr", address.String(), nil
}

// normalizeDomain lowers the case, drops the root's dot and writes
// international names in their ASCII form, which is what DNS data uses.
// Underscores are taken: real names have them.
func normalizeDomain(s string) (string, error) {
	name := strings.TrimSuffix(strings.ToLower(strings.TrimSpace(s)), ".")
	if !isASCII(name) {
		ascii, err := idna.New(idna.MapForLookup(), idna.BidiRule(), idna.StrictDomainName(false)).ToASCII(name)
		if err != nil || !utf8.ValidString(name) {
			return "", errors.New("not a valid international domain name")
		}
		name = strings.TrimSuffix(ascii, ".")
	}
	if len(name) > 253 {
		return "", errors.New("domain name longer than 253 characters")
	}
	labels := 0
	for label := range strings.SplitSeq(name, ".") {
		if !validLabel(label) {
			return "", errors.New("not a domain name")
		}
		labels++
	}
	last := name[strings.LastIndexByte(name, '.')+1:]
	if labels < 2 || len(last) < 2 || strings.Trim(last, "0123456789") == "" {
		return "", errors.New("not a domain name below a top-level domain")
	}
	return name, nil
}

func validLabel(label string) bool {
	if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
		return false
	}
	for i := range len(label) {
		c := label[i]
		if !(c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '-' || c == '_') {
			return false
		}
	}
	return true
}

// normalizeURL checks and leaves the text alone: a URL is known by its exact characters.
func normalizeURL(s string) (string, error) {
	s = strings.TrimSpace(s)
	parsed, err := url.Parse(s)
	if err != nil || parsed.Scheme == "" || parsed.Host == "" || !utf8.ValidString(s) || strings.ContainsFunc(s, unicode.IsSpace) {
		return "", errors.New("not an absolute URL")
	}
	if len(s) > maxURL {
		return "", errors.New("URL too long")
	}
	return s, nil
}

// webURL is what may become a link in front of an analyst.
func webURL(s string) (string, error) {
	s, err := normalizeURL(s)
	if err != nil {
		return "", err
	}
	if scheme, _, _ := strings.Cut(s, ":"); !strings.EqualFold(scheme, "http") && !strings.EqualFold(scheme, "https") {
		return "", errors.New("not a web address")
	}
	return s, nil
}

// clean makes a provider's words safe to encode.
func clean(s string) string { return strings.TrimSpace(strings.ToValidUTF8(s, "\uFFFD")) }

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}
