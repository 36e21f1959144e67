package httpapi

import (
	"fmt"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/enrichgate/enrichgate/enrich"
)

// element is one member of a header that is a list: name, or name=value.
type element struct{ name, value string }

// elements reads a header's list (RFC 9110, 5.6.1): tokens with an optional
// value, a token or a quoted string. Names come in lower case. Parameters
// behind a semicolon are passed over.
func elements(header []string) ([]element, error) {
	var all []element
	for _, line := range header {
		for rest := line; rest != ""; {
			e, after, err := nextElement(rest)
			if err != nil {
				return nil, err
			}
			if e.name != "" {
				all = append(all, e)
			}
			rest = after
		}
	}
	return all, nil
}

// nextElement takes one member off the front of a list.
func nextElement(s string) (e element, rest string, err error) {
	s = strings.TrimLeft(s, " \t")
	end := strings.IndexFunc(s, notInToken)
	if end < 0 {
		end = len(s)
	}
	e.name, s = strings.ToLower(s[:end]), strings.TrimLeft(s[end:], " \t")
	if strings.HasPrefix(s, "=") {
		if e.value, s, err = fieldValue(strings.TrimLeft(s[1:], " \t")); err != nil {
			return element{}, "", err
		}
	}
	for strings.HasPrefix(s, ";") { // parameters: none that we know
		s = strings.TrimLeft(s[1:], " \t")
		end := strings.IndexFunc(s, notInToken)
		if end < 0 {
			end = len(s)
		}
		s = strings.TrimLeft(s[end:], " \t")
		if strings.HasPrefix(s, "=") {
			if _, s, err = fieldValue(strings.TrimLeft(s[1:], " \t")); err != nil {
				return element{}, "", err
			}
		}
	}
	if s == "" {
		return e, "", nil
	}
	if s[0] != ',' {
		return element{}, "", fmt.Errorf("%s has no place in it", enrich.Shown(s))
	}
	return e, s[1:], nil
}

// fieldValue takes a token or a quoted string off the front.
func fieldValue(s string) (value, rest string, err error) {
	if !strings.HasPrefix(s, `"`) {
		end := strings.IndexFunc(s, notInToken)
		if end < 0 {
			end = len(s)
		}
		return s[:end], strings.TrimLeft(s[end:], " \t"), nil
	}
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '"':
			return b.String(), strings.TrimLeft(s[i+1:], " \t"), nil
		case '\\':
			if i++; i == len(s) {
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return "", "", fmt.Errorf("a quotation is not closed")
}

// notInToken is true for what a token (RFC 9110, 5.6.2) never holds.
func notInToken(r rune) bool {
	return r <= ' ' || r >= 0x7f || strings.ContainsRune(`"(),/:;<=>?@[\]{}`, r)
}

// cacheDirectives reads a request's Cache-Control (RFC 9111, 5.2.1). What it
// asks for that we do not have is passed over; a max-age that is no number is an
// error, because to guess either way may spend or mislead.
func cacheDirectives(h http.Header) (d enrich.Directives, err error) {
	all, err := elements(h.Values("Cache-Control"))
	if err != nil {
		return d, &enrich.InputError{Reason: "Cache-Control: " + err.Error()}
	}
	for _, e := range all {
		switch e.name {
		case "only-if-cached":
			d.OnlyIfCached = true
		case "no-cache", "no-store":
			// Every answer is stored: it was paid for. What no-store can have of
			// us is that none from before is used.
			d.NoCache = true
		case "max-age":
			age, err := seconds(e.value)
			if err != nil {
				return d, &enrich.InputError{Reason: "Cache-Control: max-age=" + enrich.Shown(e.value) + " is not a number of seconds"}
			}
			if d.MaxAge = age; age == 0 {
				d.NoCache = true
			}
		}
	}
	return d, nil
}

const (
	// defaultWait is how long a rate limit may delay an answer when the client
	// does not say.
	defaultWait = 30 * time.Second
	// longestWait bounds what it may say.
	longestWait = enrich.DefaultPatience
)

// patience is how long the client lets a rate limit delay its answer: "Prefer:
// wait=20" (RFC 7240). A preference that cannot be read is none. The answer says
// that it was followed.
func patience(w http.ResponseWriter, r *http.Request) time.Duration {
	all, err := elements(r.Header.Values("Prefer"))
	if err != nil {
		return defaultWait
	}
	for _, e := range all { // of several, the first one counts
		if e.name != "wait" {
			continue
		}
		wait, err := seconds(e.value)
		if err != nil {
			return defaultWait
		}
		wait = min(wait, longestWait)
		w.Header().Set("Preference-Applied", "wait="+strconv.Itoa(int(wait.Seconds())))
		return max(wait, time.Millisecond) // zero would mean the gateway's own
	}
	return defaultWait
}

// seconds reads delta-seconds (RFC 9111, 1.2.2): too many count as very many.
func seconds(s string) (time.Duration, error) {
	if s == "" || strings.Trim(s, "0123456789") != "" {
		return 0, strconv.ErrSyntax
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n > math.MaxInt32 {
		n = math.MaxInt32
	}
	return time.Duration(n) * time.Second, nil
}

// accepts says that the client names the media type in its Accept.
func accepts(r *http.Request, mediaType string) bool {
	for _, line := range r.Header.Values("Accept") {
		for part := range strings.SplitSeq(line, ",") {
			name, _, _ := strings.Cut(part, ";")
			if strings.EqualFold(strings.TrimSpace(name), mediaType) {
				return true
			}
		}
	}
	return false
}
