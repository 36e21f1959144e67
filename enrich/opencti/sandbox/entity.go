package sandbox

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/google/uuid"
)

// The keys of OpenCTI's STIX extensions.
const (
	openctiExtension = "extension-definition--ea279b3e-5c71-4632-ac08-831c66a786ba"
	scoExtension     = "extension-definition--f93e2c80-4231-4f9a-af8b-95c9bd566a82"
)

// Entity is a thing that the platform knows and a connector may be asked about.
type Entity struct {
	// ID is the STIX id, which the platform calls the standard id.
	ID string
	// Type is OpenCTI's type, such as "IPv4-Addr" or "StixFile".
	Type string
	// STIX is the object in the platform's form, with its extensions.
	STIX json.RawMessage
	// TLP are the markings that a read answers, such as "TLP:AMBER+STRICT" or "PAP:RED".
	TLP []string
	// Organizations are the ids of those that the entity is shared with.
	// AddEntity writes them into the extension of STIX, too.
	Organizations []string
	// Hidden entities can be asked about, but the connector's user may not read them.
	Hidden bool
}

// stixTypes are the observables that NewEntity can build.
var stixTypes = map[string]string{
	"IPv4-Addr": "ipv4-addr", "IPv6-Addr": "ipv6-addr", "Domain-Name": "domain-name", "Url": "url", "StixFile": "file",
}

// NewEntity builds an observable: "IPv4-Addr", "IPv6-Addr", "Domain-Name", "Url",
// or "StixFile", whose value is an MD5, SHA-1 or SHA-256 hash. It panics on other types.
func NewEntity(openctiType, value string, tlp ...string) Entity {
	stixType, ok := stixTypes[openctiType]
	if !ok {
		panic("sandbox: NewEntity cannot build a " + openctiType)
	}
	key, content := "value", any(value)
	if openctiType == "StixFile" {
		key, content = "hashes", map[string]string{hashName(value): value}
	}
	id := stixType + "--" + deterministic(map[string]any{key: content})
	object := ordered{
		{"id", id}, {"spec_version", "2.1"}, {"type", stixType},
		{"extensions", ordered{
			{openctiExtension, ordered{
				{"extension_type", "property-extension"}, {"id", internalID(id)}, {"type", openctiType},
				{"created_at", "2026-08-22T09:00:00.000Z"}, {"updated_at", "2026-08-22T09:30:00.000Z"},
				{"is_inferred", false}, {"creator_ids", []string{"88ec0c6a-13ce-5e39-b486-354fe4a7084f"}},
			}},
			{scoExtension, ordered{{"extension_type", "property-extension"}, {"score", 50}}},
		}},
	}
	var refs []string
	for _, definition := range tlp {
		refs = append(refs, markingID(definition))
	}
	if refs != nil {
		object = append(object, pair{"object_marking_refs", refs})
	}
	object = append(object, pair{key, content})
	return Entity{ID: id, Type: openctiType, STIX: encode(object), TLP: tlp}
}

func hashName(value string) string {
	switch len(value) {
	case 40:
		return "SHA-1"
	case 64:
		return "SHA-256"
	}
	return "MD5"
}

// stixNamespace is the namespace of deterministic STIX ids.
var stixNamespace = uuid.MustParse("00abedb4-aa42-466c-9c01-fed23315a9b7")

// deterministic hashes the properties that make up an id. Text that canonical
// JSON writes differently from Go (U+2028 and U+2029) is put right.
func deterministic(properties any) string {
	canonical := strings.NewReplacer(`\u2028`, "\u2028", `\u2029`, "\u2029").Replace(string(encode(properties)))
	return uuid.NewSHA1(stixNamespace, []byte(canonical)).String()
}

// internalID is the id that the database gives an object.
func internalID(standardID string) string {
	return uuid.NewSHA1(uuid.NameSpaceOID, []byte(standardID)).String()
}

