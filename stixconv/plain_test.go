package stixconv

import (
	"testing"

	"pgregory.net/rapid"
)

// What textID takes for canonical without asking jcs is what jcs makes of it.
func TestPlainTextIsCanonical(t *testing.T) {
	skipped := 0
	rapid.Check(t, func(t *rapid.T) {
		names := rapid.SliceOfNDistinct(rapid.StringMatching(`[a-z_]{1,6}`), 1, 4, rapid.ID[string]).Draw(t, "names")
		contributing, pairs := Object{}, []string{}
		for _, name := range names {
			value := rapid.OneOf(rapid.StringMatching(`[ -~]{0,12}`), rapid.String()).Draw(t, "value")
			contributing[name] = value
			pairs = append(pairs, name, value)
		}
		want, err := ID("x", contributing)
		if err != nil {
			t.Skip("not expressible in JSON")
		}
		if plain(pairs) {
			skipped++
		}
		if got := textID("x", pairs...); got != want {
			t.Fatalf("%q: %s, jcs says %s", pairs, got, want)
		}
	})
	if skipped == 0 {
		t.Error("the short way was never taken")
	}
}
