package opencti

import (
	"context"
	"fmt"
	"slices"

	"github.com/enrichgate/enrichgate/stixconv"
)

// The places where an analyst looks at results before they are imported.
const (
	validateWorkbench = "workbench"
	validateDraft     = "draft"
)

// validateFirst puts the results before an analyst, if that is wanted: into a
// workbench, which is then all (done), or into a draft that the worker imports to.
func (t *task) validateFirst(ctx context.Context, b stixconv.Bundle) (done bool, err error) {
	if t.message.Internal.WorkID == "" || !t.c.cfg.Output.ValidateBeforeImport && !t.message.Event.ForceValidation {
		return false, nil
	}
	mode := t.message.Event.ValidationMode
	if mode == "" {
		mode = validateWorkbench
		if t.c.registration().version.draftByDefault() {
			mode = validateDraft
		}
	}
	switch {
	case mode == validateWorkbench:
		return true, t.toWorkbench(ctx, b)
	case mode == validateDraft && t.message.draft() == "":
		return false, t.toDraft(ctx, b)
	}
	return false, nil
}

// toWorkbench uploads the bundle as a file to be looked at.
func (t *task) toWorkbench(ctx context.Context, b stixconv.Bundle) error {
	if t.record.Delivered {
		return nil
	}
	content, err := b.Encode()
	if err != nil {
		return fmt.Errorf("encoding the bundle: %w", err)
	}
	variables := map[string]any{"entityId": t.message.Event.EntityID, "file_markings": markingRefs(b)}
	err = t.c.retry(ctx, func() error {
		return t.c.client.upload(context.WithoutCancel(ctx), opUpload, variables, t.message.Internal.WorkID+".json", "application/json", content, nil)
	})
	if err != nil {
		return err
	}
	t.record.Delivered = true
	if err := t.c.journal.put(t.key, t.record); err != nil {
		return err
	}
	t.c.metrics.bundles.Inc()
	if !t.c.registration().version.atLeast(7, 260527, 0) {
		return nil
	}
	// Newer platforms count the file as the one thing that came.
	if err := t.expect(ctx, 1); err != nil {
		return err
	}
	return t.lenient(t.c.once(ctx, opReport, map[string]any{"id": t.work(), "error": nil}, "", nil))
}

// toDraft makes a draft and has the results imported into it.
func (t *task) toDraft(ctx context.Context, _ stixconv.Bundle) error {
	if t.record.Draft != "" {
		return nil
	}
	var out struct {
		DraftWorkspaceAdd *struct {
			ID string `json:"id"`
		} `json:"draftWorkspaceAdd"`
	}
	input := map[string]any{"name": t.message.Internal.WorkID, "entity_id": t.message.Event.EntityID}
	if err := t.c.insist(ctx, opDraft, map[string]any{"input": input}, "", &out); err != nil {
		return err
	}
	if out.DraftWorkspaceAdd == nil {
		return &APIError{Operation: opDraft.name, Code: "UNEXPECTED_ANSWER", Message: "no draft was made"}
	}
	t.record.Draft = out.DraftWorkspaceAdd.ID
	if err := t.c.journal.put(t.key, t.record); err != nil {
		return err
	}
	return t.lenient(t.c.insist(ctx, opDraftContext, map[string]any{"id": t.work(), "draftContext": t.record.Draft}, "", nil))
}

// markingRefs are the markings of all that the file holds.
func markingRefs(b stixconv.Bundle) []string {
	refs := []string{}
	for _, o := range b.Objects {
		list, _ := o["object_marking_refs"].([]any)
		for _, r := range list {
			if id, ok := r.(string); ok && !slices.Contains(refs, id) {
				refs = append(refs, id)
			}
		}
	}
	return refs
}
