package enrich

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// refang undoes what people do to indicators so that nobody clicks on them:
// "[.]", "(dot)", " dot ", "\.", "[:]", "[at]", half brackets, the full stops of
// other scripts, spaces and invisible characters around it all.
func refang(value string) string {
	value = trimmed(value)
	if isASCII(value) && !strings.ContainsAny(value, `[({<\ ])}>`) {
		return value
	}
	var b strings.Builder
	for i := 0; i < len(value); {
		if plain, n := defanged(value[i:]); n > 0 {
			b.WriteString(plain)
			i += n
			continue
		}
		r, n := utf8.DecodeRuneInString(value[i:])
		if r == ' ' { // a run of them was looked at as a whole
			n = len(value[i:]) - len(strings.TrimLeft(value[i:], " "))
		}
		if isFullStop(r) {
			b.WriteByte('.')
		} else {
			b.WriteString(value[i : i+n])
		}
		i += n
	}
	return b.String()
}

// defanged recognizes a guarded separator at the start of s. It gives what is
// meant, and how long the guarded spelling is.
func defanged(s string) (plain string, length int) {
	if strings.HasPrefix(s, `\.`) {
		return ".", 2
	}
	inner := strings.TrimLeft(s, " ")
	spaces := len(s) - len(inner)
	opened := inner != "" && strings.IndexByte("[({<", inner[0]) >= 0
	if opened {
		inner = strings.TrimLeft(inner[1:], " ")
	}
	for _, word := range []struct{ guarded, plain string }{
		{"dot", "."}, {".", "."}, {"at", "@"}, {"@", "@"}, {"://", "://"}, {":", ":"}, {"/", "/"},
	} {
		if len(inner) < len(word.guarded) || !strings.EqualFold(inner[:len(word.guarded)], word.guarded) {
			continue
		}
		rest := inner[len(word.guarded):]
		tail := strings.TrimLeft(rest, " ")
		closed := tail != "" && strings.IndexByte("])}>", tail[0]) >= 0
		switch {
		case opened && closed:
			tail = strings.TrimLeft(tail[1:], " ")
		case word.guarded == "." && (opened || closed): // "[." and ".]"
			if closed {
				tail = tail[1:]
			}
		case !opened && spaces > 0 && len(tail) < len(rest) && len(word.guarded) > 1: // " dot ", " at "
		default:
			return "", 0
		}
		return word.plain, len(s) - len(tail)
	}
	return "", 0
}

// isFullStop is true for the dots of other scripts, as IDNA takes them.
func isFullStop(r rune) bool { return r == '。' || r == '．' || r == '｡' }

// trimmed takes off spaces and what cannot be seen: a value pasted from a
// document often carries a zero-width space or a byte order mark.
func trimmed(value string) string {
	return strings.TrimFunc(value, func(r rune) bool {
		switch r {
		case '\u200b', '\u200c', '\u200d', '\u2060', '\ufeff', '\u00ad':
			return true
		}
		return unicode.IsSpace(r)
	})
}