// tlpIDs are the markings that every platform has.
var tlpIDs = map[string]string{
	"TLP:WHITE":        "613f2e26-407d-48c7-9eca-b8e91df99dc9",
	"TLP:CLEAR":        "613f2e26-407d-48c7-9eca-b8e91df99dc9",
	"TLP:GREEN":        "34098fce-860f-48ae-8e50-ebd3cc5e41da",
	"TLP:AMBER":        "f88d31f6-486f-44da-b317-01333bde0b82",
	"TLP:AMBER+STRICT": "826578e1-40ad-459f-bc73-ede076f81f37",
	"TLP:RED":          "5e57c739-391a-4eb3-b6be-7d15ca92d5ed",
}

func markingID(definition string) string {
	if id, ok := tlpIDs[strings.ToUpper(definition)]; ok {
		return "marking-definition--" + id
	}
	kind, _, _ := strings.Cut(definition, ":")
	return "marking-definition--" + deterministic(map[string]string{"definition": definition, "definition_type": kind})
}

func markingObject(definition string) *object {
	kind, _, _ := strings.Cut(definition, ":")
	orders := []string{"", "TLP:CLEAR", "TLP:GREEN", "TLP:AMBER", "TLP:AMBER+STRICT", "TLP:RED"}
	id := markingID(definition)
	return obj("MarkingDefinition", map[string]any{
		"id": internalID(id), "standard_id": id, "entity_type": "Marking-Definition",
		"definition_type": kind, "definition": definition,
		"x_opencti_order": max(1, slices.Index(orders, strings.ToUpper(definition))), "x_opencti_color": "#2e7d32",
	})
}

// AddEntity makes the entity known, or replaces it.
func (p *Platform) AddEntity(e Entity) {
	e.TLP, e.Organizations = slices.Clone(e.TLP), slices.Clone(e.Organizations)
	if len(e.Organizations) > 0 {
		e.STIX = withGrantedRefs(e.STIX, e.Organizations)
	}
	p.update(func() {
		p.entities[e.ID] = &e
		p.entities[internalID(e.ID)] = &e
		p.known[e.ID] = true
		for _, id := range e.Organizations {
			p.known[id] = true
		}
		for _, definition := range e.TLP {
			p.known[markingID(definition)] = true
		}
		p.learnLocked(e.STIX)
	})
}

// RemoveEntity makes the platform forget an entity: reads answer null.
func (p *Platform) RemoveEntity(id string) {
	p.update(func() {
		delete(p.entities, id)
		delete(p.entities, internalID(id))
	})
}

func (p *Platform) entity(id string) *Entity {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.entities[id]
}

// withGrantedRefs adds the organizations to the OpenCTI extension unless it has some.
func withGrantedRefs(stix json.RawMessage, organizations []string) json.RawMessage {
	var o map[string]json.RawMessage
	var extensions map[string]map[string]any
	if json.Unmarshal(stix, &o) != nil {
		return stix
	}
	if o["extensions"] != nil && json.Unmarshal(o["extensions"], &extensions) != nil {
		return stix
	}
	if extensions[openctiExtension]["granted_refs"] != nil {
		return stix
	}
	if extensions == nil {
		extensions = map[string]map[string]any{}
	}
	if extensions[openctiExtension] == nil {
		extensions[openctiExtension] = map[string]any{"extension_type": "property-extension"}
	}
	extensions[openctiExtension]["granted_refs"] = organizations
	o["extensions"] = encode(extensions)
	return encode(o)
}

// read answers stixCoreObject and its narrower siblings.
func (p *Platform) read(_ *request, f *field) (any, *gqlError) {
	e := p.entity(f.str("id"))
	if e == nil || e.Hidden {
		return nil, nil
	}
	o := e.object()
	if f.name != OpRead && !slices.Contains(o.implements, strings.ToUpper(f.name[:1])+f.name[1:]) {
		return nil, nil
	}
	return project(o, f.sel), nil
}

func (p *Platform) readStix(_ *request, f *field) (any, *gqlError) {
	e := p.entity(f.str("id"))
	if e == nil || e.Hidden {
		return nil, nil
	}
	return string(e.STIX), nil
}

