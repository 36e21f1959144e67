package output

import (
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "write the golden files")

func columns() []Column {
	return []Column{
		{Name: "source", Title: "SOURCE"}, {Name: "left", Title: "LEFT", Right: true}, {Name: "ends_at", Title: "ENDS"},
		{Name: "used"}, {Name: "parts", Document: true}, {Name: "note", Title: "NOTE"},
	}
}

// print writes two rows: one with everything, one with as little as may be.
func print(t *testing.T, term Terminal, o Options) (string, error) {
	t.Helper()
	var b strings.Builder
	w, err := New(&b, term, o, columns()...)
	if err != nil {
		return "", err
	}
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	rows := [][]any{
		{"alpha", Cell{Value: int64(1234567), Text: "1 234 567", Ink: Red}, at, 9007199254740993, json.RawMessage(`[{"a":1}]`), "=1+1 <b>\x1b[31m\t\u202e"},
		{"b", 0, (*time.Time)(nil), nil, json.RawMessage(nil), ""},
	}
	for _, r := range rows {
		if err := w.Row(r...); err != nil {
			return "", err
		}
	}
	err = w.Close()
	return b.String(), err
}

// The golden files fix every form.
func TestForms(t *testing.T) {
	t.Setenv("TZ", "UTC")
	for name, c := range map[string]struct {
		term Terminal
		o    Options
	}{
		"table":         {Terminal{Width: 80, Colour: true}, Options{Output: "auto"}},
		"narrow":        {Terminal{Width: 55}, Options{Output: "auto"}},
		"table-in-pipe": {Terminal{}, Options{Output: "table"}},
		"pipe":          {Terminal{}, Options{Output: "auto"}},
		"json":          {Terminal{}, Options{Output: "json"}},
		"jsonl":         {Terminal{}, Options{Output: "jsonl"}},
		"csv":           {Terminal{}, Options{Output: "csv"}},
		"fields":        {Terminal{Width: 80}, Options{Output: "auto", Fields: []string{"left", "used"}}},
		"fields-csv":    {Terminal{}, Options{Output: "csv", Fields: []string{"used", "source"}}},
		"jq":            {Terminal{Width: 80}, Options{Output: "auto", JQ: `.[] | .source, .used, {left}`}},
		"yaml":          {Terminal{}, Options{Output: "yaml"}},
		"template":      {Terminal{Width: 80}, Options{Output: "auto", Template: `{{.source}}: {{.left}} left{{if .ends_at}} until {{.ends_at}}{{end}}, {{.used}} {{.note}}`}},
	} {
		got, err := print(t, c.term, c.o)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		path := filepath.Join("testdata", name+".txt")
		if *update {
			if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil || got != string(want) {
			t.Errorf("%s (%v):\n%s", name, err, got)
		}
	}
}

func TestWhatCannotBePrinted(t *testing.T) {
	for _, o := range []Options{
		{Fields: []string{"rest"}}, {JQ: ".["}, {JQ: "nonsense(1)"}, {JQ: ".", Output: "csv"},
		{Template: "{{.source"}, {Template: "x", Output: "json"}, {Template: "x", JQ: "."},
	} {
		if _, err := print(t, Terminal{}, o); !errors.Is(err, ErrUsage) {
			t.Errorf("%+v: %v", o, err)
		}
	}
	if _, err := print(t, Terminal{}, Options{JQ: ".[] | .source + 1"}); err == nil || errors.Is(err, ErrUsage) {
		t.Errorf("a jq expression that fails on the data: %v", err)
	}
	if _, err := print(t, Terminal{}, Options{Template: "{{.nothing}}"}); err == nil || errors.Is(err, ErrUsage) || strings.Contains(err.Error(), "\n") {
		t.Errorf("a template with a field that is not there: %v", err)
	}
	// An expression reads neither files nor the environment.
	if got, err := print(t, Terminal{}, Options{JQ: `env.HOME // "none"`}); err != nil || got != "none\n" {
		t.Errorf("%q, %v", got, err)
	}
}

// A row is there as soon as it was written.
func TestRowsAreNotHeldBack(t *testing.T) {
	for _, format := range []string{"jsonl", "csv", "auto"} {
		var b strings.Builder
		w, err := New(&b, Terminal{}, Options{Output: format}, Column{Name: "n", Title: "N"})
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Row(42); err != nil || !strings.Contains(b.String(), "42") {
			t.Errorf("%s: %q, %v", format, b.String(), err)
		}
	}
}

func TestTerminalOf(t *testing.T) {
	f, err := os.Create(filepath.Join(t.TempDir(), "file"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if got := TerminalOf(f, nil); got != (Terminal{}) {
		t.Errorf("a file is %+v", got)
	}
	if got := (Terminal{Colour: true}).Paint(Red, "x"); got != "\x1b[31mx\x1b[0m" {
		t.Errorf("%q", got)
	}
}

// A table that is too wide goes without its least important columns, and then
// cuts its last one; what was asked for by name stays.
func TestColumnsGiveWay(t *testing.T) {
	columns := []Column{{Name: "a", Title: "A"}, {Name: "b", Title: "B", Drop: 1}, {Name: "c", Title: "C", Drop: 2}, {Name: "d", Title: "D"}}
	wide := strings.Repeat("w", 30)
	for width, want := range map[int]string{0: "A B C D", 200: "A B C D", 116: "A B C D", 115: "A B D", 84: "A B D", 83: "A D", 60: "A D"} {
		var b strings.Builder
		w, err := New(&b, Terminal{Width: width}, Options{Output: "table"}, columns...)
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(w.Row(wide, wide, wide, wide), w.Close()); err != nil {
			t.Fatal(err)
		}
		head, row, _ := strings.Cut(b.String(), "\n")
		if got := strings.Join(strings.Fields(head), " "); got != want || width > 0 && len([]rune(strings.TrimSpace(row))) > width {
			t.Errorf("%d columns wide:\n%s", width, b.String())
		}
	}
	var b strings.Builder
	w, err := New(&b, Terminal{Width: 20}, Options{Output: "table", Fields: []string{"a", "c"}}, columns...)
	if err == nil {
		err = errors.Join(w.Row(wide, wide, wide, wide), w.Close())
	}
	if err != nil || !strings.Contains(b.String(), "C") {
		t.Errorf("%v: %s", err, b.String())
	}
}
