// Package stixconv turns what a source says into STIX 2.1 as OpenCTI reads it.
//
// One enrichment: the source's answers become Facts; Convert adds them to the
// entity (score, labels, references, hashes, notes) and builds an object and a
// relationship for each thing that they name, with the ids that OpenCTI itself
// would compute, the source as author and the stricter marking of source and
// request; Split cuts the bundle as OpenCTI's own client does, one object a
// message, every object after those that it refers to.
//
// The same input always gives the same bytes. A fact that cannot be expressed
// costs that fact only. The package knows no source and no wire.
package stixconv

// Object is one STIX object as JSON gives it. Numbers are json.Number when the
// object was decoded with Decode, so that foreign objects keep their digits.
type Object map[string]any

// Author is who states the facts of a bundle.
type Author struct {
	// Name of the organization.
	Name string
	// TLP marks all that the author says, e.g. "TLP:AMBER+STRICT".
	TLP string
}
