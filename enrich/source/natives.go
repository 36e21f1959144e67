package source

import (
	"encoding/base64"
	"errors"
	"math"
	"net/netip"
	"regexp"
	"strings"
	"time"

	"github.com/itchyny/gojq"
)

// natives are the functions that programs have beside jq's, and in place of
// those of jq's that make much of little without being asked (rename says which).
func natives() []gojq.CompilerOption {
	return []gojq.CompilerOption{
		booking("__charge", (*budget).charge),
		booking("__weigh", (*budget).weigh),
		gojq.WithFunction("__times", 2, 2, func(_ any, args []any) any { return times(args[0], args[1]) }),
		gojq.WithFunction("__minus", 2, 2, func(_ any, args []any) any { return minus(args[0], args[1]) }),
		gojq.WithFunction("__contains", 1, 1, func(v any, args []any) any { return containsText(v, args[0]) }),
		gojq.WithFunction("__add", 0, 0, func(v any, _ []any) any { return sum(v) }),
		gojq.WithFunction("__join", 1, 1, func(v any, args []any) any { return join(v, args[0]) }),
		gojq.WithFunction("__gsub", 2, 3, func(v any, args []any) any { return substitute(v, args, -1) }),
		gojq.WithFunction("__sub", 2, 3, func(v any, args []any) any { return substitute(v, args, 1) }),
		gojq.WithFunction("scale", 1, 1, func(v any, args []any) any { return scale(v, args[0]) }),
		gojq.WithFunction("same", 1, 1, func(v any, args []any) any { return same(v, args[0]) }),
		gojq.WithFunction("base64url", 0, 0, func(v any, _ []any) any {
			s, ok := v.(string)
			if !ok {
				return errors.New("base64url wants a text")
			}
			return base64.RawURLEncoding.EncodeToString([]byte(s))
		}),
		gojq.WithFunction("quoted", 0, 0, func(v any, _ []any) any {
			s, ok := v.(string)
			if !ok {
				return errors.New("quoted wants a text")
			}
			return quoted(s)
		}),
		gojq.WithFunction("time", 0, 0, func(v any, _ []any) any {
			t, err := parseTime(v)
			if err != nil || t.IsZero() {
				return nil
			}
			return t.Format(time.RFC3339)
		}),
	}
}

// quoted escapes what would end a text that stands between quotes, as in the
// query strings of Lucene and Elasticsearch; unquoted undoes it.
func quoted(s string) string { return strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) }

