package source

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/itchyny/gojq"
)

func mustCompile(t testing.TB, text string) *program {
	t.Helper()
	p, err := compile(text, newLibrary())
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return p
}

func decoded(t testing.TB, text string) any {
	t.Helper()
	v, err := decodeBody([]byte(text))
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return v
}

// Programs mean what they mean in jq: what the rewriting does to them shows in
// nothing but the account.
func TestProgramsAreJQ(t *testing.T) {
	const input = `{"a":[{"n":3,"s":"x"},{"n":1,"s":"y"},{"n":2,"s":null}],"o":{"k":"v","w":1},"t":"Some Text","big":123456789012345678901234567890,"f":1.5,"e":"","z":null}`
	for _, text := range []string{
		`.a[] | .n + 1`, `.a | map(.n) | add`, `.t + "!" + .t`, `.a + [1]`, `.o + {x: 1}`, `.f * 2`, `3 * .f`, `2 * 3 * 4`, `1 + 2 * 3 - 4 / 2`,
		`"\(.t) and \(.f)"`, `"a\("b\(.t)c")d"`, `@base64 "x\(.t)"`, `@uri "q=\(.t)"`, `@json "v\(.o)"`, `.t | @base64`,
		`[.a[].s] | join(",")`, `[.a[].n] | join("-")`, `.a | sort_by(.n) | map(.s)`, `.a | group_by(.n > 1) | map(length)`, `.o | to_entries[] | "\(.key)=\(.value)"`,
		`.o | with_entries(.value = 1)`, `def f(x): x + 1; f(.f)`, `def f($x): $x + $x; f(.t)`, `def g: def h: . + 1; h; .f | g`, `.a as [$x, $y] | $x.n + $y.n`,
		`.a[] as {n: $n, s: $s} | {($s // "none"): $n}`, `if .f > 1 then .t elif .z then 1 else 2 end`, `try error("x") catch . + "y"`, `.a[0:2] | length`, `.t[2:4]`,
		`.t | sub("e"; "E")`, `.t | gsub("[eo]"; "_")`, `.t | gsub("T"; "x"; "i")`, `.t | split(" ")`, `.t | ascii_downcase | test("some")`, `.t | capture("(?<first>\\w+)").first`,
		`.big`, `.big + 1`, `-.f`, `-(.f + 1)`, `.z // "default" + "x"`, `(.a | length) as $n | [range($n)] | map(. * 2)`, `[.a[] | select(.n >= 2) | .n] | min, max`,
		`.o | keys[] as $k | .[$k]`, `[.a[].n] | first, last, (.[1:] | length)`, `any(.a[]; .n == 2)`, `.a | unique_by(.n) | length`, `[limit(2; .a[].n)]`, `first(.a[].n)`,
		`.a | del(.[0]) | length`, `. as $d | $d.a | map(.n + ($d.f | floor))`, `"x" as $a | "y" as $b | $a + $b`, `[.a[] | .s? // empty | . + "z"]`, `.o."k"`, `.o["w"]`,
		`"1" | tonumber + 1`, `[paths] | length`, `1704067200 | todate`, `.e + .t`, `null + 1`, `[] | add`, `["a","b"] | add`, `[[1],[2]] | add`, `[null, 1] | add`,
	} {
		query, err := gojq.Parse(text)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		var want []string
		for iter := query.Run(decoded(t, input)); ; {
			v, more := iter.Next()
			if !more {
				break
			}
			if err, failed := v.(error); failed {
				t.Fatalf("%s: %v", text, err)
			}
			b, _ := gojq.Marshal(v)
			want = append(want, string(b))
		}
		all, err := mustCompile(t, text).run(t.Context(), decoded(t, input), scope{})
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		var got []string
		for _, v := range all {
			b, _ := gojq.Marshal(v)
			got = append(got, string(b))
		}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s: %v, jq says %v", text, got, want)
		}
	}
}

