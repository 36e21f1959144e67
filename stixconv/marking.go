package stixconv

import (
	"fmt"
	"strings"
)

// TLP is a level of the Traffic Light Protocol. Levels are ordered: the
// stricter is the greater. The zero value is no level at all, so that a
// forgotten marking is never taken for a permission.
type TLP int

// The levels of TLP 2.0. WHITE of TLP 1.0 is Clear.
// A new level needs: String, ParseTLP, MarkingID, markingDefinition.
const (
	Clear TLP = iota + 1
	Green
	Amber
	AmberStrict
	Red
)

// String is the level as OpenCTI writes it, such as "TLP:AMBER+STRICT".
func (t TLP) String() string {
	switch t {
	case Clear:
		return "TLP:CLEAR"
	case Green:
		return "TLP:GREEN"
	case Amber:
		return "TLP:AMBER"
	case AmberStrict:
		return "TLP:AMBER+STRICT"
	case Red:
		return "TLP:RED"
	}
	return fmt.Sprintf("TLP(%d)", int(t))
}

// ParseTLP reads a level with or without the prefix "TLP:", in any case, with
// spaces around it. All else is an error: an unreadable marking must never
// become a mild one.
func ParseTLP(s string) (TLP, error) {
	name := strings.ToUpper(strings.TrimSpace(s))
	switch strings.TrimPrefix(name, "TLP:") {
	case "CLEAR", "WHITE":
		return Clear, nil
	case "GREEN":
		return Green, nil
	case "AMBER":
		return Amber, nil
	case "AMBER+STRICT":
		return AmberStrict, nil
	case "RED":
		return Red, nil
	}
	return 0, fmt.Errorf("%.40q is no TLP marking; use %s, %s, %s, %s or %s", s, Clear, Green, Amber, AmberStrict, Red)
}

// Max gives the stricter of two levels.
func Max(a, b TLP) TLP { return max(a, b) }

// MarkingID is the fixed id of a level's marking definition, "" for no level.
func MarkingID(t TLP) string {
	switch t {
	case Clear:
		return "marking-definition--613f2e26-407d-48c7-9eca-b8e91df99dc9"
	case Green:
		return "marking-definition--34098fce-860f-48ae-8e50-ebd3cc5e41da"
	case Amber:
		return "marking-definition--f88d31f6-486f-44da-b317-01333bde0b82"
	case AmberStrict:
		return "marking-definition--826578e1-40ad-459f-bc73-ede076f81f37"
	case Red:
		return "marking-definition--5e57c739-391a-4eb3-b6be-7d15ca92d5ed"
	}
	return ""
}

// TLPOfMarkingID is the inverse of MarkingID; false for any other marking.
func TLPOfMarkingID(id string) (TLP, bool) {
	for t := Clear; t <= Red; t++ {
		if MarkingID(t) == id {
			return t, true
		}
	}
	return 0, false
}

// MarkingDefinition is the object that the id of a level stands for. The three
// levels that TLP 1.0 knew are as STIX 2.1 fixes them. STIX has no form for the
// other two, so they are statements that carry OpenCTI's own words, which is
// how OpenCTI's client writes them.
func MarkingDefinition(t TLP) Object {
	o := Object{
		"type":         "marking-definition",
		"spec_version": "2.1",
		"id":           MarkingID(t),
		"created":      "2017-01-20T00:00:00.000Z",
	}
	if t == Clear || t == AmberStrict {
		o["definition_type"] = "statement"
		o["definition"] = map[string]any{"statement": "custom"}
		o["x_opencti_definition_type"] = "TLP"
		o["x_opencti_definition"] = t.String()
		return o
	}
	o["name"] = t.String()
	o["definition_type"] = "tlp"
	o["definition"] = map[string]any{"tlp": strings.ToLower(strings.TrimPrefix(t.String(), "TLP:"))}
	return o
}