func unquoted(s string) string { return strings.NewReplacer(`\\`, `\`, `\"`, `"`).Replace(s) }

// booking is a function that passes its input on and books it.
func booking(name string, book func(*budget, any) error) gojq.CompilerOption {
	return gojq.WithFunction(name, 1, 1, func(v any, args []any) any {
		b, ok := args[0].(*budget)
		if !ok {
			return errors.New("no budget")
		}
		if err := book(b, v); err != nil {
			return err
		}
		return v
	})
}

// minus subtracts numbers, and nothing else: jq's - also takes lists apart,
// each element against each.
func minus(a, b any) any {
	x, okX := gojq.ToFloat64(a)
	y, okY := gojq.ToFloat64(b)
	if !okX || !okY {
		return errors.New("- is for numbers")
	}
	return whole(x - y)
}

// containsText looks for a text in a text.
func containsText(v, part any) any {
	s, okS := v.(string)
	p, okP := part.(string)
	if !okS || !okP {
		return errors.New("contains is for texts: say any(. == …) of lists")
	}
	return strings.Contains(s, p)
}

// times multiplies numbers, and nothing else: jq's * also repeats texts.
func times(a, b any) any {
	x, okX := gojq.ToFloat64(a)
	y, okY := gojq.ToFloat64(b)
	if !okX || !okY {
		return errors.New("* is for numbers")
	}
	return whole(x * y)
}

// whole gives integers as such, so that they print without a point.
func whole(f float64) any {
	if f == math.Trunc(f) && math.Abs(f) < 1<<53 {
		return int(f)
	}
	return f
}

// scale brings a number from 0 to the top of the provider's scale onto 0 to 100.
func scale(v, top any) any {
	x, okX := gojq.ToFloat64(v)
	y, okY := gojq.ToFloat64(top)
	if !okX || !okY || y <= 0 || math.IsNaN(x) {
		return errors.New("scale wants a number and the top of its scale")
	}
	return whole(math.Round(min(100, max(0, 100*x/y))))
}

// sum adds up a list of numbers, texts or lists in one go.
func sum(v any) any {
	list, ok := v.([]any)
	if !ok || len(list) == 0 {
		return nil
	}
	switch list[0].(type) {
	case string:
		return join(v, "")
	case []any:
		var all []any
		for _, e := range list {
			some, ok := e.([]any)
			if !ok && e != nil {
				return errors.New("add wants things of one kind")
			}
			if all = append(all, some...); len(all) > maxMade/16 {
				return errMade
			}
		}
		return all
	}
	total := 0.0
	for _, e := range list {
		x, ok := gojq.ToFloat64(e)
		if !ok && e != nil {
			return errors.New("add is for numbers, texts and lists")
		}
		total += x
	}
	return whole(total)
}

// join is jq's, with a bound on what comes out.
func join(v, separator any) any {
	list, okList := v.([]any)
	between, okText := separator.(string)
	if !okList || !okText {
		return errors.New("join wants a list and a text")
	}
	var out strings.Builder
	for i, e := range list {
		if i > 0 {
			out.WriteString(between)
		}
		switch e := e.(type) {
		case nil:
		case string:
			out.WriteString(e)
		case []any, map[string]any:
			return errors.New("join wants a list of texts and numbers")
		default:
			text, err := gojq.Marshal(e)
			if err != nil {
				return err
			}
			out.Write(text)
		}
		if out.Len() > maxMade {
			return errMade
		}
	}
	return out.String()
}

// substitute replaces what an expression matches by a text; unlike in jq, the
// text is a text and not a program.
func substitute(v any, args []any, most int) any {
	s, okS := v.(string)
	expression, okE := args[0].(string)
	text, okT := args[1].(string)
	if !okS || !okE || !okT {
		return errors.New("sub and gsub want texts")
	}
	if len(args) == 3 {
		flags, _ := args[2].(string)
		if strings.Contains(flags, "g") {
			most = -1
		}
		if strings.Contains(flags, "i") {
			expression = "(?i)" + expression
		}
	}
	re, err := regexp.Compile(expression)
	if err != nil {
		return err
	}
	if most == 1 {
		if at := re.FindStringIndex(s); at != nil {
			return s[:at[0]] + text + s[at[1]:]
		}
		return s
	}
	places := re.FindAllStringIndex(s, maxPlaces)
	if len(places) == maxPlaces || len(places)*len(text) > maxMade {
		return errMade
	}
	var out strings.Builder
	rest := 0
	for _, at := range places {
		out.WriteString(s[rest:at[0]])
		out.WriteString(text)
		rest = at[1]
	}
	out.WriteString(s[rest:])
	return out.String()
}

// maxPlaces is how many places of one text gsub changes.
const maxPlaces = 100_000

// same compares a value that came back with the normalized one that was asked
// for: case and the spelling of addresses do not count.
func same(a, b any) bool {
	x, okX := a.(string)
	y, okY := b.(string)
	if !okX || !okY {
		return false
	}
	x, y = strings.TrimSuffix(strings.TrimSpace(x), "."), strings.TrimSpace(y)
	if strings.EqualFold(x, y) {
		return true
	}
	p, errP := netip.ParseAddr(x)
	q, errQ := netip.ParseAddr(y)
	return errP == nil && errQ == nil && p.Unmap() == q.Unmap()
}
