package sandbox_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"testing"

	"github.com/enrichgate/enrichgate/enrich/opencti/openctitest"
	"github.com/enrichgate/enrichgate/enrich/opencti/sandbox"
)

// client is the smallest connector: it says what it is told to say.
type client struct {
	tb     testing.TB
	p      *sandbox.Platform
	id     string
	token  string
	header map[string]string
}

func newClient(tb testing.TB, opt sandbox.Options) *client {
	tb.Helper()
	p := openctitest.StartPlatform(tb, opt)
	return &client{tb: tb, p: p, id: openctitest.NewConnectorID(), token: p.Token()}
}

type reply struct {
	status int
	body   string
	Data   map[string]any
	Errors []struct {
		Message    string
		Path       []string
		Name       string
		Extensions struct {
			Code string
			Data map[string]any
		}
	}
}

func (r reply) code() string {
	if len(r.Errors) == 0 {
		return ""
	}
	return r.Errors[0].Extensions.Code
}

// try sends a document and returns the answer, or the transport's error.
func (c *client) try(ctx context.Context, query string, variables map[string]any) (reply, error) {
	c.tb.Helper()
	body, err := json.Marshal(map[string]any{"query": query, "variables": variables})
	if err != nil {
		c.tb.Fatal(err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.p.URL()+"/graphql", bytes.NewReader(body))
	if err != nil {
		c.tb.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+c.token)
	req.Header.Set("Content-Type", "application/json")
	for k, v := range c.header {
		req.Header.Set(k, v)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return reply{}, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return reply{}, err
	}
	r := reply{status: resp.StatusCode, body: string(text)}
	_ = json.Unmarshal(text, &r) // faults answer other things than JSON
	return r, nil
}

// do sends a document that must succeed.
func (c *client) do(query string, variables map[string]any) map[string]any {
	c.tb.Helper()
	r, err := c.try(c.tb.Context(), query, variables)
	if err != nil {
		c.tb.Fatal(err)
	}
	if r.status != http.StatusOK || len(r.Errors) > 0 {
		c.tb.Fatalf("%s: %d %s", query, r.status, r.body)
	}
	return r.Data
}

const registerQuery = `mutation RegisterConnector($input: RegisterConnectorInput) {
  registerConnector(input: $input) {
    id connector_state %s
    config { connection { host vhost use_ssl port user pass } listen listen_routing listen_exchange push push_routing push_exchange }
    connector_user_id
  }
}`

// register registers with the fields and inputs of the version.
func (c *client) register(version string, input map[string]any) map[string]any {
	c.tb.Helper()
	all := map[string]any{
		"id": c.id, "name": "Test", "type": "INTERNAL_ENRICHMENT", "scope": []string{"IPv4-Addr", "Security-Coverage"},
		"auto": true, "only_contextual": false, "playbook_compatible": true,
		"auto_update": true, "enrichment_resolution": "none", "listen_callback_uri": nil,
	}
	for k, v := range input {
		all[k] = v
	}
	jwks := "jwks"
	for _, gate := range sandbox.Missing(version) {
		if gate.Type == "RegisterConnectorInput" {
			delete(all, gate.Field)
		}
		if gate.Field == "jwks" {
			jwks = ""
		}
	}
	data := c.do(fmt.Sprintf(registerQuery, jwks), map[string]any{"input": all})
	return data["registerConnector"].(map[string]any)
}

func (c *client) ping(state string) reply {
	c.tb.Helper()
	r, err := c.try(c.tb.Context(), `mutation PingConnector($id: ID!, $state: String, $connectorInfo: ConnectorInfoInput) {
		pingConnector(id: $id, state: $state, connectorInfo: $connectorInfo) {
			id connector_state connector_info { run_and_terminate buffering queue_threshold queue_messages_size next_run_datetime last_run_datetime }
		}
	}`, map[string]any{"id": c.id, "state": state, "connectorInfo": map[string]any{
		"run_and_terminate": false, "buffering": false, "queue_threshold": 500.0, "queue_messages_size": 0.0,
		"next_run_datetime": nil, "last_run_datetime": nil,
	}})
	if err != nil {
		c.tb.Fatal(err)
	}
	return r
}

func (c *client) received(id string) {
	c.tb.Helper()
	c.do(`mutation workToReceived($id: ID!, $message: String) { workEdit(id: $id) { toReceived(message: $message) } }`,
		map[string]any{"id": id, "message": "Connector ready to process the operation"})
}

func (c *client) expect(id string, n int) {
	c.tb.Helper()
	c.do(`mutation addExpectations($id: ID!, $expectations: Int) { workEdit(id: $id) { addExpectations(expectations: $expectations) } }`,
		map[string]any{"id": id, "expectations": n})
}

func (c *client) processed(id, message string, inError bool) {
	c.tb.Helper()
	c.do(`mutation workToProcessed($id: ID!, $message: String, $inError: Boolean) { workEdit(id: $id) { toProcessed(message: $message, inError: $inError) } }`,
		map[string]any{"id": id, "message": message, "inError": inError})
}

const pushQuery = `mutation StixBundlePush($connectorId: String!, $bundle: String!, $work_id: String) {
	stixBundlePush(connectorId: $connectorId, bundle: $bundle, work_id: $work_id)
}`

func (c *client) push(workID, bundle string) {
	c.tb.Helper()
	c.do(pushQuery, map[string]any{"connectorId": c.id, "bundle": bundle, "work_id": workID})
}

const stepQuery = `mutation PlaybookStepExecution($execution_id: ID!, $event_id: ID!, $execution_start: DateTime!, $data_instance_id: ID!, $playbook_id: ID!, $previous_step_id: ID!, $step_id: ID!, $previous_bundle: String!, $bundle: String!) {
  playbookStepExecution(execution_id: $execution_id, event_id: $event_id, execution_start: $execution_start, data_instance_id: $data_instance_id, playbook_id: $playbook_id, previous_step_id: $previous_step_id, step_id: $step_id, previous_bundle: $previous_bundle, bundle: $bundle)
}`

// step answers a playbook message by the bundle, echoing its ids but for those replaced.
func (c *client) step(message []byte, bundle string, replace map[string]any) any {
	c.tb.Helper()
	var m struct {
		Internal struct{ Playbook map[string]any }
		Event    struct{ Bundle json.RawMessage }
	}
	if err := json.Unmarshal(message, &m); err != nil {
		c.tb.Fatal(err)
	}
	vars := m.Internal.Playbook
	vars["execution_start"] = "2026-08-22T10:00:01+00:00"
	vars["previous_bundle"] = string(m.Event.Bundle)
	vars["bundle"] = bundle
	for k, v := range replace {
		vars[k] = v
	}
	return c.do(stepQuery, vars)["playbookStepExecution"]
}

// wantProblems compares the kinds of the problems seen so far.
func wantProblems(tb testing.TB, p *sandbox.Platform, kinds ...error) {
	tb.Helper()
	got := p.Problems()
	if len(got) != len(kinds) {
		tb.Fatalf("problems are %v, want %v", got, kinds)
	}
	for i := range kinds {
		if !errors.Is(got[i], kinds[i]) {
			tb.Errorf("problem %d is %v, want %v", i, got[i], kinds[i])
		}
	}
}
