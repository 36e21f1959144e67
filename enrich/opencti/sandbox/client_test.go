package sandbox_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"testing"

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
