package cache

import (
	"strings"
	"time"
)

// Key identifies an answer: everything that changes what the provider says.
type Key string

// sep ends the parts of a key; none can hold it, because NewKey writes it
// differently.
const sep = "\x00"

// NewKey builds a key. Vary holds the parameters, plan or account that change
// the answer, in any fixed form. Different parts give different keys, whatever
// bytes are in them.
func NewKey(source, endpoint, value, vary string) Key {
	return Key(escape(source) + sep + escape(endpoint) + sep + escape(value) + sep + escape(vary))
}

// Parts takes a key apart again.
func (k Key) Parts() (source, endpoint, value, vary string) {
	p := append(strings.SplitN(string(k), sep, 4), "", "", "", "")
	return unescape(p[0]), unescape(p[1]), unescape(p[2]), unescape(p[3])
}

func escape(s string) string {
	if !strings.ContainsAny(s, "\x00\x01") {
		return s
	}
	return strings.NewReplacer("\x01", "\x01\x02", "\x00", "\x01\x01").Replace(s)
}

func unescape(s string) string {
	if !strings.Contains(s, "\x01") {
		return s
	}
	return strings.NewReplacer("\x01\x02", "\x01", "\x01\x01", "\x00").Replace(s)
}

// Filter chooses entries; what is zero does not matter, so that the zero Filter
// is all of them.
type Filter struct {
	// Source, Endpoint and Value compare exactly; the value is the normalized one.
	Source, Endpoint, Value string
	// StoredBefore takes what the provider gave before that time.
	StoredBefore time.Time
}

// matches says whether the filter chooses an entry.
func (f Filter) matches(k Key, e *Entry) bool {
	source, endpoint, value, _ := k.Parts()
	return (f.Source == "" || f.Source == source) && (f.Endpoint == "" || f.Endpoint == endpoint) &&
		(f.Value == "" || f.Value == value) && (f.StoredBefore.IsZero() || e.StoredAt.Before(f.StoredBefore))
}
