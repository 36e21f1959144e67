package source

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/enrichgate/enrichgate/enrich"
)

// kind is a type of entity that definitions can look up.
type kind struct {
	openCTI, stix string
	// normalize gives the one spelling of a value; nil for files, which are
	// known by a hash.
	normalize func(string) (string, error)
}

func kinds() []kind {
	return []kind{
		{"IPv4-Addr", "ipv4-addr", enrich.NormalizeIPv4},
		{"IPv6-Addr", "ipv6-addr", enrich.NormalizeIPv6},
		{"Domain-Name", "domain-name", enrich.NormalizeDomain},
		{"Hostname", "hostname", enrich.NormalizeHostname},
		{"Url", "url", enrich.NormalizeURL},
		{"Email-Addr", "email-addr", enrich.NormalizeEmail},
		{"StixFile", "file", nil},
		{"Artifact", "artifact", nil},
		{"Vulnerability", "vulnerability", enrich.NormalizeCVE},
		{"Autonomous-System", "autonomous-system", enrich.NormalizeASN},
	}
}

// kindOf takes a type as OpenCTI and as STIX spell it.
func kindOf(name string) (kind, bool) {
	for _, k := range kinds() {
		if strings.EqualFold(name, k.openCTI) || strings.EqualFold(name, k.stix) {
			return k, true
		}
	}
	return kind{}, false
}

// valueOf is what an entity is asked about by: its value in the one spelling,
// or the first of the hashes that it has.
func (k kind) valueOf(e enrich.Entity, hashes []string) (string, error) {
	if k.normalize == nil {
		return hashOf(e.Hashes, hashes)
	}
	value := e.Value
	for _, key := range []string{"value", "name"} {
		if s, ok := e.Object[key].(string); ok && value == "" {
			value = s
		}
	}
	if value == "" && k.stix == "autonomous-system" {
		value = fmt.Sprint(e.Object["number"])
	}
	return k.normalize(value)
}

// hashOf finds the first of the wanted hashes, however its name is spelled.
func hashOf(have map[string]string, wanted []string) (string, error) {
	plain := strings.NewReplacer("-", "", "_", "")
	for _, algorithm := range wanted {
		for _, name := range slices.Sorted(maps.Keys(have)) {
			if strings.EqualFold(plain.Replace(name), plain.Replace(algorithm)) && have[name] != "" {
				return enrich.NormalizeHash(algorithm, have[name])
			}
		}
	}
	return "", &enrich.InputError{Reason: "the file has none of the hashes that can be looked up: " + strings.Join(wanted, ", ")}
}

// stixKind is the STIX type of a lookup's value. Lookups of several types are
// told apart by the value: an address shows what it is.
func stixKind(types []string, value string) string {
	if len(types) == 1 {
		if k, ok := kindOf(types[0]); ok {
			return k.stix
		}
	}
	for _, name := range types {
		k, ok := kindOf(name)
		if !ok {
			continue
		}
		if k.normalize == nil {
			return "file"
		}
		if normal, err := k.normalize(value); err == nil && normal == value {
			return k.stix
		}
	}
	return ""
}
