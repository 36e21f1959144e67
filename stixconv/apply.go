package stixconv

// updateEntity merges the facts of all answers into the entity.
func (c *conversion) updateEntity(facts []Facts) {
	var labels, references []any
	score := -1
	for i := range facts {
		f := &facts[i]
		for _, label := range f.Labels {
			if label = clean(label); label != "" {
				labels = append(labels, label)
			}
		}
		for _, r := range f.References {
			if reference := c.reference(r); reference != nil {
				references = append(references, reference)
			}
		}
		if f.Score != nil {
			score = max(score, percent(*f.Score))
		}
		c.completeFile(f)
		c.completeVulnerability(f)
	}
	c.counts.Labels = addList(c.entity, labelsAttribute(), labels, labelKey)
	c.counts.References = addList(c.entity, referencesAttribute(), references, func(element any) (string, bool) {
		return referenceKey(members(element))
	})
	if score >= 0 {
		c.counts.ScoreSet = setScore(c.entity, score)
	}
}

// completeFile adds hashes and size to an entity that is a file.
func (c *conversion) completeFile(f *Facts) {
	if len(f.Hashes) == 0 && f.Size <= 0 {
		return
	}
	size := f.Size
	switch c.kind {
	case "file":
	case "artifact":
		size = 0 // STIX has none for it
	default:
		c.rejected = append(c.rejected, reject("hash", c.id, "hashes and size are for files"))
		return
	}
	hashes, bad := normalizeHashes(f.Hashes)
	c.rejected = append(c.rejected, bad...)
	added, err := addHashes(c.entity, hashes, size)
	if err != nil {
		c.rejected = append(c.rejected, err)
	}
	c.counts.Hashes += added
	c.hashes = hashesOf(c.entity)
}

// reference makes an external reference, nil for one that OpenCTI would skip
// or that is no safe link.
func (c *conversion) reference(r Reference) map[string]any {
	out := map[string]any{"source_name": clean(r.SourceName)}
	if out["source_name"] == "" {
		out["source_name"] = c.author.Name
	}
	if r.URL != "" {
		address, err := webURL(r.URL)
		if err != nil {
			c.rejected = append(c.rejected, reject("reference", r.URL, err.Error()))
			return nil
		}
		out["url"] = address
	}
	if id := clean(r.ExternalID); id != "" {
		out["external_id"] = id
	}
	if description := clean(r.Description); description != "" {
		out["description"] = description
	}
	if _, ok := referenceKey(out); !ok {
		c.rejected = append(c.rejected, reject("reference", r.SourceName, "neither URL nor external id"))
		return nil
	}
	return out
}

// completeVulnerability sets the EPSS of an entity that is a vulnerability.
func (c *conversion) completeVulnerability(f *Facts) {
	if f.EPSS == nil {
		return
	}
	inRange := func(x float64) bool { return x >= 0 && x <= 1 } // false for NaN, too
	switch {
	case c.kind != "vulnerability":
		c.rejected = append(c.rejected, reject("epss", c.id, "EPSS is for vulnerabilities"))
	case !inRange(f.EPSS.Score) || !inRange(f.EPSS.Percentile):
		c.rejected = append(c.rejected, reject("epss", c.id, "not from 0 to 1"))
	default:
		for key, value := range map[string]float64{"x_opencti_epss_score": f.EPSS.Score, "x_opencti_epss_percentile": f.EPSS.Percentile} {
			if have, ok := float(c.entity[key]); !ok || have != value {
				c.entity[key] = value
				c.counts.EPSSSet = true
			}
		}
	}
}

// addNotes turns the texts for the analyst into notes on the entity.
func (c *conversion) addNotes(f *Facts, date any) {
	c.addNote(Note{Content: f.Note}, date)
	for _, n := range f.Notes {
		c.addNote(n, date)
	}
}

func (c *conversion) addNote(n Note, date any) {
	content, abstract := clean(n.Content), clean(n.Abstract)
	if content == "" {
		return
	}
	if abstract == "" {
		abstract = c.author.Name + " on"
	}
	// The entity's name keeps the same text about two entities two notes.
	abstract += " " + clean(entityName(c.entity))
	id := NoteID(content, abstract, "")
	note := c.domainObject("note", id, date)
	note["abstract"], note["content"] = abstract, content
	note["object_refs"] = []any{c.id}
	if c.emit(id, note) {
		c.counts.Notes++
	}
}

// entityName is what an analyst calls the entity.
func entityName(entity Object) string {
	for _, key := range [...]string{"value", "name"} {
		if s := text(entity, key); s != "" {
			return s
		}
	}
	hashes := hashesOf(entity)
	if algorithm, ok := idHash(hashes); ok {
		return hashes[algorithm]
	}
	if number, ok := integer(entity["number"]); ok {
		return "AS" + decimal(number)
	}
	return text(entity, "id")
}

// domainObject is what all but observables have in common, relationships included.
func (c *conversion) domainObject(kind, id string, date any) Object {
	o := make(Object, 12)
	o["type"], o["spec_version"], o["id"] = kind, "2.1", id
	o["created"], o["modified"] = date, date
	o["created_by_ref"], o["object_marking_refs"] = c.authorID, c.marks
	return o
}

// emit adds an object unless the bundle has its id already. What the platform
// or an earlier step put there says more than a second copy from us.
func (c *conversion) emit(id string, o Object) bool {
	if _, there := c.seen[id]; there {
		return false
	}
	c.seen[id] = struct{}{}
	c.made = append(c.made, o)
	return true
}
