package stixconv

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func day(d int) time.Time { return time.Date(2026, 8, d, 0, 0, 0, 0, time.UTC) }

func asOf() time.Time { return time.Date(2026, 8, 22, 10, 0, 5, 123456789, time.UTC) }

func score(n int) *int { return &n }

func author() Author { return Author{Name: "Example Threat Feed", TLP: "TLP:AMBER+STRICT"} }

// platformIPv4 is an entity as OpenCTI sends it.
func platformIPv4(t testing.TB) Object {
	t.Helper()
	o, err := Decode([]byte(`{
		"id": "ipv4-addr--12592121-be4c-5a93-a813-5a5af16e50db", "spec_version": "2.1", "type": "ipv4-addr",
		"extensions": {
			"extension-definition--ea279b3e-5c71-4632-ac08-831c66a786ba": {
				"extension_type": "property-extension", "id": "7a1f0b3a-4b59-4c0f-9d0a-2f5b1d0c9e11", "type": "IPv4-Addr",
				"created_at": "2026-08-22T09:00:00.000Z", "is_inferred": false,
				"labels_ids": ["0f0b6e0c-0000-4000-8000-000000000001"]},
			"extension-definition--f93e2c80-4231-4f9a-af8b-95c9bd566a82": {
				"extension_type": "property-extension", "labels": ["scanner"], "score": 50}},
		"object_marking_refs": ["marking-definition--34098fce-860f-48ae-8e50-ebd3cc5e41da"],
		"value": "198.51.100.7"}`))
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// contextObjects came with the entity in a playbook's bundle.
func contextObjects(t testing.TB) []Object {
	t.Helper()
	b, err := DecodeBundle([]byte(`{"objects":[
		{"id":"domain-name--3b96539c-807f-59c9-b4df-fe1865757b1e","type":"domain-name","value":"www.example.com","x_opencti_score":7.50,
		 "extensions":{"extension-definition--ea279b3e-5c71-4632-ac08-831c66a786ba":{"id":"d1","type":"Domain-Name","granted_refs":["identity--11111111-1111-4111-8111-111111111111"]}}},
		{"id":"note--82a364e0-5ef9-5374-9f85-e7f8d4e52be7","type":"note","content":"<kept & unchanged>","object_refs":["ipv4-addr--12592121-be4c-5a93-a813-5a5af16e50db"]},
		{"id":"identity--ba48e2b8-94e6-5029-9d7e-9a834dda346d","type":"identity","name":"Example Threat Feed","identity_class":"organization"}]}`))
	if err != nil {
		t.Fatal(err)
	}
	return b.Objects
}

func ipv4Facts() []Facts {
	return []Facts{
		{
			Score:      score(70),
			Labels:     []string{"Scanner", "brute-force", " brute-force "},
			Note:       "Seen scanning ports.",
			References: []Reference{{SourceName: "Example", URL: "https://www.example.com/ip/198.51.100.7", Description: "Lookup <result>"}, {ExternalID: "X-1"}},
			AsOf:       asOf(),
		},
		{
			Score: score(120),
			AsOf:  asOf().Add(time.Hour),
			Related: []Related{
				{Thing: Thing{Type: "domain-name", Value: "WWW.Example.COM."}, Relationship: "resolves-to", ToEntity: true, Start: day(1)},
				{Thing: Thing{Type: "domain-name", Value: "bücher.example"}, Relationship: "resolves-to", ToEntity: true},
				{Thing: Thing{Type: "file", Hashes: map[string]string{"MD5": "0123456789ABCDEF0123456789ABCDEF"}}, Relationship: "communicates-with", ToEntity: true, Start: day(2)},
				{Thing: Thing{Type: "file", Hashes: map[string]string{"md5": "0123456789abcdef0123456789abcdef", "sha1": "0123456789abcdef0123456789abcdef01234567"}}, Relationship: "communicates-with", ToEntity: true, Start: day(2)},
				{Thing: Thing{Type: "country", CountryCode: "fr"}, Relationship: "located-at"},
				{Thing: Thing{Type: "city", Name: "Paris", CountryCode: "FR", HasPosition: true, Latitude: 48.85, Longitude: 2.35}, Relationship: "located-at"},
				{Thing: Thing{Type: "autonomous-system", Number: 64500}, Relationship: "belongs-to"},
				{Thing: Thing{Type: "ipv4-addr", Value: "198.51.100.7"}, Relationship: "related-to"},
				{Thing: Thing{Type: "country", CountryCode: "A1"}, Relationship: "located-at"},
				{Thing: Thing{Type: "url", Value: "https://www.example.com/"}, Relationship: "communicates-with"},
			},
		},
	}
}

func domainInput() Input {
	return Input{
		Entity: Object{"id": "domain-name--3b96539c-807f-59c9-b4df-fe1865757b1e", "type": "domain-name", "value": "www.example.com",
			"x_opencti_labels": []any{"old"}, "x_opencti_created_by_ref": "identity--283d4ea0-b6f1-5421-bdab-117a33fdb2b7"},
		Author:     Author{Name: "Example Threat Feed", TLP: "green"},
		RequestTLP: []TLP{Clear, Red, Amber},
		BundleID:   "bundle--11111111-1111-4111-8111-111111111111",
		Granted:    []string{"identity--11111111-1111-4111-8111-111111111111", "identity--22222222-2222-4222-8222-222222222222"},
		Facts: []Facts{{
			Score: score(-3), Labels: []string{"OLD", "c2"}, AsOf: asOf(),
			References: []Reference{{URL: "javascript:alert(1)"}},
			Related: []Related{
				{Thing: Thing{Type: "ipv4-addr", Value: "198.51.100.7"}, Relationship: "resolves-to", Start: day(3)},
				{Thing: Thing{Type: "ipv4-addr", Value: "2001:DB8::7"}, Relationship: "resolves-to"},
				{Thing: Thing{Type: "domain-name", Value: "www.example.com."}, Relationship: "resolves-to"},
				{Thing: Thing{Type: "ipv4-addr", Value: "198.51.100.7"}, Relationship: "resolves-to", Start: day(3)},
				{Thing: Thing{Type: "file", Hashes: map[string]string{"SHA256": "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef", "MD5": "no"}}, Relationship: "communicates-with", ToEntity: true},
			},
		}},
	}
}

func fileInput() Input {
	return Input{
		Entity:   Object{"id": "file--5abe0dd7-4bcc-59de-bfd6-5dda910fd773", "type": "file", "name": "sample.bin", "hashes": map[string]any{"MD5": "0123456789ABCDEF0123456789ABCDEF"}},
		Author:   author(),
		BundleID: "bundle--11111111-1111-4111-8111-111111111111",
		Facts: []Facts{{
			Hashes: map[string]string{"MD5": "0123456789abcdef0123456789abcdef", "SHA-256": "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"},
			Size:   4096, Note: "Known dropper.", AsOf: asOf(),
			Related: []Related{
				{Thing: Thing{Type: "domain-name", Value: "c2.example.net"}, Relationship: "communicates-with"},
				{Thing: Thing{Type: "file", Hashes: map[string]string{"SHA-256": "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"}}, Relationship: "drops"},
			},
		}},
	}
}

func goldenInputs(t testing.TB) map[string]Input {
	const bundle = "bundle--11111111-1111-4111-8111-111111111111"
	return map[string]Input{
		"ipv4":   {Entity: platformIPv4(t), Facts: ipv4Facts(), Author: author(), RequestTLP: []TLP{Green}, BundleID: bundle},
		"domain": domainInput(),
		"file":   fileInput(),
		"empty":  {Entity: platformIPv4(t), Facts: []Facts{{AsOf: asOf()}}, Author: author(), BundleID: bundle},
		"playbook": {Entity: platformIPv4(t), Context: contextObjects(t), Facts: ipv4Facts(), Author: author(),
			BundleID: "2f1e0d9c-8b7a-4695-8473-62510f4e3d2c", Granted: []string{"identity--22222222-2222-4222-8222-222222222222"}},
	}
}

func TestConvertGolden(t *testing.T) {
	for name, in := range goldenInputs(t) {
		t.Run(name, func(t *testing.T) {
			before, err := json.Marshal(in)
			if err != nil {
				t.Fatal(err)
			}
			var first []byte
			for range 20 { // Maps are walked in another order each time.
				out, err := Convert(in)
				if err != nil {
					t.Fatal(err)
				}
				data := mustEncode(t, out.Bundle)
				if first == nil {
					first = data
				}
				if !bytes.Equal(data, first) {
					t.Fatalf("same input, other bytes\n%s\n%s", first, data)
				}
				if name != "empty" {
					foreign := []string{text(in.Entity, "id")}
					for _, o := range in.Context {
						foreign = append(foreign, text(o, "id"))
					}
					for _, problem := range checkMade(out.Bundle, foreign...) {
						t.Error(problem)
					}
				}
			}
			if after, _ := json.Marshal(in); !bytes.Equal(after, before) {
				t.Errorf("input changed\nfrom %s\nto   %s", before, after)
			}
			compareGolden(t, filepath.Join("testdata", "golden-"+name+".json"), first)
		})
	}
}

func compareGolden(t *testing.T, path string, data []byte) {
	t.Helper()
	var pretty bytes.Buffer
	if err := json.Indent(&pretty, data, "", "  "); err != nil {
		t.Fatal(err)
	}
	pretty.WriteByte('\n')
	if *update {
		if err := os.WriteFile(path, pretty.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(pretty.Bytes(), want) {
		t.Errorf("differs from %s; got\n%s", path, pretty.Bytes())
	}
}
