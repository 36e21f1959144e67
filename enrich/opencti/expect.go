package opencti

import (
	"context"
	"errors"
)

// expect tells the work how many objects will come, once: a delivery that comes
// again only adds what is new, and gives back what will not come. The platform
// says with the entity what the work expects already. Where it does not, the
// journal remembers, and is written before the request leaves; what a crash or a
// lost answer hides then counts as done: the work ends early at worst; expecting
// twice, it would never end.
func (t *task) expect(ctx context.Context, n int) error {
	id := t.work()
	if id == "" {
		return nil
	}
	before := t.record.Expected
	switch {
	case t.tracked != nil:
		before = *t.tracked
	case t.record.Unsure:
		if got, ok := t.expectedByPlatform(ctx); ok {
			before = min(before, got)
		}
	}
	if n < before {
		return t.expectLess(ctx, before, n)
	}
	if n == before {
		return nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.lenient(t.c.retry(ctx, func() error { return t.expectMore(ctx, id, before, n) }))
}

// expectMore adds to what the work expects; the caller holds mu.
func (t *task) expectMore(ctx context.Context, id string, before, n int) error {
	t.record.Expected, t.record.Unsure = n, true
	if t.tracked == nil {
		if err := t.c.journal.put(t.key, t.record); err != nil {
			return err
		}
	}
	op, variables := opExpect, map[string]any{"id": id, "expectations": n - before}
	if !t.received {
		op, variables["message"] = opBegin, receivedText
	}
	err := t.c.once(ctx, op, variables, "", nil)
	undone := err != nil && notPerformed(err)
	if err != nil && !undone {
		got, ok := t.expectedByPlatform(ctx)
		undone = ok && got < n
	}
	t.record.Unsure = false
	if undone {
		t.record.Expected = before
		return errors.Join(err, t.c.journal.put(t.key, t.record))
	}
	if t.tracked != nil {
		*t.tracked = n
	}
	t.received = true
	t.c.journal.putSoon(t.key, t.record) // losing it costs a question
	return nil
}

// expectedByPlatform asks what the work expects. Only we add to that.
func (t *task) expectedByPlatform(ctx context.Context) (n int, ok bool) {
	var answer struct {
		Work *struct {
			Tracking *struct {
				Expected int `json:"import_expected_number"`
			} `json:"tracking"`
		} `json:"work"`
	}
	err := t.c.insist(ctx, opTracking, map[string]any{"id": t.work()}, "", &answer)
	if err != nil || answer.Work == nil || answer.Work.Tracking == nil {
		return 0, false
	}
	return answer.Work.Tracking.Expected, true
}

// expectLess reports objects that will not come as done with.
func (t *task) expectLess(ctx context.Context, before, n int) error {
	for have := before; have > n; have-- {
		t.record.Expected = have - 1
		if t.tracked != nil {
			*t.tracked = have - 1
		}
		if err := t.c.journal.put(t.key, t.record); err != nil {
			return err
		}
		err := t.c.once(ctx, opReport, map[string]any{"id": t.work(), "error": nil}, "", nil)
		if err != nil && notPerformed(err) {
			t.record.Expected = have
			if t.tracked != nil {
				*t.tracked = have
			}
			if err := t.lenient(err); err != nil {
				return errors.Join(err, t.c.journal.put(t.key, t.record))
			}
		}
	}
	return nil
}
