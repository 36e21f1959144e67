package opencti

import (
	"bytes"
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/enrichgate/enrichgate/enrich"
	"github.com/enrichgate/enrichgate/stixconv"
)

// transcript is all that one message makes us say, to the platform and to the broker.
type transcript struct {
	lines  []string
	bodies []map[string]any
}

// Publish implements publisher.
func (s *transcript) Publish(_ context.Context, messages []*outgoing) error {
	for _, m := range messages {
		var body map[string]any
		if err := json.Unmarshal(m.body, &body); err != nil {
			return err
		}
		s.bodies = append(s.bodies, body)
		content, _ := base64.StdEncoding.DecodeString(fmt.Sprint(body["content"]))
		body = mapsClone(body)
		body["content"] = json.RawMessage(content)
		s.lines = append(s.lines, "publish "+line(body))
		m.taken = true
	}
	return nil
}

func mapsClone(m map[string]any) map[string]any {
	c := map[string]any{}
	for k, v := range m {
		c[k] = v
	}
	return c
}

func line(v any) string {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return err.Error()
	}
	return strings.TrimSpace(b.String())
}

// flow is one way that a message may take.
type flow struct {
	// file is the message; "" for none.
	file string
	// version of the platform; "" for the newest.
	version string
	// read is what the platform says of the entity, or a change of what the
	// vector says, "old => new".
	read   string
	change func(*Config)
	handle func(context.Context, enrich.Message, enrich.Reporter) error
	// arrive, if set, brings the message instead of the broker; after, if set,
	// is what follows.
	arrive, after func(*testing.T, *Connector, *transcript)
}

