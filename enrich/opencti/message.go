package opencti

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/enrichgate/enrichgate/enrich"
	"github.com/enrichgate/enrichgate/quota"
)

// MaxMessage bounds a message. RabbitMQ 4 itself refuses more than 16 MiB
// unless told otherwise.
const MaxMessage = 16 << 20

// message is what the platform puts on the queue. Optional keys came with
// later versions; whatever is absent is empty.
type message struct {
	Internal struct {
		WorkID      string `json:"work_id"`
		ApplicantID string `json:"applicant_id"`
		// DraftID is kept as it came: the worker tells null from absent.
		DraftID  json.RawMessage `json:"draft_id"`
		Trigger  string          `json:"trigger"`
		Mode     string          `json:"mode"`
		Playbook *playbook       `json:"playbook"`
	} `json:"internal"`
	Event struct {
		EventType  string          `json:"event_type"`
		EntityID   string          `json:"entity_id"`
		EntityType string          `json:"entity_type"`
		StixEntity string          `json:"stix_entity"`
		Bundle     json.RawMessage `json:"bundle"`
		// ValidationMode and ForceValidation are not set for enrichment by any
		// platform that we know; the Python client obeys them all the same.
		ValidationMode  string `json:"validation_mode"`
		ForceValidation bool   `json:"force_validation"`
	} `json:"event"`
	// Configuration is passed on as it came; null on most messages.
	Configuration json.RawMessage `json:"configuration"`
}

// playbook names the step that a message asks us to run; its presence is what
// tells a playbook's message from others.
type playbook struct {
	EventID        string `json:"event_id"`
	ExecutionID    string `json:"execution_id"`
	PlaybookID     string `json:"playbook_id"`
	DataInstanceID string `json:"data_instance_id"`
	StepID         string `json:"step_id"`
	PreviousStepID string `json:"previous_step_id"`
}

// decodeMessage reads a message. With an error the message still holds what
// could be read, so that its work can be told.
func decodeMessage(body []byte) (message, error) {
	var m message
	err := json.Unmarshal(body, &m)
	var wrongType *json.UnmarshalTypeError
	switch {
	case errors.As(err, &wrongType):
		return m, &enrich.InputError{Reason: fmt.Sprintf("the message is not understood: %s is a %s", field(wrongType), wrongType.Value)}
	case err != nil:
		return m, &enrich.InputError{Reason: "the message is not JSON: " + err.Error()}
	case len(body) > MaxMessage:
		return m, &enrich.InputError{Reason: fmt.Sprintf("the message is too large: %d MB, of at most %d MiB", len(body)/1e6, MaxMessage>>20)}
	case m.Event.EntityID == "":
		return m, &enrich.InputError{Reason: "the message names no entity: internal enrichment must be based on a specific id"}
	case m.Internal.Playbook != nil && len(m.Event.Bundle) == 0:
		return m, &enrich.InputError{Reason: "the playbook's message has no bundle"}
	}
	return m, nil
}

func field(e *json.UnmarshalTypeError) string {
	if e.Field == "" {
		return "the whole of it"
	}
	return e.Field
}

// trigger says why we are asked. Platforms before 6.8.9 do not tell automatic
// from manual; their messages count as manual.
func (m message) trigger() quota.Trigger {
	switch {
	case m.Internal.Playbook != nil:
		return quota.Playbook
	case strings.EqualFold(m.Internal.Mode, "auto"):
		return quota.Auto
	default:
		return quota.Manual
	}
}

// draft is the draft that the message is about, or "".
func (m message) draft() (id string) {
	_ = json.Unmarshal(m.Internal.DraftID, &id) // null, absent and nonsense are all no draft
	return id
}

// configuration is the text that the platform sent for the connector, or "".
func (m message) configuration() string {
	var text string
	if json.Unmarshal(m.Configuration, &text) == nil {
		return text // a JSON string, or null
	}
	return string(m.Configuration)
}

// change is what an automatic message follows, "create" or "update"; "" for the
// others, whose trigger says nothing (a playbook's is wrong on some platforms).
func (m message) change() string {
	if m.trigger() != quota.Auto {
		return ""
	}
	return strings.ToLower(m.Internal.Trigger)
}

// key names the message for the journal, which the connectors of a process
// share; "" for one that leaves no trace on the platform.
func (m message) key(connector string) string {
	if p := m.Internal.Playbook; p != nil {
		return strings.Join([]string{"step", connector, p.ExecutionID, p.StepID, p.EventID, p.DataInstanceID}, "/")
	}
	if m.Internal.WorkID != "" {
		return "work/" + connector + "/" + m.Internal.WorkID
	}
	return ""
}
