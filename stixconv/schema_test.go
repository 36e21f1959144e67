package stixconv

import (
	"bytes"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// schemas are OASIS' own, by the names of their files.
type schemas map[string]*jsonschema.Schema

// stixSchemas compiles the JSON schemas that OASIS publishes for STIX 2.1.
func stixSchemas(t testing.TB) schemas {
	t.Helper()
	const base = "http://raw.githubusercontent.com/oasis-open/cti-stix2-json-schemas/stix2.1/schemas/"
	files := os.DirFS("testdata/stix21")
	names, err := fs.Glob(files, "*/*.json")
	if err != nil || len(names) < 50 {
		t.Fatalf("%d schemas: %v", len(names), err)
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	for _, name := range names {
		text, err := fs.ReadFile(files, name)
		if err != nil {
			t.Fatal(err)
		}
		doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		if err := c.AddResource(base+name, doc); err != nil {
			t.Fatal(err)
		}
	}
	all := schemas{}
	for _, name := range names {
		s, err := c.Compile(base + name)
		if err != nil {
			t.Fatal(err)
		}
		all[strings.TrimSuffix(path.Base(name), ".json")] = s
	}
	return all
}

// check validates one object. Types of OpenCTI's own have no schema, but what
// all observables have in common.
func (s schemas) check(o any) error {
	members, _ := o.(map[string]any)
	kind := text(members, "type")
	if kind == "marking-definition" {
		// OpenCTI's client shares markings with organizations like all else; STIX
		// lets nothing be added to them.
		delete(members, "x_opencti_granted_refs")
	}
	schema := s[kind]
	if schema == nil && observable(kind) {
		schema = s["cyber-observable-core"]
	}
	if schema == nil {
		return reject(kind, text(members, "id"), "STIX has no such type")
	}
	return schema.Validate(o)
}

// All bundles that tests keep as golden, here and of the sources that ship, are
// STIX 2.1 by OASIS' own schemas.
func TestGoldenBundlesAreSTIX(t *testing.T) {
	all := stixSchemas(t)
	files, err := filepath.Glob("../enrich/source/catalogue/*/golden/*.json")
	if err != nil || len(files) < 10 {
		t.Fatalf("%d golden bundles of sources: %v", len(files), err)
	}
	own, _ := filepath.Glob("testdata/golden-*.json")
	checked := 0
	for _, file := range append(files, own...) {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
		if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		bundle := doc.(map[string]any)
		objects := bundle["objects"].([]any)
		for _, o := range objects {
			if foreign := text(o.(map[string]any), "spec_version") == ""; foreign {
				continue // came in with a request
			}
			checked++
			if err := all.check(o); err != nil {
				t.Errorf("%s: %v", file, err)
			}
		}
	}
	if checked < 100 {
		t.Errorf("only %d objects were checked", checked)
	}
}

// The schemas can refuse: each of these is no STIX.
func TestSchemasRefuse(t *testing.T) {
	all := stixSchemas(t)
	for _, text := range []string{
		`{"type":"ipv4-addr","spec_version":"2.1","id":"ipv4-addr--12592121-be4c-5a93-a813-5a5af16e50db"}`,
		`{"type":"ipv4-addr","spec_version":"2.1","id":"domain-name--12592121-be4c-5a93-a813-5a5af16e50db","value":"192.0.2.1"}`,
		`{"type":"relationship","spec_version":"2.1","id":"relationship--12592121-be4c-4a93-a813-5a5af16e50db","created":"2026-08-01T00:00:00.000Z","modified":"2026-08-01T00:00:00.000Z","relationship_type":"uses"}`,
		`{"type":"malware","spec_version":"2.1","id":"malware--12592121-be4c-4a93-a813-5a5af16e50db","created":"yesterday","modified":"2026-08-01T00:00:00.000Z","is_family":true,"name":"x"}`,
		`{"type":"indicator","spec_version":"2.1","id":"indicator--12592121-be4c-4a93-a813-5a5af16e50db","created":"2026-08-01T00:00:00.000Z","modified":"2026-08-01T00:00:00.000Z","name":"x","pattern_type":"stix","valid_from":"2026-08-01T00:00:00.000Z"}`,
		`{"type":"widget","spec_version":"2.1","id":"widget--12592121-be4c-4a93-a813-5a5af16e50db"}`,
	} {
		doc, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		if all.check(doc) == nil {
			t.Errorf("passes: %s", text)
		}
	}
}
