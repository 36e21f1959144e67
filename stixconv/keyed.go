package stixconv

// keyed is an object of the facts on its way into the bundle.
type keyed struct {
	thing Thing
	id    string
	// self says that it is the entity.
	self bool
	// pattern of an indicator, and OpenCTI's name of what it is about.
	pattern, about string
	// wanted says that something reaches it; tried, that something would have,
	// but was rejected, so that its absence needs no other complaint.
	wanted, tried bool
}

// web holds the keys of one answer's facts.
type web struct {
	*conversion
	byKey map[string]*keyed
	bad   map[string]bool // keys of objects that were rejected
}

// addObjects makes the facts' objects, and what runs between them: first all
// are named, then it is settled which relations hold, and only what they reach
// goes into the bundle.
func (c *conversion) addObjects(f *Facts, date any) {
	if len(f.Objects)+len(f.Relations)+len(f.Sightings) == 0 {
		return
	}
	w := web{c, make(map[string]*keyed, len(f.Objects)), nil}
	order := w.name(f.Objects)
	ties := w.ties(f)
	sights := w.sights(f.Sightings)
	for _, k := range order {
		switch {
		case k.self:
		case k.wanted:
			w.emitKeyed(k, date)
		case !k.tried:
			w.rejected = append(w.rejected, reject(k.thing.Type, k.thing.name(), "nothing relates to it"))
		}
	}
	for _, e := range ties {
		w.relate(e.from, e.kind, e.to, e.start, date)
	}
	for _, s := range sights {
		w.addSighting(s, date)
	}
}

// name gives each object its id. Indicators come last: their patterns are made
// of the others.
func (w *web) name(objects []Keyed) []*keyed {
	order := make([]*keyed, 0, len(objects))
	for _, indicators := range []bool{false, true} {
		for i := range objects {
			if o := &objects[i]; (o.Thing.Type == "indicator") == indicators {
				if k := w.nameOne(o); k != nil {
					order = append(order, k)
				}
			}
		}
	}
	return order
}

func (w *web) nameOne(o *Keyed) *keyed {
	k := &keyed{thing: o.Thing}
	var err error
	switch {
	case o.Key == "" || o.Key[0] == '@':
		w.refuse(o, "its key is empty or starts with @")
		return nil
	case w.byKey[o.Key] != nil:
		w.refuse(o, "its key is another object's, too")
		return nil
	case o.Thing.Type == "indicator":
		err = w.describe(k)
	default:
		var skipped []error
		skipped, err = normalize(&k.thing)
		w.rejected = append(w.rejected, skipped...)
	}
	if err != nil {
		w.refuse(o, err.Error())
		return nil
	}
	if k.id == "" {
		k.id = thingID(&k.thing)
	}
	k.self = w.isEntity(&k.thing, k.id)
	if k.self {
		k.id = w.id
	}
	w.byKey[o.Key] = k
	return k
}

func (w *web) refuse(o *Keyed, reason string) {
	if w.bad == nil {
		w.bad = map[string]bool{}
	}
	w.bad[o.Key] = true
	w.rejected = append(w.rejected, reject(o.Thing.Type, o.Thing.name(), reason))
}

// end is one end of a relation. A key whose object was rejected is no end, but
// no second complaint either.
func (w *web) end(key string) (k *keyed, known bool) {
	if key == EntityKey {
		return &keyed{thing: Thing{Type: w.kind}, id: w.id, self: true}, true
	}
	k = w.byKey[key]
	return k, k != nil || w.bad[key]
}

// tie is a relationship to be made.
type tie struct{ from, kind, to, start string }

// ties checks the relations, and marks what they reach.
func (w *web) ties(f *Facts) []tie {
	ties := make([]tie, 0, len(f.Relations))
	for i := range f.Relations {
		r := &f.Relations[i]
		from, fromKnown := w.end(r.From)
		to, toKnown := w.end(r.To)
		if !fromKnown || !toKnown {
			w.rejected = append(w.rejected, reject("relationship", r.From+" "+r.Type+" "+r.To, "no object has that key"))
			continue
		}
		if from == nil || to == nil || from.id == to.id {
			touch(from, to)
			continue
		}
		start := timestamp(r.Start)
		switch {
		case !allowed(from.thing.Type, r.Type, to.thing.Type):
			touch(from, to)
			w.rejected = append(w.rejected, reject("relationship", r.Type, "not from "+from.thing.Type+" to "+to.thing.Type))
		case start == "" && !r.Start.IsZero():
			touch(from, to)
			w.rejected = append(w.rejected, reject("relationship", r.Type, "start out of range"))
		default:
			from.wanted, to.wanted = true, true
			ties = append(ties, tie{from.id, r.Type, to.id, start})
		}
	}
	return ties
}

func touch(ends ...*keyed) {
	for _, k := range ends {
		if k != nil {
			k.tried = true
		}
	}
}

func (w *web) emitKeyed(k *keyed, date any) {
	if k.thing.Type == "indicator" {
		w.addIndicator(k, date)
		return
	}
	w.addThing(&k.thing, k.id, date)
}
