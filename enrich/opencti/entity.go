package opencti

import (
	"context"
	"errors"
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

// bareRequest is what the message alone says.
func (c *Connector) bareRequest(m message) enrich.Request {
	r := enrich.Request{Trigger: m.trigger(), Change: m.change(), Work: m.Internal.WorkID, Configuration: m.configuration()}
	if p := m.Internal.Playbook; p != nil {
		r.Playbook = p.PlaybookID
	}
	r.Person, r.PlaybookName = c.who.known(r.Work, r.Playbook)
	return r
}

// request reads the entity with our own rights and makes a request of the
// message. An *enrich.InputError is the message's own fault; the request then
// holds what is known.
func (c *Connector) request(ctx context.Context, t *task) (enrich.Request, error) {
	m := t.message
	r := c.bareRequest(m)
	read, err := c.read(ctx, t, r)
	if err != nil {
		return r, err
	}
	r.Person, r.PlaybookName = c.who.known(r.Work, r.Playbook)
	if read == nil {
		return r, &enrich.InputError{Reason: fmt.Sprintf("Unable to read/access the entity %.100q, please check the connector permissions", m.Event.EntityID)}
	}
	r.Entity = read.entity()
	if m.Internal.Playbook != nil {
		if err := fromBundle(&r, m); err != nil {
			return r, err
		}
	} else {
		r.Entity.Object = ownObject(read, m)
	}
	describe(&r.Entity)
	if kind, _ := r.Entity.Object["type"].(string); kind == "indicator" {
		r.Observables, err = c.observables(ctx, m, r.Entity)
	}
	return r, err
}

// read asks for the entity, and in the same breath who asked and what the work
// expects. What of that the platform does not tell us is not asked for again,
// and costs no message.
func (c *Connector) read(ctx context.Context, t *task, r enrich.Request) (*readEntity, error) {
	m := t.message
	work := t.work() != "" && c.who.shows(fieldWork)
	playbook := c.who.asks(fieldPlaybook, r.Playbook)
	var data readAnswer
	var refusal *APIError // of the part that is not worth waiting for
	err := c.retry(ctx, func() (err error) {
		data, err = c.reader.read(ctx, &reading{form: form{work, playbook, m.draft()}, entity: m.Event.EntityID, workID: r.Work, playbookID: r.Playbook})
		if errors.As(err, &refusal) && (work || playbook) && refusal.isAboutWho() {
			return nil
		}
		refusal = nil
		return err
	})
	if err != nil {
		return nil, err
	}
	t.tracked = data.expected()
	if work {
		c.who.learn(fieldWork, r.Work, data.person(), refusal)
	}
	if playbook {
		c.who.learn(fieldPlaybook, r.Playbook, data.playbook(), refusal)
	}
	if refusal != nil && data.StixCoreObject == nil {
		return c.readEntity(ctx, m.Event.EntityID, m.draft())
	}
	return data.StixCoreObject, nil
}

// readEntity asks for an entity alone.
func (c *Connector) readEntity(ctx context.Context, id, draft string) (read *readEntity, err error) {
	err = c.retry(ctx, func() error {
		data, err := c.reader.read(ctx, &reading{form: form{draft: draft}, entity: id})
		read = data.StixCoreObject
		return err
	})
	return read, err
}

// isAboutWho says that only the question who asked was refused, or that the
// platform is too old to understand it.
func (e *APIError) isAboutWho() bool {
	return e.Field == fieldWork || e.Field == fieldPlaybook || e.Code == "GRAPHQL_VALIDATION_FAILED"
}

// entity is what a read tells of it, but for its object.
func (read *readEntity) entity() enrich.Entity {
	e := enrich.Entity{ID: read.StandardID, Type: read.EntityType}
	for _, mark := range read.ObjectMarking {
		if strings.EqualFold(mark.DefinitionType, "TLP") {
			e.TLP = append(e.TLP, mark.Definition)
		}
	}
	for _, o := range read.ObjectOrganization {
		e.Granted = append(e.Granted, o.StandardID)
	}
	return e
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
