package settings

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/enrichgate/enrichgate/quota"
)

// keyLimits is a source's list of limits, each a mapping, for what the compact
// list of QUOTA cannot say.
const keyLimits = "limits"

// limits completes the limits of a source: the list of mappings instead of the
// compact one, and when calendar windows begin.
func (l *loader) limits(spec SourceSpec, s *Source) {
	if e, ok := l.doc.find(spec.Name + "." + keyLimits); ok && !isNull(deref(e.value)) {
		name := spec.prefix() + "QUOTA"
		if g, given := l.given[name]; given {
			rank := l.rank(name)
			l.fail(rank, l.rows[rank], g, fmt.Errorf("given together with %s of config.yml; keep one", e.path()))
			return
		}
		s.Limits = l.limitList(spec, e)
	}
	for i := range s.Limits {
		s.reset.apply(&s.Limits[i])
	}
}

// limitList reads the list.
func (l *loader) limitList(spec SourceSpec, e entry) (limits []quota.Limit) {
	rank := l.rank(spec.prefix() + "QUOTA")
	list := deref(e.value)
	if list.Kind != yaml.SequenceNode {
		l.problems = append(l.problems, Problem{Name: e.path(), Where: l.doc.where(e.line), rank: rank,
			Text: "not a list; write entries such as - {limit: 1000, per: day}"})
		return nil
	}
	seen := map[quota.Period]int{}
	for i, node := range list.Content {
		at := fmt.Sprintf("%s[%d]", e.path(), i)
		node = deref(node)
		limit, err := limitOf(node)
		if first, again := seen[limit.Per]; err == nil && again {
			err = fmt.Errorf("limits the same period as %s[%d]; keep one", e.path(), first)
		}
		if err != nil {
			l.problems = append(l.problems, Problem{Name: at, Where: l.doc.where(node.Line), Text: oneLine(err.Error()), rank: rank})
			continue
		}
		seen[limit.Per] = i
		limits = append(limits, limit)
	}
	return limits
}

// limitOf reads one mapping: limit, per, and what is not as usual.
func limitOf(node *yaml.Node) (limit quota.Limit, err error) {
	if node.Kind != yaml.MappingNode {
		return limit, errors.New("not a mapping; write for example {limit: 1000, per: day}")
	}
	given := map[string]string{}
	for k := 0; k+1 < len(node.Content); k += 2 {
		key := node.Content[k].Value
		if _, again := given[key]; again {
			return limit, fmt.Errorf("%s is given twice", plain(key))
		}
		if given[key], err = scalarText(node.Content[k+1], false); err != nil {
			return limit, fmt.Errorf("%s: %w", plain(key), err)
		}
	}
	limits, err := quota.ParseLimits(given["limit"] + "/" + given["per"])
	if err != nil {
		return limit, err
	}
	if len(limits) != 1 {
		return limit, errors.New("one limit is wanted; write for example {limit: 1000, per: day}")
	}
	limit = limits[0]
	for key, value := range given {
		if err := setLimit(&limit, key, value); err != nil {
			return limit, fmt.Errorf("%s: %w", plain(key), err)
		}
	}
	return limit, limit.Validate()
}

// setLimit sets one key of a limit.
func setLimit(limit *quota.Limit, key, value string) (err error) {
	switch key {
	case "limit", "per":
	case "rolling":
		limit.Rolling, err = parseBool(value)
	case "timezone":
		_, err = zone(func(*Settings) **time.Location { return &limit.Zone })(&target{}, value)
	case "reset_hour":
		limit.ResetHour, err = strconv.Atoi(value)
	case "reset_day":
		limit.ResetDay, err = strconv.Atoi(value)
	case "reset_weekday":
		limit.ResetWeekday, err = weekday(value)
	default:
		known := []string{"limit", "per", "rolling", "timezone", "reset_hour", "reset_day", "reset_weekday"}
		return fmt.Errorf("unknown; there is %s", strings.Join(known, ", "))
	}
	if errors.Is(err, strconv.ErrSyntax) || errors.Is(err, strconv.ErrRange) {
		err = fmt.Errorf("%s is not a whole number", shown(value))
	}
	return err
}

func weekday(name string) (time.Weekday, error) {
	for d := time.Sunday; d <= time.Saturday; d++ {
		if strings.EqualFold(d.String(), strings.TrimSpace(name)) {
			return d, nil
		}
	}
	return 0, fmt.Errorf("%s is not a day of the week; write for example monday", shown(name))
}
