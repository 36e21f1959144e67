package stixconv

import "testing"

func TestParseTLP(t *testing.T) {
	for in, want := range map[string]TLP{
		"TLP:AMBER+STRICT": AmberStrict,
		"amber+strict":     AmberStrict,
		"TLP:WHITE":        Clear,
		" tlp:clear\n":     Clear,
		"Green":            Green,
		"tlp:Amber":        Amber,
		"RED":              Red,
	} {
		if got, err := ParseTLP(in); err != nil || got != want {
			t.Errorf("ParseTLP(%q) = %v, %v, want %v", in, got, err, want)
		}
	}
	for _, in := range []string{"", "TLP:", "TLP:AMBER STRICT", "TLP:TLP:RED", "PAP:RED", "AMBER+", "0", "TLP:BLACK"} {
		if got, err := ParseTLP(in); err == nil || got != 0 {
			t.Errorf("ParseTLP(%q) = %v, %v, want an error and no level", in, got, err)
		}
	}
}

func TestTLPOrderAndIDs(t *testing.T) {
	for level := Clear; level <= Red; level++ {
		if back, err := ParseTLP(level.String()); err != nil || back != level {
			t.Errorf("%v does not parse back: %v %v", level, back, err)
		}
		if back, ok := TLPOfMarkingID(MarkingID(level)); !ok || back != level {
			t.Errorf("id of %v is read as %v %v", level, back, ok)
		}
		if id := MarkingDefinitionID("TLP", level.String()); id != MarkingID(level) {
			t.Errorf("%v has two ids", level)
		}
		if level < Red && Max(level, level+1) != level+1 || Max(level, 0) != level {
			t.Errorf("Max forgets the stricter of %v", level)
		}
		if problems := checkObject(MarkingDefinition(level)); len(problems) > 0 {
			t.Error(problems)
		}
	}
	if _, ok := TLPOfMarkingID(""); ok || MarkingID(0) != "" || MarkingID(Red+1) != "" {
		t.Error("no level has an id")
	}
	if _, ok := TLPOfMarkingID("marking-definition--a6f20d4d-0360-59b6-ba22-3b48707828b1"); ok {
		t.Error("a PAP marking is a TLP level")
	}
}

func TestMarkingDefinition(t *testing.T) {
	for level, want := range map[TLP]string{
		Green:       `{"created":"2017-01-20T00:00:00.000Z","definition":{"tlp":"green"},"definition_type":"tlp","id":"marking-definition--34098fce-860f-48ae-8e50-ebd3cc5e41da","name":"TLP:GREEN","spec_version":"2.1","type":"marking-definition"}`,
		AmberStrict: `{"created":"2017-01-20T00:00:00.000Z","definition":{"statement":"custom"},"definition_type":"statement","id":"marking-definition--826578e1-40ad-459f-bc73-ede076f81f37","spec_version":"2.1","type":"marking-definition","x_opencti_definition":"TLP:AMBER+STRICT","x_opencti_definition_type":"TLP"}`,
	} {
		if got, err := Encode(MarkingDefinition(level)); err != nil || string(got) != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}
