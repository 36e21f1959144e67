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
	// Notes are further notes, each with an abstract of its own.
	Notes []Note
	// References are added to the entity.
	References []Reference
	// Hashes and Size complete an enriched file (hash names as in STIX: "MD5", "SHA-256").
	Hashes map[string]string
	Size   int64
	// EPSS completes an enriched vulnerability; nil when the source says nothing of it.
	EPSS *EPSS
	// Related are other things that the answer names, each with how it relates to the entity.
	Related []Related
	// Objects are other things, too, known to Relations and Sightings by their
	// keys: the form for what relates to more than the entity. One that nothing
	// reaches is rejected.
	Objects   []Keyed
	Relations []Relation
	Sightings []Sighting
	// AsOf is when the provider gave the answer. It dates what STIX wants
	// dated, so that one answer always converts to the same bytes.
	AsOf time.Time
}

// IsEmpty says that there is nothing to tell.
func (f Facts) IsEmpty() bool {
	return f.Score == nil && f.Note == "" && f.Size == 0 && f.EPSS == nil &&
		len(f.Labels)+len(f.Notes)+len(f.References)+len(f.Hashes)+len(f.Related)+len(f.Objects)+len(f.Relations)+len(f.Sightings) == 0
}

// The keys of what is always there.
const (
	EntityKey = "@entity"
	AuthorKey = "@author"
)

// Reference is an external reference (STIX 2.1 section 2.5).
type Reference struct {
	SourceName  string
	URL         string
	ExternalID  string
	Description string
}

// Note is a text about the entity. Without an abstract it gets one that names
// the author and the entity.
type Note struct{ Abstract, Content string }

// EPSS is FIRST's estimate that a vulnerability will be exploited: the
// probability and its rank among all, both from 0 to 1.
type EPSS struct{ Score, Percentile float64 }

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

// Keyed is a thing under a key that is unique among the facts' objects.
type Keyed struct {
	Key   string
	Thing Thing
}

// Relation is a relationship between two keys, the entity's included.
type Relation struct {
	From, Type, To string
	// Start is the relationship's start_time; zero leaves it out.
	Start time.Time
}

// Sighting says that what is under the key Of was seen at Where, which is the
// author, an organization or a place.
type Sighting struct {
	Of, Where   string
	Count       int64
	First, Last time.Time
}