func TestProgramsRefused(t *testing.T) {
	for text, say := range map[string]string{
		`reduce .[] as $x (0; . + $x)`:              "reduce is not available",
		`foreach .[] as $x (0; . + $x)`:             "foreach is not available",
		`label $f | 1`:                              "label is not available",
		`def f: f; f`:                               "f calls itself",
		`def f(x): if x then f(x) else 1 end; f(1)`: "f calls itself",
		`def f: def g: f; g; f`:                     "f calls itself",
		`def map(f): 1; map(1)`:                     "exists already",
		`def _x: 1; _x`:                             "exists already",
		`while(true; .)`:                            "while/2 is not available",
		`until(true; .)`:                            "until/2 is not available",
		`repeat(.)`:                                 "repeat/1 is not available",
		`recurse(.a)`:                               "recurse/1 is not available",
		`[1] - [2] | contains([1]) | inside([1])`:   "inside/1 is not available",
		`explode`:                                   "explode/0 is not available",
		`[combinations]`:                            "combinations/0 is not available",
		`walk(.)`:                                   "walk/1 is not available",
		`env`:                                       "env/0 is not available",
		`$ENV`:                                      "$ENV is not available",
		`$ENV.PATH`:                                 "$ENV is not available",
		`input`:                                     "input/0 is not available",
		`inputs`:                                    "inputs/0 is not available",
		`debug`:                                     "debug/0 is not available",
		`now`:                                       "now/0 is not available",
		`halt`:                                      "halt/0 is not available",
		`_multiply(.; 1; 2)`:                        "_multiply/3 is not available",
		`__charge(1)`:                               "__charge/1 is not available",
		`$__budget`:                                 "$__budget is not available",
		`. as $__budget | 1`:                        "$__budget is not available",
		`. as [$a, $__x] | 1`:                       "$__x is not available",
		`.a += 1`:                                   "+= is not available",
		`.a *= 2`:                                   "*= is not available",
		`{"a\(.b)": 1}`:                             "a key cannot be made of parts",
		`."a\(.b)"`:                                 "a key cannot be made of parts",
		`import "a" as a; 1`:                        "modules cannot be imported",
		`.a |`:                                      "unexpected",
		`$nobody`:                                   "variable not defined",
		`if reduce . as $x (0; 1) then 1 else 2 end`: "reduce is not available",
		`{a: (reduce . as $x (0; 1))}`:               "reduce is not available",
		`[.[] | try while(1;1) catch 2]`:             "while/2 is not available",
		`.[env.x:]`:                                  "env/0 is not available",
		`.a[input]`:                                  "input/0 is not available",
		`"\(input)"`:                                 "input/0 is not available",
		`-input`:                                     "input/0 is not available",
		`. as {a: $x} | until(1; 2)`:                 "until/2 is not available",
		`. as {(now | tostring): $x} | 1`:            "now/0 is not available",
	} {
		if _, err := compile(text, newLibrary()); err == nil || !strings.Contains(err.Error(), say) {
			t.Errorf("%s: %v, not %q", text, err, say)
		}
	}
}

// However much a program asks for, a run ends, soon and within its memory.
func TestProgramsAreBounded(t *testing.T) {
	rows := `{"t":"` + strings.Repeat("x", 1<<20) + `","a":[` + strings.Repeat("1,", 50_000) + `1]}`
	input := decoded(t, rows)
	for text, want := range map[string]error{
		`[range(1e12)] | length`:                  errSteps,
		`.a[] as $x | .a[] as $y | select(false)`: errSteps,
		`.a[]`:                                              errYields,
		`.t as $t | .a | map($t + "y") | length`:            errMade,
		`.t as $t | .a | map("\($t)") | length`:             errMade,
		`.t as $t | .a | map($t | ascii_downcase) | length`: errMade,
		`.t as $t | .a | map($t | @base64) | length`:        errMade,
		`.t as $t | .a | map($t) | join("")`:                errMade,
		`.t as $t | .a | map($t) | add`:                     errMade,
		`.t as $t | .a | join($t)`:                          errMade,
		`.t as $t | .t | gsub("x"; $t)`:                     errMade,
		`. as $d | .a | map($d.a | reverse) | length`:       errMade,
		`. as $d | [.a[] | $d.a] | flatten | length`:        errSteps,
		`. as $d | [.a[] | $d.a] | tojson | length`:         errSteps,
		`. as $d | [.a[] | $d.a] | sort | length`:           errSteps,
		`. as $d | [.a[] | $d.a] | unique | length`:         errSteps,
		`. as $d | [.a[] | $d.a] | "\(.)" | length`:         errSteps,
		`. as $d | [.a[] | $d.a] | @json | length`:          errSteps,
	} {
		p := mustCompile(t, text)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		began := time.Now()
		_, err := p.run(t.Context(), input, scope{})
		took := time.Since(began)
		runtime.ReadMemStats(&after)
		// Where the machine is busy with something else, the deadline may come first.
		if !errors.Is(err, want) && !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: %v, want %v", text, err, want)
		}
		if made := (after.TotalAlloc - before.TotalAlloc) >> 20; made > 512 || took > 10*maxRun {
			t.Errorf("%s: %d MiB in %s", text, made, took)
		} else {
			t.Logf("%s: %d MiB in %s", text, made, took.Round(time.Millisecond))
		}
	}
}

