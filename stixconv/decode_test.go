package stixconv

import (
	"strings"
	"testing"
)

func TestDecodeKeepsNumbers(t *testing.T) {
	const in = `{"a":12345678901234567890,"b":1.10,"c":"<&>é\u2028\"\\","d":[true,null,{}],"id":"x--1"}`
	object, err := Decode([]byte(" " + in + "\n"))
	if err != nil {
		t.Fatal(err)
	}
	if out, err := Encode(object); err != nil || string(out) != in {
		t.Errorf("got  %s (%v)\nwant %s", out, err, in)
	}
}

func TestDecodeRefuses(t *testing.T) {
	for name, in := range map[string]string{
		"empty":    "",
		"null":     "null",
		"list":     "[]",
		"two":      "{} {}",
		"half":     `{"a":`,
		"too deep": strings.Repeat(`{"a":`, maxDepth+1) + "1" + strings.Repeat("}", maxDepth+1),
		"garbage":  `{"a":1}x`,
	} {
		if o, err := Decode([]byte(in)); err == nil {
			t.Errorf("%s: decoded to %v", name, o)
		}
	}
	for name, in := range map[string]string{
		"no objects": `{"type":"bundle"}`,
		"a map":      `{"objects":{}}`,
		"a number":   `{"objects":[1]}`,
		"null":       `{"objects":[null]}`,
		"too many":   `{"objects":[{}` + strings.Repeat(",{}", maxObjects) + `]}`,
	} {
		if _, err := DecodeBundle([]byte(in)); err == nil {
			t.Errorf("%s: decoded", name)
		}
	}
	deep := `{"s":"` + strings.Repeat(`[{\"`, 200) + `"}`
	if _, err := Decode([]byte(deep)); err != nil {
		t.Errorf("brackets in a string count as depth: %v", err)
	}
}

func TestEncodeShapes(t *testing.T) {
	out, err := Encode(Object{"o": Object{"x": 1}, "m": map[string]any(nil), "l": []any(nil), "s": []string{"a", "b"},
		"i": int64(-1), "f": 1.5, "hashes": map[string]string{"MD5": "x"}})
	if want := `{"f":1.5,"hashes":{"MD5":"x"},"i":-1,"l":null,"m":null,"o":{"x":1},"s":["a","b"]}`; err != nil || string(out) != want {
		t.Errorf("got  %s (%v)\nwant %s", out, err, want)
	}
	if _, err := Encode(Object{"a": []any{map[string]any{"x": nan()}}}); err == nil {
		t.Error("NaN was encoded")
	}
	if _, err := (Bundle{Objects: []Object{{"x": nan()}}}).Encode(); err == nil {
		t.Error("NaN was encoded")
	}
}
