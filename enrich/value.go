package enrich

import (
	"fmt"
	"strings"

	"github.com/enrichgate/enrichgate/stixconv"
)

// valueKind is a type of value that somebody can type in.
type valueKind struct {
	openCTI, stix string
	entity        func(value string) (Entity, error)
	// looks says whether a value without a type can be of this one; nil means
	// that whatever the entity function takes is.
	looks func(value string) bool
}

// valueKinds is in the order in which a value without a type is tried.
func valueKinds() []valueKind {
	never := func(string) bool { return false }
	return []valueKind{
		plainKind("IPv4-Addr", "ipv4-addr", NormalizeIPv4),
		plainKind("IPv6-Addr", "ipv6-addr", NormalizeIPv6),
		{openCTI: "StixFile", stix: "file", entity: fileEntity},
		{openCTI: "Vulnerability", stix: "vulnerability", entity: vulnerabilityEntity},
		{openCTI: "Autonomous-System", stix: "autonomous-system", entity: systemEntity, looks: looksASN},
		plainKind("Url", "url", NormalizeURL),
		plainKind("Email-Addr", "email-addr", NormalizeEmail),
		plainKind("Domain-Name", "domain-name", NormalizeDomain),
		// Any word could be the name of a machine.
		{openCTI: "Hostname", stix: "hostname", entity: plainKind("Hostname", "hostname", NormalizeHostname).entity, looks: never},
	}
}

// plainKind is an observable that is its value.
func plainKind(openCTI, stix string, normalize func(string) (string, error)) valueKind {
	return valueKind{openCTI: openCTI, stix: stix, entity: func(v string) (Entity, error) {
		v, err := normalize(v)
		if err != nil {
			return Entity{}, err
		}
		return typed(openCTI, stix, stixconv.ValueID(stix, v), v, "value", v), nil
	}}
}

// typed is an entity with one property.
func typed(openCTI, stix, id, value, property string, content any) Entity {
	return Entity{ID: id, Type: openCTI, Value: value, Object: stixconv.Object{"id": id, "type": stix, "spec_version": "2.1", property: content}}
}

// NewEntity makes an entity of a value that somebody typed in. The kind is a
// type as OpenCTI or as STIX names it; empty means whatever the value looks
// like: a URL by its scheme, a CVE id and an AS number by their letters. Value
// holds the normalized value for all kinds but files, which have Hashes.
func NewEntity(kind, value string) (Entity, error) {
	if trimmed(value) == "" {
		return Entity{}, &InputError{Reason: "no value was given"}
	}
	kinds := valueKinds()
	for _, k := range kinds {
		if kind == "" {
			if k.looks != nil && !k.looks(value) {
				continue
			}
			if e, err := k.entity(value); err == nil {
				return e, nil
			}
		} else if strings.EqualFold(kind, k.openCTI) || strings.EqualFold(kind, k.stix) {
			return k.entity(value)
		}
	}
	if kind != "" {
		names := make([]string, len(kinds))
		for i, k := range kinds {
			names[i] = k.stix
		}
		return Entity{}, &InputError{Reason: fmt.Sprintf("%s is not a type that can be looked up; use %s", Shown(kind), strings.Join(names, ", "))}
	}
	return Entity{}, &InputError{Reason: Shown(value) + " is not an IP address, a domain name, a URL, an e-mail address, a file hash, a CVE id or an AS number"}
}

// fileEntity takes a hash of any usual kind; its length tells which.
func fileEntity(value string) (Entity, error) {
	value = trimmed(value)
	kind, ok := map[int]string{32: "MD5", 40: "SHA-1", 64: "SHA-256", 128: "SHA-512"}[len(value)]
	if !ok {
		return Entity{}, &InputError{Reason: fmt.Sprintf("%s is not a file hash: it has %d characters, not 32 (MD5), 40, 64 or 128", Shown(value), len(value))}
	}
	hash, err := NormalizeHash(kind, value)
	if err != nil {
		return Entity{}, err
	}
	hashes := map[string]string{kind: hash}
	id, err := stixconv.FileID(hashes, "")
	if err != nil {
		return Entity{}, &InputError{Reason: err.Error()}
	}
	e := typed("StixFile", "file", id, "", "hashes", map[string]any{kind: hash})
	e.Hashes = hashes
	return e, nil
}

// vulnerabilityEntity goes by its CVE id, as OpenCTI names vulnerabilities.
func vulnerabilityEntity(value string) (Entity, error) {
	cve, err := NormalizeCVE(value)
	if err != nil {
		return Entity{}, err
	}
	return typed("Vulnerability", "vulnerability", stixconv.NameID("vulnerability", cve), cve, "name", cve), nil
}

func systemEntity(value string) (Entity, error) {
	number, err := parseASN(value)
	if err != nil {
		return Entity{}, err
	}
	return typed("Autonomous-System", "autonomous-system", stixconv.AutonomousSystemID(int64(number)),
		fmt.Sprintf("AS%d", number), "number", int64(number)), nil
}

// looksASN wants the letters: a bare number could be anything.
func looksASN(value string) bool {
	value = trimmed(value)
	return len(value) > 2 && strings.EqualFold(value[:2], "AS")
}
