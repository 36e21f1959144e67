package proofpoint

import (
	"fmt"
	"math"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/enrichgate/enrichgate/enrich"
	"github.com/enrichgate/enrichgate/enrich/source/wire"
	"github.com/enrichgate/enrichgate/stixconv"
)

// date is midnight UTC.
func date(y int, m time.Month, d int) time.Time { return time.Date(y, m, d, 0, 0, 0, 0, time.UTC) }

func TestFactsOfFixtures(t *testing.T) {
	n := func(i int) *int { return &i }
	file := func(md5 string) stixconv.Thing {
		return stixconv.Thing{Type: "file", Hashes: map[string]string{"MD5": md5}}
	}
	made := map[string]bool{"reference": true}
	thing := func(kind, value string) stixconv.Thing { return stixconv.Thing{Type: kind, Value: value} }
	for _, c := range []struct {
		endpoint, value, file string
		want                  stixconv.Facts
	}{
		{ipReputation, "192.0.2.10", "ip_reputation_found.json", stixconv.Facts{
			Score: n(88), Labels: []string{"CnC", "Bot"},
			Note: "ET Intelligence reputation of 192.0.2.10: CnC 112/127, Bot 64/127",
		}},
		{ipReputation, "192.0.2.11", "ip_reputation_score_zero.json", stixconv.Facts{
			Score: n(79), Labels: []string{"CnC"},
			Note: "ET Intelligence reputation of 192.0.2.11: CnC 100/127, Scanner 0/127",
		}},
		{domainReputation, "c2.example.com", "domain_reputation_found.json", stixconv.Facts{
			Score: n(94), Labels: []string{"CnC"},
			Note: "ET Intelligence reputation of c2.example.com: CnC 120/127",
		}},
		{ipDomains, "192.0.2.10", "ip_domains_found.json", stixconv.Facts{Related: []stixconv.Related{
			{Thing: thing("domain-name", "c2.example.com"), Relationship: "resolves-to", ToEntity: true, Start: date(2026, 5, 2)},
		}}},
		{ipDomains, "192.0.2.12", "ip_domains_trailing_dot.json", stixconv.Facts{Related: []stixconv.Related{
			{Thing: thing("domain-name", "a.example.com"), Relationship: "resolves-to", ToEntity: true, Start: date(2026, 5, 2)},
			{Thing: thing("domain-name", "ns1.example.com"), Relationship: "resolves-to", ToEntity: true, Start: date(2026, 5, 2)},
		}}},
		{ipSamples, "192.0.2.10", "ip_samples_found.json", stixconv.Facts{Related: []stixconv.Related{
			{Thing: file(testMD5), Relationship: "communicates-with", ToEntity: true, Start: date(2026, 8, 1)},
		}}},
		{domainSamples, "c2.example.com", "domain_samples_found.json", stixconv.Facts{Related: []stixconv.Related{
			{Thing: file(testMD5), Relationship: "communicates-with", ToEntity: true, Start: date(2026, 8, 1)},
		}}},
		{domainIPs, "dual.example.com", "domain_ips_with_ipv6.json", stixconv.Facts{Related: []stixconv.Related{
			{Thing: thing("ipv4-addr", "192.0.2.10"), Relationship: "resolves-to", Start: date(2026, 5, 2)},
			{Thing: thing("ipv6-addr", "2001:db8::10"), Relationship: "resolves-to", Start: date(2026, 5, 2)},
		}}},
		{ipGeoloc, "192.0.2.10", "ip_geoloc_found.json", stixconv.Facts{Related: []stixconv.Related{
			{Thing: stixconv.Thing{Type: "city", Name: "Exampleville", CountryCode: "US", HasPosition: true, Latitude: 38.5, Longitude: -77.25}, Relationship: "located-at"},
			{Thing: stixconv.Thing{Type: "country", CountryCode: "US"}, Relationship: "located-at"},
		}}},
		{ipGeoloc, "192.0.2.13", "ip_geoloc_unknown_country.json", stixconv.Facts{Related: []stixconv.Related{
			{Thing: stixconv.Thing{Type: "country", CountryCode: "XK"}, Relationship: "located-at"},
		}}},
		{ipASN, "192.0.2.10", "ip_asn_found.json", stixconv.Facts{Related: []stixconv.Related{
			{Thing: stixconv.Thing{Type: "autonomous-system", Number: 64500, Name: "EXAMPLE-NET"}, Relationship: "belongs-to"},
		}}},
		{sample, testMD5, "sample_found.json", stixconv.Facts{
			Hashes: map[string]string{"SHA-256": strings.Repeat("a1", 32)}, Size: 40960,
		}},
		{ipDomains, "198.51.100.77", "not_found_list.json", stixconv.Facts{}},
	} {
		for _, kind := range kindsOf(c.want) {
			if !slices.Contains(Makes(), kind) {
				t.Errorf("%s makes a %s, of which Makes does not speak", c.file, kind)
			}
			made[kind] = true
		}
		got, skipped := newSource(t, Config{}).Facts(lookup(c.endpoint, c.value), fixture(t, c.file), today)
		if len(skipped) > 0 {
			t.Errorf("%s: skipped %v", c.file, skipped)
		}
		c.want.AsOf = today
		if c.file != "not_found_list.json" {
			c.want.References = []stixconv.Reference{portal(endpoint{name: c.endpoint}, c.value)}
		}
		if !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s:\ngot  %+v\nwant %+v", c.file, got, c.want)
		}
	}
	for _, kind := range Makes() {
		if !made[kind] {
			t.Errorf("nothing makes a %s", kind)
		}
	}
}

