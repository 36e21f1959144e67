package sandbox

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"time"

	"github.com/google/uuid"
)

// automationUser is in whose name playbooks run.
const automationUser = "c49fe040-2dad-412d-af07-ce639204ad55"

// Step is one playbookStepExecution call.
type Step struct {
	ExecutionID, EventID, PlaybookID, StepID, PreviousStepID, DataInstanceID string
	// ExecutionStart is when the connector says that it began.
	ExecutionStart string
	// PreviousBundle and Bundle as the connector sent them.
	PreviousBundle, Bundle json.RawMessage
	At                     time.Time
	// Lost says that the connection was gone before the connector was told that
	// the step was taken: it cannot know, and may answer it again.
	Lost bool
}

// execution is a playbook step that the connector was asked to do.
type execution struct {
	ids    map[string]string // what the message's internal.playbook said
	bundle []byte
	sent   int
}

// Playbook asks the connector that registered last to do a playbook step on the
// entity. The bundle holds the entity and the extra objects.
func (p *Platform) Playbook(ctx context.Context, entityID string, extra ...json.RawMessage) (executionID string, err error) {
	c, err := p.waitConnector(ctx, "")
	if err != nil {
		return "", err
	}
	e := p.entity(entityID)
	if e == nil {
		return "", fmt.Errorf("sandbox: no entity %q", entityID)
	}
	objects := append([]json.RawMessage{e.STIX}, extra...)
	bundle := encode(ordered{
		{"id", uuid.NewString()}, {"spec_version", "2.1"}, {"type", "bundle"}, {"objects", objects},
	})
	ids := map[string]string{
		"event_id":         fmt.Sprintf("%d-0", p.opt.Now().UnixMilli()),
		"execution_id":     uuid.NewString(),
		"playbook_id":      playbookID,
		"data_instance_id": e.ID,
		"step_id":          uuid.NewString(),
		"previous_step_id": uuid.NewString(),
	}
	x := &execution{ids: ids, bundle: bundle}
	p.update(func() {
		p.executions[ids["execution_id"]] = x
		for _, o := range extra {
			p.learnLocked(o)
		}
	})
	body := p.playbookMessage(ids, e, bundle)
	return ids["execution_id"], p.send(ctx, c, body, func() { x.sent++ })
}

// readPlaybook names the one playbook that there is.
func (p *Platform) readPlaybook(_ *request, f *field) (any, *gqlError) {
	if f.str("id") != playbookID {
		return nil, nil
	}
	return project(obj("Playbook", map[string]any{"id": playbookID, "name": PlaybookName}), f.sel), nil
}

// PlaybookName is the name of the playbook; as in OpenCTI, its id outlives its runs.
const (
	PlaybookName = "Enrich what is new"
	playbookID   = "0b6f3f1e-52c4-4d0a-9a53-7f7f1d3f6a10"
)

func (p *Platform) step(r *request, f *field) (any, *gqlError) {
	s := Step{
		ExecutionID: f.str("execution_id"), EventID: f.str("event_id"), PlaybookID: f.str("playbook_id"),
		StepID: f.str("step_id"), PreviousStepID: f.str("previous_step_id"), DataInstanceID: f.str("data_instance_id"),
		ExecutionStart: f.str("execution_start"),
		PreviousBundle: json.RawMessage(f.str("previous_bundle")), Bundle: json.RawMessage(f.str("bundle")),
		At: p.opt.Now(),
	}
	known := false
	p.update(func() {
		x := p.executions[s.ExecutionID]
		known = x != nil
		if known {
			p.judgeStepLocked(x, s, f)
		} else {
			p.problemLocked(ErrUnknownExecution, "%q", s.ExecutionID)
		}
		n := len(p.steps[s.ExecutionID])
		p.steps[s.ExecutionID] = append(p.steps[s.ExecutionID], s)
		r.lost = func() { p.steps[s.ExecutionID][n].Lost = true }
	})
	return known, nil
}

func (p *Platform) judgeStepLocked(x *execution, s Step, f *field) {
	if slices.ContainsFunc(p.steps[s.ExecutionID], func(before Step) bool { return !before.Lost }) {
		p.problemLocked(ErrDuplicateStep, "%s", s.ExecutionID)
	}
	for key, want := range x.ids {
		if got := f.str(key); got != want {
			p.problemLocked(ErrStepIDs, "%s is %q, want %q", key, got, want)
		}
	}
	if _, err := time.Parse(time.RFC3339, s.ExecutionStart); err != nil {
		p.problemLocked(ErrStepIDs, "execution_start: %v", err)
	}
	if !sameJSON(s.PreviousBundle, x.bundle) {
		p.problemLocked(ErrStepBundle, "%s: previous_bundle differs from the bundle that was sent", s.ExecutionID)
	}
	sent, _ := bundleObjects(x.bundle)
	got, err := bundleObjects(s.Bundle)
	if err != nil {
		p.problemLocked(ErrStepBundle, "%s: %v", s.ExecutionID, err)
		return
	}
	for _, o := range sent {
		if !slices.ContainsFunc(got, func(g stixObject) bool { return g.ID == o.ID }) {
			p.problemLocked(ErrStepBundle, "%s: lacks %s", s.ExecutionID, o.ID)
		}
	}
}

// Steps returns the answers of a playbook execution, oldest first.
func (p *Platform) Steps(executionID string) []Step {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.steps[executionID])
}

// StepSent is how often the message of an execution was published; see Work.Sent.
func (p *Platform) StepSent(executionID string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	if x := p.executions[executionID]; x != nil {
		return x.sent
	}
	return 0
}

// WaitStep waits for the first answer of a playbook execution.
func (p *Platform) WaitStep(ctx context.Context, executionID string) (Step, error) {
	if err := p.Wait(ctx, func() bool { return len(p.Steps(executionID)) > 0 }); err != nil {
		return Step{}, fmt.Errorf("sandbox: waiting for playbook execution %s: %w", executionID, err)
	}
	return p.Steps(executionID)[0], nil
}

// sameJSON compares two documents but for the order of keys.
func sameJSON(a, b []byte) bool {
	var va, vb any
	return decodeJSON(a, &va) == nil && decodeJSON(b, &vb) == nil && reflect.DeepEqual(va, vb)
}

// decodeJSON keeps numbers as they are written.
func decodeJSON(b []byte, v any) error {
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.UseNumber()
	return dec.Decode(v)
}
