package stixconv

import (
	"maps"
	"slices"
)

// The extensions under which OpenCTI keeps what STIX has no place for.
const (
	// mainExtension is on every object in platform form.
	mainExtension = "extension-definition--ea279b3e-5c71-4632-ac08-831c66a786ba"
	// observableExtension is on every observable in platform form.
	observableExtension = "extension-definition--f93e2c80-4231-4f9a-af8b-95c9bd566a82"
)

// extension gives an extension's members, nil when the object does not carry it.
func extension(o map[string]any, id string) map[string]any {
	all := members(o["extensions"])
	return members(all[id])
}

func members(value any) map[string]any {
	switch v := value.(type) {
	case map[string]any:
		return v
	case Object:
		return v
	}
	return nil
}

// clone copies a JSON value down to its leaves.
func clone(value any) any {
	switch v := value.(type) {
	case map[string]any:
		return cloneMap(v)
	case Object:
		return cloneMap(v)
	case map[string]string:
		out := make(map[string]any, len(v))
		for key, s := range v {
			out[key] = s
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, element := range v {
			out[i] = clone(element)
		}
		return out
	case []string:
		out, _ := list(v)
		return out
	}
	return value
}

func cloneMap(m map[string]any) map[string]any {
	out := make(map[string]any, len(m)+4)
	for key, element := range m {
		out[key] = clone(element)
	}
	return out
}

// grant shares an object with organizations, as OpenCTI's client does: in the
// main extension when the object has it, else in a flat key. It gives the object
// itself when they are all there, else a copy of the parts that it changes.
func grant(o Object, organizations []string) Object {
	holder, key := map[string]any(o), "x_opencti_granted_refs"
	inExtension := extension(o, mainExtension) != nil
	if inExtension {
		holder, key = extension(o, mainExtension), "granted_refs"
	}
	have, _ := list(holder[key])
	all := slices.Clone(have)
	for _, organization := range organizations {
		if organization != "" && !slices.Contains(all, any(organization)) {
			all = append(all, organization)
		}
	}
	if len(all) == len(have) {
		return o
	}
	shared := maps.Clone(o)
	if !inExtension {
		shared[key] = all
		return shared
	}
	holder = maps.Clone(holder)
	holder[key] = all
	extensions := maps.Clone(members(o["extensions"]))
	extensions[mainExtension] = holder
	shared["extensions"] = extensions
	return shared
}
