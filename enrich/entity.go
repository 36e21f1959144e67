package enrich

import "github.com/enrichgate/enrichgate/stixconv"

// Entity is what we are asked about.
type Entity struct {
	// ID is the STIX id; empty for a value that was typed in.
	ID string
	// Type is OpenCTI's entity type, such as "IPv4-Addr" or "StixFile".
	Type string
	// Value is the observable's value as given; empty for a file.
	Value string
	// Hashes of a file, named as in STIX ("MD5", "SHA-256").
	Hashes map[string]string
	// TLP holds every TLP marking definition found on it, as given
	// ("TLP:AMBER+STRICT"). The strictest counts.
	TLP []string
	// Object is the entity in STIX form as the platform sent it.
	Object stixconv.Object
	// For is the type of the entity that this one is looked up for, which is in
	// scope in its stead: an indicator's observable.
	For string
	// Granted are the ids of the organizations that the entity is shared with.
	Granted []string
}
