package source

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/itchyny/gojq"
)

// intent is one thing that a mapping says, its fields read when they are asked
// for. A field of the wrong type is a complaint and counts as absent.
type intent struct {
	fields map[string]any
	read   []string
	wrong  []error
}

func newIntent(v any) (*intent, error) {
	fields, ok := v.(map[string]any)
	if !ok {
		return nil, errors.New("is not an object with an op")
	}
	return &intent{fields: fields}, nil
}

func (in *intent) get(name string) any {
	in.read = append(in.read, name)
	return in.fields[name]
}

func (in *intent) complain(name, format string, args ...any) {
	in.wrong = append(in.wrong, fmt.Errorf("%s "+format, append([]any{name}, args...)...))
}

// text reads a text; a number will do.
func (in *intent) text(name string) string {
	switch v := in.get(name).(type) {
	case nil:
	case string:
		return v
	case int, float64, json.Number:
		b, _ := gojq.Marshal(v)
		return string(b)
	default:
		in.complain(name, "is not a text")
	}
	return ""
}

// texts reads a list of texts, or one.
func (in *intent) texts(name string) (all []string) {
	switch v := in.get(name).(type) {
	case nil:
	case string:
		return []string{v}
	case []any:
		for _, e := range v {
			if s, ok := e.(string); ok {
				all = append(all, s)
			} else if e != nil {
				in.complain(name, "holds what is not a text")
			}
		}
	default:
		in.complain(name, "is not a list of texts")
	}
	return all
}

// number reads a number, also one that came as a text.
func (in *intent) number(name string) (float64, bool) { return in.numeric(name, in.get(name)) }

func (in *intent) numeric(name string, v any) (float64, bool) {
	if s, ok := v.(string); ok && s != "" {
		v = json.Number(s)
		if _, err := v.(json.Number).Float64(); err != nil {
			in.complain(name, "is not a number")
			return 0, false
		}
	}
	if v == nil || v == "" {
		return 0, false
	}
	f, ok := gojq.ToFloat64(v)
	if !ok || math.IsNaN(f) || math.IsInf(f, 0) {
		in.complain(name, "is not a number")
		return 0, false
	}
	return f, true
}

// whole reads a number without a fraction.
func (in *intent) whole(name string) int64 { return in.integer(name, in.get(name)) }

func (in *intent) integer(name string, v any) int64 {
	f, ok := in.numeric(name, v)
	if !ok {
		return 0
	}
	if f != math.Trunc(f) || math.Abs(f) > 1<<53 {
		in.complain(name, "is not a whole number")
		return 0
	}
	return int64(f)
}

// system reads an AS number, with or without AS before it.
func (in *intent) system(name string) int64 {
	if s, ok := in.fields[name].(string); ok && len(s) > 2 && strings.EqualFold(s[:2], "AS") {
		in.get(name)
		return in.integer(name, s[2:])
	}
	return in.integer(name, in.get(name))
}

func (in *intent) score(name string) *int {
	f, ok := in.number(name)
	if !ok {
		return nil
	}
	n := int(math.Round(min(100, max(0, f))))
	return &n
}

func (in *intent) flag(name string) bool {
	switch v := in.get(name).(type) {
	case nil:
	case bool:
		return v
	default:
		in.complain(name, "is neither true nor false")
	}
	return false
}

func (in *intent) time(name string) time.Time {
	t, err := parseTime(in.get(name))
	if err != nil {
		in.complain(name, "%w", err)
	}
	return t
}

// hashes reads a map of hashes by algorithm, leaving out what is empty.
func (in *intent) hashes(name string) map[string]string {
	switch v := in.get(name).(type) {
	case nil:
	case map[string]any:
		all := make(map[string]string, len(v))
		for algorithm, hash := range v {
			if s, ok := hash.(string); ok && s != "" {
				all[algorithm] = s
			} else if hash != nil && hash != "" {
				in.complain(name, "holds what is not a text")
			}
		}
		return all
	default:
		in.complain(name, "is not an object of hashes")
	}
	return nil
}

// done gives the complaints, of fields that nobody reads too.
func (in *intent) done() []error {
	for name := range in.fields {
		if !slices.Contains(in.read, name) {
			in.complain(name, "is not a field of it")
		}
	}
	slices.SortFunc(in.wrong, func(a, b error) int { return compareText(a.Error(), b.Error()) })
	return in.wrong
}
