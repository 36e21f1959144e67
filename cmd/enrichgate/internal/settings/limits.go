package settings

import (
	"errors"
	"fmt"
	"iter"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/enrichgate/enrichgate/quota"
)

const (
	// keyLimits is a source's list of limits, each a mapping, for what the
	// compact list of QUOTA cannot say.
	keyLimits = "limits"
	// keyBudgets are limits of single clients and playbooks, by name and id.
	keyBudgets = "budgets"
)

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
	if e, ok := l.doc.find(spec.Name + "." + keyBudgets); ok && !isNull(deref(e.value)) {
		l.budgets(spec, s, e)
	}
	if err := s.Account().Validate(); err != nil && !l.bad[spec.prefix()+"QUOTA"] {
		rank := l.rank(spec.prefix() + "QUOTA")
		l.problems = append(l.problems, Problem{Name: spec.prefix() + "QUOTA", Text: oneLine(err.Error()), rank: rank})
	}
}

// budgets reads the mappings clients and playbooks.
func (l *loader) budgets(spec SourceSpec, s *Source, e entry) {
	fail := func(path string, line int, text string) {
		l.problems = append(l.problems, Problem{Name: path, Where: l.doc.where(line), Text: oneLine(text), rank: l.rank(spec.prefix() + "QUOTA")})
	}
	kinds := map[string]*map[string][]quota.Limit{"clients": &s.ClientBudgets, "playbooks": &s.PlaybookBudgets}
	for kind, node := range pairs(e.path(), deref(e.value), fail) {
		path := e.path() + "." + plain(kind.Value)
		into, known := kinds[kind.Value]
		if !known {
			fail(path, kind.Line, "unknown; there is clients and playbooks")
			continue
		}
		*into = map[string][]quota.Limit{}
		for name, value := range pairs(path, deref(node), fail) {
			text, err := scalarText(value, true)
			if err == nil {
				(*into)[name.Value], err = quota.ParseBudget(text)
			}
			if err != nil {
				fail(path+"."+plain(name.Value), name.Line, err.Error())
			}
		}
	}
}

// pairs are the keys and values of a mapping.
func pairs(path string, m *yaml.Node, fail func(path string, line int, text string)) iter.Seq2[*yaml.Node, *yaml.Node] {
	return func(yield func(*yaml.Node, *yaml.Node) bool) {
		if m.Kind != yaml.MappingNode {
			fail(path, m.Line, "not a mapping; write names with their limits below it, indented")
			return
		}
		for k := 0; k+1 < len(m.Content); k += 2 {
			if !yield(m.Content[k], m.Content[k+1]) {
				return
			}
		}
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
	seen := map[string]int{}
	for i, node := range list.Content {
		at := fmt.Sprintf("%s[%d]", e.path(), i)
		node = deref(node)
		limit, err := limitOf(node)
		if err == nil {
			err = checkBucket(spec.Buckets, limit)
		}
		if first, again := seen[limit.Bucket+"/"+limit.Per.String()]; err == nil && again {
			err = fmt.Errorf("limits the same period as %s[%d]; keep one", e.path(), first)
		}
		if err != nil {
			l.problems = append(l.problems, Problem{Name: at, Where: l.doc.where(node.Line), Text: oneLine(err.Error()), rank: rank})
			continue
		}
		seen[limit.Bucket+"/"+limit.Per.String()] = i
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
	if limit.Per, err = quota.ParsePeriod(strings.ToLower(given["per"])); err != nil {
		return limit, fmt.Errorf("per: %w", err)
	}
	limit.Rolling, limit.ResetWeekday = limit.Per < quota.Day, time.Monday
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
	case "per":
	case "bucket":
		limit.Bucket = value
	case "limit":
		limit.Units, err = strconv.ParseInt(value, 10, 64)
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
		known := []string{"limit", "per", "bucket", "rolling", "timezone", "reset_hour", "reset_day", "reset_weekday"}
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
