package quota

import (
	"go/ast"
	"go/parser"
	"go/token"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// Kinds has every constant, so that no filter refuses a kind that there is.
func TestKindsAreComplete(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "entry.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var declared []string
	ast.Inspect(file, func(n ast.Node) bool {
		if v, ok := n.(*ast.ValueSpec); ok && strings.HasPrefix(v.Names[0].Name, "Kind") {
			kind, err := strconv.Unquote(v.Values[0].(*ast.BasicLit).Value)
			if err != nil {
				t.Fatal(err)
			}
			declared = append(declared, kind)
		}
		return true
	})
	kinds := Kinds()
	slices.Sort(kinds)
	if slices.Sort(declared); len(declared) == 0 || !slices.Equal(kinds, declared) {
		t.Errorf("Kinds() are %q, declared are %q", kinds, declared)
	}
}

func TestFilterCheck(t *testing.T) {
	for _, good := range []Filter{{}, {Kind: KindPrune}, {Trigger: "auto"}, {Kind: KindSpent, Trigger: "manual", Source: "anything"}} {
		if err := good.Check(); err != nil {
			t.Errorf("%+v: %v", good, err)
		}
	}
	for _, wrong := range []Filter{{Kind: "nosuch"}, {Trigger: "nosuch"}, {Kind: "Spent"}} {
		if wrong.Check() == nil {
			t.Errorf("%+v is taken", wrong)
		}
	}
}
