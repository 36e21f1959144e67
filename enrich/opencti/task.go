package opencti

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/enrichgate/enrichgate/stixconv"
)

// task is one message on its way; it tells the platform what becomes of it
// (enrich.Reporter).
type task struct {
	c       *Connector
	body    []byte
	message message
	key     string
	record  record
	// began is the playbook step's execution_start.
	began   time.Time
	publish publisher
	// parked says that the message was parked, which is its fate for now.
	parked bool
}

// publisher hands split bundles to the broker and returns when they are
// confirmed. A session implements it.
type publisher interface {
	Publish(ctx context.Context, bodies [][]byte) error
}

// Received tells the work that it is being worked on. A playbook step has no work.
func (t *task) Received(ctx context.Context) error {
	id := t.message.Internal.WorkID
	if id == "" {
		return nil
	}
	return t.lenient(t.c.insist(ctx, opReceived, map[string]any{"id": id, "message": "Connector ready to process the operation"}, "", nil))
}

// Processed ends the work.
func (t *task) Processed(ctx context.Context, text string, failed bool) error {
	id := t.message.Internal.WorkID
	if id == "" {
		return nil
	}
	err := t.lenient(t.c.insist(ctx, opProcessed, map[string]any{"id": id, "message": text, "inError": failed}, "", nil))
	if err != nil {
		return err
	}
	t.record.Processed = true
	// Losing this costs a second report of the same words.
	return t.c.journal.put(t.key, t.record)
}

// lenient takes a work that the platform no longer knows for told: the analyst
// deleted it, and no repetition brings it back.
func (t *task) lenient(err error) error {
	var api *APIError
	if errors.As(err, &api) && !transient(err) {
		t.c.log.Warn("Work no longer exists", "work", t.message.Internal.WorkID, "reason", api.Error())
		return nil
	}
	return err
}

// Deliver hands the bundle over: a playbook gets its step answered, else the
// bundle is published for the worker.
func (t *task) Deliver(ctx context.Context, b stixconv.Bundle) error {
	if t.message.Internal.Playbook != nil {
		return t.answer(ctx, b)
	}
	if t.c.cfg.QueueProtocol == ProtocolAPI {
		return t.push(ctx, b)
	}
	messages, lost := stixconv.Split(b, stixconv.SplitOptions{})
	if len(lost) > 0 {
		t.c.log.Warn("objects that OpenCTI cannot import were left out", "count", len(lost), "first", lost[0])
	}
	bodies := make([][]byte, 0, len(messages))
	for i, m := range messages {
		body, err := t.envelope(m, i+1)
		if err != nil {
			return err
		}
		bodies = append(bodies, body)
	}
	if err := t.expect(ctx, len(bodies)); err != nil {
		return err
	}
	if err := t.publish.Publish(ctx, bodies); err != nil {
		return err
	}
	t.c.metrics.bundles.Add(float64(len(bodies)))
	return nil
}

// expect tells the work how many objects will come, once: a delivery that comes
// again only adds what is new, and gives back what will not come.
func (t *task) expect(ctx context.Context, n int) error {
	id := t.message.Internal.WorkID
	if id == "" {
		return nil
	}
	before := max(0, t.record.Expected)
	switch {
	case t.record.Expected == n, t.record.Expected < 0:
		return nil
	case n > before:
		t.record.Expected = -1
		if err := t.c.journal.put(t.key, t.record); err != nil {
			return err
		}
		err := t.c.once(ctx, opExpect, map[string]any{"id": id, "expectations": n - before}, "", nil)
		if err != nil && notPerformed(err) {
			t.record.Expected = before
			if err := t.c.journal.put(t.key, t.record); err != nil {
				return err
			}
			return t.lenient(err)
		}
		// Nobody knows: counted as done. The work then ends early at worst;
		// expecting twice, it would never end.
	default:
		for range before - n {
			if err := t.lenient(t.c.insist(ctx, opReport, map[string]any{"id": id, "error": nil}, "", nil)); err != nil {
				return err
			}
		}
	}
	t.record.Expected = n
	return t.c.journal.put(t.key, t.record)
}

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
	if errors.As(err, &api) && !transient(err) {
		// The playbook or the step is gone, or the platform will never take
		// this answer: repeating it changes nothing.
		t.c.log.Error("a playbook step could not be answered", "error", err, "playbook", p.PlaybookID, "execution", p.ExecutionID)
		return nil
	}
	return err
}

// deliverOnce performs an operation that must not be repeated. The journal says
// so before it leaves and takes it back when the platform did not answer, so
// that only a crash in between leaves its fate open; then it counts as done.
func (t *task) deliverOnce(ctx context.Context, op operation, variables map[string]any) error {
	return t.c.retry(ctx, func() error {
		t.record.Delivered = true
		if err := t.c.journal.put(t.key, t.record); err != nil {
			return err
		}
		err := t.c.once(ctx, op, variables, "", nil)
		if err != nil && transient(err) {
			t.record.Delivered = false
			return errors.Join(err, t.c.journal.put(t.key, t.record))
		}
		return err
	})
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
	variables := map[string]any{"connectorId": t.c.cfg.ID, "bundle": string(encoded), "work_id": nil}
	if id := t.message.Internal.WorkID; id != "" {
		variables["work_id"] = id
	}
	if err := t.deliverOnce(ctx, opPush, variables); err != nil {
		return err
	}
	t.c.metrics.bundles.Inc()
	return nil
}
