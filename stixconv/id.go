package stixconv

import (
	"fmt"
	"strings"
	"unicode"

	"github.com/google/uuid"
	"github.com/gowebpki/jcs"
	"golang.org/x/text/cases"
	"golang.org/x/text/language"
)

// namespace is the one that STIX 2.1 gives for observables; OpenCTI and its
// Python client use it for every kind of object.
func namespace() uuid.UUID {
	return uuid.UUID{0x00, 0xab, 0xed, 0xb4, 0xaa, 0x42, 0x46, 0x6c, 0x9c, 0x01, 0xfe, 0xd2, 0x33, 0x15, 0xa9, 0xb7}
}

// ID gives the deterministic id of a kind of object from the properties that
// make it what it is: the UUIDv5 of their canonical JSON (RFC 8785). The kind
// itself is not hashed. It fails on what JSON cannot express, such as NaN.
func ID(kind string, contributing Object) (string, error) {
	raw, err := appendJSON(nil, map[string]any(contributing))
	if err != nil {
		return "", err
	}
	return hashID(kind, raw)
}

// hashID hashes JSON that need not be canonical yet.
func hashID(kind string, raw []byte) (string, error) {
	canonical, err := jcs.Transform(raw)
	if err != nil {
		return "", fmt.Errorf("canonical form of a %s: %w", kind, err)
	}
	return digestID(kind, canonical), nil
}

// digestID hashes canonical JSON.
func digestID(kind string, canonical []byte) string {
	return kind + "--" + uuid.NewSHA1(namespace(), canonical).String()
}

// textID is ID for properties that are all strings, given as name, value,
// name, value, …: it saves the map, and it cannot fail.
func textID(kind string, pairs ...string) string {
	raw := make([]byte, 0, 256)
	for i := 0; i+1 < len(pairs); i += 2 {
		raw = append(raw, separator(i))
		raw = appendString(raw, pairs[i])
		raw = append(raw, ':')
		raw = appendString(raw, pairs[i+1])
	}
	raw = append(raw, '}')
	if plain(pairs) {
		return digestID(kind, raw) // canonical as it stands; a test holds this against jcs
	}
	return mustHash(kind, raw)
}

// plain says that the JSON of these pairs has no choice of form: names in
// order, and nothing in them that could be written in two ways. Four ids in
// five are of that kind, and canonicalizing them was most of a conversion.
func plain(pairs []string) bool {
	for i, s := range pairs {
		if i >= 2 && i%2 == 0 && pairs[i-2] >= s {
			return false
		}
		for j := range len(s) {
			if c := s[j]; c < ' ' || c > '~' || c == '"' || c == '\\' {
				return false
			}
		}
	}
	return true
}

// mustHash is for JSON that we wrote from strings and integers only.
func mustHash(kind string, raw []byte) string {
	id, err := hashID(kind, raw)
	if err != nil {
		panic("stixconv: our own JSON has no canonical form: " + err.Error())
	}
	return id
}

func separator(i int) byte {
	if i == 0 {
		return '{'
	}
	return ','
}

// ValueID is the id of observables that are their value: ipv4-addr, ipv6-addr,
// domain-name, url, email-addr, mac-addr, hostname, text, user-agent and most of
// OpenCTI's own. The value counts as given, its case too.
func ValueID(kind, value string) string { return textID(kind, "value", value) }

// NameID is the id of what is known by its name: malware, intrusion-set,
// vulnerability, campaign, tool, infrastructure, channel, event, narrative.
func NameID(kind, name string) string { return textID(kind, "name", fold(name)) }

// IdentityID takes the class as in STIX: organization, individual, class, system.
func IdentityID(name, class string) string {
	return textID("identity", "identity_class", lower(class), "name", fold(name))
}

// IndicatorID keeps the pattern's case.
func IndicatorID(pattern string) string { return textID("indicator", "pattern", trim(pattern)) }

// AttackPatternID prefers the MITRE id; the name counts only without one.
func AttackPatternID(name, mitreID string) string {
	if mitreID != "" {
		return textID("attack-pattern", "x_mitre_id", fold(mitreID))
	}
	return NameID("attack-pattern", name)
}

// LocationID is for countries, cities, regions and administrative areas, as
// OpenCTI names them: "Country", "City", "Region", "Administrative-Area".
// A position has PositionID.
func LocationID(name, locationType string) string {
	if locationType == "Position" {
		return NameID("location", name)
	}
	return textID("location", "name", fold(name), "x_opencti_location_type", locationType)
}

