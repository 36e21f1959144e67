package settings

import (
	"bytes"
	"encoding/json"
	"slices"
	"strconv"
)

// schemaID names the schema; nothing is fetched from there.
const schemaID = "https://github.com/enrichgate/enrichgate/blob/main/__metadata__/connector_config_schema.json"

// property is one setting as OpenCTI's form of a managed connector knows it.
type property struct {
	Description string   `json:"description"`
	Type        string   `json:"type"`
	Const       string   `json:"const,omitempty"`
	Enum        []string `json:"enum,omitempty"`
	Format      string   `json:"format,omitempty"`
	Default     any      `json:"default,omitempty"`
	WriteOnly   bool     `json:"writeOnly,omitempty"`
}

// Schema is the JSON Schema of what a managed connector is given as
// environment. The platform gives CONNECTOR_ID itself and knows six formats;
// whatever has a default there is sent, so what the image sets has none.
func Schema(sources []SourceSpec) ([]byte, error) {
	var properties bytes.Buffer
	required := []string{}
	for _, s := range schemaSettings(sources) {
		text, err := json.Marshal(s.property())
		if err != nil {
			return nil, err
		}
		if properties.Len() > 0 {
			properties.WriteByte(',')
		}
		properties.WriteString(strconv.Quote(s.Name) + ":")
		properties.Write(text)
		if s.Required {
			required = append(required, s.Name)
		}
	}
	want, err := json.Marshal(required)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	err = json.Indent(&out, []byte(`{"$schema":"https://json-schema.org/draft/2020-12/schema","$id":"`+schemaID+`","type":"object","properties":{`+
		properties.String()+`},"required":`+string(want)+`,"additionalProperties":true}`), "", "  ")
	out.WriteByte('\n')
	return out.Bytes(), err
}

// schemaSettings are those that make sense where there is no file and the
// image says where the data is: of each source what the samples show.
func schemaSettings(sources []SourceSpec) []Setting {
	all, _ := sampled(sources)
	return slices.DeleteFunc(all, func(s Setting) bool {
		return s.Name == "CONNECTOR_ID" || s.Name == "ENRICHGATE_CONFIG" || s.Name == "ENRICHGATE_DATA_DIR"
	})
}

func (s Setting) property() property {
	p := property{Description: s.Help, Type: "string"}
	if s.DefaultNote != "" {
		p.Description += " Default: " + s.DefaultNote + "."
	}
	if s.Default != "" {
		p.Default = s.Default
	}
	switch s.Kind {
	case KindBool:
		p.Type = "boolean"
		if s.Default != "" {
			p.Default = s.Default == "true"
		}
	case KindInt:
		p.Type = "integer"
		if n, err := strconv.Atoi(s.Default); err == nil {
			p.Default = n
		}
	case KindDuration:
		p.Format = "duration"
	case KindURL:
		p.Format = "uri"
	case KindTLP:
		p.Enum = []string{"TLP:CLEAR", "TLP:WHITE", "TLP:GREEN", "TLP:AMBER", "TLP:AMBER+STRICT", "TLP:RED"}
	case KindEnum:
		if p.Enum = s.Values; len(s.Values) == 1 {
			p.Enum, p.Const = nil, s.Values[0]
		}
	case KindList, KindQuota:
		p.Description += " Several stand between commas."
	}
	if s.Secret {
		p.Format, p.WriteOnly = "password", true
	}
	return p
}
