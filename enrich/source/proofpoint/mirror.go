package proofpoint

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/enrichgate/enrichgate/enrich"
)

// Token is what a client of a mirror of the API puts where its key would be:
// the whole header, without a scheme.
func (s *Source) Token(r *http.Request) string { return r.Header.Get("Authorization") }

// Match says which lookup a request to a mirror of the API is: GET
// ips/{ip}/reputation and its like, with or without the path of the base URL
// before it. Everything else is enrich.ErrNotOffered.
func (s *Source) Match(r *http.Request) (enrich.Lookup, error) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead || r.URL.RawQuery != "" {
		return enrich.Lookup{}, enrich.ErrNotOffered
	}
	path := strings.TrimPrefix(r.URL.Path, "/")
	if base, err := url.Parse(s.base); err == nil {
		path = strings.TrimPrefix(path, strings.TrimPrefix(base.Path, "/"))
	}
	kind, rest, _ := strings.Cut(path, "/")
	value, part, _ := strings.Cut(rest, "/")
	var e enrich.Entity
	switch kind {
	case "ips":
		e = enrich.Entity{Type: "IPv4-Addr", Value: value}
	case "domains":
		e = enrich.Entity{Type: "Domain-Name", Value: value}
	case "samples":
		e = enrich.Entity{Type: "StixFile", Hashes: map[string]string{"MD5": value}}
	}
	if part != "" {
		part = "/" + part
	}
	for _, known := range s.endpoints {
		if known.before != kind+"/" || known.after != part {
			continue
		}
		plan, err := s.Plan(e) // normalizes the value, or says why not
		if err != nil {
			return enrich.Lookup{}, err
		}
		for _, l := range plan {
			if l.Endpoint == known.name {
				return l, nil
			}
		}
	}
	return enrich.Lookup{}, enrich.ErrNotOffered
}