// gojq asks for Done at each instruction: the budget counts them. Were it to
// stop asking, the deadline underneath ends the run.
func TestBudgetCountsInstructions(t *testing.T) {
	p := mustCompile(t, `[range(1000)] | length`)
	b := newBudget(context.Background())
	if _, more := p.code.RunWithContext(b, nil, "", "", "", map[string]any{}, nil, b).Next(); !more {
		t.Fatal("no value")
	}
	if used := maxSteps - b.steps; used < 1000 || used > 100_000 {
		t.Errorf("%d steps were counted", used)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := p.run(ctx, nil, scope{}); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

func TestNatives(t *testing.T) {
	for text, want := range map[string]string{
		`127 | scale(127)`: `100`, `0 | scale(127)`: `0`, `64 | scale(127)`: `50`, `200 | scale(100)`: `100`, `-1 | scale(10)`: `0`, `8.5 | scale(10)`: `85`,
		`"192.0.2.10" | same("192.0.2.10")`: `true`, `"2001:DB8:0::1" | same("2001:db8::1")`: `true`, `"Example.COM." | same("example.com")`: `true`,
		`"a" | same("b")`: `false`, `null | same("a")`: `false`, `["a"] | same("a")`: `false`, `"" | same("a")`: `false`,
		`"2026-08-19 10:00:00" | time`: `"2026-08-19T10:00:00Z"`, `1787184000 | time`: `"2026-08-20T00:00:00Z"`, `1787184000123 | time`: `"2026-08-20T00:00:00Z"`,
		`"2026-08-19" | time`: `"2026-08-19T00:00:00Z"`, `"20260101000000Z" | time`: `"2026-01-01T00:00:00Z"`, `"2026-08-19T12:00:00+02:00" | time`: `"2026-08-19T10:00:00Z"`,
		`"yesterday" | time`: `null`, `null | time`: `null`, `"" | time`: `null`, `{} | time`: `null`, `-5 | time`: `null`, `1e300 | time`: `null`, `"0000-00-00" | time`: `null`,
		`"a\\\"b" | quoted`:                           `"a\\\\\\\"b"`,
		`"https://c2.example.com/?a=>>>" | base64url`: `"aHR0cHM6Ly9jMi5leGFtcGxlLmNvbS8_YT0-Pj4"`,
		`2 * 1.5`: `3`, `"a.b" | gsub("."; "x")`: `"xxx"`, `"a.b" | sub("\\."; "")`: `"ab"`, `[1, "a", null, 2.5] | join("|")`: `"1|a||2.5"`,
	} {
		all, err := mustCompile(t, text).run(t.Context(), nil, scope{})
		if err != nil || len(all) != 1 {
			t.Errorf("%s: %v, %v", text, all, err)
			continue
		}
		if got, _ := gojq.Marshal(all[0]); string(got) != want {
			t.Errorf("%s: %s, not %s", text, got, want)
		}
	}
	for _, text := range []string{`"a" * 3`, `3 * "a"`, `null * 2`, `{} * {}`, `[1] - [1]`, `[1] | contains([1])`, `"a" | scale(10)`, `1 | scale(0)`, `1 | scale("x")`, `1 | base64url`, `1 | quoted`, `[[]] | join("")`, `1 | join("")`, `"a" | gsub("["; "")`, `"a" | gsub("a"; 1)`, `[1, "a"] | add`} {
		if all, err := mustCompile(t, text).run(t.Context(), nil, scope{}); err == nil {
			t.Errorf("%s: %v", text, all)
		}
	}
}

// What is no JSON, or JSON that unfolds to more than anybody means, is refused
// before it is decoded.
func TestDecodeBodyIsBounded(t *testing.T) {
	for text, want := range map[string]error{
		``: errNoJSON, `{`: errNoJSON, `{} {}`: errNoJSON, `<html>`: errNoJSON, `nul`: errNoJSON, "\xff": errNoJSON,
		strings.Repeat("[", 65) + strings.Repeat("]", 65): errComplex, "[" + strings.Repeat("0,", maxValues) + "0]": errComplex,
		strings.Repeat("9", 101): errComplex, `{"a":"[[[[` + strings.Repeat("[", 100) + `"}`: nil, `"\"[` + strings.Repeat("{", 100) + `"`: nil,
		strings.Repeat("[", 64) + strings.Repeat("]", 64): nil, `null`: nil, ` {"a":1} `: nil,
	} {
		if _, err := decodeBody([]byte(text)); !errors.Is(err, want) {
			t.Errorf("%.40s: %v, not %v", text, err, want)
		}
	}
	v := decoded(t, `{"serial":340282366920938463463374607431768211456}`)
	if n := v.(map[string]any)["serial"]; n != json.Number("340282366920938463463374607431768211456") {
		t.Errorf("%v", n)
	}
}