// talk goes the flow with a connector whose platform answers as the vectors do,
// and returns what was said.
func (f flow) talk(t *testing.T) (*transcript, *paper) {
	t.Helper()
	s, p := &transcript{}, newPaper()
	p.answer(t, f)
	p.said = func(query string, variables map[string]any) {
		s.lines = append(s.lines, "graphql "+strings.Join(strings.Fields(query), " ")+" "+line(variables))
	}
	c := p.connector(t, func(c *Config) {
		c.ID, c.Name = "b5d1e2f0-6c1a-4a0b-9d3e-7f2a1c0e9b11", "Example Enrichment"
		c.Scope, c.Auto, c.EnrichmentResolution = []string{"IPv4-Addr", "Domain-Name", "StixFile"}, true, "none"
		c.Handle, c.receivedAfter = f.handle, time.Hour // however slow this machine is
		if f.change != nil {
			f.change(c)
		}
	})
	if err := c.register(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := c.ping(t.Context()); err != nil {
		t.Fatal(err)
	}
	switch {
	case f.arrive != nil:
		f.arrive(t, c, s)
	case f.file != "":
		if err := c.consume(t.Context(), delivery{body: vector(t, f.file)}, s); err != nil {
			t.Fatal(err)
		}
	}
	if f.after != nil {
		f.after(t, c, s)
	}
	return s, p
}

// answer has the paper answer as the platform of a flow.
func (p *paper) answer(t *testing.T, f flow) {
	t.Helper()
	var read struct {
		Response struct{ Data json.RawMessage }
	}
	vectorInto(t, "13-read-entity.json", &read)
	p.answers["ReadForEnrichment"] = cmp.Or(f.read, string(read.Response.Data))
	if from, to, is := strings.Cut(f.read, " => "); is {
		p.answers["ReadForEnrichment"] = strings.Replace(string(read.Response.Data), from, to, 1)
	}
	registration := "02-register-response-7x.json"
	if strings.HasPrefix(f.version, "6.") {
		registration = "03-register-response-6x.json"
	}
	if f.version != "" {
		p.answers["healthCheck"] = `{"about":{"version":` + quoted(f.version) + `}}`
	}
	var registered struct{ Data json.RawMessage }
	vectorInto(t, registration, &registered)
	p.answers["RegisterConnector"] = string(registered.Data)
	p.answers["PlaybookStepExecution"] = `{"playbookStepExecution":true}`
	p.answers["DraftWorkspaceAdd"] = `{"draftWorkspaceAdd":{"id":"5e1b8d0a-2f3c-4d5e-8f60-718293a4b5c6"}}`
}

// vectorBundle is the result that the vectors are about.
func vectorBundle(t *testing.T) stixconv.Bundle {
	t.Helper()
	b, err := stixconv.DecodeBundle(vector(t, "15-enrichment-bundle.json"))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func delivers(t *testing.T, words string) func(context.Context, enrich.Message, enrich.Reporter) error {
	b := vectorBundle(t)
	return func(ctx context.Context, _ enrich.Message, to enrich.Reporter) error {
		if err := to.Received(ctx); err != nil {
			return err
		}
		if err := to.Deliver(ctx, b); err != nil {
			return err
		}
		return to.Processed(ctx, words, false)
	}
}

// same compares as JSON, so that the order of keys does not count.
func same(t *testing.T, what string, got, want any) {
	t.Helper()
	plain := func(v any) (out any) {
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(b, &out); err != nil {
			t.Fatal(err)
		}
		return out
	}
	if g, w := plain(got), plain(want); !reflect.DeepEqual(g, w) {
		t.Errorf("%s is\n%s\nnot\n%s", what, line(g), line(w))
	}
}

// The published messages are those of OpenCTI's own client, byte for byte but
// for the order of keys.
func TestMessagesAreTheClients(t *testing.T) {
	var v struct {
		Messages []struct {
			Body    map[string]any
			Decoded map[string]any `json:"content_decoded"`
		}
	}
	vectorInto(t, "16-push-messages.json", &v)
	s, p := flow{file: "05-msg-manual-7x.json", handle: delivers(t, "x")}.talk(t)
	if len(s.bodies) != len(v.Messages) || len(v.Messages) != 5 {
		t.Fatalf("%d messages, not %d", len(s.bodies), len(v.Messages))
	}
	for i, want := range v.Messages {
		got := s.bodies[i]
		content, err := base64.StdEncoding.DecodeString(got["content"].(string))
		if err != nil {
			t.Fatal(err)
		}
		same(t, fmt.Sprintf("content %d", i), json.RawMessage(content), want.Decoded)
		delete(got, "content")
		delete(want.Body, "content")
		same(t, fmt.Sprintf("message %d", i), got, want.Body)
	}
	if n := len(p.asked["workBegin"]); n != 1 {
		t.Errorf("the work was told %d times what to expect", n)
	}
}

// The variables of every call are the client's.
func TestCallsAreTheClients(t *testing.T) {
	calls := map[string][]map[string]any{}
	run := func(file string, change func(*Config), handle func(context.Context, enrich.Message, enrich.Reporter) error) {
		t.Helper()
		_, p := flow{file: file, change: change, handle: handle}.talk(t)
		for _, r := range p.requests {
			calls[p.name(r.Query)] = append(calls[p.name(r.Query)], r.Variables)
		}
	}
	run("05-msg-manual-7x.json", nil, delivers(t, "Sending 5 stix bundle(s) for worker import"))
	var life struct {
		Calls []struct{ Variables map[string]any }
	}
	vectorInto(t, "18-work-lifecycle.json", &life)
	begun := mapsClone(life.Calls[0].Variables)
	begun["expectations"] = life.Calls[1].Variables["expectations"]
	same(t, "the beginning", calls["workBegin"][0], begun)
	same(t, "the end", calls["workToProcessed"][0], life.Calls[3].Variables)
	var registration struct {
		Body struct{ Variables map[string]any }
	}
	vectorInto(t, "01-register-request.json", &registration)
	same(t, "the registration", calls["RegisterConnector"][0], registration.Body.Variables)
	var ping struct {
		Request struct{ Variables map[string]any }
	}
	vectorInto(t, "04-ping.json", &ping)
	same(t, "the ping", calls["PingConnector"][0], ping.Request.Variables)
	var read struct {
		Request struct{ Variables map[string]any }
	}
	vectorInto(t, "13-read-entity.json", &read)
	asked := mapsClone(calls["ReadForEnrichment"][0])
	delete(asked, "work") // who asked: see DIVERGENCES.md
	same(t, "the read", asked, read.Request.Variables)

	clear(calls)
	run("05-msg-manual-7x.json", nil, fails)
	var failed struct {
		OnError []struct{ Variables map[string]any } `json:"on_error"`
	}
	vectorInto(t, "18-work-lifecycle.json", &failed)
	same(t, "the failure", calls["workToProcessed"][0], failed.OnError[0].Variables)

	clear(calls)
	run("10-msg-playbook-7x.json", nil, delivers(t, "x"))
	var step struct {
		Request struct{ Variables map[string]any }
	}
	vectorInto(t, "17-playbook-step-execution.json", &step)
	got := calls["PlaybookStepExecution"][0]
	if _, err := time.Parse("2006-01-02T15:04:05+00:00", text(got["execution_start"])); err != nil {
		t.Error(err)
	}
	same(t, "the previous bundle", json.RawMessage(text(got["previous_bundle"])), json.RawMessage(text(step.Request.Variables["previous_bundle"])))
	for _, key := range []string{"execution_start", "previous_bundle", "bundle"} {
		delete(got, key)
		delete(step.Request.Variables, key)
	}
	same(t, "the step", got, step.Request.Variables)
	if slices.ContainsFunc([]string{"workBegin", "workToReceived", "workToProcessed", "addExpectations"}, func(op string) bool { return calls[op] != nil }) {
		t.Error("a playbook step has no work to tell")
	}

	clear(calls)
	run("05-msg-manual-7x.json", func(c *Config) { c.QueueProtocol = ProtocolAPI }, delivers(t, "x"))
	var push struct {
		Request struct{ Variables map[string]any }
	}
	vectorInto(t, "19-stix-bundle-push.json", &push)
	pushed := calls["StixBundlePush"][0]
	same(t, "the pushed bundle", json.RawMessage(text(pushed["bundle"])), json.RawMessage(text(push.Request.Variables["bundle"])))
	same(t, "the push's work", pushed["work_id"], push.Request.Variables["work_id"])
}

// The file of the directory output is the client's.
func TestDirectoryDocumentIsTheClients(t *testing.T) {
	dir := t.TempDir()
	flow{file: "05-msg-manual-7x.json", change: func(c *Config) { c.Output.Directory = dir }, handle: delivers(t, "x")}.talk(t)
	files, _ := filepath.Glob(filepath.Join(dir, "example_enrichment-*.json"))
	if len(files) != 1 {
		t.Fatalf("%d files", len(files))
	}
	b, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	same(t, "the file", json.RawMessage(b), json.RawMessage(vector(t, "22-directory-bundle.json")))
}

// Refusals are told apart as the platform means them.
func TestRefusals(t *testing.T) {
	var v map[string]struct {
		Status int `json:"http_status"`
		Body   json.RawMessage
	}
	vectorInto(t, "20-graphql-errors.json", &v)
	for name, want := range map[string]struct {
		code               string
		transient, refused bool
	}{
		"bad_or_missing_token":                  {"AUTH_REQUIRED", true, true},
		"missing_capability":                    {"FORBIDDEN_ACCESS", true, true},
		"unknown_field_on_older_platform":       {"GRAPHQL_VALIDATION_FAILED", false, false},
		"unknown_input_field_on_older_platform": {"BAD_USER_INPUT", false, false},
		"locked_draft":                          {"DRAFT_LOCKED", false, false},
	} {
		err := decodeAnswer("op", v[name].Status, v[name].Body, nil)
		api, ok := err.(*APIError)
		if !ok || api.Code != want.code || transient(err) != want.transient || refusesUs(err) != want.refused || !notPerformed(err) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
