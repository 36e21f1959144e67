package opencti

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/enrichgate/enrichgate/enrich"
	"github.com/enrichgate/enrichgate/stixconv"
)

// stamps are what differs from run to run.
var stamps = regexp.MustCompile(`"execution_start":"[^"]+"`)

var update = flag.Bool("update", false, "write the golden transcripts anew")

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

// talk has one message handled by a connector that answers with the bundle of
// the vectors, and returns what was said.
func talk(t *testing.T, file string, change func(*Config), handle func(context.Context, enrich.Message, enrich.Reporter) error) (*transcript, *paper) {
	t.Helper()
	s := &transcript{}
	p := newPaper()
	var read struct {
		Response struct{ Data json.RawMessage }
	}
	vectorInto(t, "13-read-entity.json", &read)
	var registered struct{ Data json.RawMessage }
	vectorInto(t, "02-register-response-7x.json", &registered)
	p.answers["ReadForEnrichment"] = string(read.Response.Data)
	p.answers["RegisterConnector"] = string(registered.Data)
	p.answers["PlaybookStepExecution"] = `{"playbookStepExecution":true}`
	p.said = func(query string, variables map[string]any) {
		s.lines = append(s.lines, "graphql "+strings.Join(strings.Fields(query), " ")+" "+line(variables))
	}
	c := p.connector(t, func(c *Config) {
		c.ID, c.Name = "b5d1e2f0-6c1a-4a0b-9d3e-7f2a1c0e9b11", "Example Enrichment"
		c.Scope, c.Auto, c.EnrichmentResolution = []string{"IPv4-Addr", "Domain-Name", "StixFile"}, true, "none"
		c.Handle = handle
		change(c)
	})
	if err := c.register(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := c.ping(t.Context()); err != nil {
		t.Fatal(err)
	}
	if file != "" {
		if err := c.consume(t.Context(), delivery{body: vector(t, file)}, s); err != nil {
			t.Fatal(err)
		}
	}
	return s, p
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

func fails(ctx context.Context, _ enrich.Message, to enrich.Reporter) error {
	if err := to.Received(ctx); err != nil {
		return err
	}
	return to.Processed(ctx, "quota exceeded", true)
}

// What the daemon says in every flow is written down; a change shows in review.
func TestTranscripts(t *testing.T) {
	nothing := func(*Config) {}
	words := "Sending 5 stix bundle(s) for worker import"
	for name, f := range map[string]struct {
		file   string
		change func(*Config)
		handle func(context.Context, enrich.Message, enrich.Reporter) error
	}{
		"register-and-ping": {"", nothing, nil},
		"manual":            {"05-msg-manual-7x.json", nothing, delivers(t, words)},
		"manual-6.3":        {"09-msg-manual-6.3.json", nothing, delivers(t, words)},
		"automatic-draft":   {"07-msg-auto-update-in-draft-7x.json", nothing, delivers(t, words)},
		"playbook":          {"10-msg-playbook-7x.json", nothing, delivers(t, words)},
		"failed":            {"05-msg-manual-7x.json", nothing, fails},
		"api":               {"05-msg-manual-7x.json", func(c *Config) { c.QueueProtocol = ProtocolAPI }, delivers(t, words)},
		"no-queue":          {"05-msg-manual-7x.json", func(c *Config) { c.Output.NoQueue = true }, delivers(t, words)},
	} {
		t.Run(name, func(t *testing.T) {
			s, _ := talk(t, f.file, f.change, f.handle)
			got := stamps.ReplaceAllString(strings.Join(s.lines, "\n")+"\n", `"execution_start":"<now>"`)
			file := filepath.Join("testdata", "transcript-"+name+".golden")
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("it says\n%s\nnot\n%s", got, want)
			}
		})
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
	s, p := talk(t, "05-msg-manual-7x.json", func(*Config) {}, delivers(t, "x"))
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
		_, p := talk(t, file, change, handle)
		for _, r := range p.requests {
			calls[p.name(r.Query)] = append(calls[p.name(r.Query)], r.Variables)
		}
	}
	run("05-msg-manual-7x.json", func(*Config) {}, delivers(t, "Sending 5 stix bundle(s) for worker import"))
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
	run("05-msg-manual-7x.json", func(*Config) {}, fails)
	var failed struct {
		OnError []struct{ Variables map[string]any } `json:"on_error"`
	}
	vectorInto(t, "18-work-lifecycle.json", &failed)
	same(t, "the failure", calls["workToProcessed"][0], failed.OnError[0].Variables)

	clear(calls)
	run("10-msg-playbook-7x.json", func(*Config) {}, delivers(t, "x"))
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
	talk(t, "05-msg-manual-7x.json", func(c *Config) { c.Output.Directory = dir }, delivers(t, "x"))
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
