package main

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var writeFields = flag.Bool("fields", false, "write the golden file of the commands' fields")

// The fields of every command that prints rows, in their order: scripts rely on
// them, so a change has to be one of the golden file too.
func TestFieldsOfTheCommands(t *testing.T) {
	b := newBench(t)
	front, err := b.listen("", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = front.close() }()
	var got strings.Builder
	for _, args := range []string{
		"lookup 198.51.100.7", "lookup 198.51.100.7 --why", "quota", "ledger list --limit 1", "cache stats", "cache get 198.51.100.7", "status", "doctor",
	} {
		_, out, _ := said(t, b.environ, append(strings.Fields(args), "-o", "json")...)
		fmt.Fprintf(&got, "%s\n", args)
		for _, name := range firstRow(t, args, out) {
			fmt.Fprintf(&got, "  %s\n", name)
		}
	}
	path := filepath.Join("testdata", "fields.txt")
	if *writeFields {
		if err := os.WriteFile(path, []byte(got.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if want, err := os.ReadFile(path); err != nil || string(want) != got.String() {
		t.Errorf("%v; the fields are now\n%s", err, got.String())
	}
}

// firstRow is the names of the first row's fields, in order.
func firstRow(t *testing.T, what, out string) (names []string) {
	t.Helper()
	var rows []json.RawMessage
	if err := json.Unmarshal([]byte(out), &rows); err != nil || len(rows) == 0 {
		t.Fatalf("%s: %v: %s", what, err, out)
	}
	dec := json.NewDecoder(bytes.NewReader(rows[0]))
	if _, err := dec.Token(); err != nil {
		t.Fatal(err)
	}
	for dec.More() {
		name, err := dec.Token()
		var value json.RawMessage
		if err == nil {
			err = dec.Decode(&value)
		}
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, fmt.Sprint(name))
	}
	return names
}

// --watch shows the books again and again, and ends with Ctrl-C as if that were
// what it is for.
func TestQuotaWatch(t *testing.T) {
	b := newBench(t)
	b.shut(t)
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	out := &onLines{lines: 3, do: interrupt}
	env := environment{ctx: ctx, environ: b.environ, stdout: out, stderr: out}
	if code := execute(env, strings.Fields("quota --watch --every 100ms --jq .[0].used")); code != 0 {
		t.Errorf("exit %d: %s", code, out)
	}
	if n := strings.Count(out.String(), "0\n"); n < 3 {
		t.Errorf("shown %d times: %s", n, out)
	}
}

// onLines does something after so many lines.
type onLines struct {
	strings.Builder
	lines int
	do    func()
}

func (w *onLines) Write(b []byte) (int, error) {
	n, err := w.Builder.Write(b)
	if strings.Count(w.String(), "\n") >= w.lines {
		w.do()
	}
	return n, err
}
