package opencti

import (
	"encoding/json"
	"fmt"

	"github.com/enrichgate/enrichgate/enrich"
	"github.com/enrichgate/enrichgate/stixconv"
)

// envelope wraps one split bundle as the worker wants it on the push queue.
func (t *task) envelope(b stixconv.Bundle, sequence int) ([]byte, error) {
	content, err := b.Encode()
	if err != nil {
		return nil, fmt.Errorf("encoding the bundle: %w", err)
	}
	applicant := t.message.Internal.ApplicantID
	if applicant == "" {
		applicant = t.c.registration().UserID
	}
	draft := t.message.Internal.DraftID
	if draft == nil {
		draft = json.RawMessage(`""`) // as pycti does for platforms that do not know drafts
	}
	body, err := json.Marshal(struct {
		BundleType     string          `json:"bundle_type"`
		ApplicantID    string          `json:"applicant_id"`
		ActionSequence int             `json:"action_sequence"`
		EntitiesTypes  []string        `json:"entities_types"`
		Content        []byte          `json:"content"` // base64, as encoding/json writes bytes
		Update         bool            `json:"update"`
		DraftID        json.RawMessage `json:"draft_id"`
		NoSplit        bool            `json:"no_split"`
		WorkID         string          `json:"work_id,omitempty"`
	}{
		BundleType: "QUEUE_BUNDLE", ApplicantID: applicant, ActionSequence: sequence, EntitiesTypes: []string{},
		Content: content, DraftID: draft, WorkID: t.message.Internal.WorkID,
	})
	if err != nil {
		return nil, err
	}
	if len(body) > MaxMessage {
		return nil, &enrich.InputError{Reason: fmt.Sprintf("one object makes a message of %d MB, more than the broker takes", len(body)/1e6)}
	}
	return body, nil
}
