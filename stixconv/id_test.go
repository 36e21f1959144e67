package stixconv

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
)

type idVector struct {
	Kind       string
	Source     string
	Args       []any
	Kwargs     map[string]string
	Properties map[string]any
	ID         string
	Canonical  string
}

func idVectors(t *testing.T) []idVector {
	t.Helper()
	data, err := os.ReadFile("testdata/ids.json")
	if err != nil {
		t.Fatal(err)
	}
	var file struct{ Vectors []idVector }
	if err := json.Unmarshal(data, &file); err != nil {
		t.Fatal(err)
	}
	return file.Vectors
}

// The vectors carry the canonical text that was hashed.
func TestIDHashesCanonicalForm(t *testing.T) {
	vectors := idVectors(t)
	if len(vectors) != 101 {
		t.Fatalf("%d vectors, want 101", len(vectors))
	}
	for _, v := range vectors {
		if v.Canonical == "" {
			continue // The fixed ids of TLP.
		}
		if got, err := hashID(v.Kind, []byte(v.Canonical)); err != nil || got != v.ID {
			t.Errorf("%s: got %s (%v), want %s", v.Canonical, got, err, v.ID)
		}
		var properties Object
		if err := json.Unmarshal([]byte(v.Canonical), &properties); err != nil {
			t.Fatal(err)
		}
		if got, err := ID(v.Kind, properties); err != nil || got != v.ID {
			t.Errorf("ID of %s: got %s (%v), want %s", v.Canonical, got, err, v.ID)
		}
	}
}

// arg gives an argument of a vector as text; null is "".
func (v idVector) arg(i int) string {
	if i >= len(v.Args) {
		return ""
	}
	s, _ := v.Args[i].(string)
	return s
}

func (v idVector) strings(i int) []string {
	var out []string
	for _, element := range v.Args[i].([]any) {
		out = append(out, element.(string))
	}
	return out
}

// typed calls the function that the package has for a vector's kind.
func (v idVector) typed() (id string, ok bool) {
	switch v.Kind {
	case "identity":
		return IdentityID(v.arg(0), v.arg(1)), true
	case "indicator":
		return IndicatorID(v.arg(0)), true
	case "malware", "intrusion-set", "vulnerability", "campaign", "tool", "infrastructure", "course-of-action":
		return NameID(v.Kind, v.arg(0)), true
	case "attack-pattern":
		return AttackPatternID(v.arg(0), v.arg(1)), true
	case "location":
		if len(v.Args) == 4 {
			id, err := PositionID(v.Args[2].(float64), v.Args[3].(float64))
			return id, err == nil
		}
		return LocationID(v.arg(0), v.arg(1)), true
	case "relationship":
		return RelationshipID(v.arg(0), v.arg(1), v.arg(2), v.arg(3), v.arg(4)), true
	case "sighting":
		return SightingID(v.arg(0), v.strings(1), v.arg(2), v.arg(3)), true
	case "note":
		return NoteID(v.arg(1), v.Kwargs["abstract"], v.arg(0)), true
	case "report":
		return ReportID(v.arg(0), v.arg(1)), true
	case "label":
		return LabelID(v.arg(0)), true
	case "kill-chain-phase":
		return KillChainPhaseID(v.arg(1), v.arg(0)), true
	case "external-reference":
		return ExternalReferenceID(v.arg(0), v.arg(1), v.arg(2))
	case "marking-definition":
		return MarkingDefinitionID(v.arg(0), v.arg(1)), true
	}
	return "", false
}

// observable calls the function for a vector that is given by properties.
func (v idVector) observable() (id string, ok bool) {
	switch v.Kind {
	case "autonomous-system":
		return AutonomousSystemID(int64(v.Properties["number"].(float64))), true
	case "file":
		hashes := map[string]string{}
		for algorithm, value := range members(v.Properties["hashes"]) {
			hashes[algorithm] = value.(string)
		}
		id, err := FileID(hashes, text(v.Properties, "name"))
		return id, err == nil
	}
	if value := text(v.Properties, "value"); value != "" && strings.HasPrefix(v.Canonical, `{"value"`) {
		return ValueID(v.Kind, value), true
	}
	return "", false
}

func TestTypedIDs(t *testing.T) {
	checked, left := 0, map[string]bool{}
	for _, v := range idVectors(t) {
		var got string
		var ok bool
		switch {
		case v.Source == "pycti":
			got, ok = v.typed()
		case v.Properties != nil:
			got, ok = v.observable()
		default:
			continue
		}
		if !ok {
			left[v.Kind] = true
			continue
		}
		checked++
		if got != v.ID {
			t.Errorf("%s %v %v: got %s, want %s", v.Kind, v.Args, v.Properties, got, v.ID)
		}
	}
	if checked < 70 {
		t.Errorf("only %d vectors checked; no function for %v", checked, left)
	}
}

func TestIDCase(t *testing.T) {
	// Python's lower case: final sigma, and a dotted I that becomes two characters.
	if got, want := fold(" ΟΔΟΣ\x1f"), "οδος"; got != want {
		t.Errorf("fold: got %q, want %q", got, want)
	}
	if got, want := lower("İ"), "i\u0307"; got != want {
		t.Errorf("lower: got %q, want %q", got, want)
	}
	if _, err := FileID(nil, ""); err == nil {
		t.Error("a file of nothing has an id")
	}
	if _, err := PositionID(1, nan()); err == nil {
		t.Error("NaN has an id")
	}
	if _, ok := ExternalReferenceID("", "only a name", ""); ok {
		t.Error("a reference of a name only has an id")
	}
	if a, b := ValueID("url", "a\xffb"), ValueID("url", "a\uFFFDb"); a != b {
		t.Error("invalid UTF-8 is not hashed as it is encoded")
	}
}
