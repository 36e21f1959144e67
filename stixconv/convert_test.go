package stixconv

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"
)

func convert(t *testing.T, in Input) Output {
	t.Helper()
	if in.Author.Name == "" {
		in.Author = author()
	}
	out, err := Convert(in)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// find gives the objects of a type.
func find(b Bundle, kind string) (found []Object) {
	for _, o := range b.Objects {
		if text(o, "type") == kind {
			found = append(found, o)
		}
	}
	return found
}

func entityOf(t *testing.T, in Input, out Output) Object {
	t.Helper()
	for _, o := range out.Bundle.Objects {
		if o["id"] == in.Entity["id"] {
			return o
		}
	}
	t.Fatal("the entity is not in the bundle")
	return nil
}

// related converts one thing for a bare address and gives what was made.
func related(t *testing.T, r Related) (Output, error) {
	t.Helper()
	out := convert(t, Input{
		Entity: Object{"id": "ipv4-addr--12592121-be4c-5a93-a813-5a5af16e50db", "type": "ipv4-addr", "value": "198.51.100.7"},
		Facts:  []Facts{{AsOf: asOf(), Related: []Related{r}}},
	})
	return out, errors.Join(out.Rejected...)
}

func TestConvertCounts(t *testing.T) {
	in := goldenInputs(t)["ipv4"]
	out := convert(t, in)
	want := Counts{Things: 6, Relationships: 7, Notes: 1, Labels: 1, References: 2, ScoreSet: true}
	if out.Counts != want {
		t.Errorf("counts %+v, want %+v", out.Counts, want)
	}
	if len(out.Rejected) != 2 {
		t.Errorf("rejected %v, want the country and the relationship", out.Rejected)
	}
	for _, err := range out.Rejected {
		var rejected *RejectedError
		if !errors.As(err, &rejected) || rejected.Reason == "" || rejected.What == "" {
			t.Errorf("rejected %#v", err)
		}
	}
	if file := convert(t, fileInput()); file.Counts.Hashes != 2 || len(file.Rejected) != 0 {
		t.Errorf("file: %+v, %v", file.Counts, file.Rejected)
	}
}

func TestConvertNeedsEntityAndAuthor(t *testing.T) {
	good := Object{"id": "ipv4-addr--1", "type": "ipv4-addr"}
	for name, in := range map[string]Input{
		"no entity":       {Author: author()},
		"no type":         {Entity: Object{"id": "x"}, Author: author()},
		"no author":       {Entity: good, Author: Author{TLP: "TLP:RED"}},
		"no marking":      {Entity: good, Author: Author{Name: "A"}},
		"unknown marking": {Entity: good, Author: Author{Name: "A", TLP: "TLP:PINK"}},
		"unread request":  {Entity: good, Author: author(), RequestTLP: []TLP{Green, 0}},
		"beyond red":      {Entity: good, Author: author(), RequestTLP: []TLP{Red + 1}},
	} {
		if _, err := Convert(in); err == nil {
			t.Errorf("%s: converted", name)
		}
	}
}

func TestConvertSaysNothingNew(t *testing.T) {
	in := Input{Entity: platformIPv4(t), Context: contextObjects(t), Facts: []Facts{{Score: score(50), Labels: []string{"SCANNER"}, AsOf: asOf()}}}
	out := convert(t, in)
	if !out.Counts.Empty() || len(out.Bundle.Objects) != 4 {
		t.Errorf("%+v, %d objects", out.Counts, len(out.Bundle.Objects))
	}
	if before, _ := Encode(in.Entity); string(before) != string(must(Encode(out.Bundle.Objects[0]))) {
		t.Error("the entity changed though nothing new was said")
	}
	if again := convert(t, in); again.Bundle.ID != out.Bundle.ID || !strings.HasPrefix(out.Bundle.ID, "bundle--") {
		t.Errorf("made-up ids %s and %s", out.Bundle.ID, again.Bundle.ID)
	}
}

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

// Whichever of several keys the importer reads, it reads the same.
func TestConvertEntityKeys(t *testing.T) {
	reference := func(url string) map[string]any { return map[string]any{"source_name": "S", "url": url} }
	facts := []Facts{{Score: score(80), Labels: []string{"new"}, References: []Reference{{SourceName: "S", URL: "https://b.example/"}}, AsOf: asOf()}}
	const id = "ipv4-addr--12592121-be4c-5a93-a813-5a5af16e50db"
	for name, c := range map[string]struct {
		entity Object
		want   string
	}{
		"extension and flat keys": {
			Object{"id": id, "type": "ipv4-addr", "x_opencti_score": 10, "labels": []any{"b"}, "x_opencti_labels": []any{"A"},
				"external_references": []any{reference("https://a.example/")},
				"extensions":          map[string]any{observableExtension: map[string]any{"labels": []any{"a"}}}},
			`{"extensions":{"extension-definition--f93e2c80-4231-4f9a-af8b-95c9bd566a82":{"created_by_ref":"identity--ba48e2b8-94e6-5029-9d7e-9a834dda346d","external_references":[{"source_name":"S","url":"https://a.example/"},{"source_name":"S","url":"https://b.example/"}],"labels":["a","b","new"],"score":80}},"id":"` + id + `","type":"ipv4-addr"}`,
		},
		"flat observable": {
			Object{"id": id, "type": "ipv4-addr", "labels": []any{"b"}, "external_references": []any{reference("https://b.example/")}},
			`{"external_references":[{"source_name":"S","url":"https://b.example/"}],"id":"` + id + `","type":"ipv4-addr","x_opencti_created_by_ref":"identity--ba48e2b8-94e6-5029-9d7e-9a834dda346d","x_opencti_labels":["b","new"],"x_opencti_score":80}`,
		},
		"indicator": {
			Object{"id": "indicator--1", "type": "indicator", "created_by_ref": "identity--1", "x_opencti_score": 3,
				"extensions": map[string]any{mainExtension: map[string]any{"score": 20, "created_by_ref_id": "x"}}},
			`{"created_by_ref":"identity--1","extensions":{"extension-definition--ea279b3e-5c71-4632-ac08-831c66a786ba":{"created_by_ref_id":"x","score":80}},"external_references":[{"source_name":"S","url":"https://b.example/"}],"id":"indicator--1","labels":["new"],"type":"indicator"}`,
		},
		"author known by internal id": {
			Object{"id": "malware--1", "type": "malware", "extensions": map[string]any{mainExtension: map[string]any{"created_by_ref_id": "x"}}},
			`{"extensions":{"extension-definition--ea279b3e-5c71-4632-ac08-831c66a786ba":{"created_by_ref_id":"x"}},"external_references":[{"source_name":"S","url":"https://b.example/"}],"id":"malware--1","labels":["new"],"type":"malware","x_opencti_score":80}`,
		},
		"odd shapes": {
			Object{"id": id, "type": "ipv4-addr", "extensions": "none", "x_opencti_labels": "none", "x_opencti_score": "high"},
			`{"extensions":"none","id":"` + id + `","type":"ipv4-addr","x_opencti_created_by_ref":"identity--ba48e2b8-94e6-5029-9d7e-9a834dda346d","x_opencti_external_references":[{"source_name":"S","url":"https://b.example/"}],"x_opencti_labels":["new"],"x_opencti_score":80}`,
		},
	} {
		in := Input{Entity: c.entity, Facts: facts}
		if got := must(Encode(entityOf(t, in, convert(t, in)))); string(got) != c.want {
			t.Errorf("%s\ngot  %s\nwant %s", name, got, c.want)
		}
	}
}

func TestConvertRejectsOnlyTheBadThing(t *testing.T) {
	for name, r := range map[string]Related{
		"no address":         {Thing: Thing{Type: "ipv4-addr", Value: "198.51.100.256"}, Relationship: "related-to"},
		"a zone":             {Thing: Thing{Type: "ipv6-addr", Value: "fe80::1%eth0"}, Relationship: "related-to"},
		"an empty domain":    {Thing: Thing{Type: "domain-name"}, Relationship: "resolves-to", ToEntity: true},
		"an IP as a domain":  {Thing: Thing{Type: "domain-name", Value: "198.51.100.9"}, Relationship: "resolves-to", ToEntity: true},
		"a top-level domain": {Thing: Thing{Type: "domain-name", Value: "com."}, Relationship: "resolves-to", ToEntity: true},
		"a wildcard":         {Thing: Thing{Type: "domain-name", Value: "*.example.com"}, Relationship: "resolves-to", ToEntity: true},
		"two dots":           {Thing: Thing{Type: "domain-name", Value: "a..example.com"}, Relationship: "resolves-to", ToEntity: true},
		"a long name":        {Thing: Thing{Type: "domain-name", Value: strings.Repeat("a.", 130) + "com"}, Relationship: "resolves-to", ToEntity: true},
		"bad UTF-8":          {Thing: Thing{Type: "domain-name", Value: "\xff.example.com"}, Relationship: "resolves-to", ToEntity: true},
		"no host":            {Thing: Thing{Type: "url", Value: "/index.html"}, Relationship: "related-to"},
		"a long URL":         {Thing: Thing{Type: "url", Value: "https://a.example/" + strings.Repeat("a", maxURL)}, Relationship: "related-to"},
		"no hash":            {Thing: Thing{Type: "file"}, Relationship: "communicates-with", ToEntity: true},
		"a short hash":       {Thing: Thing{Type: "file", Hashes: map[string]string{"MD5": "0123"}}, Relationship: "communicates-with", ToEntity: true},
		"AS 0":               {Thing: Thing{Type: "autonomous-system"}, Relationship: "belongs-to"},
		"a large AS":         {Thing: Thing{Type: "autonomous-system", Number: 1 << 32}, Relationship: "belongs-to"},
		"a city nowhere":     {Thing: Thing{Type: "city", Name: "Paris"}, Relationship: "located-at"},
		"a city, no name":    {Thing: Thing{Type: "city", CountryCode: "FR"}, Relationship: "located-at"},
		"off the map":        {Thing: Thing{Type: "city", Name: "Paris", CountryCode: "FR", HasPosition: true, Latitude: nan()}, Relationship: "located-at"},
		"unknown type":       {Thing: Thing{Type: "malware", Value: "x"}, Relationship: "related-to"},
		"backwards":          {Thing: Thing{Type: "domain-name", Value: "a.example"}, Relationship: "resolves-to"},
		"an early start":     {Thing: Thing{Type: "domain-name", Value: "a.example"}, Relationship: "resolves-to", ToEntity: true, Start: time.Date(-5, 1, 1, 0, 0, 0, 0, time.UTC)},
	} {
		out, err := related(t, r)
		if err == nil || len(out.Bundle.Objects) != 1 || !out.Counts.Empty() {
			t.Errorf("%s: %v, %+v", name, err, out)
		}
	}
}

func TestConvertNormalizes(t *testing.T) {
	for _, c := range []struct {
		thing        Thing
		relationship string
		toEntity     bool
		kind, value  string
	}{
		{Thing{Type: "ipv4-addr", Value: " 2001:DB8:0:0::7 "}, "related-to", false, "ipv6-addr", "2001:db8::7"},
		{Thing{Type: "ipv6-addr", Value: "::ffff:198.51.100.9"}, "related-to", false, "ipv4-addr", "198.51.100.9"},
		{Thing{Type: "domain-name", Value: "_DMARC.Example.COM."}, "resolves-to", true, "domain-name", "_dmarc.example.com"},
		{Thing{Type: "domain-name", Value: "例え.テスト"}, "resolves-to", true, "domain-name", "xn--r8jz45g.xn--zckzah"},
		{Thing{Type: "url", Value: "https://www.Example.com/A?b=<c>"}, "related-to", false, "url", "https://www.Example.com/A?b=<c>"},
	} {
		out, err := related(t, Related{Thing: c.thing, Relationship: c.relationship, ToEntity: c.toEntity})
		if err != nil {
			t.Errorf("%v: %v", c.thing, err)
			continue
		}
		made := out.Bundle.Objects[3]
		if made["type"] != c.kind || made["value"] != c.value || made["id"] != ValueID(c.kind, c.value) {
			t.Errorf("%v became %v", c.thing, made)
		}
	}
}

func TestCountry(t *testing.T) {
	for code, want := range map[string]string{"FR": "France", "us": "United States", "XK": "Kosovo", "UK": "United Kingdom", "BO": "Bolivia"} {
		if _, name, err := country(code); err != nil || name != want {
			t.Errorf("%s: %q, %v, want %q", code, name, err, want)
		}
	}
	for _, code := range []string{"", "EU", "A1", "A2", "ZZ", "AP", "EZ", "UN", "AN", "001", "FRA", "F", "é", "XA", "AA"} {
		if iso, name, err := country(code); err == nil {
			t.Errorf("%q is taken as %s %q", code, iso, name)
		}
	}
}

// The entity is known under the platform's id and under the one that its value gives.
func TestConvertSelf(t *testing.T) {
	md5, sha := "0123456789abcdef0123456789abcdef", "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
	for name, in := range map[string]Input{
		"odd case": {Entity: Object{"id": "domain-name--015177f6-212a-5152-9e4d-70a39dd92c8f", "type": "domain-name", "value": "WWW.Example.COM"},
			Facts: []Facts{{Related: []Related{{Thing: Thing{Type: "domain-name", Value: "www.example.com"}, Relationship: "resolves-to"}}}}},
		"another hash": {Entity: Object{"id": "file--1", "type": "file", "hashes": map[string]any{"md5": md5, "SHA256": strings.ToUpper(sha)}},
			Facts: []Facts{{Related: []Related{{Thing: Thing{Type: "file", Hashes: map[string]string{"SHA-256": sha}}, Relationship: "drops"}}}}},
		"AS": {Entity: Object{"id": "autonomous-system--x", "type": "autonomous-system", "number": 64500.0},
			Facts: []Facts{{Related: []Related{{Thing: Thing{Type: "autonomous-system", Number: 64500}, Relationship: "related-to"}}}}},
	} {
		if out := convert(t, in); len(out.Bundle.Objects) != 1 || len(out.Rejected) != 0 {
			t.Errorf("%s: %+v", name, out)
		}
	}
	in := Input{Entity: Object{"id": "location--x", "type": "location", "name": "France", "x_opencti_location_type": "Country"},
		Facts: []Facts{{AsOf: asOf(), Related: []Related{{Thing: Thing{Type: "city", Name: "Lyon", CountryCode: "FR"}, Relationship: "located-at", ToEntity: true}}}}}
	out := convert(t, in)
	if places := find(out.Bundle, "location"); len(places) != 2 {
		t.Errorf("the entity's country was made again: %v", places)
	}
	if links := find(out.Bundle, "relationship"); len(links) != 1 || links[0]["target_ref"] != "location--x" {
		t.Errorf("relationships %v", links)
	}
}

// An answer about another file must not complete this one.
func TestConvertOtherFile(t *testing.T) {
	in := fileInput()
	in.Facts = []Facts{{Hashes: map[string]string{"MD5": strings.Repeat("f", 32), "SHA-1": strings.Repeat("a", 40)}, Size: 5}}
	out := convert(t, in)
	if len(out.Rejected) != 1 || !out.Counts.Empty() {
		t.Errorf("%+v %v", out.Counts, out.Rejected)
	}
	in.Facts = []Facts{{Size: 5}}
	in.Entity = Object{"id": "file--1", "type": "file", "name": "x", "size": 4}
	if out := convert(t, in); !out.Counts.Empty() {
		t.Error("a known size was replaced")
	}
	in.Entity = Object{"id": "ipv4-addr--1", "type": "ipv4-addr"}
	if out := convert(t, in); len(out.Rejected) != 1 {
		t.Error("an address got a size")
	}
}

func TestConvertGrants(t *testing.T) {
	in := goldenInputs(t)["playbook"]
	in.Granted = append(in.Granted, "", in.Granted[0])
	for _, o := range convert(t, in).Bundle.Objects {
		holder, key := map[string]any(o), "x_opencti_granted_refs"
		if main := extension(o, mainExtension); main != nil {
			holder, key = main, "granted_refs"
			if o["x_opencti_granted_refs"] != nil {
				t.Errorf("%v is granted twice", o["id"])
			}
		}
		refs, _ := list(holder[key])
		if !slices.Contains(refs, any(in.Granted[0])) || slices.Contains(refs, any("")) {
			t.Errorf("%v is granted to %v", o["id"], refs)
		}
	}
}

// The result can be split: whatever is referred to comes before its user.
func TestConvertThenSplit(t *testing.T) {
	for name, in := range goldenInputs(t) {
		out := convert(t, in)
		messages, incompatible := Split(out.Bundle, SplitOptions{})
		if len(messages) != len(out.Bundle.Objects) || len(incompatible) != 0 {
			t.Errorf("%s: %d messages for %d objects, left out %v", name, len(messages), len(out.Bundle.Objects), incompatible)
		}
	}
}

func TestAllowed(t *testing.T) {
	for _, c := range []struct {
		source, relationship, target string
		want                         bool
	}{
		{"domain-name", "resolves-to", "ipv4-addr", true},
		{"domain-name", "resolves-to", "ipv6-addr", true},
		{"domain-name", "resolves-to", "domain-name", true},
		{"hostname", "resolves-to", "ipv4-addr", true},
		{"ipv4-addr", "resolves-to", "mac-addr", true},
		{"ipv4-addr", "resolves-to", "domain-name", false},
		{"ipv6-addr", "belongs-to", "autonomous-system", true},
		{"domain-name", "belongs-to", "autonomous-system", false},
		{"file", "communicates-with", "ipv4-addr", true},
		{"file", "communicates-with", "domain-name", true},
		{"file", "communicates-with", "url", false},
		{"malware", "communicates-with", "url", true},
		{"ipv4-addr", "communicates-with", "file", false},
		{"ipv4-addr", "located-at", "city", true},
		{"city", "located-at", "country", true},
		{"country", "located-at", "region", true},
		{"country", "located-at", "city", false},
		{"domain-name", "located-at", "country", false},
		{"file", "drops", "file", true},
		{"url", "drops", "file", false},
		{"url", "derived-from", "url", true},
		{"url", "derived-from", "file", false},
		{"url", "related-to", "country", true},
		{"url", "", "country", false},
	} {
		if got := allowed(c.source, c.relationship, c.target); got != c.want {
			t.Errorf("%s %s %s: %v", c.source, c.relationship, c.target, got)
		}
	}
	for kind, o := range map[string]Object{
		"country":  {"type": "location", "country": "FR"},
		"region":   {"type": "location", "x_opencti_location_type": "Region", "country": "FR"},
		"city":     {"type": "location", "extensions": map[string]any{mainExtension: map[string]any{"type": "City"}}},
		"position": {"type": "location"},
		"url":      {"type": "url"},
	} {
		if got := kindOf(o); got != kind {
			t.Errorf("%v is a %s, want %s", o, got, kind)
		}
	}
}
