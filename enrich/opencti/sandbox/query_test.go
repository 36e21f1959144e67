package sandbox

import (
	"reflect"
	"testing"
)

func TestParseQuery(t *testing.T) {
	op, err := parseQuery(`
		# a comment
		mutation M($id: ID!, $n: [Int!] = [1, 2]) @live {
			w: workEdit(id: $id) { toReceived(message: "a \"b\" \u00e9\ud83d\ude00") ...f }
			other(x: {a: [$n, null, true], b: ENUM, c: -1.5e2}, text: """ block "quoted" """)
		}
		fragment f on WorkEditMutations { ping }`, "")
	if err != nil {
		t.Fatal(err)
	}
	if op.kind != "mutation" || op.name != "M" || len(op.vars) != 2 || op.vars[1].typ != "[Int!]" || operationName(op) != OpToReceived {
		t.Errorf("operation is %+v", op)
	}
	vars, err := op.variables(map[string]any{"id": "x"})
	if err != nil {
		t.Fatal(err)
	}
	op.resolveArgs(vars)
	edit, other := op.sel[0], op.sel[1]
	if edit.alias != "w" || edit.args["id"] != "x" || edit.sel[0].args["message"] != "a \"b\" é😀" || edit.sel[1].sel[0].name != "ping" {
		t.Errorf("workEdit is %+v", edit)
	}
	want := map[string]any{
		"x":    map[string]any{"a": []any{[]any{1.0, 2.0}, nil, true}, "b": "ENUM", "c": -150.0},
		"text": `block "quoted"`,
	}
	if !reflect.DeepEqual(other.args, want) {
		t.Errorf("arguments are %v", other.args)
	}
}

func TestParseQueryRefuses(t *testing.T) {
	for _, src := range []string{
		"", "{", "{}", "{a", "query Q", "subscription { a }", "{ a(b: ) }", "{ a(b: $) }", `{ a(b: "x) }`, "{ ...f }",
		"{ ...f } fragment f on T { ...f }", "{ a } { b }", "{ a \x00 }", `{ a(b: "\q") }`, "{ a } fragment f { b }",
	} {
		if op, err := parseQuery(src, ""); err == nil {
			t.Errorf("%q is read as %+v", src, op)
		}
	}
	if _, err := parseQuery("query A { a }", "B"); err == nil {
		t.Error("an operation that is not there was found")
	}
}

func FuzzParseQuery(f *testing.F) {
	f.Add(`query q($id: String!) { stixCoreObject(id: $id) { id ... on StixCyberObservable { observable_value } ...f } } fragment f on X { a }`)
	f.Add(`mutation { registerConnector(input: {id: "x", scope: ["a"]}) { config { s3 { port } } } }`)
	f.Add(`{ a(b: """x""", c: "\u0041") @d(e: 1) { ...f } } fragment f on T { ...g } fragment g on T { ...f }`)
	f.Fuzz(func(t *testing.T, src string) {
		op, err := parseQuery(src, "")
		if (op == nil) == (err == nil) {
			t.Errorf("%q: %v, %v", src, op, err)
		}
	})
}