// kindsOf are the kinds of what facts hold.
func kindsOf(f stixconv.Facts) (kinds []string) {
	if f.Score != nil {
		kinds = append(kinds, "score")
	}
	if len(f.Labels) > 0 {
		kinds = append(kinds, "label")
	}
	if f.Note != "" {
		kinds = append(kinds, "note")
	}
	for _, r := range f.Related {
		kinds = append(kinds, r.Thing.Type)
	}
	return kinds
}

// Each row costs itself only, and is told once.
func TestFactsSkipRows(t *testing.T) {
	for _, c := range []struct {
		endpoint, rows string
		kept, skipped  int
	}{
		{ipDomains, `{"domain":"a.example.com"},{"domain":"bad domain"},{"domain":7},{},null,"x",{"domain":"b.example.com"}`, 2, 5},
		{ipDomains, `{"domain":"a.example.com","last_seen":null},{"domain":"b.example.com","last_seen":""},{"domain":"c.example.com","last_seen":"0000-00-00"}`, 3, 0},
		{ipDomains, `{"domain":"a.example.com","last_seen":"yesterday"},{"domain":"b.example.com","first_seen":17},{"domain":"c.example.com"}`, 1, 2},
		{ipDomains, `{"domain":"a.example.com","last_seen":"2026-08-18 10:00:00"},{"domain":"b.example.com","last_seen":"2026-08-18T10:00:00Z"}`, 2, 0},
		{ipDomains, `{"domain":"A.example.com."},{"domain":"a.EXAMPLE.com"}`, 1, 0},
		{domainIPs, `{"ip":"192.0.2.010"},{"ip":"192.0.2.10"},{"ip":"2001:DB8:0::1"},{"ip":"2001:db8::1%eth0"}`, 2, 2},
		{ipSamples, `{"source":"0123456789ABCDEF0123456789abcdef"},{"source":"0123"},{"source":null}`, 1, 2},
		{ipReputation, `{"category":"CnC","score":"112"},{"category":"Bot","score":64.0},{"category":"High","score":128},{"category":"Low","score":-1},{"category":"Half","score":0.5},{"category":"","score":1},{"category":"None"}`, 2, 5},
		{ipReputation, `{"category":"CnC","score":1e400},{"category":"Bot","score":"NaN"},{"category":"X","score":true}`, 0, 3},
		{ipGeoloc, `{"country_code":"us"},{"country_code":"A1"},{"country_code":"USA"},{"country_code":null},{"country_code":49}`, 1, 4},
		{ipGeoloc, `{"country_code":"DE","city":"Musterstadt","latitude":"52.5","longitude":"13.25"}`, 2, 0},
		{ipGeoloc, `{"country_code":"DE","city":"Musterstadt","latitude":952,"longitude":13}`, 2, 1},
		{ipGeoloc, `{"country_code":"DE","city":"Musterstadt","latitude":52}`, 2, 1},
		{ipGeoloc, `{"country_code":"DE","city":99}`, 1, 1},
	} {
		body := `{"success":true,"response":[` + c.rows + `]}`
		facts, skipped := newSource(t, Config{}).Facts(lookup(c.endpoint, "192.0.2.10"), []byte(body), today)
		if kept := len(facts.Related) + len(facts.Labels); kept != c.kept || len(skipped) != c.skipped {
			t.Errorf("%s: kept %d, skipped %d (%v); want %d and %d", c.rows, kept, len(skipped), skipped, c.kept, c.skipped)
		}
		if (len(facts.References) == 1) != (c.kept > 0) {
			t.Errorf("%s: %d kept, references %v", c.rows, c.kept, facts.References)
		}
	}
}

