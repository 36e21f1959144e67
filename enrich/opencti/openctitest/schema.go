package openctitest

import (
	_ "embed"
	"fmt"
	"slices"
	"testing"

	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/parser"
	"github.com/vektah/gqlparser/v2/validator"
	"github.com/vektah/gqlparser/v2/validator/rules"

	"github.com/enrichgate/enrichgate/enrich/opencti/sandbox"
)

//go:embed opencti-7.260817.0.graphql
var schemaText string

// Schema returns a check of documents and variables against the schema of
// OpenCTI 7.260817.0, as sandbox.Options.Check wants it.
func Schema(tb testing.TB) func(query string, variables map[string]any) error {
	tb.Helper()
	return SchemaFor(tb, sandbox.DefaultVersion)
}

// SchemaFor is Schema for another version: it lacks the fields, arguments and
// inputs that came later. Later versions than 7.260817.0 have the same schema.
func SchemaFor(tb testing.TB, version string) func(query string, variables map[string]any) error {
	tb.Helper()
	schema, err := loadSchema(version)
	if err != nil {
		tb.Fatalf("openctitest: schema: %v", err)
	}
	return func(query string, variables map[string]any) error {
		return check(schema, query, variables)
	}
}

func check(schema *ast.Schema, query string, variables map[string]any) error {
	doc, errs := gqlparser.LoadQueryWithRules(schema, query, rules.NewDefaultRules())
	if len(errs) > 0 {
		return errs
	}
	for _, op := range doc.Operations {
		if _, err := validator.VariableValues(schema, op, variables); err != nil {
			return fmt.Errorf("variables of %s: %w", op.Name, err)
		}
	}
	return nil
}

func loadSchema(version string) (*ast.Schema, error) {
	doc, err := parser.ParseSchemas(validator.Prelude, &ast.Source{Name: "opencti.graphql", Input: schemaText})
	if err != nil {
		return nil, err
	}
	for _, gate := range sandbox.Missing(version) {
		remove(doc, gate)
	}
	return validator.ValidateSchemaDocument(doc)
}

func remove(doc *ast.SchemaDocument, gate sandbox.Gate) {
	def := doc.Definitions.ForName(gate.Type)
	if def == nil {
		return
	}
	if gate.Arg == "" {
		def.Fields = slices.DeleteFunc(def.Fields, func(f *ast.FieldDefinition) bool { return f.Name == gate.Field })
		return
	}
	if f := def.Fields.ForName(gate.Field); f != nil {
		f.Arguments = slices.DeleteFunc(f.Arguments, func(a *ast.ArgumentDefinition) bool { return a.Name == gate.Arg })
	}
}
