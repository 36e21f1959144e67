package stixconv

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// convertFacts converts facts about an address, or fails the test.
func convertFacts(t testing.TB, f Facts) Output {
	t.Helper()
	f.AsOf = asOf()
	out, err := Convert(Input{Entity: platformIPv4(t), Facts: []Facts{f}, Author: author(), BundleID: "bundle--11111111-1111-4111-8111-111111111111"})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// made are the objects beside entity, author and marking.
func made(o Output) (all []Object) {
	for _, object := range o.Bundle.Objects {
		switch text(object, "type") {
		case "marking-definition":
		case "identity":
			if text(object, "name") != author().Name {
				all = append(all, object)
			}
		default:
			if object["value"] != "198.51.100.7" {
				all = append(all, object)
			}
		}
	}
	return all
}

func rejections(o Output) string {
	var all []string
	for _, err := range o.Rejected {
		all = append(all, err.Error())
	}
	return strings.Join(all, "; ")
}

// oneOfEach is a thing of each type, with all that it can have.
func oneOfEach() []Thing {
	hash := map[string]string{"SHA-256": strings.Repeat("ab", 32), "sha1": strings.Repeat("cd", 20)}
	return []Thing{
		{Type: "ipv4-addr", Value: "192.0.2.1", Labels: []string{"a", "a", " "}, Score: score(7), Description: "d"},
		{Type: "ipv6-addr", Value: "2001:DB8::1"},
		{Type: "domain-name", Value: "Example.COM."},
		{Type: "hostname", Value: "host.example.com"},
		{Type: "url", Value: "https://example.com/<a>"},
		{Type: "email-addr", Value: "alice@example.com"},
		{Type: "mac-addr", Value: "00-00-5E-00-53-AF"},
		{Type: "user-agent", Value: "curl/8.0"},
		{Type: "file", Hashes: hash, Name: "sample.bin", Size: 7},
		{Type: "x509-certificate", Hashes: hash, Serial: "00:ab", Issuer: "CN=Example CA", Subject: "CN=example.com", NotBefore: day(1), NotAfter: day(2)},
		{Type: "software", Name: "nginx", Vendor: "F5", Version: "1.25.3", CPE: "cpe:2.3:a:f5:nginx:1.25.3:*:*:*:*:*:*:*"},
		{Type: "autonomous-system", Number: 64500, RIR: "ARIN"},
		{Type: "country", CountryCode: "fr"},
		{Type: "city", Name: "Paris", CountryCode: "FR", HasPosition: true, Latitude: 48.85, Longitude: 2.35},
		{Type: "region", Name: "Western Europe"},
		{Type: "organization", Name: "Example Hosting"},
		{Type: "sector", Name: "Finance"},
		{Type: "vulnerability", Name: "cve-2024-12345", Description: "d"},
		{Type: "malware", Name: "ExampleRAT", Family: true, Kinds: []string{"worm"}, Aliases: []string{"ER"}, Labels: []string{"rat"}},
		{Type: "tool", Name: "ExampleTool", Kinds: []string{"remote-access"}},
		{Type: "infrastructure", Name: "Example C2", Kinds: []string{"command-and-control"}},
		{Type: "intrusion-set", Name: "APT Example", Aliases: []string{"AE"}},
		{Type: "threat-actor", Name: "Example Group", Kinds: []string{"crime-syndicate"}},
		{Type: "campaign", Name: "Operation Example"},
		{Type: "attack-pattern", Name: "Command and Scripting Interpreter", MITRE: "t1059"},
		{Type: "indicator", Of: "0", Score: score(80), ValidFrom: day(1), ValidUntil: day(9), Kinds: []string{"malicious-activity"}},
	}
}

// Each type becomes an object that OASIS' schemas take, with the id that
// OpenCTI computes.
func TestEveryTypeIsSTIX(t *testing.T) {
	var f Facts
	for i, thing := range oneOfEach() {
		f.Objects = append(f.Objects, Keyed{fmt.Sprint(i), thing})
		f.Relations = append(f.Relations, Relation{From: EntityKey, Type: "related-to", To: fmt.Sprint(i)})
	}
	out := convertFacts(t, f)
	if len(out.Rejected) > 0 {
		t.Errorf("rejected: %s", rejections(out))
	}
	if out.Counts.Things != len(f.Objects) || out.Counts.Relationships != len(f.Objects)+1 { // the city in its country
		t.Errorf("%+v", out.Counts)
	}
	all := stixSchemas(t)
	decodedBundle, err := DecodeBundle(mustEncode(t, out.Bundle))
	if err != nil {
		t.Fatal(err)
	}
	ids := map[string]bool{}
	for _, o := range decodedBundle.Objects {
		ids[text(o, "id")] = true
		if text(o, "spec_version") == "" {
			continue
		}
		if err := all.check(map[string]any(o)); err != nil {
			t.Error(err)
		}
		if o["object_marking_refs"] == nil && text(o, "type") != "identity" && text(o, "type") != "marking-definition" && o["value"] != "198.51.100.7" {
			t.Errorf("%s has no marking", text(o, "id"))
		}
	}
	for _, id := range []string{
		NameID("malware", "ExampleRAT"), NameID("vulnerability", "CVE-2024-12345"), AttackPatternID("", "T1059"), ThreatActorID("Example Group"),
		LocationID("Western Europe", "Region"), IdentityID("Finance", "class"), ValueID("hostname", "host.example.com"), ValueID("mac-addr", "00:00:5e:00:53:af"),
		IndicatorID("[ipv4-addr:value = '192.0.2.1']"),
	} {
		if !ids[id] {
			t.Errorf("no %s", id)
		}
	}
}

// Ids of the new types are those of the vectors.
func TestThingIDVectors(t *testing.T) {
	for _, c := range []struct {
		thing     Thing
		canonical string
	}{
		{Thing{Type: "software", Name: "nginx", Vendor: "F5", Version: "1.25.3"}, `{"name":"nginx","vendor":"F5","version":"1.25.3"}`},
		{Thing{Type: "software", Name: "OpenSSH"}, `{"name":"OpenSSH"}`},
		{Thing{Type: "threat-actor", Name: "Example Group"}, `{"name":"example group","opencti_type":"Threat-Actor-Group"}`},
		{Thing{Type: "x509-certificate", Hashes: map[string]string{"SHA-1": strings.Repeat("01", 20)}, Serial: "00:ab:cd"}, `{"hashes":{"SHA-1":"` + strings.Repeat("01", 20) + `"},"serial_number":"00:ab:cd"}`},
		{Thing{Type: "attack-pattern", Name: "x", MITRE: "T1059"}, `{"x_mitre_id":"t1059"}`},
		{Thing{Type: "region", Name: "Western Europe"}, `{"name":"western europe","x_opencti_location_type":"Region"}`},
	} {
		if _, err := normalize(&c.thing); err != nil {
			t.Fatal(err)
		}
		if got, want := thingID(&c.thing), digestID(c.thing.Type, []byte(c.canonical)); got != want && got != digestID("location", []byte(c.canonical)) {
			t.Errorf("%s: %s, not %s", c.thing.Type, got, want)
		}
	}
}

// A fact that cannot be expressed costs itself, and what refers to it is not
// complained about a second time.
func TestKeyedRejections(t *testing.T) {
	good := Keyed{"good", Thing{Type: "domain-name", Value: "good.example.com"}}
	reach := Relation{From: "good", Type: "resolves-to", To: EntityKey}
	for name, c := range map[string]struct {
		facts Facts
		want  string // all rejections
		made  int    // objects beside the good one and its relationship
	}{
		"bad value": {Facts{Objects: []Keyed{{"a", Thing{Type: "domain-name", Value: "not a name"}}},
			Relations: []Relation{{From: "a", Type: "resolves-to", To: EntityKey}}}, `domain-name "not a name": not a domain name`, 0},
		"unknown type":       {Facts{Objects: []Keyed{{"a", Thing{Type: "widget", Name: "w"}}}}, `widget "w": type not supported`, 0},
		"no key":             {Facts{Objects: []Keyed{{"", Thing{Type: "tool", Name: "w"}}}}, `tool "w": its key is empty or starts with @`, 0},
		"reserved key":       {Facts{Objects: []Keyed{{"@entity", Thing{Type: "tool", Name: "w"}}}}, `tool "w": its key is empty or starts with @`, 0},
		"same key":           {Facts{Objects: []Keyed{{"good", Thing{Type: "tool", Name: "w"}}}}, `tool "w": its key is another object's, too`, 0},
		"nothing relates":    {Facts{Objects: []Keyed{{"a", Thing{Type: "tool", Name: "w"}}}}, `tool "w": nothing relates to it`, 0},
		"unknown key":        {Facts{Relations: []Relation{{From: "b", Type: "uses", To: "good"}}}, `relationship "b uses good": no object has that key`, 0},
		"wrong direction":    {Facts{Relations: []Relation{{From: EntityKey, Type: "resolves-to", To: "good"}}}, `relationship "resolves-to": not from ipv4-addr to domain-name`, 0},
		"only a wrong one":   {Facts{Objects: []Keyed{{"a", Thing{Type: "tool", Name: "w"}}}, Relations: []Relation{{From: "a", Type: "uses", To: EntityKey}}}, `relationship "uses": not from tool to ipv4-addr`, 0},
		"start":              {Facts{Relations: []Relation{{From: EntityKey, Type: "related-to", To: "good", Start: time.Date(20000, 1, 1, 0, 0, 0, 0, time.UTC)}}}, `relationship "related-to": start out of range`, 0},
		"itself":             {Facts{Objects: []Keyed{{"a", Thing{Type: "ipv4-addr", Value: "198.51.100.7"}}}, Relations: []Relation{{From: EntityKey, Type: "related-to", To: "a"}}}, ``, 0},
		"the same twice":     {Facts{Objects: []Keyed{{"a", Thing{Type: "domain-name", Value: "GOOD.example.com"}}}, Relations: []Relation{{From: "a", Type: "resolves-to", To: EntityKey}}}, ``, 0},
		"no pattern":         {Facts{Objects: []Keyed{{"t", Thing{Type: "tool", Name: "w"}}, {"i", Thing{Type: "indicator", Of: "t"}}}, Relations: []Relation{{From: "i", Type: "based-on", To: "t"}, {From: "t", Type: "related-to", To: EntityKey}}}, `indicator "t": no pattern for a tool`, 2},
		"of nothing":         {Facts{Objects: []Keyed{{"i", Thing{Type: "indicator", Of: "x"}}}, Relations: []Relation{{From: "i", Type: "based-on", To: EntityKey}}}, `indicator "x": it is of no object that was made`, 0},
		"seen nowhere":       {Facts{Sightings: []Sighting{{Of: EntityKey, Where: "good", Count: 1}}}, `sighting "good": seen at what is neither an organization nor a place`, 0},
		"sighting key":       {Facts{Sightings: []Sighting{{Of: EntityKey, Where: "x", Count: 1}}}, `sighting "@entity at x": no object has that key`, 0},
		"negative count":     {Facts{Sightings: []Sighting{{Of: EntityKey, Where: AuthorKey, Count: -1}}}, `sighting "@entity": a negative count`, 0},
		"epss of an address": {Facts{EPSS: &EPSS{0.5, 0.5}}, `epss "ipv4-addr--12592121-be4c-5a93-a813-5a5af16e50db": EPSS is for vulnerabilities`, 0},
	} {
		c.facts.Objects = append([]Keyed{good}, c.facts.Objects...)
		c.facts.Relations = append([]Relation{reach}, c.facts.Relations...)
		out := convertFacts(t, c.facts)
		if got := rejections(out); got != c.want {
			t.Errorf("%s: %s", name, got)
		}
		if n := len(made(out)) - 2; n != c.made {
			t.Errorf("%s: %d objects more", name, n)
		}
	}
}

// Sightings and indicators as OpenCTI reads them.
func TestSightingsAndIndicators(t *testing.T) {
	out := convertFacts(t, Facts{
		Objects: []Keyed{
			{"country", Thing{Type: "country", CountryCode: "DE"}},
			{"i", Thing{Type: "indicator", Of: EntityKey, ValidFrom: day(2), ValidUntil: day(1)}},
			{"j", Thing{Type: "indicator", Of: "u"}},
			{"u", Thing{Type: "url", Value: `https://example.com/a'b\c`}},
			{"f", Thing{Type: "file", Hashes: map[string]string{"MD5": strings.Repeat("a", 32), "SHA-256": strings.Repeat("b", 64)}}},
			{"k", Thing{Type: "indicator", Of: "f", Name: "bad file"}},
		},
		Relations: []Relation{
			{From: "i", Type: "based-on", To: EntityKey}, {From: "j", Type: "based-on", To: "u"}, {From: "k", Type: "based-on", To: "f"},
			{From: "u", Type: "related-to", To: EntityKey}, {From: "f", Type: "communicates-with", To: EntityKey},
		},
		Sightings: []Sighting{
			{Of: EntityKey, Where: "country", Count: 2, First: day(1), Last: day(3)},
			{Of: "i", Where: AuthorKey, Count: 1, First: day(3), Last: day(1)},
		},
	})
	if len(out.Rejected) > 0 {
		t.Fatal(rejections(out))
	}
	var patterns []string
	sightings := 0
	for _, o := range made(out) {
		switch text(o, "type") {
		case "indicator":
			patterns = append(patterns, text(o, "pattern"))
			if o["valid_until"] != nil {
				t.Errorf("valid until %v before it begins", o["valid_until"])
			}
		case "sighting":
			sightings++
			if o["count"] == int64(2) && (o["sighting_of_ref"] != someIndicator || o["x_opencti_sighting_of_ref"] != "ipv4-addr--12592121-be4c-5a93-a813-5a5af16e50db" || o["last_seen"] == nil) {
				t.Errorf("%v", o)
			}
			if o["count"] == int64(1) && (o["sighting_of_ref"] != IndicatorID("[ipv4-addr:value = '198.51.100.7']") || o["x_opencti_sighting_of_ref"] != nil || o["last_seen"] != nil) {
				t.Errorf("%v", o)
			}
		}
	}
	slices.Sort(patterns)
	want := []string{"[file:hashes.'SHA-256' = '" + strings.Repeat("b", 64) + "']", "[ipv4-addr:value = '198.51.100.7']", `[url:value = 'https://example.com/a\'b\\c']`}
	if !slices.Equal(patterns, want) || sightings != 2 || out.Counts.Sightings != 2 {
		t.Errorf("%q, %d sightings", patterns, sightings)
	}
}

// A vulnerability that somebody typed in has the dates that STIX wants, also
// when nothing is added to it; one of the platform's keeps its own.
func TestTypedInVulnerabilityIsDated(t *testing.T) {
	typed := func() Object {
		return Object{"id": NameID("vulnerability", "CVE-2099-0001"), "type": "vulnerability", "spec_version": "2.1", "name": "CVE-2099-0001"}
	}
	date := timestamp(asOf())
	for name, c := range map[string]struct {
		entity Object
		facts  []Facts
		want   any
	}{
		"no record":        {typed(), []Facts{{}, {AsOf: asOf()}}, date},
		"unusable":         {typed(), []Facts{{AsOf: asOf(), Size: 5}}, date},
		"something":        {typed(), []Facts{{AsOf: asOf(), Labels: []string{"a"}}}, date},
		"no answer":        {typed(), nil, nil},
		"no date":          {typed(), []Facts{{}}, nil},
		"the platform's":   {Object{"id": "vulnerability--1", "type": "vulnerability", "extensions": map[string]any{mainExtension: map[string]any{"id": "x"}}}, []Facts{{AsOf: asOf()}}, nil},
		"an observable":    {Object{"id": "ipv4-addr--1", "type": "ipv4-addr", "value": "198.51.100.7"}, []Facts{{AsOf: asOf()}}, nil},
		"dates of its own": {Object{"id": "vulnerability--1", "type": "vulnerability", "created": "2020-01-01T00:00:00.000Z"}, []Facts{{AsOf: asOf()}}, "2020-01-01T00:00:00.000Z"},
	} {
		in := Input{Entity: c.entity, Facts: c.facts}
		out := convert(t, in)
		if got := entityOf(t, in, out); got["created"] != c.want || c.want == date && got["modified"] != date {
			t.Errorf("%s: %v", name, got)
		}
		if said := name == "something"; out.Counts.Empty() == said || len(out.Bundle.Objects) > 1 != said {
			t.Errorf("%s: %+v, %d objects", name, out.Counts, len(out.Bundle.Objects))
		}
	}
}

func TestEPSSCompletesAVulnerability(t *testing.T) {
	entity := Object{"id": NameID("vulnerability", "CVE-2099-0001"), "type": "vulnerability", "spec_version": "2.1", "name": "CVE-2099-0001"}
	in := Input{Entity: entity, Author: author(), Facts: []Facts{{AsOf: asOf(), EPSS: &EPSS{0.87, 0.99}}}}
	out, err := Convert(in)
	if err != nil || len(out.Rejected) > 0 || !out.Counts.EPSSSet {
		t.Fatalf("%v, %v, %+v", err, out.Rejected, out.Counts)
	}
	changed := out.Bundle.Objects[len(out.Bundle.Objects)-1]
	if changed["x_opencti_epss_score"] != 0.87 || changed["x_opencti_epss_percentile"] != 0.99 {
		t.Errorf("%v", changed)
	}
	in.Entity = changed
	if out, _ = Convert(in); out.Counts.EPSSSet {
		t.Error("the same again is a change")
	}
	in.Facts[0].EPSS = &EPSS{1.2, nan()}
	if out, _ = Convert(in); len(out.Rejected) != 1 {
		t.Errorf("%v", out.Rejected)
	}
}