func TestFactsOfObjects(t *testing.T) {
	for _, c := range []struct {
		endpoint, object string
		want             string
		skipped          int
	}{
		{ipASN, `{"asn":"AS64500","owner":"A"}`, "AS64500 A", 0},
		{ipASN, `{"asn":"as 64500","owner":" A\nB "}`, "AS64500 A B", 0},
		{ipASN, `{"asn":"64500"}`, "AS64500 ", 0},
		{ipASN, `{"asn":64500.0,"owner":null}`, "AS64500 ", 0},
		{ipASN, `{"asn":64500,"owner":5}`, "AS64500 ", 1},
		{ipASN, `{"asn":0}`, "", 1},
		{ipASN, `{"asn":4294967296}`, "", 1},
		{ipASN, `{"asn":null}`, "", 1},
		{ipASN, `{"asn":"AS"}`, "", 1},
		{ipASN, `{"asn":[64500]}`, "", 1},
		{sample, `{"md5sum":"x","file_size":"40960"}`, "size 40960", 0},
		{sample, `{"md5sum":"x","file_size":-1,"sha256":"` + strings.Repeat("A", 64) + `"}`, "hash " + strings.Repeat("a", 64), 1},
		{sample, `{"md5sum":"x","file_size":7,"sha256":"a1"}`, "size 7", 1},
		{sample, `{"md5sum":"x","file_size":null}`, "", 0},
	} {
		body := `{"success":true,"response":` + c.object + `}`
		facts, skipped := newSource(t, Config{}).Facts(lookup(c.endpoint, testMD5), []byte(body), today)
		got := ""
		for _, r := range facts.Related {
			got += fmt.Sprintf("AS%d %s", r.Thing.Number, r.Thing.Name)
		}
		if facts.Size > 0 {
			got += fmt.Sprintf("size %d", facts.Size)
		}
		if len(facts.Hashes) > 0 {
			got += "hash " + facts.Hashes["SHA-256"]
		}
		if got != c.want || len(skipped) != c.skipped {
			t.Errorf("%s: %q, skipped %v; want %q and %d", c.object, got, skipped, c.want, c.skipped)
		}
	}
}

// The window counts whole days back from now, whenever the answer was given.
func TestFactsWindow(t *testing.T) {
	body := []byte(`{"success":true,"response":[
		{"domain":"edge.example.com","last_seen":"2026-07-26"},
		{"domain":"late.example.com","last_seen":"2026-07-25"},
		{"domain":"future.example.com","last_seen":"2027-01-01"}]}`)
	count := func(now time.Time) int {
		s := newSource(t, Config{SeenWithin: 30 * day, Now: func() time.Time { return now }})
		facts, skipped := s.Facts(lookup(ipDomains, "192.0.2.10"), body, today.Add(-300*day))
		if len(skipped) > 0 {
			t.Errorf("old rows are not bad rows: %v", skipped)
		}
		return len(facts.Related)
	}
	if got := count(today); got != 2 {
		t.Errorf("%d rows within 30 days, want 2", got)
	}
	if got := count(today.Add(day)); got != 1 {
		t.Errorf("%d rows a day later, want 1", got)
	}
}

