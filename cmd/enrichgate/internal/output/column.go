package output

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"time"
	"unicode"
)

// Column is one field of every row.
type Column struct {
	// Name of the field in JSON, CSV and --json.
	Name string
	// Title over the column; without one it is not part of tables.
	Title string
	// Drop lets a table that is wider than the terminal go without the column;
	// the highest goes first, 0 never.
	Drop int
	// Right aligns numbers.
	Right bool
	// Document marks JSON inside a row, which only JSON shows.
	Document bool
}

func (c Column) fits(format string) bool {
	switch format {
	case "table", "tsv":
		return c.Title != ""
	case "csv":
		return !c.Document
	}
	return true
}

func names(columns []Column) (all []string) {
	for _, c := range columns {
		all = append(all, c.Name)
	}
	return all
}

// Cell is a value that people read in other words than programs do.
type Cell struct {
	Value any
	// Text for the table.
	Text string
	// Ink for a terminal with colours.
	Ink Ink
}

func cellOf(v any) Cell {
	if c, ok := v.(Cell); ok {
		return c
	}
	return Cell{Value: v}
}

// null is a value that is not there.
func null(v any) bool {
	if v == nil {
		return true
	}
	switch r := reflect.ValueOf(v); r.Kind() {
	case reflect.Pointer, reflect.Map, reflect.Slice:
		return r.IsNil()
	}
	return false
}

// plain is the value as one word for programs.
func plain(v any) string {
	if null(v) {
		return ""
	}
	switch v := v.(type) {
	case string:
		return v
	case time.Time:
		return v.UTC().Format(time.RFC3339)
	case []string:
		return strings.Join(v, " ")
	case json.RawMessage:
		return string(v)
	}
	switch r := reflect.ValueOf(v); r.Kind() {
	case reflect.Pointer:
		return plain(r.Elem().Interface())
	case reflect.Map, reflect.Slice, reflect.Struct:
		if b, err := json.Marshal(v); err == nil {
			return string(b)
		}
	}
	return fmt.Sprint(v)
}

// text is the cell for people.
func (c Cell) text() string {
	switch {
	case c.Text != "":
		return c.Text
	case null(c.Value), c.Value == "":
		return "-"
	}
	switch t := c.Value.(type) {
	case time.Time:
		return t.Local().Format(time.DateTime)
	case *time.Time:
		return t.Local().Format(time.DateTime)
	}
	return plain(c.Value)
}

// Harmless takes out of a text what a terminal would obey instead of show, and
// what would break a line.
func Harmless(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\t' || r == '\n':
			return ' '
		case unicode.IsControl(r), unicode.Is(unicode.Cf, r):
			return unicode.ReplacementChar
		}
		return r
	}, s)
}

// guarded keeps a spreadsheet from taking a text for a formula.
func guarded(v any) string {
	s := plain(v)
	if _, text := v.(string); text && s != "" && strings.ContainsRune("=+-@\t\r", rune(s[0])) {
		return "'" + s
	}
	return s
}
