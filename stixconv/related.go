package stixconv

import "time"

// addRelated makes the thing and its relationship with the entity. The date is
// a boxed timestamp, shared by all that one answer makes.
func (c *conversion) addRelated(r *Related, date any) {
	thing := r.Thing
	skipped, err := normalize(&thing)
	c.rejected = append(c.rejected, skipped...)
	if err != nil {
		c.rejected = append(c.rejected, reject(r.Thing.Type, r.Thing.name(), err.Error()))
		return
	}
	id := thingID(&thing)
	if c.isEntity(&thing, id) {
		return
	}
	source, target := c.kind, thing.Type
	if r.ToEntity {
		source, target = target, source
	}
	if !allowed(source, r.Relationship, target) {
		c.rejected = append(c.rejected, reject("relationship", r.Relationship, "not from "+source+" to "+target))
		return
	}
	start, ok := c.start(r.Start, &thing)
	if !ok {
		return
	}
	c.addThing(&thing, id, date)
	if r.ToEntity {
		c.relate(id, r.Relationship, c.id, start, date)
	} else {
		c.relate(c.id, r.Relationship, id, start, date)
	}
}

// start is a relationship's start_time; false when STIX cannot express it.
func (c *conversion) start(at time.Time, t *Thing) (string, bool) {
	start := timestamp(at)
	if start == "" && !at.IsZero() {
		c.rejected = append(c.rejected, reject("relationship", t.name(), "start out of range"))
		return "", false
	}
	return start, true
}

// isEntity says whether a normalized thing is the entity itself. Files are the
// same when a hash is, whichever hash their ids were made of.
func (c *conversion) isEntity(t *Thing, id string) bool {
	if id == c.id || id == c.alias {
		return true
	}
	if t.Type != "file" || len(c.hashes) == 0 {
		return false
	}
	agree, differ := sameFile(c.hashes, t.Hashes)
	return agree && !differ
}

// addThing adds the thing's object, and for a city its country.
func (c *conversion) addThing(t *Thing, id string, date any) {
	if _, there := c.seen[id]; there {
		c.completeKnownFile(t, id)
		return
	}
	kind := stixType(t.Type)
	var o Object
	if observable(kind) {
		o = make(Object, 8)
		o["type"], o["spec_version"], o["id"] = kind, "2.1", id
		o["x_opencti_created_by_ref"], o["object_marking_refs"] = c.authorID, c.marks
	} else {
		o = c.domainObject(kind, id, date)
	}
	t.fill(o)
	c.emit(id, o)
	c.counts.Things++
	switch t.Type {
	case "file":
		if c.files == nil {
			c.files = make(map[string]Object)
		}
		c.files[id] = o
	case "city":
		c.placeCity(t, id, date)
	}
}

// placeCity puts a city in its country.
func (c *conversion) placeCity(city *Thing, id string, date any) {
	land := Thing{Type: "country", CountryCode: city.CountryCode}
	if _, err := normalize(&land); err != nil {
		return // The city was normalized, so its country is known.
	}
	landID := thingID(&land)
	if c.isEntity(&land, landID) {
		landID = c.id
	} else {
		c.addThing(&land, landID, date)
	}
	c.relate(id, "located-at", landID, "", date)
}

// completeKnownFile adds hashes that an earlier row about the same file did not have.
func (c *conversion) completeKnownFile(t *Thing, id string) {
	made := c.files[id]
	if made == nil {
		return
	}
	hashes := made["hashes"].(map[string]any)
	for algorithm, value := range t.Hashes {
		if hashes[algorithm] == nil {
			hashes[algorithm] = value
		}
	}
}

// relate adds a relationship. It has no stop time: that a provider saw
// something last at some time does not say that it ended.
func (c *conversion) relate(source, relationship, target, start string, date any) {
	id := RelationshipID(relationship, source, target, start, "")
	if _, there := c.seen[id]; there {
		return
	}
	o := c.domainObject("relationship", id, date)
	o["relationship_type"], o["source_ref"], o["target_ref"] = relationship, source, target
	if start != "" {
		o["start_time"] = start
	}
	c.emit(id, o)
	c.counts.Relationships++
}

// computedID is the id that the entity has by OpenCTI's rules, "" when the
// package has no rule for its type.
func computedID(entity Object) string {
	t := Thing{Type: kindOf(entity), Value: text(entity, "value"), Name: text(entity, "name"), Hashes: hashesOf(entity)}
	switch t.Type {
	case "country":
		return LocationID(t.Name, "Country")
	case "city":
		return LocationID(t.Name, "City")
	case "autonomous-system":
		t.Number, _ = integer(entity["number"])
	case "attack-pattern":
		t.MITRE = text(entity, "x_mitre_id")
	case "identity":
		return IdentityID(t.Name, text(entity, "identity_class"))
	}
	if _, err := normalize(&t); err != nil {
		return ""
	}
	return thingID(&t)
}
