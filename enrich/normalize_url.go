package enrich

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxURL is longer than any browser takes.
const maxURL = 8192

// NormalizeURL gives the one spelling of an absolute URL: scheme and host as a
// browser writes them, no port that the scheme implies, "/" for an empty path,
// no fragment. Path and query stay exactly as they are: only the server knows
// what their characters mean. If scheme or host are defanged, guarded dots in
// the path are too. The error is an *InputError.
func NormalizeURL(value string) (string, error) {
	refuse := func(why string) (string, error) { return "", invalid(value, "a URL", why) }
	text, _, _ := strings.Cut(value, "#")
	text = trimmed(text)
	if len(text) > maxURL || !utf8.ValidString(text) || strings.ContainsFunc(text, unicode.IsControl) {
		return refuse("too long, or characters that cannot be shown")
	}
	written, rest, ok := cutScheme(text)
	scheme := webScheme(written)
	if !ok || scheme == "" {
		return refuse("it needs a scheme and a host, as in https://host/")
	}
	authority, tail := cutAuthority(rest)
	at := strings.LastIndexByte(authority, '@') + 1
	user, host := authority[:at], refang(authority[at:])
	if host != authority[at:] || scheme != strings.ToLower(written) {
		tail = refangPath(tail)
	}
	if strings.ContainsFunc(user+tail, unicode.IsSpace) {
		return refuse("a space in it is written %20")
	}
	host, why := normalizeHost(scheme, host)
	if why != "" {
		return refuse(why)
	}
	if !strings.HasPrefix(tail, "/") {
		tail = "/" + tail
	}
	return scheme + "://" + user + host + tail, nil
}

// cutScheme splits at the first "://", guarded or not.
func cutScheme(text string) (scheme, rest string, ok bool) {
	for i := range len(text) {
		for _, mark := range []string{"://", "[://]", "[:]//", "(:)//", "(://)", "[:][//]", "[:][/][/]", "[:]/[/]"} {
			if strings.HasPrefix(text[i:], mark) {
				return text[:i], strings.TrimLeft(text[i+len(mark):], " "), true
			}
		}
		if text[i] == '/' || text[i] == '?' {
			break
		}
	}
	return "", "", false
}

// cutAuthority splits where the path or the query begins; the first slash may
// be guarded.
func cutAuthority(rest string) (authority, tail string) {
	i := strings.IndexAny(rest, "/?")
	if i < 0 {
		return rest, ""
	}
	if i > 0 && strings.HasPrefix(rest[i:], "/]") && rest[i-1] == '[' {
		return rest[:i-1], "/" + rest[i+2:]
	}
	return rest[:i], rest[i:]
}

// refangPath knows only what cannot be meant otherwise.
func refangPath(tail string) string {
	return strings.NewReplacer("[.]", ".", "[:]", ":", "[/]", "/").Replace(tail)
}

// webScheme gives the scheme that is meant, in lower case; empty when it is none.
func webScheme(s string) string {
	s = strings.ToLower(s)
	switch s {
	case "hxxp", "hxtp", "htxp", "h**p", "hxxps", "hxtps", "htxps", "h**ps":
		return "http" + s[4:]
	case "fxp":
		return "ftp"
	case "":
		return ""
	}
	if s[0] < 'a' || s[0] > 'z' || strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789+-.") != "" {
		return ""
	}
	return s
}

// normalizeHost gives host and port, or says what is wrong with them.
func normalizeHost(scheme, host string) (normal, why string) {
	host, port, why := cutPort(scheme, host)
	if why != "" {
		return "", why
	}
	if strings.HasPrefix(host, "[") {
		v6, err := NormalizeIPv6(host)
		if err != nil || !strings.HasSuffix(host, "]") {
			return "", "its host is not an IPv6 address"
		}
		return "[" + v6 + "]" + port, ""
	}
	if v4, err := NormalizeIPv4(host); err == nil {
		return v4 + port, ""
	}
	if host, why = normalizeName(host); why != "" {
		return "", "its host is no name or address: " + why
	}
	return host + port, ""
}

// cutPort splits off the port, with its colon; one that the scheme implies is dropped.
func cutPort(scheme, host string) (name, port, why string) {
	colon := strings.LastIndexByte(host, ':')
	if colon < strings.LastIndexByte(host, ']') || colon < 0 {
		return host, "", ""
	}
	name, digits := host[:colon], host[colon+1:]
	if digits == "" {
		return name, "", ""
	}
	n, err := strconv.ParseUint(digits, 10, 16)
	if err != nil {
		return "", "", "its port is not a number up to 65535"
	}
	if implied := map[string]uint64{"http": 80, "https": 443, "ftp": 21, "ws": 80, "wss": 443}; implied[scheme] == n && n != 0 {
		return name, "", ""
	}
	return name, ":" + strconv.FormatUint(n, 10), ""
}
