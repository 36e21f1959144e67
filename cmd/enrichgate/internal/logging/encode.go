package logging

import (
	"bytes"
	"encoding"
	"encoding/json"
	"fmt"
	"log/slog"
	"math"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// encoder appends attributes to buf, in JSON as Python spaces it or as text.
type encoder struct {
	buf     []byte
	json    bool
	prefix  string // dotted groups, for text
	secrets *redactor
}

func (e *encoder) raw(s string) { e.buf = append(e.buf, s...) }

// open writes the heads of groups, then the body. When the body writes nothing,
// the heads go too: an empty group is left out. It says whether it wrote.
// The groups stay open.
func (e *encoder) open(groups []string, body func()) bool {
	start := len(e.buf)
	if e.json {
		for _, g := range groups {
			e.key(g)
			e.buf = append(e.buf, '{')
		}
	}
	head := len(e.buf)
	body()
	if len(e.buf) == head {
		e.buf = e.buf[:start]
		return false
	}
	return true
}

func (e *encoder) attrs(attrs []slog.Attr) {
	for _, a := range attrs {
		e.attr(a)
	}
}

// attr appends one attribute; a group without content leaves nothing.
func (e *encoder) attr(a slog.Attr) {
	a.Value = a.Value.Resolve()
	if a.Equal(slog.Attr{}) {
		return
	}
	if a.Value.Kind() != slog.KindGroup {
		e.key(e.secrets.clean(a.Key))
		e.value(a.Value)
		return
	}
	if a.Key == "" {
		e.attrs(a.Value.Group())
		return
	}
	key := e.secrets.clean(a.Key)
	outer := e.prefix
	e.prefix += key + "."
	if e.open([]string{key}, func() { e.attrs(a.Value.Group()) }) && e.json {
		e.buf = append(e.buf, '}')
	}
	e.prefix = outer
}

// key appends the separator and the name of what follows.
func (e *encoder) key(k string) {
	if !e.json {
		e.buf = append(e.buf, ' ')
		e.buf = appendWord(e.buf, e.prefix+k)
		e.buf = append(e.buf, '=')
		return
	}
	if n := len(e.buf); n > 0 && e.buf[n-1] != '{' {
		e.raw(", ")
	}
	e.quote(k)
	e.raw(": ")
}

// value appends a resolved value that is no group.
func (e *encoder) value(v slog.Value) {
	if !e.json {
		e.buf = appendWord(e.buf, e.secrets.clean(valueText(v)))
		return
	}
	switch v.Kind() {
	case slog.KindInt64, slog.KindUint64, slog.KindBool, slog.KindFloat64:
		text := v.String()
		f := 0.0
		if v.Kind() == slog.KindFloat64 {
			f = v.Float64()
		}
		// JSON has no NaN; and a secret may be all digits.
		if math.IsNaN(f) || math.IsInf(f, 0) || e.secrets.clean(text) != text {
			e.quote(e.secrets.clean(text))
			return
		}
		e.raw(text)
	case slog.KindAny:
		e.any(v.Any())
	default:
		e.quote(e.secrets.clean(valueText(v)))
	}
}

// any appends a value of a type that slog does not know.
func (e *encoder) any(v any) {
	if b, ok := v.([]byte); ok { // base64 would hide a secret from the redactor
		e.quote(e.secrets.clean(string(b)))
		return
	}
	_, isJSON := v.(json.Marshaler)
	if _, isErr := v.(error); isErr && !isJSON {
		e.quote(e.secrets.clean(safeText(v)))
		return
	}
	b, err := safeMarshal(v)
	if err != nil {
		e.quote(e.secrets.clean("!ERROR:" + err.Error()))
		return
	}
	e.tree(b)
}

// tree appends a JSON document with its strings and keys cleaned. It goes by
// tokens and not by bytes, so that a secret that looks like JSON breaks nothing.
func (e *encoder) tree(doc []byte) {
	dec := json.NewDecoder(bytes.NewReader(doc))
	dec.UseNumber()
	var depth []byte // '{' and '[' that are open
	key := false     // the next string is a key
	for {
		t, err := dec.Token()
		if err != nil {
			return // the end: doc came out of json.Marshal
		}
		if d, ok := t.(json.Delim); ok && (d == '}' || d == ']') {
			e.buf = append(e.buf, byte(d))
			depth = depth[:len(depth)-1]
			key = len(depth) > 0 && depth[len(depth)-1] == '{'
			continue
		}
		e.separate()
		switch t := t.(type) {
		case json.Delim:
			e.buf = append(e.buf, byte(t))
			depth = append(depth, byte(t))
			key = t == '{'
			continue
		case string:
			e.quote(e.secrets.clean(t))
			if key {
				e.raw(": ")
				key = false
				continue
			}
		case json.Number:
			if s := t.String(); e.secrets.clean(s) != s {
				e.quote(redacted)
			} else {
				e.raw(s)
			}
		case bool:
			e.buf = strconv.AppendBool(e.buf, t)
		case nil:
			e.raw("null")
		}
		key = len(depth) > 0 && depth[len(depth)-1] == '{'
	}
}

// separate appends ", " unless a value has just been announced.
func (e *encoder) separate() {
	if n := len(e.buf); n > 0 && !strings.ContainsRune("{[ ", rune(e.buf[n-1])) {
		e.raw(", ")
	}
}

// safeMarshal is json.Marshal, with a panicking method turned into an error.
func safeMarshal(v any) (b []byte, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%T panicked", v)
		}
	}()
	return json.Marshal(v)
}

