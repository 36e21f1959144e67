package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/enrichgate/enrichgate/enrich/httpapi"
	provider "github.com/enrichgate/enrichgate/enrich/source/proofpoint/sandbox"
)

// typed runs a command line with something on standard input.
func typed(t *testing.T, environ []string, stdin string, args ...string) (code int, out, errs string) {
	t.Helper()
	var o, e strings.Builder
	code = execute(environment{ctx: t.Context(), environ: environ, stdin: strings.NewReader(stdin), stdout: &o, stderr: &e}, args)
	return code, o.String(), e.String()
}

// addresses is a list of values, one a line, as people keep them.
func addresses(n int) string {
	var b strings.Builder
	b.WriteString("\ufeff# suspects\r\n\r\n")
	for i := range n {
		fmt.Fprintf(&b, "198.51.100[.]%d  # seen\r\n", i+1)
	}
	return b.String()
}

// What a list costs at the provider is what was said, and never more than was
// allowed; the far end's bill is the judge. Through the socket and without.
func TestLookupLists(t *testing.T) {
	for _, where := range []string{"socket", "directory"} {
		t.Run(where, func(t *testing.T) {
			b := newBench(t)
			if where == "socket" {
				front, err := b.listen("", nil)
				if err != nil {
					t.Fatal(err)
				}
				defer func() { _ = front.close() }()
			} else {
				b.shut(t)
			}
			bill := 0
			step := func(stdin string, want, units int, args ...string) (string, string) {
				t.Helper()
				code, out, errs := typed(t, b.environ, stdin, append([]string{"lookup"}, args...)...)
				now := b.provider.Bill().Total
				if code != want || now-bill != units {
					t.Errorf("%s: exit %d, want %d; %d units, want %d\n%s%s", args, code, want, now-bill, units, out, errs)
				}
				bill = now
				return out, errs
			}
			// A long list needs a word; nothing is spent without it.
			_, errs := step(addresses(12), exitUsage, 0, "-")
			if !strings.Contains(errs, "12 values: 0 of 60 answers are kept; the others cost up to 60 units") || !strings.Contains(errs, "--max-units") {
				t.Errorf("the price: %s", errs)
			}
			// Never above the limit, and what was left out is said.
			out, _ := step(addresses(12), exitQuota, 30, "-", "--max-units", "34", "--json", "value,status,units,code", "-o", "jsonl")
			if n := strings.Count(out, `"status":"max_units"`); n != 6 || strings.Count(out, "\n") != 12 {
				t.Errorf("%d were left out:\n%s", n, out)
			}
			if !strings.HasPrefix(out, `{"value":"198.51.100.1",`) {
				t.Errorf("not in the list's order:\n%s", out)
			}
			_, errs = step(addresses(12), 0, 30, "-", "--yes")
			if !strings.Contains(errs, "30 of 60 answers are kept; the others cost up to 30 units") || !strings.Contains(errs, "12 of 12 values: 30 units spent, 30 saved") {
				t.Errorf("the price: %s", errs)
			}
			file := filepath.Join(t.TempDir(), "list")
			if err := os.WriteFile(file, []byte(addresses(13)), 0o600); err != nil {
				t.Fatal(err)
			}
			out, _ = step("", exitNotFound, 0, "-f", file, "--no-spend", "-o", "csv", "--json", "value,status")
			if !strings.Contains(out, "198.51.100.12,found\n198.51.100[.]13,not_kept\n") {
				t.Error(out)
			}
			_, errs = step("198.51.100.1\n", 0, 5, "-", "-q", "--refresh")
			if errs != "" {
				t.Errorf("--quiet: %s", errs)
			}
			step("", 0, 0, "198.51.100.1", "--max-age", "1h")
			out, _ = step("", 0, 0, "198.51.100.1", "198.51.100.2", "--why", "-o", "jsonl")
			if strings.Count(out, `"units":0`) != 10 || strings.Count(out, `"class":"found"`) != 10 {
				t.Error(out)
			}
			out, _ = step("", 0, 0, "198.51.100.1", "198.51.100.2", "--stix")
			for line := range strings.Lines(out) {
				if !strings.HasPrefix(line, `{"type":"bundle"`) || !json.Valid([]byte(line)) {
					t.Errorf("no bundle: %.80s", line)
				}
			}
			// The worst of a list is its exit code.
			step("", exitUsage, 0, "198.51.100.1", "no value at all")
			step("", exitDenied, 0, "198.51.100.1", "198.51.100.2", "--tlp", "TLP:RED")
			if _, errs := step("", exitUsage, 0, "198.51.100.1", "--tlp", "WRONG"); strings.Count(errs, "\n") != 1 || !strings.Contains(errs, "TLP:AMBER+STRICT") {
				t.Error(errs)
			}
			// A limit of nothing is one.
			out, errs = step("", exitQuota, 0, "198.51.100.1", "198.51.100.201", "--max-units", "0", "-o", "csv", "--json", "value,status,units")
			if !strings.Contains(out, "198.51.100.1,found,0\n198.51.100.201,max_units,0\n") || !strings.Contains(errs, "Limit 0.") {
				t.Error(out, errs)
			}
			step("", exitQuota, 0, "198.51.100.201", "--max-units", "0")
			step("", exitUsage, 0, "198.51.100.201", "--max-units=-1")
			step("", exitUsage, 0)
			step("", exitUsage, 0, "198.51.100.1", "--refresh", "--no-spend")
			step("", exitUsage, 0, "198.51.100.1", "--stix", "-o", "json")
			step("", exitUsage, 0, "-f", filepath.Join(t.TempDir(), "nothing"))
		})
	}
}

