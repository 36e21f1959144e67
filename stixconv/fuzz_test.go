package stixconv

import (
	"bytes"
	"os"
	"testing"
	"time"
)

// FuzzDecodeSplit feeds foreign bundles. Whatever comes, each message encodes,
// and encodes to what it decodes to.
func FuzzDecodeSplit(f *testing.F) {
	for _, seed := range []string{
		`{"objects":[]}`,
		`{"id":"b","objects":[{"id":"note--1","type":"note","object_refs":["note--2",1,null]},{"id":"note--2","type":"note","created_by_ref":"note--1"}]}`,
		`{"objects":[{"id":"relationship--1","type":"relationship","source_ref":"a","target_ref":null}]}`,
		`{"objects":[{"id":"identity--1","external_references":[{"url":"u"},{"url":"u"},3],"kill_chain_phases":[{}],"extensions":{"extension-definition--ea279b3e-5c71-4632-ac08-831c66a786ba":{"id":"i"}}}]}`,
	} {
		f.Add([]byte(seed), true)
	}
	if data, err := os.ReadFile("testdata/golden-playbook.json"); err == nil {
		f.Add(data, false)
	}
	f.Fuzz(func(t *testing.T, data []byte, cleanup bool) {
		bundle, err := DecodeBundle(data)
		if err != nil {
			return
		}
		before := mustEncode(t, bundle)
		messages, incompatible := Split(bundle, SplitOptions{CleanupInconsistent: cleanup})
		if len(messages)+len(incompatible) > len(bundle.Objects) {
			t.Errorf("%d objects became %d messages, %d left out", len(bundle.Objects), len(messages), len(incompatible))
		}
		for _, message := range messages {
			encoded := mustEncode(t, message)
			again, err := DecodeBundle(encoded)
			if err != nil {
				t.Fatalf("%v in %s", err, encoded)
			}
			again.Seq = message.Seq
			if !bytes.Equal(mustEncode(t, again), encoded) {
				t.Errorf("not stable: %s", encoded)
			}
		}
		if !bytes.Equal(mustEncode(t, bundle), before) {
			t.Error("input changed")
		}
	})
}

// FuzzConvertThing feeds a provider's words. Whatever comes, what is made keeps
// the rules of STIX, and the same again gives the same bytes.
func FuzzConvertThing(f *testing.F) {
	f.Add("domain-name", "www.example.com", "resolves-to", true, "n", "FR", int64(1), 1.0, 2.0, int64(0))
	f.Add("ipv4-addr", "::1", "related-to", false, "", "", int64(-1), 0.0, 0.0, int64(1<<60))
	f.Add("file", "0123456789abcdef0123456789abcdef", "communicates-with", true, "MD5", "", int64(0), 0.0, 0.0, int64(0))
	f.Add("city", "x", "located-at", false, "Saint-\xffÉtienne", "xk", int64(0), -91.0, 200.0, int64(-1<<62))
	f.Add("country", "", "located-at", false, "", "EU", int64(0), 0.0, 0.0, int64(5))
	f.Add("autonomous-system", "", "belongs-to", false, "İ\u2028", "", int64(64500), 0.0, 0.0, int64(5))
	f.Add("url", "https://b\u00fccher.example/\x7f", "related-to", false, "", "", int64(0), 0.0, 0.0, int64(5))
	f.Fuzz(func(t *testing.T, kind, value, relationship string, toEntity bool, name, code string, number int64, latitude, longitude float64, seconds int64) {
		in := Input{
			Entity: Object{"id": "ipv4-addr--12592121-be4c-5a93-a813-5a5af16e50db", "type": "ipv4-addr", "value": "198.51.100.7"},
			Author: author(),
			Facts: []Facts{{
				Labels: []string{value, name}, Note: value, References: []Reference{{SourceName: name, URL: value, ExternalID: code}},
				Hashes: map[string]string{name: value}, AsOf: time.Unix(seconds, 0),
				Related: []Related{{
					Thing: Thing{Type: kind, Value: value, Hashes: map[string]string{name: value, code: name}, Number: number,
						Name: name, CountryCode: code, HasPosition: true, Latitude: latitude, Longitude: longitude},
					Relationship: relationship, ToEntity: toEntity, Start: time.Unix(seconds, 0),
				}},
			}},
		}
		out, err := Convert(in)
		if err != nil {
			t.Fatal(err)
		}
		for _, problem := range checkMade(out.Bundle, text(in.Entity, "id")) {
			t.Error(problem)
		}
		again, err := Convert(in)
		if err != nil || !bytes.Equal(mustEncode(t, out.Bundle), mustEncode(t, again.Bundle)) {
			t.Error("not the same twice", err)
		}
		if messages, incompatible := Split(out.Bundle, SplitOptions{}); len(incompatible) != 0 || len(messages) != len(out.Bundle.Objects) {
			t.Errorf("left out: %v", incompatible)
		}
	})
}
