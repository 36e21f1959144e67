package sandbox

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
)

// The states of a work. There is no state for failure: a failed work is complete and has Errors.
const (
	StatusWait     = "wait"
	StatusProgress = "progress"
	StatusComplete = "complete"
)

// Work is the platform's record of one enrichment.
type Work struct {
	ID          string
	Name        string
	ConnectorID string
	EntityID    string
	DraftID     string
	Status      string
	// Expected and Processed count the objects to import and those that were
	// imported or refused.
	Expected, Processed int
	// Received says that toReceived was called, ReceivedCount how often.
	Received      bool
	ReceivedCount int
	// ProcessedCount is how often toProcessed was called, Pings how often ping.
	ProcessedCount int
	Pings          int
	// Messages and Errors are the texts of both lists, at most 100 errors.
	Messages []string
	Errors   []string
	// Sent is how often the message was published: more than once when the
	// broker went away before it confirmed, and then it may be queued twice.
	Sent int

	CreatedAt, ReceivedAt, ProcessedAt, CompletedAt time.Time
}

// Complete says whether the work is done, with or without errors.
func (w Work) Complete() bool { return w.Status == StatusComplete }

// String tells where the work stands.
func (w Work) String() string {
	s := fmt.Sprintf("%s: %s, %d of %d processed, received %d times, processed %d times",
		w.ID, w.Status, w.Processed, w.Expected, w.ReceivedCount, w.ProcessedCount)
	if len(w.Errors) > 0 {
		s += ", errors: " + strings.Join(w.Errors, "; ")
	}
	return s
}

type work struct {
	Work
	// settled: toProcessed has come since the last toReceived.
	settled bool
	deleted bool
}

// newWorkLocked makes a work whose id is unique even when the clock stands.
func (p *Platform) newWorkLocked(connectorID, entityID, draftID, name string) *work {
	now := p.opt.Now()
	at := now
	id := func() string { return "work_" + connectorID + "_" + stamp(at) }
	for p.works[id()] != nil {
		at = at.Add(time.Millisecond)
	}
	if draftID != "" {
		name += " in draft " + draftID
	}
	w := &work{Work: Work{
		ID: id(), Name: name, ConnectorID: connectorID, EntityID: entityID, DraftID: draftID,
		Status: StatusWait, CreatedAt: now,
	}}
	p.works[w.ID] = w
	p.workOrder = append(p.workOrder, w.ID)
	return w
}

// workLocked finds a work that is alive. An id that never was is a problem.
func (p *Platform) workLocked(id, who string) *work {
	w := p.works[id]
	if w == nil {
		p.problemLocked(ErrUnknownWork, "%s: %q", who, id)
		return nil
	}
	if w.deleted {
		return nil
	}
	return w
}

// workEdit runs the mutations behind workEdit(id). On a work that is gone they do nothing.
func (p *Platform) workEdit(_ *request, f *field) (any, *gqlError) {
	id := f.str("id")
	out := map[string]any{}
	p.update(func() {
		for _, m := range f.sel {
			if w := p.workLocked(id, "workEdit."+m.name); w != nil {
				p.editLocked(w, m)
			}
			out[m.alias] = id
		}
	})
	return out, nil
}

func (p *Platform) editLocked(w *work, m *field) {
	switch m.name {
	case "toReceived":
		w.Status, w.Received, w.settled = StatusProgress, true, false
		w.CompletedAt = time.Time{}
		w.ReceivedCount++
		w.ReceivedAt = p.opt.Now()
		w.note(&w.Messages, m.str("message"))
	case "addExpectations":
		p.expectLocked(w, m.args["expectations"])
	case "reportExpectation":
		report, _ := m.args["error"].(map[string]any)
		text, _ := report["error"].(string)
		p.reportLocked(w, text)
	case "toProcessed":
		p.settleLocked(w, m)
	case "ping":
		w.Pings++
	case "addDraftContext":
		w.DraftID = m.str("draftContext")
	case "delete":
		w.deleted = true
	}
}

func (w *Work) note(list *[]string, text string) {
	if text != "" && len(*list) < 100 {
		*list = append(*list, text)
	}
}

func (p *Platform) expectLocked(w *work, arg any) {
	n, _ := arg.(float64)
	if n < 1 {
		p.problemLocked(ErrExpectations, "%s: %v", w.ID, arg)
	}
	if w.settled {
		p.problemLocked(ErrLateExpectations, "%s: %v", w.ID, arg)
	}
	w.Expected += int(n)
}

