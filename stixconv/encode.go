package stixconv

import (
	"bytes"
	"encoding/json"
	"slices"
	"strconv"
)

// Encode gives an object's JSON with sorted keys and without HTML escapes, so
// that equal objects give equal bytes.
func Encode(o Object) ([]byte, error) { return appendJSON(nil, map[string]any(o)) }

// appendJSON writes the shapes that objects are made of itself and leaves the
// rest, floats and foreign numbers, to encoding/json. The standard encoder
// alone would spend most of a conversion sorting keys by reflection.
func appendJSON(out []byte, value any) ([]byte, error) {
	switch v := value.(type) {
	case nil:
		return append(out, "null"...), nil
	case string:
		return appendString(out, v), nil
	case bool:
		return strconv.AppendBool(out, v), nil
	case int:
		return appendInt(out, int64(v)), nil
	case int64:
		return appendInt(out, v), nil
	case map[string]any:
		return appendMap(out, v)
	case Object:
		return appendMap(out, v)
	case []any:
		return appendList(out, v)
	case []string:
		out = append(out, '[')
		for i, s := range v {
			if i > 0 {
				out = append(out, ',')
			}
			out = appendString(out, s)
		}
		return append(out, ']'), nil
	}
	return appendStandard(out, value)
}

func appendMap(out []byte, m map[string]any) ([]byte, error) {
	if m == nil {
		return append(out, "null"...), nil
	}
	var few [16]string
	keys := few[:0]
	for key := range m {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	out = append(out, '{')
	for i, key := range keys {
		if i > 0 {
			out = append(out, ',')
		}
		out = append(appendString(out, key), ':')
		var err error
		if out, err = appendJSON(out, m[key]); err != nil {
			return nil, err
		}
	}
	return append(out, '}'), nil
}

func appendList(out []byte, list []any) ([]byte, error) {
	if list == nil {
		return append(out, "null"...), nil
	}
	out = append(out, '[')
	for i, element := range list {
		if i > 0 {
			out = append(out, ',')
		}
		var err error
		if out, err = appendJSON(out, element); err != nil {
			return nil, err
		}
	}
	return append(out, ']'), nil
}

func appendInt(out []byte, n int64) []byte { return strconv.AppendInt(out, n, 10) }

// appendString copies plain ASCII, which nearly all strings are.
func appendString(out []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < 0x20 || c > 0x7e || c == '"' || c == '\\' {
			// The standard encoder never fails for a string: it replaces what is not UTF-8.
			out, _ = appendStandard(out, s)
			return out
		}
	}
	out = append(out, '"')
	out = append(out, s...)
	return append(out, '"')
}

func appendStandard(out []byte, value any) ([]byte, error) {
	var buffer bytes.Buffer
	encoder := json.NewEncoder(&buffer)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		return nil, err
	}
	return append(out, bytes.TrimSuffix(buffer.Bytes(), []byte("\n"))...), nil
}
