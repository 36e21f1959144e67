package stixconv

import (
	"fmt"
	"testing"
)

// hundred is an address with a hundred domains.
func hundred(t testing.TB) Input {
	related := make([]Related, 100)
	for i := range related {
		related[i] = Related{Thing: Thing{Type: "domain-name", Value: fmt.Sprintf("host%d.example.com", i)}, Relationship: "resolves-to", ToEntity: true, Start: day(1)}
	}
	return Input{
		Entity: platformIPv4(t), Author: author(), BundleID: "bundle--11111111-1111-4111-8111-111111111111",
		Facts: []Facts{{Score: score(80), Labels: []string{"c2"}, AsOf: asOf(), Related: related}},
	}
}

func BenchmarkConvertBundle100(b *testing.B) {
	in := hundred(b)
	b.ReportAllocs()
	for b.Loop() {
		out, err := Convert(in)
		if err != nil {
			b.Fatal(err)
		}
		mustEncode(b, out.Bundle)
	}
}

func BenchmarkSplit100(b *testing.B) {
	out, err := Convert(hundred(b))
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		Split(out.Bundle, SplitOptions{})
	}
}

func BenchmarkRelationshipID(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		RelationshipID("belongs-to", "ipv4-addr--12592121-be4c-5a93-a813-5a5af16e50db", "autonomous-system--9ad79ee3-2fde-5015-b0cc-7a96404effca", "", "")
	}
}

func BenchmarkEncodeBundle100(b *testing.B) {
	out, err := Convert(hundred(b))
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		mustEncode(b, out.Bundle)
	}
}
