package source

import (
	"bytes"
	_ "embed"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/santhosh-tekuri/jsonschema/v6"
	fault "github.com/santhosh-tekuri/jsonschema/v6/kind"
	"golang.org/x/text/language"
	"golang.org/x/text/message"
)

//go:embed source.schema.json
var sourceSchemaText []byte

//go:embed fixtures.schema.json
var fixturesSchemaText []byte

// Schema is the JSON Schema of source.yaml, for editors.
func Schema() []byte { return bytes.Clone(sourceSchemaText) }

// The schemas are compiled when they are first needed: a daemon that declares
// no source of its own does not pay for it.
var (
	sourceSchema   = sync.OnceValue(func() *jsonschema.Schema { return compileSchema(sourceSchemaText) })
	fixturesSchema = sync.OnceValue(func() *jsonschema.Schema { return compileSchema(fixturesSchemaText) })
)

func compileSchema(text []byte) *jsonschema.Schema {
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		panic("source: our own schema is no JSON: " + err.Error())
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("schema.json", doc); err != nil {
		panic("source: our own schema cannot be used: " + err.Error())
	}
	return c.MustCompile("schema.json")
}

// checkSchema holds a file's content against a schema, one problem per fault.
func (d *document) checkSchema(schema *jsonschema.Schema, content any) (problems []Problem) {
	err := schema.Validate(content)
	var invalid *jsonschema.ValidationError
	if err == nil || !errors.As(err, &invalid) {
		return nil
	}
	printer := message.NewPrinter(language.English)
	var walk func(*jsonschema.ValidationError)
	walk = func(e *jsonschema.ValidationError) {
		for _, cause := range likeliest(e) {
			walk(cause)
		}
		if len(e.Causes) > 0 {
			return
		}
		if extra, ok := e.ErrorKind.(*fault.AdditionalProperties); ok {
			for _, name := range extra.Properties {
				p := d.problem(append(append([]string{}, e.InstanceLocation...), name), "%s is not a field here", name)
				problems = append(problems, p)
			}
			return
		}
		where := "the file"
		if n := len(e.InstanceLocation); n > 0 {
			where = e.InstanceLocation[n-1]
		}
		problems = append(problems, d.problem(e.InstanceLocation, "%s: %s%s", where, e.ErrorKind.LocalizedString(printer), hint(e)))
	}
	walk(invalid)
	if len(problems) == 0 {
		problems = append(problems, d.problem(nil, "%s", fmt.Sprint(err)))
	}
	return problems
}

// likeliest are the causes of a fault. Where a value fits none of several forms,
// they are those of the forms that it misses least: nobody meant the others.
func likeliest(e *jsonschema.ValidationError) []*jsonschema.ValidationError {
	if _, forms := e.ErrorKind.(*fault.OneOf); !forms || len(e.Causes) == 0 {
		return e.Causes
	}
	least := faults(slices.MinFunc(e.Causes, func(a, b *jsonschema.ValidationError) int { return faults(a) - faults(b) }))
	return slices.DeleteFunc(slices.Clone(e.Causes), func(cause *jsonschema.ValidationError) bool { return faults(cause) > least })
}

// faults counts what is wrong.
func faults(e *jsonschema.ValidationError) int {
	if len(e.Causes) == 0 {
		return 1
	}
	n := 0
	for _, cause := range e.Causes {
		n += faults(cause)
	}
	return n
}

// hint says what makes a mapping of what was meant as a text.
func hint(e *jsonschema.ValidationError) string {
	if t, is := e.ErrorKind.(*fault.Type); is && t.Got == "object" && slices.Contains(t.Want, "string") {
		return ` (a text that begins with { must be in quotes)`
	}
	return ""
}
