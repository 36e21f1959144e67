package openctitest_test

import (
	"strings"
	"testing"

	"github.com/enrichgate/enrichgate/enrich/opencti/openctitest"
)

func TestSchema(t *testing.T) {
	const (
		register = `mutation R($input: RegisterConnectorInput) { registerConnector(input: $input) { id jwks config { s3 { port } } } }`
		plain    = `mutation R($input: RegisterConnectorInput) { registerConnector(input: $input) { id config { listen } } }`
		push     = `mutation P($c: String!, $b: String!, $w: String) { stixBundlePush(connectorId: $c, bundle: $b, work_id: $w) }`
		expect   = `mutation X($id: ID!, $n: Int) { workEdit(id: $id) { addExpectations(expectations: $n) } }`
	)
	input := func(extra string) map[string]any {
		m := map[string]any{"id": "x", "name": "Name", "type": "INTERNAL_ENRICHMENT", "scope": []any{"IPv4-Addr"}}
		if extra != "" {
			m[extra] = "none"
		}
		return map[string]any{"input": m}
	}
	for _, tt := range []struct {
		version, query string
		vars           map[string]any
		wrong          string // part of the error
	}{
		{"7.260817.0", register, input("enrichment_resolution"), ""},
		{"7.300101.0", register, input("enrichment_resolution"), ""},
		{"7.260817.0", register, input("nonsense"), "nonsense"},
		{"7.260817.0", `{ about { versions } }`, nil, "versions"},
		{"7.260817.0", expect, map[string]any{"id": "x", "n": 3.0}, ""},
		{"7.260817.0", expect, map[string]any{"id": "x", "n": "three"}, "Int"},
		{"7.260817.0", expect, map[string]any{"n": 3}, "id"},
		{"7.260223.0", register, input(""), "jwks"},
		{"6.9.9", strings.Replace(register, "jwks", "", 1), input(""), "s3"},
		{"6.9.10", strings.Replace(register, "jwks", "", 1), input("enrichment_resolution"), ""},
		{"6.8.8", plain, input("enrichment_resolution"), "enrichment_resolution"},
		{"6.5.6", plain, input("listen_callback_uri"), "listen_callback_uri"},
		{"6.5.6", push, map[string]any{"c": "", "b": ""}, "work_id"},
		{"6.5.7", push, map[string]any{"c": "", "b": ""}, ""},
	} {
		err := openctitest.SchemaFor(t, tt.version)(tt.query, tt.vars)
		if (err == nil) != (tt.wrong == "") || err != nil && !strings.Contains(err.Error(), tt.wrong) {
			t.Errorf("%s: %s: %v, want an error about %q", tt.version, tt.query, err, tt.wrong)
		}
	}
	if err := openctitest.Schema(t)(register, input("")); err != nil {
		t.Error(err)
	}
}