// reportLocked counts one imported object, or a refused one when text is not empty.
func (p *Platform) reportLocked(w *work, text string) {
	w.note(&w.Errors, text)
	w.Processed++
	if w.Processed > w.Expected {
		p.problemLocked(ErrOverProcessed, "%s: %d of %d", w.ID, w.Processed, w.Expected)
	}
	p.completeLocked(w)
}

func (p *Platform) settleLocked(w *work, m *field) {
	if !w.Received {
		p.problemLocked(ErrOrder, "%s: toProcessed before toReceived", w.ID)
	}
	w.settled = true
	w.ProcessedCount++
	w.ProcessedAt = p.opt.Now()
	if failed, _ := m.args["inError"].(bool); failed {
		w.note(&w.Errors, m.str("message"))
	} else {
		w.note(&w.Messages, m.str("message"))
	}
	p.completeLocked(w)
}

func (p *Platform) completeLocked(w *work) {
	if w.Processed >= w.Expected && w.Status != StatusComplete {
		w.Status = StatusComplete
		w.CompletedAt = p.opt.Now()
	}
}

func (p *Platform) workAdd(_ *request, f *field) (any, *gqlError) {
	var w Work
	p.update(func() { w = p.newWorkLocked(f.str("connectorId"), "", "", f.str("friendlyName")).Work })
	return project(workObject(w), f.sel), nil
}

func (p *Platform) readWork(_ *request, f *field) (any, *gqlError) {
	p.mu.Lock()
	defer p.mu.Unlock()
	w := p.works[f.str("id")]
	if w == nil || w.deleted {
		return nil, nil
	}
	return project(workObject(w.Work), f.sel), nil
}

func (p *Platform) workAlive(_ *request, f *field) (any, *gqlError) {
	p.mu.Lock()
	defer p.mu.Unlock()
	w := p.works[f.str("id")]
	return w != nil && !w.deleted, nil
}

func workObject(w Work) *object {
	at := func(t time.Time) any {
		if t.IsZero() {
			return nil
		}
		return stamp(t)
	}
	list := func(texts []string) []*object {
		out := []*object{}
		for i, s := range texts {
			out = append(out, obj("WorkMessage", map[string]any{
				"timestamp": stamp(w.CreatedAt), "message": s, "sequence": i + 1, "source": nil,
			}))
		}
		return out
	}
	return obj("Work", map[string]any{
		"id": w.ID, "name": w.Name, "timestamp": stamp(w.CreatedAt), "status": w.Status, "event_source_id": w.EntityID,
		"received_time": at(w.ReceivedAt), "processed_time": at(w.ProcessedAt), "completed_time": at(w.CompletedAt),
		"messages": list(w.Messages), "errors": list(w.Errors),
		"user": obj("Creator", map[string]any{"name": "[C] sandbox"}),
		"tracking": obj("WorkTracking", map[string]any{
			"import_expected_number": w.Expected, "import_processed_number": w.Processed,
		}),
	})
}

// Work returns a work as it is now; the zero Work when the platform never had it.
func (p *Platform) Work(id string) Work {
	p.mu.Lock()
	defer p.mu.Unlock()
	if w := p.works[id]; w != nil {
		return w.copy()
	}
	return Work{}
}

func (w *work) copy() Work {
	c := w.Work
	c.Messages, c.Errors = slices.Clone(c.Messages), slices.Clone(c.Errors)
	return c
}

// Works returns all works, oldest first.
func (p *Platform) Works() []Work {
	p.mu.Lock()
	defer p.mu.Unlock()
	works := make([]Work, 0, len(p.workOrder))
	for _, id := range p.workOrder {
		works = append(works, p.works[id].copy())
	}
	return works
}

// DeleteWork removes a work, as a user may while it runs: reads answer null,
// mutations do nothing.
func (p *Platform) DeleteWork(id string) {
	p.update(func() {
		if w := p.works[id]; w != nil {
			w.deleted = true
		}
	})
}

// WaitWork waits until the work is complete and returns it.
func (p *Platform) WaitWork(ctx context.Context, id string) (Work, error) {
	if err := p.Wait(ctx, func() bool { return p.Work(id).Complete() }); err != nil {
		w := p.Work(id)
		return w, fmt.Errorf("sandbox: waiting for work %v: %w", w, err)
	}
	return p.Work(id), nil
}
