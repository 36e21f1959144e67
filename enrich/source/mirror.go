package source

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/enrichgate/enrichgate/enrich"
)

// This file reads requests to a mirror of the provider's API backwards: from
// the request that a client of that API makes to the lookup that makes the same.

// Token is what a client puts where the source's secret goes: in the header,
// query parameter or path that the definition names, without what stands around it.
func (s *Source) Token(r *http.Request) string {
	for _, a := range s.d.auth {
		if token := a.token(r); token != "" {
			return token
		}
	}
	for _, l := range s.d.lookups {
		for i, h := range l.request.path.holes {
			if got, ok := l.request.path.match(s.below(r), "/"); ok && h.group == "secrets" {
				return got[i]
			}
		}
	}
	return ""
}

// token takes a secret out of its place.
func (a auth) token(r *http.Request) string {
	secret := func(t template, text string) string {
		if len(t.names("secrets")) == 0 {
			return ""
		}
		text, before := strings.CutPrefix(text, t.literals[0])
		text, after := strings.CutSuffix(text, t.literals[len(t.literals)-1])
		if !before || !after || len(t.holes) != 1 {
			return ""
		}
		return text
	}
	switch a.in {
	case "header":
		return secret(a.value, r.Header.Get(a.name))
	case "bearer":
		scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
		if strings.EqualFold(scheme, "Bearer") {
			return secret(a.value, strings.TrimSpace(token))
		}
	case "basic":
		user, password, _ := r.BasicAuth()
		if token := secret(a.password, password); token != "" {
			return token
		}
		return secret(a.user, user)
	case "query":
		return secret(a.value, r.URL.Query().Get(a.name))
	}
	return ""
}

// Match says which lookup a request to a mirror of the API is: one by GET whose
// path and parameters are those that the lookup itself would send, with or
// without the path of the base URL before it. Values are normalized, so that a
// twin is the same lookup. Everything else is enrich.ErrNotOffered; where only a
// parameter differs, that is said with it.
func (s *Source) Match(r *http.Request) (enrich.Lookup, error) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		return enrich.Lookup{}, enrich.ErrNotOffered
	}
	why := enrich.ErrNotOffered
	for _, l := range s.d.lookups {
		if l.request.method != http.MethodGet {
			continue
		}
		value, err := s.asked(l, r)
		if err == nil {
			value, err = l.plainValue(value)
		}
		if err == nil {
			return s.planOf(l, value)
		}
		if err != enrich.ErrNotOffered {
			why = err
		}
	}
	return enrich.Lookup{}, why
}

// below is a request's path below the base URL, as escaped.
func (s *Source) below(r *http.Request) string {
	path := r.URL.EscapedPath()
	if base, err := url.Parse(s.base); err == nil && base.Path != "" {
		own := strings.TrimRight(base.EscapedPath(), "/")
		if rest, ok := strings.CutPrefix(path, own); ok && (rest == "" || rest[0] == '/') {
			path = rest
		}
	}
	return path
}

// asked finds the value in a request that has the form of the lookup.
func (s *Source) asked(l *lookup, r *http.Request) (value string, err error) {
	path := s.below(r)
	got, ok := l.request.path.match(path, "/")
	if !ok {
		got, ok = l.request.path.match(strings.TrimSuffix(path, "/"), "/")
	}
	if !ok {
		return "", enrich.ErrNotOffered
	}
	for i, h := range l.request.path.holes {
		plain, err := url.PathUnescape(got[i])
		if err != nil {
			return "", enrich.ErrNotOffered
		}
		if value, err = s.takeHole(h, plain, value); err != nil {
			return "", err
		}
	}
	return s.askedInQuery(l, r.URL.Query(), value)
}