// --max-units holds over the pieces that a long list is sent in.
func TestMaxUnitsOverPieces(t *testing.T) {
	b := newBench(t)
	b.shut(t)
	var list strings.Builder
	for i := range batchSize + 50 {
		fmt.Fprintf(&list, "%032x\n", i+1) // a file is one unit
	}
	list.WriteString("198.51.100.1\n") // five units, for which four are left
	for i := range 5 {
		fmt.Fprintf(&list, "%032x\n", 1<<20+i)
	}
	most := batchSize + 54
	code, out, errs := typed(t, b.environ, list.String(), "lookup", "-", "--max-units", fmt.Sprint(most), "-o", "jsonl", "--json", "status")
	if n := b.provider.Bill().Total; code != exitQuota || n != batchSize+50 {
		t.Errorf("exit %d, %d units: %s", code, n, errs)
	}
	if n := strings.Count(out, "max_units"); n != 6 || strings.Count(out, "\n") != batchSize+56 {
		t.Errorf("%d of %d lines", n, strings.Count(out, "\n"))
	}
}

// A list that is cut off says what its answers cost so far, printed or not, and
// that it does not know of the rest; one that ends says what the daemon says.
func TestCutOffListIsCounted(t *testing.T) {
	const paid = `{"index":0,"value":"a","status":200,"answer":{"known":true,"units":5,"units_saved":2,"lookups":[{"from":"loaded"}]},"units":5}
{"index":2,"value":"c","status":502,"problem":{"title":"no answer"},"units":3}
`
	for end, want := range map[string]string{
		"":                           "1 of 3 values: at least 8 units spent, 2 saved; calls under way may add to it",
		`{"done":true,"units":9}`:    "1 of 3 values: 9 units spent, 2 saved",
		`{"done":true,"units":8}x`:   "1 of 3 values: 8 units spent, 2 saved",
		`{"index":1,"status":200,"u`: "1 of 3 values: at least 8 units spent, 2 saved; calls under way may add to it",
	} {
		env := &environment{ctx: t.Context(), stdout: io.Discard, stderr: io.Discard}
		form, err := lookupCmd{}.form(env)
		if err != nil {
			t.Fatal(err)
		}
		b := &lookupBatch{env: env, way: &access{}, values: []string{"a", "b", "c"}, form: form}
		err = b.read(strings.NewReader(paid+end), false, newProgress(env, 3))
		if got := b.tally(err); got != want {
			t.Errorf("%q: %s", end, got)
		}
	}
	// What was refused as a whole cost nothing.
	b := &lookupBatch{values: []string{"a"}}
	if got := b.tally(coded(httpapi.Details{Status: 401})); got != "0 of 1 values: 0 units spent, 0 saved" {
		t.Error(got)
	}
}

