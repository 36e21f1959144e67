package source

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/enrichgate/enrichgate/enrich"
	"github.com/enrichgate/enrichgate/stixconv"
)

// facts of a mapping on an input.
func factsOf(t testing.TB, mapping, input string) (stixconv.Facts, string) {
	t.Helper()
	yields, err := mustCompile(t, mapping).run(t.Context(), decoded(t, input), scope{value: "192.0.2.10", kind: "ipv4-addr", lookup: "ip", params: map[string]any{"n": 3}})
	if err != nil {
		t.Fatalf("%s: %v", mapping, err)
	}
	var intents []any
	for _, y := range yields {
		if list, ok := y.([]any); ok {
			intents = append(intents, list...)
		} else {
			intents = append(intents, y)
		}
	}
	f, skipped := collect(intents, trialTime())
	var lost []string
	for _, err := range skipped {
		lost = append(lost, err.Error())
	}
	f.AsOf = time.Time{}
	return f, strings.Join(lost, "; ")
}

func TestIntents(t *testing.T) {
	score := func(n int) *int { return &n }
	day := time.Date(2026, 8, 1, 0, 0, 0, 0, time.UTC)
	for mapping, want := range map[string]stixconv.Facts{
		`{op:"score",value:41.5}, {op:"score",value:null}, {op:"score",value:"12"}`: {Score: score(42)},
		`{op:"score",value:1000}`: {Score: score(100)},
		`{op:"score",value:-3}`:   {Score: score(0)},
		`{op:"label",value:"a"}, {op:"label",value:""}, {op:"label",value:null}, [{op:"label",value:7}]`:       {Labels: []string{"a", "7"}},
		`{op:"ref",source_name:"s",url:"u",external_id:"e",description:"d"}`:                                   {References: []stixconv.Reference{{SourceName: "s", URL: "u", ExternalID: "e", Description: "d"}}},
		`{op:"note",content:"c",abstract:"a"}`:                                                                 {Notes: []stixconv.Note{{Abstract: "a", Content: "c"}}},
		`{op:"patch",hashes:{MD5:"x","SHA-1":null},size:"7"}`:                                                  {Hashes: map[string]string{"MD5": "x"}, Size: 7},
		`{op:"patch",epss_score:"0.87",epss_percentile:"0.99"}`:                                                {EPSS: &stixconv.EPSS{Score: 0.87, Percentile: 0.99}},
		`{op:"relation",from:"a",type:"uses",to:"b",start:"2026-08-01"}`:                                       {Relations: []stixconv.Relation{{From: "a", Type: "uses", To: "b", Start: day}}},
		`{op:"sighting",of:"@entity",where:"c",count:2,first_seen:1785542400,last_seen:"2026-08-01 00:00:00"}`: {Sightings: []stixconv.Sighting{{Of: "@entity", Where: "c", Count: 2, First: day, Last: day}}},
		`{op:"indicator",score:80,valid_for:86400}`: {
			Objects:   []stixconv.Keyed{{Key: "indicator", Thing: stixconv.Thing{Type: "indicator", Of: "@entity", Score: score(80), ValidUntil: trialTime().Add(24 * time.Hour)}}},
			Relations: []stixconv.Relation{{From: "indicator", Type: "based-on", To: "@entity"}}},
		`{op:"indicator",of:"x",key:"k",valid_from:"2026-08-01",valid_for:60,types:"benign"}`: {
			Objects:   []stixconv.Keyed{{Key: "k", Thing: stixconv.Thing{Type: "indicator", Of: "x", ValidFrom: day, ValidUntil: day.Add(time.Minute), Kinds: []string{"benign"}}}},
			Relations: []stixconv.Relation{{From: "k", Type: "based-on", To: "x"}}},
		`{op:"object",key:"a",type:"autonomous-system",number:"AS64500",name:"n",rir:"r"}`:                                                   {Objects: []stixconv.Keyed{{Key: "a", Thing: stixconv.Thing{Type: "autonomous-system", Number: 64500, Name: "n", RIR: "r"}}}},
		`{op:"object",key:"c",type:"city",name:"Paris",code:"FR",latitude:"48.85",longitude:2.35}`:                                           {Objects: []stixconv.Keyed{{Key: "c", Thing: stixconv.Thing{Type: "city", Name: "Paris", CountryCode: "FR", HasPosition: true, Latitude: 48.85, Longitude: 2.35}}}},
		`{op:"object",key:"x",type:"x509-certificate",hashes:{sha1:"h"},serial:.serial,issuer:"i",subject:"s",not_before:"20260801000000Z"}`: {Objects: []stixconv.Keyed{{Key: "x", Thing: stixconv.Thing{Type: "x509-certificate", Hashes: map[string]string{"sha1": "h"}, Serial: "340282366920938463463374607431768211456", Issuer: "i", Subject: "s", NotBefore: day}}}},
		`{op:"object",key:"m",type:"malware",name:"n",family:true,types:["worm"],aliases:["a",null],description:"d",labels:["l"]}`:           {Objects: []stixconv.Keyed{{Key: "m", Thing: stixconv.Thing{Type: "malware", Name: "n", Family: true, Kinds: []string{"worm"}, Aliases: []string{"a"}, Description: "d", Labels: []string{"l"}}}}},
		`{op:"label",value:"\($value) \($kind) \($lookup) \($params.n)"}`:                                                                    {Labels: []string{"192.0.2.10 ipv4-addr ip 3"}},
	} {
		got, lost := factsOf(t, mapping, `{"serial":340282366920938463463374607431768211456}`)
		if lost != "" || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v, lost %q", mapping, got, lost)
		}
	}
}

