package stixconv

import "time"

// Facts is what one answer of a source says about the enriched entity, in
// neutral words. A source fills it; Convert turns it into STIX. It holds no
// STIX ids, no author and no markings: those belong to the request.
type Facts struct {
	// Score is the source's verdict, 0 (harmless) to 100, or nil when it gives none.
	Score *int
	// Labels are added to the entity as they are.
	Labels []string
	// Note is a sentence for the analyst; it becomes a STIX note on the entity.
	Note string
	// References are added to the entity.
	References []Reference
	// Hashes and Size complete an enriched file (hash names as in STIX: "MD5", "SHA-256").
	Hashes map[string]string
	Size   int64
	// Related are other things that the answer names, each with how it relates to the entity.
	Related []Related
	// AsOf is when the provider gave the answer. It dates what STIX wants
	// dated, so that one answer always converts to the same bytes.
	AsOf time.Time
}

// Reference is an external reference (STIX 2.1 section 2.5).
type Reference struct {
	SourceName  string
	URL         string
	ExternalID  string
	Description string
}

// Related is a thing and its relationship with the enriched entity.
type Related struct {
	Thing Thing
	// Relationship is the STIX or OpenCTI relationship type: "resolves-to",
	// "communicates-with", "located-at", "belongs-to", …
	Relationship string
	// ToEntity says that the relationship points from the thing to the
	// enriched entity; otherwise it points from the entity to the thing.
	ToEntity bool
	// Start is the relationship's start_time; zero leaves it out.
	Start time.Time
}

// Thing is an observable or a place that a source names.
// Which fields count depends on Type:
//
//	ipv4-addr, ipv6-addr, domain-name, url   Value
//	file                                     Hashes
//	autonomous-system                        Number, Name
//	country                                  CountryCode (ISO 3166-1 alpha-2)
//	city                                     Name, CountryCode, Latitude/Longitude when HasPosition
type Thing struct {
	Type        string
	Value       string
	Hashes      map[string]string
	Number      int64
	Name        string
	CountryCode string
	HasPosition bool
	Latitude    float64
	Longitude   float64
}
