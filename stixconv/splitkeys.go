package stixconv

import (
	"maps"
	"slices"
	"strings"
)

// withRoom copies an object, with room for the count that Split adds.
func withRoom(o Object) Object {
	c := make(Object, len(o)+1)
	maps.Copy(c, o)
	return c
}

// referringKeys appends the keys that Split rewrites, sorted.
func referringKeys(o Object, keys []string) []string {
	for key, value := range o {
		if strings.HasSuffix(key, "_ref") ||
			value != nil && (strings.HasSuffix(key, "_refs") || key == "external_references" || key == "kill_chain_phases") {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	return keys
}

// list is a JSON list, however it was built.
func list(value any) ([]any, bool) {
	switch v := value.(type) {
	case []any:
		return v, true
	case []string:
		out := make([]any, len(v))
		for i, s := range v {
			out[i] = s
		}
		return out, true
	}
	return nil, false
}

// dedupe keeps the first of the elements with the same key, and none without a
// key. What is no list stays as it is.
func dedupe(value any, keyOf func(map[string]any) (string, bool)) any {
	elements, ok := value.([]any)
	if !ok {
		return value
	}
	kept := make([]any, 0, len(elements))
	seen := make(map[string]struct{}, len(elements))
	for _, element := range elements {
		members, _ := element.(map[string]any)
		key, ok := keyOf(members)
		if _, twice := seen[key]; !ok || twice {
			continue
		}
		seen[key] = struct{}{}
		kept = append(kept, element)
	}
	return kept
}

// referenceKey tells external references apart exactly as ExternalReferenceID
// does, without the hashing.
func referenceKey(reference map[string]any) (string, bool) {
	if url := text(reference, "url"); url != "" {
		return "url\x00" + url, true
	}
	source, id := text(reference, "source_name"), text(reference, "external_id")
	return "id\x00" + source + "\x00" + id, source != "" && id != ""
}

// phaseKey tells kill chain phases apart as KillChainPhaseID does.
func phaseKey(phase map[string]any) (string, bool) {
	return text(phase, "kill_chain_name") + "\x00" + text(phase, "phase_name"), phase != nil
}
