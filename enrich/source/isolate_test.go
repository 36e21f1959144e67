package source

import (
	"strings"
	"testing"

	"github.com/itchyny/gojq"
)

// What fails in a mapping costs the intent that it is in, the row of the answer
// that it is about, and nothing else.
func TestIntentsFailEachForItself(t *testing.T) {
	for _, c := range []struct{ text, input, want string }{
		{`{a: .x.y}, {b: 1}, {c: (1 + .z)}`, `{"x":1,"z":"s"}`, `! {"b":1} !`},
		{`.list[] | {v: ("n" + .)}`, `{"list":["a",7,"b",null]}`, `{"v":"na"} ! {"v":"nb"} {"v":"n"}`},
		{`.list[] | .n as $n | {v: $n}, {w: ("x" + $n)}`, `{"list":[{"n":"a"},7,{"n":8}]}`, `{"v":"a"} {"w":"xa"} ! {"v":8} !`},
		{`def f: .a.b; . as $d | ({x: f}, {y: ($d | f)}, (if .a then ({z: f}, {ok: 1}) else empty end))`, `{"a":"text"}`, `! ! ! {"ok":1}`},
		{`{x: 1}, ([.list[].n] | unique[] | {v: .})`, `{"list":[{"n":1},"text"]}`, `{"x":1} !`},
		{`.a as $a | {x: 1}`, `"text"`, `error`},
		{`[{x: 1}, {y: .a.b}]`, `{"a":1}`, `error`}, // a list is made whole
	} {
		p, err := compileMapping(c.text, newLibrary())
		if err != nil {
			t.Fatalf("%s: %v", c.text, err)
		}
		all, err := p.run(t.Context(), decoded(t, c.input), scope{})
		var got []string
		for _, v := range all {
			if _, is := unusable(v); is {
				got = append(got, "!")
				continue
			}
			b, _ := gojq.Marshal(v)
			got = append(got, string(b))
		}
		if err != nil {
			got = append(got, "error")
		}
		if text := strings.Join(got, " "); text != c.want {
			t.Errorf("%s: %s, not %s (%v)", c.text, text, c.want, err)
		}
	}
}

// What is caught is not the budget.
func TestABudgetIsNotCaught(t *testing.T) {
	p, err := compileMapping(`.[] | . as $x | {x: ([range(1e6)] | map(tostring) | join(",") | length)}`, newLibrary())
	if err != nil {
		t.Fatal(err)
	}
	if all, err := p.run(t.Context(), decoded(t, `[1,2,3]`), scope{}); err == nil || len(all) > 0 {
		t.Errorf("%v, %v", all, err)
	}
}

// A list is as long as the place is far at which something is set.
func TestPlacesAreNames(t *testing.T) {
	for _, text := range []string{`.[60000000] = 1`, `.a[$value] = 1`, `.a[0:9] = []`, `(.a | .[5]) |= 1`, `def f: .[5]; f = 1`, `getpath(["a", 60000000]) = 1`, `.a[7] //= 1`, `[] | .[.x] = 1`} {
		if _, err := compile(text, newLibrary()); err == nil || !strings.Contains(err.Error(), "only what has a name can be set") {
			t.Errorf("%s: %v", text, err)
		}
	}
	for _, text := range []string{`.a.b = 1`, `.a[].b |= 2`, `(.a | select(.[0] == 1)) = 1`, `.a //= 1`, `with_entries(.value = 1)`} {
		if _, err := compile(text, newLibrary()); err != nil {
			t.Errorf("%s: %v", text, err)
		}
	}
}