// askedInQuery holds the parameters against the lookup's own.
func (s *Source) askedInQuery(l *lookup, query url.Values, value string) (string, error) {
	for _, a := range s.d.auth {
		if a.in == "query" {
			delete(query, a.name)
		}
	}
	for _, p := range l.request.query {
		text := query.Get(p.name)
		if len(query[p.name]) > 1 {
			return "", notTheSame("%s is given twice", p.name)
		}
		delete(query, p.name)
		if !slices.ContainsFunc(p.text.holes, func(h hole) bool { return h.group == "value" }) {
			// "True" and "true" are one to every API that we know.
			if own := p.text.fill(values{params: s.params, secrets: s.secrets}, plainText); !strings.EqualFold(own, text) && len(p.text.names("secrets")) == 0 {
				return "", notTheSame("%s is %q in this gateway's own lookups", p.name, own)
			}
			continue
		}
		got, ok := p.text.match(text, "")
		if !ok {
			return "", enrich.ErrNotOffered
		}
		for i, h := range p.text.holes {
			var err error
			if value, err = s.takeHole(h, got[i], value); err != nil {
				return "", err
			}
		}
	}
	for name := range query {
		return "", notTheSame("%s is not among the parameters of this gateway's own lookups", enrich.Shown(name))
	}
	return value, nil
}

// takeHole takes what stands in a hole: the value, or what must be our own.
func (s *Source) takeHole(h hole, got, value string) (string, error) {
	switch h.group {
	case "params":
		if own := (values{params: s.params}).get(h); own != got {
			return "", notTheSame("%s is %q in this gateway's own lookups", h.name, own)
		}
	case "value":
		if value != "" && value != got {
			return "", notTheSame("two values")
		}
		return got, nil
	}
	return value, nil
}

// plainValue undoes what the lookup does to its value before it is sent. Only
// two such programs are known backwards.
func (l *lookup) plainValue(sent string) (string, error) {
	switch l.block.Value {
	case "":
		return sent, nil
	case "base64url":
		sent = strings.NewReplacer("+", "-", "/", "_").Replace(strings.TrimRight(sent, "="))
		plain, err := base64.RawURLEncoding.DecodeString(sent)
		if err != nil {
			return "", enrich.ErrNotOffered
		}
		return string(plain), nil
	case "quoted":
		plain := unquoted(sent)
		if quoted(plain) != sent {
			return "", enrich.ErrNotOffered // it would end the quotes
		}
		return plain, nil
	}
	return "", enrich.ErrNotOffered
}

// planOf makes the lookup of a value, whichever of the types it has.
func (s *Source) planOf(l *lookup, value string) (enrich.Lookup, error) {
	var why error
	for _, k := range l.kinds {
		e := enrich.Entity{Type: k.openCTI, Value: value}
		if k.normalize == nil {
			// The name of a hash is in its length.
			name := map[int]string{32: "MD5", 40: "SHA-1", 64: "SHA-256", 128: "SHA-512"}[len(value)]
			e.Value, e.Hashes = "", map[string]string{name: value}
		}
		plan, err := s.Plan(e)
		if err != nil {
			var policy *enrich.PolicyError
			if why == nil || errors.As(err, &policy) {
				why = err
			}
			continue
		}
		for _, planned := range plan {
			if planned.Endpoint == l.block.ID {
				return planned, nil
			}
		}
	}
	if why == nil {
		why = enrich.ErrNotOffered
	}
	return enrich.Lookup{}, why
}

func notTheSame(format string, args ...any) error {
	return fmt.Errorf("%w: %s", enrich.ErrNotOffered, fmt.Sprintf(format, args...))
}

// match finds what stands in the holes of a filled template. What is in a hole
// has none of the characters in bound.
func (t template) match(s, bound string) (got []string, ok bool) {
	s, ok = strings.CutPrefix(s, t.literals[0])
	for i := 0; ok && i < len(t.holes); i++ {
		next := t.literals[i+1]
		end := strings.IndexAny(s, bound)
		if end < 0 {
			end = len(s)
		}
		if next != "" {
			at := strings.Index(s, next)
			if at < 0 || at > end {
				return nil, false
			}
			end = at
		}
		if end == 0 {
			return nil, false
		}
		got = append(got, s[:end])
		s, ok = strings.CutPrefix(s[end:], next)
	}
	return got, ok && s == ""
}
