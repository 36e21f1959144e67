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
}

func valueKinds() []valueKind {
	plain := func(openCTI, stix string, normalize func(string) (string, error)) valueKind {
		return valueKind{openCTI, stix, func(v string) (Entity, error) {
			v, err := normalize(v)
			if err != nil {
				return Entity{}, err
			}
			id := stixconv.ValueID(stix, v)
			return Entity{ID: id, Type: openCTI, Value: v, Object: stixconv.Object{"id": id, "type": stix, "spec_version": "2.1", "value": v}}, nil
		}}
	}
	return []valueKind{
		plain("IPv4-Addr", "ipv4-addr", NormalizeIPv4),
		plain("IPv6-Addr", "ipv6-addr", NormalizeIPv6),
		{"StixFile", "file", fileEntity},
		plain("Domain-Name", "domain-name", NormalizeDomain),
	}
}

// NewEntity makes an entity of a value that somebody typed in. The kind is a
// type as OpenCTI or as STIX names it; empty means whatever the value looks like.
func NewEntity(kind, value string) (Entity, error) {
	if strings.TrimSpace(value) == "" {
		return Entity{}, &InputError{Reason: "no value was given"}
	}
	kinds := valueKinds()
	for _, k := range kinds {
		if kind == "" {
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
		return Entity{}, &InputError{Reason: fmt.Sprintf("%.60q is not a type that can be looked up; use %s", kind, strings.Join(names, ", "))}
	}
	return Entity{}, &InputError{Reason: fmt.Sprintf("%.80q is not an IP address, a domain name or a file hash", value)}
}

// fileEntity takes a hash of any usual kind; its length tells which.
func fileEntity(value string) (Entity, error) {
	value = strings.TrimSpace(value)
	kind, ok := map[int]string{32: "MD5", 40: "SHA-1", 64: "SHA-256", 128: "SHA-512"}[len(value)]
	if !ok {
		return Entity{}, &InputError{Reason: fmt.Sprintf("%.80q is not a file hash: it has %d characters, not 32 (MD5), 40, 64 or 128", value, len(value))}
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
	return Entity{ID: id, Type: "StixFile", Hashes: hashes,
		Object: stixconv.Object{"id": id, "type": "file", "spec_version": "2.1", "hashes": map[string]any{kind: hash}}}, nil
}
