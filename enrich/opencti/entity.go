package opencti

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/enrichgate/enrichgate/enrich"
	"github.com/enrichgate/enrichgate/stixconv"
)

// readEntity is what the platform says of an entity.
type readEntity struct {
	ID            string `json:"id"`
	StandardID    string `json:"standard_id"`
	EntityType    string `json:"entity_type"`
	ObjectMarking []struct {
		StandardID     string `json:"standard_id"`
		DefinitionType string `json:"definition_type"`
		Definition     string `json:"definition"`
	} `json:"objectMarking"`
	ObjectOrganization []struct {
		StandardID string `json:"standard_id"`
	} `json:"objectOrganization"`
	ToStix string `json:"toStix"`
}

// request reads the entity with our own rights and makes a request of the
// message. An *enrich.InputError is the message's own fault; the request then
// holds what is known.
func (c *Connector) request(ctx context.Context, m message) (enrich.Request, error) {
	r := enrich.Request{Trigger: m.trigger(), Work: m.Internal.WorkID}
	if p := m.Internal.Playbook; p != nil {
		r.Playbook = p.PlaybookID
	}
	var data struct {
		StixCoreObject *readEntity `json:"stixCoreObject"`
	}
	if err := c.insist(ctx, opRead, map[string]any{"id": m.Event.EntityID}, m.draft(), &data); err != nil {
		return r, err
	}
	read := data.StixCoreObject
	if read == nil {
		return r, &enrich.InputError{Reason: fmt.Sprintf("Unable to read/access the entity %.100q, please check the connector permissions", m.Event.EntityID)}
	}
	r.Entity = enrich.Entity{ID: read.StandardID, Type: read.EntityType}
	for _, mark := range read.ObjectMarking {
		if strings.EqualFold(mark.DefinitionType, "TLP") {
			r.Entity.TLP = append(r.Entity.TLP, mark.Definition)
		}
	}
	for _, o := range read.ObjectOrganization {
		r.Entity.Granted = append(r.Entity.Granted, o.StandardID)
	}
	if m.Internal.Playbook != nil {
		if err := fromBundle(&r, m); err != nil {
			return r, err
		}
	} else {
		r.Entity.Object = ownObject(read, m)
	}
	describe(&r.Entity)
	return r, nil
}

// fromBundle takes the entity and its company from a playbook's bundle. An
// earlier step may have changed markings that are not stored yet, so those in
// the bundle count too.
func fromBundle(r *enrich.Request, m message) error {
	b, err := stixconv.DecodeBundle(m.Event.Bundle)
	if err != nil {
		return &enrich.InputError{Reason: "the playbook's bundle is not understood: " + err.Error()}
	}
	r.BundleID = b.ID
	custom := map[string]string{} // markings that the bundle itself defines
	for _, o := range b.Objects {
		if id, _ := o["id"].(string); r.Entity.Object == nil && (id == m.Event.EntityID || id == r.Entity.ID) {
			r.Entity.Object = o
			continue
		}
		if id, tlp := definedTLP(o); tlp != "" {
			custom[id] = tlp
		}
		r.Context = append(r.Context, o)
	}
	if r.Entity.Object == nil {
		return &enrich.InputError{Reason: fmt.Sprintf("the playbook's bundle does not hold the entity %.100q", m.Event.EntityID)}
	}
	refs, _ := r.Entity.Object["object_marking_refs"].([]any)
	for _, ref := range refs {
		id, _ := ref.(string)
		if level, known := stixconv.TLPOfMarkingID(id); known {
			r.Entity.TLP = append(r.Entity.TLP, level.String())
		} else if tlp := custom[id]; tlp != "" {
			r.Entity.TLP = append(r.Entity.TLP, tlp)
		}
	}
	return nil
}

// definedTLP is the id and level of a TLP marking definition object.
func definedTLP(o stixconv.Object) (id, tlp string) {
	if o["type"] != "marking-definition" {
		return "", ""
	}
	id, _ = o["id"].(string)
	for _, key := range []string{"x_opencti_definition_type", "definition_type"} {
		if kind, _ := o[key].(string); !strings.EqualFold(kind, "tlp") {
			continue
		}
		for _, key := range []string{"x_opencti_definition", "name"} {
			if tlp, _ = o[key].(string); tlp != "" {
				return id, tlp
			}
		}
		return id, "unnamed"
	}
	return id, ""
}

// ownObject is the entity in STIX form: as just read, else as the message
// brought it, else the little that is certain.
func ownObject(read *readEntity, m message) stixconv.Object {
	for _, doc := range []string{read.ToStix, m.Event.StixEntity} {
		if doc == "" {
			continue
		}
		o, err := stixconv.Decode([]byte(doc))
		if id, _ := o["id"].(string); err == nil && (id == read.StandardID || id == m.Event.EntityID) {
			return o
		}
	}
	kind, _, _ := strings.Cut(read.StandardID, "--")
	return stixconv.Object{"id": read.StandardID, "type": kind, "spec_version": "2.1"}
}

// describe copies what the source wants to know out of the STIX form.
func describe(e *enrich.Entity) {
	e.Value, _ = e.Object["value"].(string)
	hashes, _ := e.Object["hashes"].(map[string]any)
	for name, v := range hashes {
		if s, ok := v.(string); ok {
			if e.Hashes == nil {
				e.Hashes = map[string]string{}
			}
			e.Hashes[name] = s
		}
	}
	for _, id := range grantedRefs(e.Object) {
		if !slices.Contains(e.Granted, id) {
			e.Granted = append(e.Granted, id)
		}
	}
}

// openCTIExtension is where the platform keeps what STIX has no place for.
const openCTIExtension = "extension-definition--ea279b3e-5c71-4632-ac08-831c66a786ba"

func grantedRefs(o stixconv.Object) (ids []string) {
	refs, ok := o["x_opencti_granted_refs"].([]any)
	if !ok {
		extensions, _ := o["extensions"].(map[string]any)
		extension, _ := extensions[openCTIExtension].(map[string]any)
		refs, _ = extension["granted_refs"].([]any)
	}
	for _, r := range refs {
		if id, ok := r.(string); ok {
			ids = append(ids, id)
		}
	}
	return ids
}
