package opencti

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/enrichgate/enrichgate/stixconv"
)

// Deliver hands the bundle over: a playbook gets its step answered, else the
// bundle is put where the operator wants it, and published for the worker.
func (t *task) Deliver(ctx context.Context, b stixconv.Bundle) error {
	if t.message.Internal.Playbook != nil {
		return t.answer(ctx, b)
	}
	if done, err := t.validateFirst(ctx, b); done || err != nil {
		return err
	}
	if err := t.copies(ctx, b); err != nil {
		return err
	}
	switch {
	case t.c.cfg.Output.NoQueue:
		return nil
	case t.c.cfg.QueueProtocol == ProtocolAPI:
		return t.push(ctx, b)
	}
	return t.enqueue(ctx, b)
}

// enqueue publishes the bundle, one object a message.
func (t *task) enqueue(ctx context.Context, b stixconv.Bundle) error {
	sent := map[string]bool{}
	for {
		messages, left, err := t.messages(b)
		if err != nil {
			return err
		}
		for _, m := range messages {
			m.taken = sent[m.object]
		}
		if err := t.expect(ctx, len(messages)); err != nil {
			return err
		}
		err = t.publish.Publish(ctx, messages)
		for _, m := range messages {
			sent[m.object] = m.taken
		}
		var tooLarge *tooLargeError
		if errors.As(err, &tooLarge) && t.c.lowerMaxMessage(tooLarge.limit) {
			continue // now that its limit is known, what fits is sent
		}
		if err != nil {
			return err
		}
		t.c.metrics.bundles.Add(float64(len(messages)))
		return left.problem(len(messages), t.c.maxMessage.Load())
	}
}

// messages splits the bundle into messages. What is too large for
// the broker is left out, and with it what would refer to an object that the
// platform does not get.
func (t *task) messages(b stixconv.Bundle) (all []*outgoing, left leftOut, err error) {
	split, lost := stixconv.Split(b, stixconv.SplitOptions{})
	if len(lost) > 0 {
		t.c.log.Warn("objects that OpenCTI cannot import were left out", "count", len(lost), "first", lost[0])
	}
	left.gone = map[string]bool{}
	limit := t.c.maxMessage.Load()
	for _, m := range split {
		o := m.Objects[0]
		id, _ := o["id"].(string)
		if left.refers(o) {
			left.gone[id] = true
			continue
		}
		body, err := t.envelope(m, len(all)+1)
		if err != nil {
			return nil, left, err
		}
		if int64(len(body)) > limit {
			left.tooLarge(id, len(body), id == t.message.Event.EntityID)
			continue
		}
		all = append(all, &outgoing{object: id, body: body})
	}
	return all, left, nil
}

// push hands the whole bundle to the platform, which splits and queues it
// itself and adds its own expectations: twice would be expected twice.
func (t *task) push(ctx context.Context, b stixconv.Bundle) error {
	if t.record.Delivered {
		return nil
	}
	encoded, err := b.Encode()
	if err != nil {
		return fmt.Errorf("encoding the bundle: %w", err)
	}
	v := t.c.registration().version
	variables := map[string]any{"connectorId": t.c.cfg.ID, "bundle": string(encoded)}
	if v.atLeast(6, 5, 7) {
		variables["work_id"] = nil
		if id := t.work(); id != "" {
			variables["work_id"] = id
		}
	}
	if err := t.deliverOnce(ctx, opPush(v), variables); err != nil {
		return err
	}
	t.c.metrics.bundles.Inc()
	return nil
}

// envelope wraps one split bundle as the worker wants it on the push queue.
func (t *task) envelope(b stixconv.Bundle, sequence int) ([]byte, error) {
	content, err := b.Encode()
	if err != nil {
		return nil, fmt.Errorf("encoding the bundle: %w", err)
	}
	return json.Marshal(struct {
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
		BundleType: "QUEUE_BUNDLE", ApplicantID: t.applicant(), ActionSequence: sequence, EntitiesTypes: []string{},
		Content: content, DraftID: t.draft(), WorkID: t.work(),
	})
}

// applicant is in whose name the worker imports.
func (t *task) applicant() string {
	if id := t.message.Internal.ApplicantID; id != "" {
		return id
	}
	return t.c.registration().UserID
}

// draft is the draft that results go to, as the message or its validation says.
func (t *task) draft() json.RawMessage {
	if t.record.Draft != "" {
		return json.RawMessage(quoted(t.record.Draft))
	}
	if draft := t.message.Internal.DraftID; draft != nil {
		return draft
	}
	return json.RawMessage(`""`) // as pycti does for platforms that do not know drafts
}

func quoted(s string) string {
	b, _ := json.Marshal(s) // a string always encodes
	return string(b)
}
