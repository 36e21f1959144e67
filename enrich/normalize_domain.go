package enrich

import (
	"strings"
	"unicode/utf8"

	"golang.org/x/net/idna"
)

// NormalizeDomain gives the one spelling of a domain: lower case, ASCII
// (punycode), no dot at the end. It takes defanged input, a URL's scheme before
// the name included. Underscores are allowed, as in "_dmarc.example.com". The
// error is an *InputError.
func NormalizeDomain(value string) (string, error) {
	name := refang(value)
	if scheme, rest, ok := strings.Cut(name, "://"); ok && strings.HasPrefix(webScheme(scheme), "http") {
		name = strings.TrimSuffix(rest, "/")
	}
	name, why := normalizeName(name)
	if why == "" && !strings.Contains(name, ".") {
		why = "it has no dot"
	}
	if why != "" {
		return "", invalid(value, "a domain", why)
	}
	return name, nil
}

// NormalizeHostname is NormalizeDomain for the name of a machine, which needs
// no dot: "WS-0042" is "ws-0042".
func NormalizeHostname(value string) (string, error) {
	name, why := normalizeName(refang(value))
	if why != "" {
		return "", invalid(value, "a host name", why)
	}
	return name, nil
}

// NormalizeEmail gives the one spelling of an e-mail address: lower case, its
// domain as NormalizeDomain has it. The part before the @ could mean something
// by its case, and in practice never does. The error is an *InputError.
func NormalizeEmail(value string) (string, error) {
	text := refang(value)
	if len(text) > len("mailto:") && strings.EqualFold(text[:len("mailto:")], "mailto:") {
		text = trimmed(text[len("mailto:"):])
	}
	at := strings.LastIndexByte(text, '@')
	if at < 0 {
		return "", invalid(value, "an e-mail address", "it has no @")
	}
	local := strings.ToLower(text[:at])
	if local == "" || len(local) > 64 || !utf8.ValidString(local) || strings.ContainsFunc(local, notInLocal) {
		return "", invalid(value, "an e-mail address", "before the @ stand 1 to 64 letters, digits and marks, no spaces, quotes or brackets")
	}
	domain, err := NormalizeDomain(text[at+1:])
	if err != nil {
		return "", invalid(value, "an e-mail address", "what stands after the @ is not a domain")
	}
	return local + "@" + domain, nil
}

// normalizeName gives a name in ASCII and lower case, or says what is wrong with it.
func normalizeName(name string) (ascii, why string) {
	if len(name) > 4*253 { // before punycode, whose cost is quadratic
		return "", "longer than 253 characters"
	}
	if !isASCII(name) {
		var err error
		if ascii, err = toASCII(name); err != nil || !utf8.ValidString(name) {
			return "", "it cannot be written in ASCII"
		}
		name = ascii
	}
	name = strings.ToLower(strings.TrimSuffix(name, "."))
	return name, badName(name)
}

// badName says what is wrong with a name in ASCII and lower case, or nothing.
func badName(name string) string {
	if len(name) > 253 {
		return "longer than 253 characters"
	}
	labels := strings.Split(name, ".")
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

// notInLocal is true for what an address holds before its @ in quotes only.
func notInLocal(r rune) bool {
	return r <= ' ' || r == 0x7f || r >= 0x80 && r < 0xa1 || strings.ContainsRune(`"(),:;<>@[\]{}`, r)
}

// toASCII writes an international name in punycode, as a browser would. Names
// that are ASCII already do not come here: idna would refuse some that exist.
func toASCII(name string) (string, error) {
	profile := idna.New(
		idna.MapForLookup(), idna.BidiRule(), idna.Transitional(false),
		idna.StrictDomainName(false), // underscores; badName refuses the rest
		idna.CheckHyphens(false),     // names such as r3---sn exist
	)
	return profile.ToASCII(name)
}
