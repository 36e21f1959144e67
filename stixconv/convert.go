package stixconv

import (
	"errors"
	"fmt"
	"slices"
)

// Input is all that a conversion depends on. None of it is changed.
type Input struct {
	// Entity is the enriched entity as the platform sent it: in STIX form with
	// OpenCTI's extensions, or as little as id, type and value.
	Entity Object
	// Context are the other objects of the bundle that the request came with.
	// They are passed on unchanged and in order.
	Context []Object
	// Facts of each answer, in the order in which they are to count.
	Facts []Facts
	// Author states the facts. Name and TLP are required.
	Author Author
	// RequestTLP are the markings under which the request runs. What is made is
	// marked with the strictest of these and the author's.
	RequestTLP []TLP
	// BundleID is the id of the bundle that is answered; empty makes one up.
	BundleID string
	// Granted are the organizations that the entity is shared with, and so all of the answer.
	Granted []string
}

// Output is a bundle and what became of the facts.
type Output struct {
	// Bundle holds the author and marking if anything was said, then the entity,
	// the context, and what was made. Its objects share values with each other
	// and with the input: change none of them.
	Bundle Bundle
	// Rejected has one *RejectedError for each fact that could not be expressed.
	Rejected []error
	Counts   Counts
}

// Counts is what a conversion added, for the message to the analyst.
type Counts struct {
	// Things counts new objects beside the entity, without author and marking.
	Things        int
	Relationships int
	Sightings     int
	Notes         int
	// Labels, References and Hashes (a file's size is counted with them) are
	// those that the entity did not have yet.
	Labels     int
	References int
	Hashes     int
	// ScoreSet says that the entity's score changed, EPSSSet that its EPSS did.
	ScoreSet, EPSSSet bool
}

// Plus adds the counts of two conversions.
func (c Counts) Plus(d Counts) Counts {
	return Counts{
		Things: c.Things + d.Things, Relationships: c.Relationships + d.Relationships, Sightings: c.Sightings + d.Sightings, Notes: c.Notes + d.Notes,
		Labels: c.Labels + d.Labels, References: c.References + d.References, Hashes: c.Hashes + d.Hashes,
		ScoreSet: c.ScoreSet || d.ScoreSet, EPSSSet: c.EPSSSet || d.EPSSSet,
	}
}

// Empty says that the facts added nothing.
func (c Counts) Empty() bool { return c == Counts{} }

// Convert adds the facts to the entity and makes an object and a relationship
// of each thing that they name. It fails only for a request that it cannot
// answer at all: an entity without id or type, an author without name or known
// marking. A fact that it cannot express is one entry of Rejected.
func Convert(in Input) (Output, error) {
	c, err := newConversion(in)
	if err != nil {
		return Output{}, err
	}
	c.updateEntity(in.Facts)
	for i := range in.Facts {
		f := &in.Facts[i]
		date := any(dated(f.AsOf))
		c.addNotes(f, date)
		for j := range f.Related {
			c.addRelated(&f.Related[j], date)
		}
		c.addObjects(f, date)
	}
	return c.output(in), nil
}

// conversion is one Convert on its way.
type conversion struct {
	author Author
	entity Object
	id     string
	kind   string
	// alias is the id that OpenCTI would compute for the entity, which the
	// platform's may differ from; "" when it cannot be told.
	alias string
	// hashes of an entity that is a file.
	hashes map[string]string

	// authorID and marks are boxed once and shared by all that is made.
	authorID any
	marks    any
	marking  TLP

	// seen are the ids that the bundle has already.
	seen map[string]struct{}
	// files made so far: two rows may know different hashes of one file.
	files    map[string]Object
	made     []Object
	rejected []error
	counts   Counts
}

func newConversion(in Input) (*conversion, error) {
	id, kind := text(in.Entity, "id"), text(in.Entity, "type")
	if id == "" || kind == "" {
		return nil, errors.New("the entity has no id or no type")
	}
	if in.Author.Name = clean(in.Author.Name); in.Author.Name == "" {
		return nil, errors.New("the facts have no author")
	}
	marking, err := ParseTLP(in.Author.TLP)
	if err != nil {
		return nil, fmt.Errorf("author %q: %w", in.Author.Name, err)
	}
	for _, level := range in.RequestTLP {
		if level < Clear || level > Red {
			return nil, fmt.Errorf("the request has an unknown marking: %v", level)
		}
		marking = Max(marking, level)
	}
	c := &conversion{
		author:   in.Author,
		entity:   cloneMap(in.Entity),
		id:       id,
		kind:     kindOf(in.Entity),
		authorID: IdentityID(in.Author.Name, "organization"),
		marks:    []any{MarkingID(marking)},
		marking:  marking,
	}
	c.alias = computedID(in.Entity)
	if kind == "file" || kind == "artifact" {
		c.hashes = hashesOf(in.Entity)
	}
	related := 0
	for i := range in.Facts {
		related += len(in.Facts[i].Related) + len(in.Facts[i].Objects)
	}
	c.made = make([]Object, 0, 2*related+len(in.Facts))
	c.seen = make(map[string]struct{}, 2*related+len(in.Context)+4)
	c.seen[id] = struct{}{}
	for _, object := range in.Context {
		c.seen[text(object, "id")] = struct{}{}
	}
	return c, nil
}

// dateEntity gives the dates that STIX wants to a domain object that came
// without: one that somebody typed in, for the platform's have theirs. An answer
// that adds nothing dates it, too.
func (c *conversion) dateEntity(facts []Facts) {
	typed := extension(c.entity, mainExtension) == nil
	if !typed || observable(text(c.entity, "type")) || c.entity["created"] != nil {
		return
	}
	at := slices.IndexFunc(facts, func(f Facts) bool { return !f.AsOf.IsZero() })
	if at < 0 && c.counts.Empty() {
		return
	}
	date := dated(facts[max(at, 0)].AsOf)
	c.entity["created"], c.entity["modified"] = date, date
}

// output puts the bundle together. Author and marking come first because the
// rest refers to them; with nothing said they are left out, and the bundle is
// what came in.
func (c *conversion) output(in Input) Output {
	objects := make([]Object, 0, len(c.made)+len(in.Context)+3)
	c.dateEntity(in.Facts)
	if !c.counts.Empty() {
		setAuthor(c.entity, c.authorID.(string))
		for _, object := range [...]Object{c.identity(), MarkingDefinition(c.marking)} {
			if _, there := c.seen[text(object, "id")]; !there {
				objects = append(objects, object)
			}
		}
	}
	objects = append(objects, c.entity)
	for _, object := range in.Context {
		if text(object, "id") != c.id {
			objects = append(objects, object)
		}
	}
	objects = append(objects, c.made...)
	if len(in.Granted) > 0 {
		for i := range objects {
			objects[i] = grant(objects[i], in.Granted)
		}
	}
	id := in.BundleID
	if id == "" {
		id = bundleID(objects)
	}
	return Output{Bundle: Bundle{ID: id, Objects: objects}, Rejected: c.rejected, Counts: c.counts}
}