// A lookup that was paid for and failed says what it cost.
func TestUnitsOfAFailure(t *testing.T) {
	failed := lookupItem{Value: "198.51.100.7", Status: 502, Units: 3, Problem: &httpapi.Details{Title: "no answer"}}
	for _, args := range []lookupCmd{{}, {Why: true}} {
		var out strings.Builder
		args.Fields = []string{"units"}
		form, err := args.form(&environment{ctx: t.Context(), stdout: &out, stderr: io.Discard})
		if err == nil {
			err = errors.Join(form.item(failed), form.close())
		}
		if err != nil || !strings.Contains(out.String(), `"units":3`) {
			t.Errorf("%v: %s", err, out.String())
		}
	}
}

// Ctrl-C and --timeout end a lookup that hangs, each with a line of its own.
func TestLookupIsInterrupted(t *testing.T) {
	b := newBench(t)
	b.shut(t)
	ctx, interrupt := context.WithCancel(t.Context())
	b.provider.Handle(func(*http.Request, int) (provider.Reply, bool) {
		interrupt()
		return provider.Reply{Hang: true}, true
	})
	var out, errs strings.Builder
	code := execute(environment{ctx: ctx, environ: b.environ, stdout: &out, stderr: &errs}, []string{"lookup", "198.51.100.1"})
	if code != exitInterrupted || errs.String() != "enrichgate: interrupted\n" {
		t.Errorf("exit %d: %s", code, errs.String())
	}
	code, _, said := typed(t, b.environ, "", "--timeout", "100ms", "lookup", "198.51.100.2")
	if code != 1 || said != "enrichgate: no answer within --timeout\n" {
		t.Errorf("exit %d: %s", code, said)
	}
}

func TestVerdicts(t *testing.T) {
	part := func(from, class string, stale bool) httpapi.LookupPart {
		return httpapi.LookupPart{From: from, Class: class, Stale: stale}
	}
	answer := func(known bool, parts ...httpapi.LookupPart) lookupItem {
		return lookupItem{Status: 200, Answer: &httpapi.LookupAnswer{Known: known, Lookups: parts}}
	}
	problem := func(status int, kind string) lookupItem {
		return lookupItem{Status: status, Problem: &httpapi.Details{Type: "urn:enrichgate:" + kind}}
	}
	for _, c := range []struct {
		item lookupItem
		word string
		code int
	}{
		{answer(true, part("disk", "found", false)), "found", 0},
		{answer(false, part("disk", "not_found", false)), "no_record", exitNotFound},
		{answer(true, part("disk", "found", true)), "stale", exitStale},
		{answer(true, part("disk", "found", true), part("", "server_error", false)), "incomplete", exitUnavailable},
		{answer(true, part("disk", "found", false), part("", "quota_exhausted", false)), "incomplete", exitQuota},
		{problem(400, "invalid-input"), "invalid", exitUsage},
		{problem(401, "unauthorized"), "unauthorized", exitAuth},
		{problem(403, "tlp-denied"), "denied", exitDenied},
		{problem(403, "forbidden"), "unauthorized", exitAuth},
		{problem(429, "too-many-attempts"), "unauthorized", exitAuth},
		{problem(429, "quota-exceeded"), "quota", exitQuota},
		{problem(429, "max-units-reached"), "max_units", exitQuota},
		{problem(502, "provider-unavailable"), "unavailable", exitUnavailable},
		{problem(504, "not-cached"), "not_kept", exitNotFound},
		{problem(500, "internal"), "error", 1},
	} {
		if word, code := c.item.verdict(); word != c.word || code != c.code {
			t.Errorf("%+v: %s, %d; want %s, %d", c.item.Problem, word, code, c.word, c.code)
		}
	}
	if got := worse(worse(worse(0, exitStale), exitQuota), exitNotFound); got != exitQuota {
		t.Errorf("the worst is %d", got)
	}
	if got := worse(exitQuota, 1); got != 1 {
		t.Errorf("an error counts less than a quota: %d", got)
	}
}

func TestProgress(t *testing.T) {
	p := &progress{total: 88, units: 200}
	if got := p.line(40, 10*time.Second); got != "looking up 40/88  #########-----------  200 units spent, 12s to go" {
		t.Errorf("%q", got)
	}
}
