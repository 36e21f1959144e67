package stixconv

import (
	"encoding/json"
	"fmt"
	"os"
	"reflect"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestSplitVectors(t *testing.T) {
	data, err := os.ReadFile("testdata/split.json")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Cases []struct {
			Name         string
			Cleanup      bool            `json:"cleanup_inconsistent_bundle"`
			Input        json.RawMessage `json:"input"`
			Expectations int
			Incompatible []string `json:"incompatible_ids"`
			Output       []map[string]any
		}
	}
	if err := json.Unmarshal(data, &file); err != nil {
		t.Fatal(err)
	}
	if len(file.Cases) != 15 {
		t.Fatalf("%d cases, want 15", len(file.Cases))
	}
	for _, c := range file.Cases {
		t.Run(c.Name, func(t *testing.T) {
			bundle, err := DecodeBundle(c.Input)
			if err != nil {
				t.Fatal(err)
			}
			before := mustEncode(t, bundle)
			opts := SplitOptions{CleanupInconsistent: c.Cleanup}
			if c.Name == "event-version" {
				opts.EventVersion = "v1"
			}
			messages, incompatible := Split(bundle, opts)
			if len(messages) != c.Expectations || fmt.Sprint(incompatible) != fmt.Sprint(c.Incompatible) {
				t.Errorf("%d messages, incompatible %v, want %d and %v", len(messages), incompatible, c.Expectations, c.Incompatible)
			}
			for i, message := range messages {
				var got map[string]any
				if err := json.Unmarshal(mustEncode(t, message), &got); err != nil {
					t.Fatal(err)
				}
				if i < len(c.Output) && !reflect.DeepEqual(got, c.Output[i]) {
					t.Errorf("message %d\ngot  %v\nwant %v", i, got, c.Output[i])
				}
			}
			if after := mustEncode(t, bundle); string(after) != string(before) {
				t.Errorf("input changed\nfrom %s\nto   %s", before, after)
			}
		})
	}
}

func mustEncode(t testing.TB, b Bundle) []byte {
	t.Helper()
	data, err := b.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func noteID(i int) string { return fmt.Sprintf("note--00000000-0000-4000-8000-%012d", i) }

// Whatever the references, each object is in one message; without circles,
// whatever an object refers to comes before it.
func TestSplitProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 12).Draw(t, "objects")
		acyclic := rapid.Bool().Draw(t, "acyclic")
		var bundle Bundle
		for i := range n {
			limit := n
			if acyclic {
				limit = i
			}
			refs := []any{}
			if limit > 0 {
				for _, to := range rapid.SliceOfN(rapid.IntRange(0, limit-1), 0, 6).Draw(t, "refs") {
					refs = append(refs, noteID(to))
				}
			}
			o := Object{"type": "note", "id": noteID(i), "object_refs": refs}
			if limit > 0 && rapid.Bool().Draw(t, "author") {
				o["created_by_ref"] = noteID(rapid.IntRange(0, limit-1).Draw(t, "by"))
			}
			bundle.Objects = append(bundle.Objects, o)
		}
		bundle.Objects = rapid.Permutation(bundle.Objects).Draw(t, "order")
		messages, incompatible := Split(bundle, SplitOptions{})
		if len(messages) != n || len(incompatible) != 0 {
			t.Fatalf("%d messages and %v for %d objects", len(messages), incompatible, n)
		}
		at := map[string]int{}
		for i, message := range messages {
			at[text(message.Objects[0], "id")] = i
		}
		if len(at) != n {
			t.Fatalf("an object is missing: %v", at)
		}
		for _, o := range bundle.Objects {
			for _, ref := range append(o["object_refs"].([]any), o["created_by_ref"]) {
				if acyclic && ref != nil && at[ref.(string)] > at[text(o, "id")] {
					t.Fatalf("%v comes after its user %v", ref, o["id"])
				}
			}
		}
	})
}

// Bundles that would take a naive walk for ever, or a deep stack.
func TestSplitHostile(t *testing.T) {
	chain := func(n, wrap int) (objects []Object) {
		for i := range n {
			objects = append(objects, Object{"type": "note", "id": noteID(i), "object_refs": []any{noteID((i + 1) % wrap)}})
		}
		return objects
	}
	diamonds := func(n int) (objects []Object) {
		for i := range n {
			objects = append(objects, Object{"type": "note", "id": noteID(i),
				"object_refs": []any{noteID(i + 1), noteID(i + 1), noteID(i + 2)}})
		}
		return objects
	}
	complete := func(n int) (objects []Object) {
		refs := make([]any, n)
		for i := range n {
			refs[i] = noteID(i)
		}
		for i := range n {
			objects = append(objects, Object{"type": "note", "id": noteID(i), "object_refs": refs})
		}
		return objects
	}
	for name, objects := range map[string][]Object{
		"long chain":      chain(50_000, 50_001),
		"long circle":     chain(50_000, 50_000),
		"diamonds":        diamonds(300),
		"all to all":      complete(300),
		"star and back":   append(chain(2, 3), complete(2)...),
		"odd shapes":      {{"id": 1}, {}, {"id": "note--x", "a_ref": 1.5, "b_refs": "x", "c_refs": []any{1, nil, "y"}, "external_references": []any{1}, "kill_chain_phases": 2}},
		"no type, no end": {{"id": "relationship--1", "type": "relationship"}, {"id": "sighting--1", "type": "sighting", "sighting_of_ref": "a", "where_sighted_refs": "b"}},
	} {
		t.Run(name, func(t *testing.T) {
			start := time.Now()
			messages, incompatible := Split(Bundle{Objects: objects}, SplitOptions{})
			last := int64(0)
			for _, message := range messages {
				if message.Seq < last || message.Seq > maxSeq {
					t.Fatalf("sequence %d after %d", message.Seq, last)
				}
				last = message.Seq
			}
			if len(messages)+len(incompatible) > len(objects) {
				t.Errorf("%d objects became %d messages", len(objects), len(messages))
			}
			if took := time.Since(start); took > 10*time.Second {
				t.Errorf("took %v", took)
			}
		})
	}
}

// An internal id is another name of the object, so it cannot be used to send it twice.
func TestSplitInternalIDs(t *testing.T) {
	bundle := Bundle{Objects: []Object{
		{"type": "note", "id": noteID(1), "x_opencti_id": "internal", "object_refs": []any{noteID(2), "internal"}},
		{"type": "note", "id": noteID(2), "object_refs": []string{"internal"}},
	}}
	messages, _ := Split(bundle, SplitOptions{})
	if len(messages) != 2 || messages[0].ID != messages[1].ID || messages[0].ID == "" {
		t.Errorf("got %v", messages)
	}
}
