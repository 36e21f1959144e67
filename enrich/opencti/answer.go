package opencti

import (
	"context"
	"errors"
	"fmt"

	"github.com/enrichgate/enrichgate/stixconv"
)

// answer gives a playbook step its bundle, exactly once as far as anyone can
// know: every answer runs the rest of the playbook.
func (t *task) answer(ctx context.Context, b stixconv.Bundle) error {
	if t.record.Delivered {
		return nil
	}
	p := t.message.Internal.Playbook
	bundle := string(t.message.Event.Bundle)
	if len(b.Objects) > 0 {
		encoded, err := b.Encode()
		if err != nil {
			return fmt.Errorf("encoding the bundle: %w", err)
		}
		bundle = string(encoded)
	}
	variables := map[string]any{
		"execution_id": p.ExecutionID, "event_id": p.EventID, "execution_start": t.began.UTC().Format("2006-01-02T15:04:05+00:00"),
		"data_instance_id": p.DataInstanceID, "playbook_id": p.PlaybookID, "previous_step_id": p.PreviousStepID, "step_id": p.StepID,
		"previous_bundle": string(t.message.Event.Bundle), "bundle": bundle,
	}
	err := t.deliverOnce(ctx, opStep, variables)
	var api *APIError
	if errors.As(err, &api) && api.Code == codeTooLarge && bundle != string(t.message.Event.Bundle) {
		t.c.log.Error("a playbook's bundle has become too large for OpenCTI and is handed on as it came", "bytes", len(bundle), "playbook", p.PlaybookID)
		variables["bundle"] = string(t.message.Event.Bundle)
		err = t.deliverOnce(ctx, opStep, variables)
	}
	if errors.As(err, &api) && !transient(err) {
		// The playbook or the step is gone, or the platform will never take
		// this answer: repeating it changes nothing.
		t.c.log.Error("a playbook step could not be answered", "error", err, "playbook", p.PlaybookID, "execution", p.ExecutionID)
		return nil
	}
	return err
}
