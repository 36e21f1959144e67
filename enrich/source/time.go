package source

import (
	"encoding/json"
	"errors"
	"math"
	"regexp"
	"strings"
	"time"

	"github.com/itchyny/gojq"
)

var errNoTime = errors.New("is not a time")

// parseTime reads the spellings of time that providers use: RFC 3339 with and
// without a zone, a date, a space for the T, ASN.1's 20260101000000Z, and
// seconds or milliseconds since 1970. Without a zone it is UTC. Null and the
// empty text are no time at all and no error.
func parseTime(v any) (time.Time, error) {
	switch v := v.(type) {
	case nil:
		return time.Time{}, nil
	case string:
		return parseTimeText(strings.TrimSpace(v))
	case int, float64, json.Number:
		seconds, _ := gojq.ToFloat64(v)
		return fromEpoch(seconds)
	}
	return time.Time{}, errNoTime
}

func fromEpoch(seconds float64) (time.Time, error) {
	if math.Abs(seconds) > 1e11 { // the year 5138 in seconds: it must be milliseconds
		seconds /= 1000
	}
	if !(seconds > 0 && seconds < 1e11) {
		return time.Time{}, errNoTime
	}
	whole, part := math.Modf(seconds)
	return inRange(time.Unix(int64(whole), int64(math.Round(part*1000))*int64(time.Millisecond)))
}

func parseTimeText(s string) (time.Time, error) {
	if s == "" || strings.HasPrefix(s, "0000-00-00") {
		return time.Time{}, nil
	}
	s = strings.TrimSuffix(s, " UTC")
	for _, layout := range [...]string{
		time.RFC3339, "2006-01-02T15:04:05", time.DateTime, "2006-01-02 15:04:05Z07:00",
		"2006-01-02 15:04:05 -0700", "2006-01-02T15:04:05-0700", "2006-01-02T15:04Z07:00",
		time.DateOnly, "20060102150405Z", "20060102", time.RFC1123, time.RFC1123Z,
	} {
		if t, err := time.Parse(layout, s); err == nil {
			return inRange(t)
		}
	}
	if epoch := regexp.MustCompile(`^\d{9,13}(\.\d{1,9})?$`); epoch.MatchString(s) {
		seconds, _ := gojq.ToFloat64(json.Number(s))
		return fromEpoch(seconds)
	}
	return time.Time{}, errNoTime
}

func inRange(t time.Time) (time.Time, error) {
	if t = t.UTC(); t.Year() < 1970 || t.Year() > 9999 {
		return time.Time{}, errNoTime
	}
	return t, nil
}
