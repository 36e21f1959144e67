package source

import (
	"context"
	"errors"
	"fmt"
	"regexp"

	"github.com/itchyny/gojq"
)

// program is a compiled jq program. It is safe for concurrent use.
type program struct{ code *gojq.Code }

// budgetVariable carries the run's budget to the functions that charge it.
const budgetVariable = "$__budget"

// scope is what a program sees beside its input.
type scope struct {
	// value is the normalized one that was asked about, kind its STIX type.
	value, kind string
	lookup      string
	params      map[string]any
	// values are those that a batch asked about.
	values []any
}

func variables() []string {
	return []string{"$value", "$kind", "$lookup", "$params", "$values", budgetVariable}
}

// programError says what is wrong with a program, and where in its text.
type programError struct {
	reason string
	offset int
}

func (e *programError) Error() string { return e.reason }

// compile checks and compiles a program.
//
// The language is jq, for an analyst knows it and nothing says "if there, take
// it" more shortly; README.md has the measurements. It is bounded in three ways:
// no loops that carry state (rewrite.go), a budget of steps and of bytes made
// (budget.go), and inputs that are bounded themselves (body.go).
func compile(text string, library library) (*program, error) {
	return compileAs(text, library, func(*gojq.Query) {})
}

// compileMapping compiles a program whose yields fail each for itself.
func compileMapping(text string, library library) (*program, error) {
	return compileAs(text, library, isolate)
}

func compileAs(text string, library library, change func(*gojq.Query)) (*program, error) {
	query, err := gojq.Parse(text)
	if err != nil {
		var at *gojq.ParseError
		if errors.As(err, &at) {
			return nil, &programError{reason: "jq: " + err.Error(), offset: at.Offset - len(at.Token)}
		}
		return nil, &programError{reason: "jq: " + err.Error()}
	}
	r := &rewriter{library: library}
	if err := r.query(query); err != nil {
		var refused *refusal
		errors.As(err, &refused)
		return nil, &programError{reason: "jq: " + err.Error(), offset: offsetOf(text, refused.word)}
	}
	change(query)
	options := append(natives(), gojq.WithVariables(variables()))
	code, err := gojq.Compile(query, options...)
	if err != nil {
		word := regexp.MustCompile(`\$?\w+(/\d+)?$`).FindString(err.Error())
		return nil, &programError{reason: "jq: " + err.Error(), offset: offsetOf(text, word)}
	}
	return &program{code}, nil
}

// offsetOf finds a word that the syntax tree no longer knows the place of.
func offsetOf(text, word string) int {
	if word == "" {
		return 0
	}
	at := regexp.MustCompile(`(^|[^\w$])(` + regexp.QuoteMeta(word) + `)`).FindStringSubmatchIndex(text)
	if at == nil {
		return 0
	}
	return at[4]
}

// run gives all that the program yields, up to where it failed; nothing of one
// that took more than its budget.
func (p *program) run(ctx context.Context, input any, s scope) ([]any, error) {
	ctx, cancel := context.WithTimeout(ctx, maxRun)
	defer cancel()
	b := newBudget(ctx)
	iter := p.code.RunWithContext(b, input, s.value, s.kind, s.lookup, s.params, s.values, b)
	var all []any
	for {
		v, more := iter.Next()
		if b.over != nil { // whatever the program caught
			return nil, b.over
		}
		if !more {
			return all, nil
		}
		if err, failed := v.(error); failed {
			if ctx.Err() != nil {
				return nil, err
			}
			return all, fmt.Errorf("jq: %w", err)
		}
		if all = append(all, v); len(all) > maxYields {
			return nil, errYields
		}
	}
}

// one runs a program that is to give exactly one value.
func (p *program) one(ctx context.Context, input any, s scope) (any, error) {
	all, err := p.run(ctx, input, s)
	if err != nil {
		return nil, err
	}
	if len(all) != 1 {
		return nil, fmt.Errorf("jq: the program gave %d values, not one", len(all))
	}
	return all[0], nil
}
