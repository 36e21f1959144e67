package source

import (
	"encoding/json"
	"os"
	"regexp"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// Every field of the schema is explained in the README, as are all types,
// classes, functions and ops.
func TestReadmeExplainsTheFormat(t *testing.T) {
	b, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	text := string(b)
	var words []string
	var walk func(any)
	walk = func(v any) {
		switch v := v.(type) {
		case []any:
			for _, e := range v {
				walk(e)
			}
		case map[string]any:
			if properties, ok := v["properties"].(map[string]any); ok {
				for name := range properties {
					words = append(words, name)
				}
			}
			if enum, ok := v["enum"].([]any); ok {
				for _, e := range enum {
					words = append(words, e.(string))
				}
			}
			for _, e := range v {
				walk(e)
			}
		}
	}
	for _, schema := range [][]byte{sourceSchemaText, fixturesSchemaText} {
		var doc any
		if err := json.Unmarshal(schema, &doc); err != nil {
			t.Fatal(err)
		}
		walk(doc)
	}
	for _, word := range words {
		if strings.HasPrefix(word, "TLP:") {
			continue
		}
		if !regexp.MustCompile(`(^|[^\w-])` + regexp.QuoteMeta(word) + `($|[^\w-])`).MatchString(text) {
			t.Errorf("the README says nothing of %s", word)
		}
	}
}

// What ships is held against the schema that ships, as an editor does it.
func TestCatalogueFitsTheSchema(t *testing.T) {
	for _, d := range catalogue(t) {
		var content any
		if err := yaml.Unmarshal(d.Text(), &content); err != nil {
			t.Fatal(err)
		}
		if err := sourceSchema().Validate(content); err != nil {
			t.Errorf("%s: %v", d.Name(), err)
		}
	}
}
