package stixconv

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// Bounds on foreign JSON. Real bundles nest below ten levels; the count keeps
// one message from holding the whole process busy.
const (
	maxDepth   = 100
	maxObjects = 100_000
)

// Decode reads one STIX object. Numbers keep their digits as json.Number.
func Decode(data []byte) (Object, error) {
	if err := checkDepth(data); err != nil {
		return nil, err
	}
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	var object Object
	if err := decoder.Decode(&object); err != nil {
		return nil, fmt.Errorf("not a JSON object: %w", err)
	}
	if object == nil {
		return nil, errors.New("not a JSON object: null")
	}
	if _, err := decoder.Token(); err != io.EOF {
		return nil, errors.New("more than one JSON value")
	}
	return object, nil
}

// DecodeBundle reads a bundle. It wants objects in it, and leaves their
// contents to whoever uses them.
func DecodeBundle(data []byte) (Bundle, error) {
	outer, err := Decode(data)
	if err != nil {
		return Bundle{}, err
	}
	items, ok := outer["objects"].([]any)
	if !ok {
		return Bundle{}, errors.New("not a bundle: it has no list of objects")
	}
	if len(items) > maxObjects {
		return Bundle{}, fmt.Errorf("bundle of %d objects: at most %d are taken", len(items), maxObjects)
	}
	bundle := Bundle{ID: text(outer, "id"), Objects: make([]Object, len(items))}
	for i, item := range items {
		members, ok := item.(map[string]any)
		if !ok {
			return Bundle{}, fmt.Errorf("element %d of the bundle is not an object", i)
		}
		bundle.Objects[i] = members
	}
	return bundle, nil
}

// checkDepth counts brackets outside of strings. The decoder has a bound of its
// own, but at 10,000 levels, which is a deep stack in all that walks the value later.
func checkDepth(data []byte) error {
	depth, inString := 0, false
	for i := 0; i < len(data); i++ {
		switch c := data[i]; {
		case inString && c == '\\':
			i++
		case c == '"':
			inString = !inString
		case inString:
		case c == '{' || c == '[':
			if depth++; depth > maxDepth {
				return fmt.Errorf("JSON nested deeper than %d levels", maxDepth)
			}
		case c == '}' || c == ']':
			depth--
		}
	}
	return nil
}