// Of two dates for one relation the earlier counts.
func TestFactsEarliestStart(t *testing.T) {
	body := []byte(`{"success":true,"response":[
		{"domain":"a.example.com"},{"domain":"a.example.com","first_seen":"2026-08-02"},
		{"domain":"a.example.com","first_seen":"2026-08-01"},{"domain":"a.example.com","first_seen":"2026-08-03"}]}`)
	facts, _ := newSource(t, Config{}).Facts(lookup(ipDomains, "192.0.2.10"), body, today)
	if len(facts.Related) != 1 || !facts.Related[0].Start.Equal(date(2026, 8, 1)) {
		t.Errorf("got %+v", facts.Related)
	}
}

func TestFactsOfGarbage(t *testing.T) {
	for name, body := range hostile() {
		for _, e := range endpoints(0, 0) {
			facts, skipped := newSource(t, Config{}).Facts(lookup(e.name, "192.0.2.10"), []byte(body), today)
			if len(facts.Related)+len(facts.Labels)+len(facts.References)+len(facts.Hashes) > 0 || facts.Score != nil {
				t.Errorf("%s: %s gave facts: %+v (skipped %v)", e.name, name, facts, skipped)
			}
		}
	}
	if _, skipped := newSource(t, Config{}).Facts(lookup("ip.unheard-of", "x"), nil, today); len(skipped) != 1 {
		t.Errorf("an unknown endpoint: skipped %v", skipped)
	}
}

func TestNoteIsBounded(t *testing.T) {
	rows := strings.TrimSuffix(strings.Repeat(`{"category":"CnC","score":1},`, 5000), ",")
	facts, _ := newSource(t, Config{}).Facts(lookup(ipReputation, "192.0.2.10"), []byte(`{"success":true,"response":[`+rows+`]}`), today)
	if len(facts.Note) > 2000 || !strings.HasSuffix(facts.Note, " and 4950 more") || len(facts.Labels) != 1 {
		t.Errorf("%d labels, note %q", len(facts.Labels), facts.Note)
	}
}

func FuzzFacts(f *testing.F) {
	names := []string{ipReputation, ipDomains, ipSamples, ipGeoloc, ipASN, domainReputation, domainIPs, domainSamples, sample}
	for _, c := range fixtureCases(f) {
		for i := range names {
			f.Add(fixture(f, c.File), i)
		}
	}
	s := newSource(f, Config{})
	f.Fuzz(func(t *testing.T, body []byte, which int) {
		name := names[uint(which)%uint(len(names))]
		facts, skipped := s.Facts(lookup(name, "192.0.2.10"), body, today)
		if facts.Score != nil && (*facts.Score < 0 || *facts.Score > 100) {
			t.Errorf("score %d", *facts.Score)
		}
		for _, err := range skipped {
			if strings.ContainsAny(err.Error(), "\r\n") {
				t.Errorf("not one line: %q", err)
			}
		}
		for _, label := range facts.Labels {
			if label == "" || label != wire.OneLine(label, 100) {
				t.Errorf("label %q", label)
			}
		}
		for _, r := range facts.Related {
			checkThing(t, r.Thing)
			if !r.Start.IsZero() && !r.Start.Equal(r.Start.Truncate(day)) {
				t.Errorf("start %s", r.Start)
			}
		}
		for _, r := range facts.References {
			if _, err := url.Parse(r.URL); err != nil {
				t.Error(err)
			}
		}
	})
}

// checkThing fails if a thing is not in the one spelling of its value.
func checkThing(t *testing.T, thing stixconv.Thing) {
	t.Helper()
	value, err := thing.Value, error(nil)
	switch thing.Type {
	case "ipv4-addr":
		value, err = enrich.NormalizeIPv4(value)
	case "ipv6-addr":
		value, err = enrich.NormalizeIPv6(value)
	case "domain-name":
		value, err = enrich.NormalizeDomain(value)
	case "file":
		_, err = enrich.NormalizeHash("MD5", thing.Hashes["MD5"])
	case "autonomous-system":
		if thing.Number < 1 || thing.Number > math.MaxUint32 {
			t.Errorf("AS%d", thing.Number)
		}
	}
	if err != nil || value != thing.Value {
		t.Errorf("%+v: %v", thing, err)
	}
}
