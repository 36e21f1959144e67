package sandbox

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/google/uuid"
)

// pair and ordered write JSON objects with their keys in the platform's order.
type pair struct {
	key   string
	value any
}

type ordered []pair

// MarshalJSON writes the pairs in order.
func (o ordered) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, p := range o {
		if i > 0 {
			b.WriteByte(',')
		}
		b.Write(encode(p.key))
		b.WriteByte(':')
		b.Write(encode(p.value))
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// Ask describes one request for enrichment.
type Ask struct {
	// ConnectorID is whom to ask; the connector that registered last when empty.
	ConnectorID string
	EntityID    string
	// Mode is "manual" (default) or "auto"; Trigger "update" (default) or "create".
	Mode, Trigger string
	// DraftID is the draft in which the user works, if any.
	DraftID string
}

// ErrNotTriggered is returned by Auto when a platform would not have asked the connector.
var ErrNotTriggered = errors.New("sandbox: the connector is not asked automatically")

// Enrich presses the button "Enrich" on the entity. It waits for a connector to
// register and for the broker to take the message.
func (p *Platform) Enrich(ctx context.Context, entityID string) (workID string, err error) {
	return p.Ask(ctx, Ask{EntityID: entityID})
}

// Auto plays what happens when the entity is created or updated; trigger is
// "create" or "update". It returns ErrNotTriggered when the connector does not
// want that: its scope lacks the type, auto (auto_update for updates) is off, or
// it was not heard of for five minutes.
func (p *Platform) Auto(ctx context.Context, entityID, trigger string) (workID string, err error) {
	return p.Ask(ctx, Ask{EntityID: entityID, Mode: "auto", Trigger: trigger})
}

// Ask creates a work and sends its message, in the shape of Options.Version.
func (p *Platform) Ask(ctx context.Context, a Ask) (workID string, err error) {
	a.Mode, a.Trigger = cmp.Or(a.Mode, "manual"), cmp.Or(a.Trigger, "update")
	c, err := p.waitConnector(ctx, a.ConnectorID)
	if err != nil {
		return "", err
	}
	e := p.entity(a.EntityID)
	if e == nil {
		return "", fmt.Errorf("sandbox: no entity %q", a.EntityID)
	}
	var w *work
	p.update(func() {
		name := "Manual enrichment"
		if a.Mode == "auto" {
			if err = p.triggeredLocked(c, e, a.Trigger); err != nil {
				return
			}
			name = "Enrichment (" + e.ID + ")"
		}
		w = p.newWorkLocked(c.ID, e.ID, a.DraftID, name)
		workID = w.ID
	})
	if err != nil {
		return "", err
	}
	body := p.enrichMessage(c, e, a, workID)
	return workID, p.send(ctx, c, body, func() { w.Sent++ })
}

func (p *Platform) triggeredLocked(c *connector, e *Entity, trigger string) error {
	switch {
	case !slices.ContainsFunc(c.Scope, func(s string) bool { return strings.EqualFold(s, e.Type) }):
		return fmt.Errorf("%w: scope %v lacks %s", ErrNotTriggered, c.Scope, e.Type)
	case trigger == "create" && !c.Auto:
		return fmt.Errorf("%w: auto is off", ErrNotTriggered)
	case trigger == "update" && !c.AutoUpdate:
		return fmt.Errorf("%w: auto_update is off", ErrNotTriggered)
	case !p.activeLocked(c):
		return fmt.Errorf("%w: no ping for five minutes", ErrNotTriggered)
	}
	return nil
}

// enrichMessage is the message of a manual or automatic enrichment.
func (p *Platform) enrichMessage(c *connector, e *Entity, a Ask, workID string) []byte {
	internal := ordered{{"work_id", workID}, {"applicant_id", nil}}
	event := ordered{{"event_type", "INTERNAL_ENRICHMENT"}, {"entity_id", e.ID}, {"entity_type", e.Type}}
	if p.played.atLeast("6.4.0") {
		var draft any
		if a.DraftID != "" {
			draft = a.DraftID
		}
		internal = append(internal, pair{"draft_id", draft})
	}
	if p.played.atLeast("6.8.9") {
		if a.Mode == "manual" {
			internal = append(internal, pair{"mode", a.Mode}, pair{"trigger", a.Trigger})
		} else {
			internal = append(internal, pair{"trigger", a.Trigger}, pair{"mode", a.Mode})
		}
		event = append(event, pair{"stix_entity", string(e.STIX)}, pair{"stix_objects", resolveBundle(c, e)})
	}
	return encode(ordered{{"internal", internal}, {"event", event}})
}

// resolveBundle is what enrichment_resolution "stix_bundle" adds. Only security
// coverages have such a bundle.
func resolveBundle(c *connector, e *Entity) any {
	if e.Type != "Security-Coverage" || c.EnrichmentResolution != "stix_bundle" {
		return nil
	}
	return string(encode(ordered{
		{"id", uuid.NewString()}, {"spec_version", "2.1"}, {"type", "bundle"}, {"objects", []json.RawMessage{e.STIX}},
	}))
}

func (p *Platform) playbookMessage(ids map[string]string, e *Entity, bundle []byte) []byte {
	var playbook ordered
	for _, key := range []string{"event_id", "execution_id", "playbook_id", "data_instance_id", "step_id", "previous_step_id"} {
		playbook = append(playbook, pair{key, ids[key]})
	}
	internal := ordered{{"work_id", nil}, {"playbook", playbook}, {"applicant_id", automationUser}}
	event := ordered{{"entity_id", e.ID}}
	if p.played.atLeast("7.0.0") {
		internal = append(internal, pair{"trigger", "create"}, pair{"mode", "auto"})
	}
	if p.played.atLeast("7.260615.0") {
		event = append(event, pair{"entity_type", e.Type})
	}
	event = append(event, pair{"bundle", json.RawMessage(bundle)})
	return encode(ordered{{"internal", internal}, {"event", event}})
}

// Publish puts raw bytes on the listen queue of the connector that registered last.
func (p *Platform) Publish(ctx context.Context, body []byte) error {
	c, err := p.waitConnector(ctx, "")
	if err != nil {
		return err
	}
	return p.send(ctx, c, body, func() {})
}

// send queues a message for the connector. counted is called under the lock
// before each attempt.
func (p *Platform) send(ctx context.Context, c *connector, body []byte, counted func()) error {
	if p.opt.AMQPURL != "" {
		return p.publish(ctx, c, body, counted)
	}
	p.update(func() {
		counted()
		c.queue = append(c.queue, body)
	})
	return nil
}
