package output

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/itchyny/gojq"
)

// Options are the flags of every command that prints rows; kong reads the tags.
type Options struct {
	Output   string   `help:"table, json, jsonl, yaml or csv (default: a table on a terminal, else tab-separated lines)." enum:"auto,table,json,jsonl,yaml,csv" default:"auto" short:"o"`
	Fields   []string `name:"json" help:"JSON with these fields only; with --output, that with these only." placeholder:"FIELD,..."`
	JQ       string   `name:"jq" help:"JSON through a jq expression; strings come without quotes." placeholder:"EXPR"`
	Template string   `name:"template" help:"Each row through a Go template with its JSON fields: '{{.source}} {{.used}}'." placeholder:"TEXT"`
}

// ErrUsage is what all errors of New are: the options cannot be followed.
var ErrUsage = errors.New("output")

// format decides what is written.
func (o Options) format(t Terminal) (string, error) {
	wanted := cmp.Or(o.Output, "auto")
	switch {
	case o.Template != "" && (wanted != "auto" || o.JQ != ""):
		return "", fmt.Errorf("%w: --template makes a text of its own; leave --output and --jq away", ErrUsage)
	case o.Template != "":
		return "template", nil
	case o.JQ != "" && wanted != "auto" && wanted != "json":
		return "", fmt.Errorf("%w: --jq makes JSON; leave --output %s away", ErrUsage, wanted)
	case wanted != "auto":
		return wanted, nil
	case o.JQ != "" || len(o.Fields) > 0:
		return "json", nil
	case t.Width > 0:
		return "table", nil
	}
	return "tsv", nil
}

// choose is which columns are written, by their place.
func (o Options) choose(columns []Column, format string) (chosen []int, err error) {
	for _, name := range o.Fields {
		i := slices.IndexFunc(columns, func(c Column) bool { return c.Name == strings.TrimSpace(name) })
		if i < 0 {
			return nil, fmt.Errorf("%w: there is no field %q; there are %s", ErrUsage, name, strings.Join(names(columns), ", "))
		}
		chosen = append(chosen, i)
	}
	if chosen != nil {
		return chosen, nil
	}
	for i, c := range columns {
		if c.fits(format) {
			chosen = append(chosen, i)
		}
	}
	return chosen, nil
}

// program compiles the jq expression; nil without one.
func (o Options) program() (*gojq.Code, error) {
	if o.JQ == "" {
		return nil, nil
	}
	q, err := gojq.Parse(o.JQ)
	if err != nil {
		return nil, fmt.Errorf("%w: --jq: %w", ErrUsage, err)
	}
	code, err := gojq.Compile(q) // without an environment and without modules
	if err != nil {
		return nil, fmt.Errorf("%w: --jq: %w", ErrUsage, err)
	}
	return code, nil
}