// An intent that is wrong costs itself, or its wrong field, and is named.
func TestIntentsThatAreWrong(t *testing.T) {
	for mapping, want := range map[string]string{
		`"text"`:                              "intent 1 is not an object with an op",
		`{op:"scores",value:1}`:               `intent 1: no op is called "scores"`,
		`{}`:                                  `intent 1: no op is called ""`,
		`{op:"score",value:"high"}`:           "intent 1 (score): value is not a number",
		`{op:"score",value:[]}`:               "intent 1 (score): value is not a number",
		`{op:"label",value:{}}`:               "intent 1 (label): value is not a text",
		`{op:"label",value:"x",colour:"red"}`: "intent 1 (label): colour is not a field of it",
		`{op:"relation",from:"a",type:"uses",to:"b",start:"soon"}`:         "intent 1 (relation): start is not a time",
		`{op:"sighting",of:"a",where:"b",count:1.5}`:                       "intent 1 (sighting): count is not a whole number",
		`{op:"object",key:"a",type:"malware",name:"x",family:"yes"}`:       "intent 1 (object): family is neither true nor false",
		`{op:"object",key:"a",type:"malware",name:"x",aliases:{}}`:         "intent 1 (object): aliases is not a list of texts",
		`{op:"object",key:"a",type:"malware",name:"x",labels:[1]}`:         "intent 1 (object): labels holds what is not a text",
		`{op:"object",key:"a",type:"file",hashes:"x"}`:                     "intent 1 (object): hashes is not an object of hashes",
		`{op:"object",key:"a",type:"file",hashes:{MD5:1}}`:                 "intent 1 (object): hashes holds what is not a text",
		`{op:"object",key:"a",type:"autonomous-system",number:"ASx"}`:      "intent 1 (object): number is not a number",
		`{op:"label",value:"good"}, {op:"nope"}, {op:"label",value:"too"}`: `intent 2: no op is called "nope"`,
	} {
		if _, lost := factsOf(t, mapping, `{}`); lost != want {
			t.Errorf("%s: lost %q, not %q", mapping, lost, want)
		}
	}
	f, lost := factsOf(t, `range(6000) | {op: "label", value: tostring}`, `{}`)
	if len(f.Labels) != maxIntents || lost != fmt.Sprintf("more than %d intents: the others are left out", maxIntents) {
		t.Errorf("%d labels, lost %q", len(f.Labels), lost)
	}
}

// What of an answer does not fit the mapping is lost and told, the rest is not;
// the same answer twice gives the same facts, another gives others.
func TestFacts(t *testing.T) {
	d := mustLoad(t, skeleton(t, "acme"))
	s, err := d.openForTrial(nil)
	if err != nil {
		t.Fatal(err)
	}
	l := planOne(t, s, "ipv4-addr", "192.0.2.10")
	for body, want := range map[string]string{
		`<html>`: "not JSON", ``: "not JSON", `{"score":"high"}`: "scale wants a number", `{"score":"high","names":[{"host":"a.example"}]}`: "scale wants a number",
		`{"score":1,"names":[1,{"host":"b.example"}]}`: "expected an object", `[]`: "expected an object",
	} {
		f, skipped := s.Facts(l, []byte(body), trialTime())
		if len(skipped) == 0 || !strings.Contains(skipped[0].Error(), want) || !f.AsOf.Equal(trialTime()) {
			t.Errorf("%s: %+v, %v", body, f, skipped)
		}
		if (f.Score != nil) != strings.Contains(body, `"score":1`) || (len(f.Objects) > 0) != strings.Contains(body, ".example") {
			t.Errorf("%s: %+v", body, f)
		}
	}
	if _, skipped := s.Facts(enrich.Lookup{Endpoint: "other", Value: "x"}, []byte(`{}`), trialTime()); len(skipped) != 1 {
		t.Errorf("%v", skipped)
	}
	for i, c := range []struct {
		body  string
		asOf  time.Time
		score int
	}{{`{"score":1}`, trialTime(), 10}, {`{"score":1}`, trialTime(), 10}, {`{"score":2}`, trialTime(), 20}, {`{"score":1}`, trialTime(), 10}, {`{"score":1}`, trialTime().Add(time.Hour), 10}} {
		f, skipped := s.Facts(l, []byte(c.body), c.asOf)
		if len(skipped) > 0 || *f.Score != c.score || !f.AsOf.Equal(c.asOf) {
			t.Errorf("%d: %+v, %v", i, f, skipped)
		}
	}
	if len(s.memo.known) != 1 || s.memo.bytes != len(`{"score":1}`) {
		t.Errorf("%d remembered, %d bytes", len(s.memo.known), s.memo.bytes)
	}
	for i := range 3 * memoEntries {
		l.Value = fmt.Sprintf("192.0.2.%d", i)
		s.Facts(l, []byte(`{"score":1}`), trialTime())
	}
	if n := len(s.memo.known); n == 0 || n > memoEntries {
		t.Errorf("%d remembered", n)
	}
}
