package proofpoint

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/enrichgate/enrichgate/enrich"
	"github.com/enrichgate/enrichgate/enrich/source/wire"
)

// row is one object of a response, its fields read when they are asked for, so
// that a field of the wrong type costs that field only.
type row map[string]json.RawMessage

// errMissing says that a field is absent, null or empty.
var errMissing = errors.New("is missing")

// readRow takes a JSON object.
func readRow(raw json.RawMessage) (row, error) {
	var r row
	err := json.Unmarshal(raw, &r)
	if err != nil || r == nil {
		return nil, errors.New("is not an object")
	}
	return r, nil
}

// has is true if the field is there, even if it is null.
func (r row) has(field string) bool {
	_, ok := r[field]
	return ok
}

// text reads a string field, trimmed.
func (r row) text(field string) (string, error) {
	var s *string
	if !r.has(field) {
		return "", fmt.Errorf("%s %w", field, errMissing)
	}
	err := json.Unmarshal(r[field], &s)
	if err != nil {
		return "", fmt.Errorf("%s is not a text", field)
	}
	if s == nil || strings.TrimSpace(*s) == "" {
		return "", fmt.Errorf("%s %w", field, errMissing)
	}
	return strings.TrimSpace(*s), nil
}

// name reads a string field that people will see: one line, not empty, and not
// longer than most characters.
func (r row) name(field string, most int) (string, error) {
	s, err := r.text(field)
	if err != nil {
		return "", err
	}
	clean := wire.OneLine(s, most+1)
	if clean == "" || len([]rune(clean)) > most {
		return "", fmt.Errorf("%s is empty or longer than %d characters", field, most)
	}
	return clean, nil
}

// number reads a numeric field, also one that was sent as a string.
func (r row) number(field string) (float64, error) {
	text := string(r[field])
	if strings.HasPrefix(text, `"`) || text == "null" || text == "" {
		s, err := r.text(field)
		if err != nil {
			return 0, err
		}
		text = s
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsInf(f, 0) || math.IsNaN(f) {
		return 0, fmt.Errorf("%s is not a number", field)
	}
	return f, nil
}

// integer reads a whole number from least to most.
func (r row) integer(field string, least, most int64) (int64, error) {
	f, err := r.number(field)
	if err != nil {
		return 0, err
	}
	if f != math.Trunc(f) || f < float64(least) || f > float64(most) {
		return 0, fmt.Errorf("%s %v is not a whole number from %d to %d", field, f, least, most)
	}
	return int64(f), nil
}

// day reads a date, with or without a time of day, as midnight in UTC. A
// missing one is the zero time and no error.
func (r row) day(field string) (time.Time, error) {
	s, err := r.text(field)
	if errors.Is(err, errMissing) || strings.HasPrefix(s, "0000-00-00") {
		return time.Time{}, nil
	}
	if err != nil {
		return time.Time{}, err
	}
	for _, layout := range []string{time.DateOnly, time.DateTime, time.RFC3339} {
		t, err := time.Parse(layout, s)
		if err == nil && t.Year() >= 1970 && t.Year() <= 9999 {
			t = t.UTC()
			return time.Date(t.Year(), t.Month(), t.Day(), 0, 0, 0, 0, time.UTC), nil
		}
	}
	return time.Time{}, fmt.Errorf("%s %s is not a date", field, enrich.Shown(s))
}
