package source

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/enrichgate/enrichgate/enrich"
)

// manyReports is AbuseIPDB's longest answer: ten thousand reports, each with
// seven categories and a comment of the greatest length.
func manyReports(address string) []byte {
	countries := strings.Fields("US DE FR NL GB CN RU BR IN JP PL UA VN KR SG SE CH IT ES CA")
	comment := strings.Repeat("ssh brute force from this address; ", 32)
	var b bytes.Buffer
	fmt.Fprintf(&b, `{"data":{"ipAddress":%q,"isPublic":true,"ipVersion":4,"isWhitelisted":false,"abuseConfidenceScore":100,"countryCode":"NL","usageType":"Data Center","isp":"Example","domain":"example.com","hostnames":[],"isTor":false,"countryName":"Netherlands","totalReports":10000,"numDistinctUsers":900,"lastReportedAt":"2026-08-22T09:00:00+00:00","reports":[`, address)
	for i := range 10_000 {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"reportedAt":"2026-08-%02dT%02d:%02d:00+00:00","comment":%q,"categories":[14,15,18,20,21,22,%d],"reporterId":%d,"reporterCountryCode":%q,"reporterCountryName":"Somewhere"}`,
			1+i%22, i%24, i%60, comment[:1024], 1+i%13, i%900, countries[i%len(countries)])
	}
	b.WriteString(`]}}`)
	return b.Bytes()
}

// The provider's own limit of reports is within ours.
func TestTenThousandReports(t *testing.T) {
	const address = "192.0.2.10"
	body := manyReports(address)
	s, err := shippedOne(t, "abuseipdb").openForTrial(nil)
	if err != nil {
		t.Fatal(err)
	}
	l := planOne(t, s, "IPv4-Addr", address)
	own := s.d.find(l.Endpoint)
	if class, err := s.d.classify(t.Context(), own, newExchange(200, nil, body), s.scope(own, l.Value)); class != enrich.Found || err != nil {
		t.Fatalf("%d MB are %v, %v", len(body)>>20, class, err)
	}
	facts, skipped := s.Facts(l, body, trialTime())
	reports := int64(0)
	for _, one := range facts.Sightings {
		reports += one.Count
	}
	if len(skipped) > 0 || facts.Score == nil || *facts.Score != 100 || len(facts.Labels) != 19 || len(facts.Sightings) != 20 || reports != 10_000 {
		t.Errorf("%d sightings of %d reports, labels %q, lost %v", len(facts.Sightings), reports, facts.Labels, skipped)
	}
}
