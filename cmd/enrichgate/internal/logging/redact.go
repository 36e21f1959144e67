package logging

import (
	"encoding/json"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
)

const (
	// redacted is what stands where a secret was.
	redacted = "[redacted]"
	// minSecret is the length from which a secret is replaced.
	minSecret = 4
)

// redactor replaces secrets. It is safe for concurrent use.
type redactor struct {
	mu       sync.Mutex // serializes add
	forms    []string   // every spelling of every secret, the longest first
	replacer atomic.Pointer[strings.Replacer]
}

// add makes the redactor know more secrets.
func (r *redactor) add(secrets ...string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range secrets {
		if len(s) >= minSecret {
			r.forms = append(r.forms, spellings(s)...)
		}
	}
	// The longest first: at one place the replacer takes the first that fits,
	// and a secret that begins with another must not leave its tail behind.
	slices.SortFunc(r.forms, func(a, b string) int {
		if len(a) != len(b) {
			return len(b) - len(a)
		}
		return strings.Compare(a, b)
	})
	r.forms = slices.Compact(r.forms)
	if len(r.forms) == 0 {
		return
	}
	var pairs []string
	for _, f := range r.forms {
		pairs = append(pairs, f, redacted)
	}
	r.replacer.Store(strings.NewReplacer(pairs...))
}

// clean returns s without secrets.
func (r *redactor) clean(s string) string {
	rep := r.replacer.Load()
	if rep == nil || len(s) < minSecret {
		return s
	}
	return rep.Replace(s)
}

// spellings are the ways in which a secret turns up inside other people's
// error texts: as it is, quoted by Go, by JSON, and in a URL.
func spellings(s string) []string {
	quoted := strconv.Quote(s)
	forms := []string{s, quoted[1 : len(quoted)-1], url.QueryEscape(s), url.PathEscape(s), url.User(s).String()}
	if j, err := json.Marshal(s); err == nil {
		forms = append(forms, string(j[1:len(j)-1]))
	}
	if trimmed := strings.TrimSpace(s); len(trimmed) >= minSecret {
		forms = append(forms, trimmed)
	}
	return forms
}