// PositionID is the id of a point on the map. It fails for NaN and infinities.
func PositionID(latitude, longitude float64) (string, error) {
	return ID("location", Object{"latitude": latitude, "longitude": longitude})
}

// AutonomousSystemID ignores the name: owners change.
func AutonomousSystemID(number int64) string {
	return mustHash("autonomous-system", fmt.Appendf(nil, `{"number":%d}`, number))
}

// FileID hashes one hash, the best known of those given, and the name if any.
// Without either there is no id.
func FileID(hashes map[string]string, name string) (string, error) {
	contributing := Object{}
	if algorithm, ok := idHash(hashes); ok {
		contributing["hashes"] = map[string]any{algorithm: hashes[algorithm]}
	}
	if name != "" {
		contributing["name"] = name
	}
	if len(contributing) == 0 {
		return "", fmt.Errorf("a file without hash and name has no id")
	}
	return ID("file", contributing)
}

// RelationshipID takes times as the exact strings that the object carries.
// A stop without a start does not count, as in OpenCTI's client.
func RelationshipID(relationshipType, source, target, start, stop string) string {
	switch {
	case start == "":
		return textID("relationship", "relationship_type", relationshipType, "source_ref", source, "target_ref", target)
	case stop == "":
		return textID("relationship", "relationship_type", relationshipType, "source_ref", source, "start_time", start, "target_ref", target)
	}
	return textID("relationship", "relationship_type", relationshipType, "source_ref", source,
		"start_time", start, "stop_time", stop, "target_ref", target)
}

// SightingID takes times as the exact strings that the object carries; a last
// time without a first does not count.
func SightingID(sightingOf string, whereSighted []string, first, last string) string {
	contributing := Object{"type": "sighting", "sighting_of_ref": sightingOf, "where_sighted_refs": whereSighted}
	if first != "" {
		contributing["first_seen"] = first
		if last != "" {
			contributing["last_seen"] = last
		}
	}
	return mustID("sighting", contributing)
}

// NoteID leaves out what is empty. A created time of "now" would make a new
// note of every run.
func NoteID(content, abstract, created string) string {
	contributing := Object{"content": trim(content)}
	if abstract = trim(abstract); abstract != "" {
		contributing["attribute_abstract"] = abstract
	}
	if created != "" {
		contributing["created"] = created
	}
	return mustID("note", contributing)
}

// mustID is ID for properties that are strings and lists of strings.
func mustID(kind string, contributing Object) string {
	id, err := ID(kind, contributing)
	if err != nil {
		panic("stixconv: strings have no canonical form: " + err.Error())
	}
	return id
}

// ReportID takes the publication time as the exact string of the object.
func ReportID(name, published string) string {
	return textID("report", "name", fold(name), "published", published)
}

// LabelID keeps the value as given, as OpenCTI's client does; the platform
// folds its case.
func LabelID(value string) string { return textID("label", "value", value) }

// KillChainPhaseID keeps both names as given.
func KillChainPhaseID(killChain, phase string) string {
	return textID("kill-chain-phase", "kill_chain_name", killChain, "phase_name", phase)
}

// ExternalReferenceID goes by the URL, else by source name and external id
// together. A reference with neither has no id, and OpenCTI skips it.
func ExternalReferenceID(url, sourceName, externalID string) (id string, ok bool) {
	switch {
	case url != "":
		return textID("external-reference", "url", url), true
	case sourceName != "" && externalID != "":
		return textID("external-reference", "external_id", externalID, "source_name", sourceName), true
	}
	return "", false
}

// MarkingDefinitionID knows the fixed ids of TLP; other definitions are hashed.
// It compares TLP names exactly, as OpenCTI's client does: use ParseTLP first.
func MarkingDefinitionID(definitionType, definition string) string {
	if definitionType == "TLP" {
		for level := Clear; level <= Red; level++ {
			if definition == level.String() {
				return MarkingID(level)
			}
		}
		if definition == "TLP:WHITE" {
			return MarkingID(Clear)
		}
	}
	return textID("marking-definition", "definition", definition, "definition_type", definitionType)
}

// fold is the client's lower().strip(), down to its idea of white space.
func fold(s string) string { return trim(lower(s)) }

// lower is full Unicode lower case, as Python's: strings.ToLower differs for
// the Greek final sigma and the dotted capital I.
func lower(s string) string {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return cases.Lower(language.Und).String(s)
		}
	}
	return strings.ToLower(s)
}

// trim removes what Python calls white space, which is Unicode's and the four
// ASCII separators.
func trim(s string) string {
	return strings.TrimFunc(s, func(r rune) bool {
		return unicode.IsSpace(r) || r >= 0x1c && r <= 0x1f
	})
}
