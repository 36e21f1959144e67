package settings

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// What OpenCTI's platform asks of the schema of a connector that it manages:
// another format or keyword there refuses a whole catalogue.
func TestSchemaFollowsThePlatform(t *testing.T) {
	b, err := Schema(many())
	if err != nil {
		t.Fatal(err)
	}
	var schema struct {
		Properties map[string]map[string]any
		Required   []string
	}
	if err := json.Unmarshal(b, &schema); err != nil {
		t.Fatal(err)
	}
	if _, given := schema.Properties["CONNECTOR_ID"]; given || len(schema.Properties) < 50 {
		t.Errorf("%d properties", len(schema.Properties))
	}
	if !slices.Equal(schema.Required, []string{"OPENCTI_URL", "OPENCTI_TOKEN"}) {
		t.Errorf("required: %q", schema.Required)
	}
	words := []string{"description", "type", "const", "enum", "format", "default", "writeOnly"}
	formats := []any{nil, "password", "uri", "duration", "email", "date-time", "date"}
	for name, p := range schema.Properties {
		if !regexp.MustCompile(`^[A-Z][A-Z0-9]*(_[A-Z0-9]+)+$`).MatchString(name) {
			t.Errorf("%s: not a flat name", name)
		}
		for key := range p {
			if !slices.Contains(words, key) {
				t.Errorf("%s has the keyword %s", name, key)
			}
		}
		if !slices.Contains(formats, p["format"]) || p["description"] == "" {
			t.Errorf("%s: %v", name, p)
		}
		if secret := p["format"] == "password"; secret != (p["writeOnly"] == true) || secret && p["default"] != nil {
			t.Errorf("%s is half a secret: %v", name, p)
		}
		if p["format"] == "duration" && p["default"] != nil && !strings.HasPrefix(p["default"].(string), "P") {
			t.Errorf("%s: %v is not ISO 8601", name, p["default"])
		}
	}
	for _, s := range Table(many()) {
		if p, shown := schema.Properties[s.Name]; shown && s.Secret != (p["writeOnly"] == true) {
			t.Errorf("%s: a secret that may be read, or the reverse", s.Name)
		}
	}
	// The platform sends every default as an environment variable: they load.
	var env []string
	for name, p := range schema.Properties {
		if text, err := json.Marshal(p["default"]); err == nil && p["default"] != nil {
			env = append(env, name+"="+strings.Trim(string(text), `"`))
		}
	}
	o := options(t, append(env, "OPENCTI_URL=http://localhost", "OPENCTI_TOKEN=token", "CONNECTOR_ID="+testID, "VIRUSTOTAL_API_KEY=key")...)
	o.Sources = many()
	if s := load(t, o); s.Connectors[0].Source != "virustotal" {
		t.Errorf("got %+v", s.Connectors)
	}
}
