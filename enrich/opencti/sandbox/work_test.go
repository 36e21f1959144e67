package sandbox_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/enrichgate/enrichgate/enrich/opencti/openctitest"
	"github.com/enrichgate/enrichgate/enrich/opencti/sandbox"
)

// newWork registers a connector and asks it, and returns the work's id.
func newWork(t *testing.T, opt sandbox.Options) (*client, string) {
	t.Helper()
	c := newClient(t, opt)
	c.register("", nil)
	e := sandbox.NewEntity("IPv4-Addr", "198.51.100.7")
	c.p.AddEntity(e)
	id, err := c.p.Enrich(t.Context(), e.ID)
	if err != nil {
		t.Fatal(err)
	}
	return c, id
}

// A work as it stands after each call: calls are r(eceived), x(expect 2), i(mport
// one), f(ail one), p(rocessed), e(rror), and X(expect 0).
func TestWork(t *testing.T) {
	for _, tt := range []struct {
		calls, want string
		problems    []error
	}{
		{"", "wait 0/0", nil},
		{"r", "progress 0/0", nil},
		{"rp", "complete 0/0", nil},
		{"re", "complete 0/0 quota exceeded", nil},
		{"rx", "progress 0/2", nil},
		{"rxp", "progress 0/2", nil},
		{"rxpi", "progress 1/2", nil},
		{"rxpii", "complete 2/2", nil},
		{"rxii", "complete 2/2", nil},
		{"rxiip", "complete 2/2", nil},
		{"rxfpi", "complete 2/2 no such thing", nil},
		// A second run of the job, after a crash: four expected, three came.
		{"rxirxiip", "progress 3/4", nil},
		{"rpr", "progress 0/0", nil},
		{"rpx", "complete 0/2", []error{sandbox.ErrLateExpectations}},
		{"rxiii", "complete 3/2", []error{sandbox.ErrOverProcessed}},
		{"p", "complete 0/0", []error{sandbox.ErrOrder}},
		{"rXp", "complete 0/0", []error{sandbox.ErrExpectations}},
	} {
		c, id := newWork(t, sandbox.Options{})
		for _, call := range tt.calls {
			switch call {
			case 'r':
				c.received(id)
			case 'x':
				c.expect(id, 2)
			case 'X':
				c.expect(id, 0)
			case 'p':
				c.processed(id, "done", false)
			case 'e':
				c.processed(id, "quota exceeded", true)
			case 'i', 'f':
				var report any
				if call == 'f' {
					report = map[string]any{"error": "no such thing", "source": "x"}
				}
				c.do(`mutation reportExpectation($id: ID!, $error: WorkErrorInput) { workEdit(id: $id) { reportExpectation(error: $error) } }`,
					map[string]any{"id": id, "error": report})
			}
		}
		w := c.p.Work(id)
		got := fmt.Sprintf("%s %d/%d %s", w.Status, w.Processed, w.Expected, strings.Join(w.Errors, ","))
		if strings.TrimSpace(got) != tt.want {
			t.Errorf("after %q: %s, want %s", tt.calls, got, tt.want)
		}
		if w.Complete() == w.CompletedAt.IsZero() {
			t.Errorf("after %q: completed at %v", tt.calls, w.CompletedAt)
		}
		wantProblems(t, c.p, tt.problems...)
	}
}

func TestReadWork(t *testing.T) {
	now := time.Date(2026, 8, 22, 10, 0, 0, 123e6, time.UTC)
	c, id := newWork(t, sandbox.Options{Now: func() time.Time { return now }})
	if want := "work_" + c.id + "_2026-08-22T10:00:00.123Z"; id != want {
		t.Errorf("id is %s, want %s", id, want)
	}
	if second, err := c.p.Enrich(t.Context(), c.p.Work(id).EntityID); err != nil || second == id {
		t.Errorf("second work: %s, %v", second, err)
	}
	c.received(id)
	c.expect(id, 3)
	c.do(`mutation ($id: ID!) { workEdit(id: $id) { ping } }`, map[string]any{"id": id})
	const query = `query ($id: ID!) { work(id: $id) { id status received_time processed_time messages { message } errors { message }
		tracking { import_expected_number import_processed_number } } isWorkAlive(id: $id) }`
	got := c.do(query, map[string]any{"id": id})
	want := "map[isWorkAlive:true work:map[errors:[] id:" + id + " messages:[map[message:Connector ready to process the operation]] " +
		"processed_time:<nil> received_time:2026-08-22T10:00:00.123Z status:progress " +
		"tracking:map[import_expected_number:3 import_processed_number:0]]]"
	if fmt.Sprint(got) != want {
		t.Errorf("got  %v\nwant %s", got, want)
	}
	// A deleted work reads as null and swallows mutations.
	c.p.DeleteWork(id)
	c.processed(id, "done", false)
	if got := fmt.Sprint(c.do(query, map[string]any{"id": id})); got != "map[isWorkAlive:false work:<nil>]" {
		t.Errorf("a deleted work is %s", got)
	}
	openctitest.NoProblems(t, c.p)
	c.received("work_x")
	wantProblems(t, c.p, sandbox.ErrUnknownWork)
	if w := c.p.Work(id); w.Pings != 1 || w.Received != true || w.Complete() {
		t.Errorf("work is %v", w)
	}
}