// object is the entity as GraphQL shows it: the fields of the schema, taken from
// the STIX form where it has them.
func (e *Entity) object() *object {
	var stix map[string]any
	_ = decodeJSON(e.STIX, &stix)
	ext := func(name string) map[string]any {
		all, _ := stix["extensions"].(map[string]any)
		m, _ := all[name].(map[string]any)
		return m
	}
	octi, sco := ext(openctiExtension), ext(scoExtension)
	first := func(key string) any {
		for _, m := range []map[string]any{octi, sco, stix} {
			if m[key] != nil {
				return m[key]
			}
		}
		return nil
	}
	fields := map[string]any{}
	for k, v := range stix {
		fields[k] = v
	}
	kind, parents := "StixDomainObject", []string{"Basic-Object", "Stix-Object", "Stix-Core-Object", "Stix-Domain-Object"}
	if e.observable(sco) {
		kind, parents[3] = "StixCyberObservable", "Stix-Cyber-Observable"
		delete(fields, "hashes")
	}
	var hashes []*object
	if m, ok := stix["hashes"].(map[string]any); ok {
		for k, v := range m {
			hashes = append(hashes, obj("Hash", map[string]any{"algorithm": k, "hash": v}))
		}
		fields["hashes"] = hashes
	}
	main := e.main(stix)
	for k, v := range map[string]any{
		"id": internalID(e.ID), "standard_id": e.ID, "entity_type": e.Type, "parent_types": parents,
		"representative":   obj("Representative", map[string]any{"main": main}),
		"observable_value": main, "toStix": string(e.STIX),
		"x_opencti_score": first("score"), "x_opencti_description": first("description"),
		"x_opencti_main_observable_type": first("main_observable_type"), "x_opencti_detection": first("detection"),
		"createdBy": authorObject(first("created_by_ref")), "objectLabel": labelObjects(first("labels")),
		"objectMarking": markingObjects(e.TLP), "objectOrganization": organizationObjects(e.Organizations),
		"externalReferences": obj("ExternalReferenceConnection", map[string]any{"edges": []*object{}}),
		"importFiles":        obj("FileConnection", map[string]any{"edges": []*object{}}),
	} {
		fields[k] = v
	}
	return &object{typ: strings.ReplaceAll(e.Type, "-", ""), implements: []string{"StixCoreObject", kind}, fields: fields}
}

// observable tells observables by their extension or by the types that we build.
func (e *Entity) observable(sco map[string]any) bool { return sco != nil || stixTypes[e.Type] != "" }

// main is how lists show the entity.
func (e *Entity) main(stix map[string]any) string {
	for _, key := range []string{"value", "name", "number", "pattern"} {
		if v := stix[key]; v != nil {
			return fmt.Sprint(v)
		}
	}
	hashes, _ := stix["hashes"].(map[string]any)
	for _, name := range []string{"SHA-256", "SHA-1", "MD5"} {
		if v, ok := hashes[name].(string); ok {
			return v
		}
	}
	return e.ID
}

func markingObjects(definitions []string) []*object {
	out := []*object{}
	for _, d := range definitions {
		out = append(out, markingObject(d))
	}
	return out
}

func organizationObjects(ids []string) []*object {
	out := []*object{}
	for _, id := range ids {
		out = append(out, obj("Organization", map[string]any{
			"id": internalID(id), "standard_id": id, "entity_type": "Organization", "name": "Organization", "identity_class": "organization",
		}))
	}
	return out
}

func labelObjects(labels any) []*object {
	out := []*object{}
	list, _ := labels.([]any)
	for _, l := range list {
		out = append(out, obj("Label", map[string]any{"id": internalID(fmt.Sprint(l)), "value": l, "color": "#ff0000"}))
	}
	return out
}

func authorObject(ref any) any {
	id, ok := ref.(string)
	if !ok {
		return nil
	}
	return &object{typ: "Organization", implements: []string{"Identity", "StixCoreObject", "StixDomainObject"}, fields: map[string]any{
		"id": internalID(id), "standard_id": id, "entity_type": "Organization", "identity_class": "organization", "name": "Author",
	}}
}
