package stixconv

import (
	"encoding/json"
	"maps"
	"reflect"
	"slices"
)

// attribute is something that OpenCTI keeps on an object, by the keys that it
// has in an extension, flat on an observable, and flat on everything else.
type attribute struct{ extension, observable, plain string }

func labelsAttribute() attribute { return attribute{"labels", "x_opencti_labels", "labels"} }
func scoreAttribute() attribute  { return attribute{"score", "x_opencti_score", "x_opencti_score"} }
func authorAttribute() attribute {
	return attribute{"created_by_ref", "x_opencti_created_by_ref", "created_by_ref"}
}
func referencesAttribute() attribute {
	return attribute{"external_references", "x_opencti_external_references", "external_references"}
}

// place is one spot in an object.
type place struct {
	holder map[string]any
	key    string
}

// places lists where an entity may keep an attribute. The first is where it is
// to be written: where the platform put it, else in the observables' extension
// when the entity has one, else flat.
func places(entity Object, a attribute) []place {
	var out []place
	if main := extension(entity, mainExtension); main[a.extension] != nil {
		out = append(out, place{main, a.extension})
	}
	if !observable(text(entity, "type")) {
		out = append(out, place{entity, a.plain})
		if a.observable != a.plain {
			out = append(out, place{entity, a.observable})
		}
		return out
	}
	if own := extension(entity, observableExtension); own != nil {
		out = append(out, place{own, a.extension})
	}
	out = append(out, place{entity, a.observable})
	if a.plain != a.observable {
		out = append(out, place{entity, a.plain})
	}
	return out
}

// put writes an attribute into its first place and removes it from the others:
// which of two the importer reads depends on its version.
func put(spots []place, value any) {
	spots[0].holder[spots[0].key] = value
	for _, other := range spots[1:] {
		delete(other.holder, other.key)
	}
}

// values unites the lists of all places, the first place's first.
func values(spots []place) []any {
	var all []any
	for _, spot := range spots {
		some, _ := list(spot.holder[spot.key])
		all = append(all, some...)
	}
	return all
}

// union appends what is new to what is there, both without repetition by key.
// Elements without a key, which only the platform can have put there, stay.
func union(have, add []any, keyOf func(any) (string, bool)) (all []any, added int) {
	seen := make(map[string]struct{}, len(have)+len(add))
	for i, element := range slices.Concat(have, add) {
		if key, ok := keyOf(element); ok {
			if _, twice := seen[key]; twice {
				continue
			}
			seen[key] = struct{}{}
		}
		all = append(all, element)
		if i >= len(have) {
			added++
		}
	}
	return all, added
}

// addList unites a list attribute with what the source says, and gives how
// many elements are new. With none, the entity stays as it is.
func addList(entity Object, a attribute, add []any, keyOf func(any) (string, bool)) int {
	if len(add) == 0 {
		return 0
	}
	spots := places(entity, a)
	all, added := union(values(spots), add, keyOf)
	if added > 0 {
		put(spots, all)
	}
	return added
}

func labelKey(label any) (string, bool) {
	s, isText := label.(string)
	return fold(s), isText
}

// setScore says whether the score is another one than before.
func setScore(entity Object, score int) bool {
	spots := places(entity, scoreAttribute())
	changed := false
	for i, spot := range spots {
		n, ok := integer(spot.holder[spot.key])
		changed = changed || ok && n != int64(score) || !ok && i == 0
	}
	if changed {
		put(spots, score)
	}
	return changed
}

// setAuthor names an author where the entity has none. The internal id in the
// main extension is one, too.
func setAuthor(entity Object, author string) {
	spots := places(entity, authorAttribute())
	for _, spot := range spots {
		if text(spot.holder, spot.key) != "" {
			return
		}
	}
	if text(extension(entity, mainExtension), "created_by_ref_id") == "" {
		put(spots, author)
	}
}

// addHashes completes a file. Hashes that contradict the entity's are about
// another file, so then none is taken.
func addHashes(entity Object, hashes map[string]string, size int64) (added int, err error) {
	have := hashesOf(entity)
	if _, differ := sameFile(have, hashes); differ {
		return 0, reject("hash", text(entity, "id"), "the answer's hashes are those of another file")
	}
	own := members(entity["hashes"])
	if own == nil {
		own = make(map[string]any, len(hashes))
	}
	for _, algorithm := range slices.Sorted(maps.Keys(hashes)) {
		if have[algorithm] == "" {
			own[algorithm] = hashes[algorithm]
			added++
		}
	}
	if added > 0 {
		entity["hashes"] = own
	}
	if size > 0 && entity["size"] == nil {
		entity["size"] = size
		added++
	}
	return added, nil
}

// integer reads a whole number from any of the types that JSON may give it.
func integer(value any) (int64, bool) {
	switch v := value.(type) {
	case json.Number:
		n, err := v.Int64()
		return n, err == nil
	case nil:
		return 0, false
	}
	switch v := reflect.ValueOf(value); {
	case v.CanInt():
		return v.Int(), true
	case v.CanFloat():
		return int64(v.Float()), v.Float() == float64(int64(v.Float()))
	}
	return 0, false
}

// float reads a number from any of the types that JSON may give it.
func float(value any) (float64, bool) {
	switch v := value.(type) {
	case json.Number:
		f, err := v.Float64()
		return f, err == nil
	case nil:
		return 0, false
	}
	switch v := reflect.ValueOf(value); {
	case v.CanInt():
		return float64(v.Int()), true
	case v.CanFloat():
		return v.Float(), true
	}
	return 0, false
}