// safeText is the text of any value, with a panicking method survived.
func safeText(v any) (s string) {
	defer func() {
		if p := recover(); p != nil {
			s = fmt.Sprintf("!PANIC: %T", v)
		}
	}()
	switch v := v.(type) {
	case error:
		return v.Error()
	case []byte:
		return string(v)
	case encoding.TextMarshaler:
		if b, err := v.MarshalText(); err == nil {
			return string(b)
		}
	}
	return fmt.Sprintf("%+v", v)
}

// valueText is a resolved value as text.
func valueText(v slog.Value) string {
	switch v.Kind() {
	case slog.KindTime:
		return v.Time().UTC().Format(timeFormat)
	case slog.KindAny:
		return safeText(v.Any())
	}
	return v.String()
}

// appendWord appends s, quoted when it would not read as one word.
func appendWord(b []byte, s string) []byte {
	for _, r := range s {
		if r == ' ' || r == '=' || r == '"' || r == utf8.RuneError || !unicode.IsPrint(r) {
			return strconv.AppendQuote(b, s)
		}
	}
	if s == "" {
		return append(b, `""`...)
	}
	return append(b, s...)
}

// appendPlain appends s as it is, except that what would end or overwrite the
// line is escaped: a log line must not be able to pretend to be two.
func appendPlain(b []byte, s string) []byte {
	for _, r := range s {
		if unicode.IsPrint(r) {
			b = utf8.AppendRune(b, r)
			continue
		}
		q := strconv.QuoteRune(r)
		b = append(b, q[1:len(q)-1]...)
	}
	return b
}

const hex = "0123456789abcdef"

// quote appends s as a JSON string. Beyond what JSON demands it escapes what a
// terminal would obey (DEL and the C1 controls) and the line separators.
func (e *encoder) quote(s string) {
	b := append(e.buf, '"')
	for _, r := range s { // invalid bytes arrive as U+FFFD
		switch {
		case r == '"' || r == '\\':
			b = append(b, '\\', byte(r))
		case r == '\n':
			b = append(b, '\\', 'n')
		case r == '\t':
			b = append(b, '\\', 't')
		case r == '\r':
			b = append(b, '\\', 'r')
		case r < ' ' || r >= 0x7f && r < 0xa0 || r == '\u2028' || r == '\u2029':
			b = append(b, '\\', 'u', hex[r>>12&15], hex[r>>8&15], hex[r>>4&15], hex[r&15])
		default:
			b = utf8.AppendRune(b, r)
		}
	}
	e.buf = append(b, '"')
}
