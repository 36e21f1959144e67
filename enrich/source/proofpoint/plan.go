package proofpoint

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/enrichgate/enrichgate/enrich"
)

// Plan lists the calls that the entity needs, reputation first. Types are taken
// in OpenCTI's and in STIX's spelling, in any case.
func (s *Source) Plan(e enrich.Entity) ([]enrich.Lookup, error) {
	switch strings.ToLower(e.Type) {
	case "ipv4-addr":
		value, err := enrich.NormalizeIPv4(e.Value)
		if err != nil {
			return nil, err
		}
		if s.skipPrivate && enrich.IsPrivate(value) {
			return nil, &enrich.PolicyError{Kind: enrich.PolicyPrivate, Reason: "not looked up: it is a private address"}
		}
		return s.lookups(value, e.Type), nil
	case "domain-name":
		value, err := enrich.NormalizeDomain(e.Value)
		if err != nil {
			return nil, err
		}
		return s.lookups(value, e.Type), nil
	case "stixfile", "file", "artifact":
		value, err := md5Of(e.Hashes)
		if err != nil {
			return nil, err
		}
		return s.lookups(value, e.Type), nil
	}
	return nil, &enrich.InputError{Reason: fmt.Sprintf("%s is not a type that ET Intelligence can look up: it takes IPv4 addresses, domain names, and files with an MD5", enrich.Shown(e.Type))}
}

// lookups makes one call of one unit for each endpoint that is worth asking.
func (s *Source) lookups(value, entity string) []enrich.Lookup {
	var all []enrich.Lookup
	for _, name := range Asked(entity) {
		e := s.endpoints[name]
		all = append(all, enrich.Lookup{Endpoint: name, Value: value, Vary: s.vary, Units: 1, Title: e.title, TTL: e.ttl})
	}
	return all
}

// md5Of finds the file's MD5, however its name is spelled.
func md5Of(hashes map[string]string) (string, error) {
	for _, name := range slices.Sorted(maps.Keys(hashes)) {
		if strings.EqualFold(strings.ReplaceAll(name, "-", ""), "md5") {
			return enrich.NormalizeHash("MD5", hashes[name])
		}
	}
	return "", &enrich.InputError{Reason: "the file has no MD5, the only hash that ET Intelligence can look up"}
}
