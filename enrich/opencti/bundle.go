package opencti

import (
	"fmt"
	"strings"

	"github.com/enrichgate/enrichgate/enrich"
	"github.com/enrichgate/enrichgate/stixconv"
)

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
