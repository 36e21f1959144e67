package stixconv

// someIndicator stands in for an observable in sighting_of_ref, where STIX has
// no observables. OpenCTI's importer reads x_opencti_sighting_of_ref instead.
const someIndicator = "indicator--c1034564-a9fb-429b-a1c1-c80116cc8e1e"

// sight is a sighting to be made.
type sight struct {
	*Sighting
	of, where *keyed
}

// sights checks the sightings, and marks what they reach.
func (w *web) sights(all []Sighting) []sight {
	sights := make([]sight, 0, len(all))
	for i := range all {
		s := &all[i]
		of, ofKnown := w.end(s.Of)
		where, whereKnown := w.place(s.Where)
		switch {
		case !ofKnown || !whereKnown:
			w.rejected = append(w.rejected, reject("sighting", s.Of+" at "+s.Where, "no object has that key"))
		case of == nil || where == nil:
			touch(of, where)
		case !sightable(where.thing.Type):
			touch(of, where)
			w.rejected = append(w.rejected, reject("sighting", s.Where, "seen at what is neither an organization nor a place"))
		case s.Count < 0:
			touch(of, where)
			w.rejected = append(w.rejected, reject("sighting", s.Of, "a negative count"))
		default:
			of.wanted, where.wanted = true, true
			sights = append(sights, sight{s, of, where})
		}
	}
	return sights
}

// place is where something may be seen.
func (w *web) place(key string) (*keyed, bool) {
	if key == AuthorKey {
		id, _ := w.authorID.(string)
		return &keyed{thing: Thing{Type: "organization"}, id: id}, true
	}
	return w.end(key)
}

func sightable(kind string) bool {
	return stixType(kind) == "identity" || stixType(kind) == "location"
}

// addSighting makes a sighting. A last time before the first is left out.
func (w *web) addSighting(s sight, date any) {
	first, last := timestamp(s.First), timestamp(s.Last)
	if last < first {
		last = ""
	}
	where := []string{s.where.id}
	id := SightingID(s.of.id, where, first, last)
	if _, there := w.seen[id]; there {
		return
	}
	o := w.domainObject("sighting", id, date)
	o["sighting_of_ref"], o["where_sighted_refs"] = s.of.id, []any{s.where.id}
	if observable(stixType(s.of.thing.Type)) {
		o["sighting_of_ref"], o["x_opencti_sighting_of_ref"] = someIndicator, s.of.id
	}
	set(o, "first_seen", first)
	set(o, "last_seen", last)
	if s.Count > 0 {
		o["count"] = s.Count
	}
	w.emit(id, o)
	w.counts.Sightings++
}