const (
	author  = `{"type":"identity","id":"identity--ba48e2b8-94e6-5029-9d7e-9a834dda346d","name":"Example"}`
	address = `{"type":"ipv4-addr","id":"ipv4-addr--12592121-be4c-5a93-a813-5a5af16e50db","value":"198.51.100.7"}`
	system  = `{"type":"autonomous-system","id":"autonomous-system--9ad79ee3-2fde-5015-b0cc-7a96404effca","number":64496,
		"x_opencti_created_by_ref":"identity--ba48e2b8-94e6-5029-9d7e-9a834dda346d"}`
	belongs = `{"type":"relationship","id":"relationship--08b541c2-909c-532d-8775-a8da79a2ed17","relationship_type":"belongs-to",
		"source_ref":"ipv4-addr--12592121-be4c-5a93-a813-5a5af16e50db","target_ref":"autonomous-system--9ad79ee3-2fde-5015-b0cc-7a96404effca"}`
)

func bundle(objects ...string) string {
	return `{"type":"bundle","id":"bundle--11111111-1111-4111-8111-111111111111","spec_version":"2.1","objects":[` + strings.Join(objects, ",") + `]}`
}

func TestBundlePush(t *testing.T) {
	c, id := newWork(t, sandbox.Options{})
	c.received(id)
	c.push(id, bundle(author, address, system, belongs))
	c.processed(id, "Sending 4 objects", false)
	w, err := c.p.WaitWork(openctitest.Context(t), id)
	if err != nil || w.Expected != 4 || w.Processed != 4 || len(w.Errors) != 0 {
		t.Errorf("%v: %v", err, w)
	}
	var ids []string
	for id := range c.p.Imported() {
		ids = append(ids, id[:strings.Index(id, "--")])
	}
	slices.Sort(ids)
	if got := strings.Join(ids, " "); got != "autonomous-system identity ipv4-addr relationship" || c.p.Pushed() != 1 {
		t.Errorf("imported %s in %d messages", got, c.p.Pushed())
	}
	openctitest.NoProblems(t, c.p)
}

func TestMissingReference(t *testing.T) {
	c, id := newWork(t, sandbox.Options{})
	c.received(id)
	c.push(id, bundle(belongs)) // the address is known, the system is not
	c.processed(id, "", false)
	w := c.p.Work(id)
	if !w.Complete() || len(w.Errors) != 1 || !strings.HasPrefix(w.Errors[0], "MISSING_REFERENCE_ERROR") {
		t.Errorf("work is %v", w)
	}
	if len(c.p.Imported()) != 0 {
		t.Errorf("imported %v", c.p.Imported())
	}
	wantProblems(t, c.p, sandbox.ErrReference)
}

func TestPlaybook(t *testing.T) {
	for _, tt := range []struct {
		name     string
		bundle   string
		replace  map[string]any
		problems []error
	}{
		{"complete", bundle(address, system), nil, nil},
		{"lost an object", bundle(system), nil, []error{sandbox.ErrStepBundle}},
		{"no bundle", `{}`, nil, []error{sandbox.ErrStepBundle}},
		{"other step", bundle(address), map[string]any{"step_id": "x"}, []error{sandbox.ErrStepIDs}},
		{"other previous bundle", bundle(address), map[string]any{"previous_bundle": bundle()}, []error{sandbox.ErrStepBundle}},
		{"no time", bundle(address), map[string]any{"execution_start": "now"}, []error{sandbox.ErrStepIDs}},
		{"unknown", bundle(address), map[string]any{"execution_id": "x"}, []error{sandbox.ErrUnknownExecution}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, _ := newWork(t, sandbox.Options{})
			id, err := c.p.Playbook(t.Context(), "ipv4-addr--12592121-be4c-5a93-a813-5a5af16e50db")
			if err != nil {
				t.Fatal(err)
			}
			message := c.p.Queued()[1]
			known := c.step(message, tt.bundle, tt.replace)
			if unknown := tt.replace["execution_id"] != nil; known != !unknown {
				t.Errorf("answer is %v", known)
			}
			wantProblems(t, c.p, tt.problems...)
			if tt.problems != nil {
				return
			}
			s, err := c.p.WaitStep(openctitest.Context(t), id)
			if err != nil || string(s.Bundle) != tt.bundle || s.StepID == "" || c.p.StepSent(id) != 1 {
				t.Errorf("%v: %+v", err, s)
			}
			c.step(message, tt.bundle, nil)
			wantProblems(t, c.p, sandbox.ErrDuplicateStep)
		})
	}
}
