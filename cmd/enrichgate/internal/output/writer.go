package output

import (
	"bufio"
	"encoding/csv"
	"encoding/json"
	"io"
	"strings"
	"text/template"

	"github.com/itchyny/gojq"
)

// Writer writes rows. Close must be called when all are written.
type Writer struct {
	out     *bufio.Writer
	term    Terminal
	format  string
	columns []Column
	chosen  []int
	named   bool // the columns were asked for by name
	jq      *gojq.Code
	// template, if there is one, makes a line of each row.
	template *template.Template

	csv  *csv.Writer
	rows [][]Cell // of a table, which is as wide as its widest cell
	json []json.RawMessage
}

// New makes a writer of rows with these columns. Its errors are ErrUsage.
func New(w io.Writer, t Terminal, o Options, columns ...Column) (*Writer, error) {
	format, err := o.format(t)
	if err != nil {
		return nil, err
	}
	chosen, err := o.choose(columns, format)
	if err != nil {
		return nil, err
	}
	jq, err := o.program()
	if err != nil {
		return nil, err
	}
	form, err := o.template()
	if err != nil {
		return nil, err
	}
	out := &Writer{out: bufio.NewWriter(w), term: t, format: format, columns: columns, chosen: chosen, named: len(o.Fields) > 0, jq: jq, template: form}
	if format == "csv" {
		out.csv = csv.NewWriter(out.out)
		var head []string
		for _, i := range chosen {
			head = append(head, columns[i].Name)
		}
		return out, out.csv.Write(head)
	}
	return out, nil
}

// Row writes one row: a value or a Cell for each column.
func (w *Writer) Row(values ...any) error {
	row := make([]Cell, 0, len(w.chosen))
	for _, i := range w.chosen {
		row = append(row, cellOf(values[i]))
	}
	switch w.format {
	case "table":
		w.rows = append(w.rows, row)
		return nil
	case "template":
		line, err := w.object(row)
		if err != nil {
			return err
		}
		return w.render(line)
	case "json", "yaml":
		line, err := w.object(row)
		w.json = append(w.json, line)
		return err
	case "jsonl":
		line, err := w.object(row)
		if err != nil {
			return err
		}
		_, err = w.out.Write(append(line, '\n'))
		return flushed(w.out, err)
	case "csv":
		return w.csvRow(row)
	}
	cells := make([]string, len(row))
	for i, c := range row {
		cells[i] = Harmless(plain(c.Value))
	}
	_, err := w.out.WriteString(strings.Join(cells, "\t") + "\n")
	return flushed(w.out, err)
}

func (w *Writer) csvRow(row []Cell) error {
	cells := make([]string, len(row))
	for i, c := range row {
		cells[i] = guarded(c.Value)
		if w.term.Width > 0 {
			cells[i] = Harmless(cells[i])
		}
	}
	if err := w.csv.Write(cells); err != nil {
		return err
	}
	w.csv.Flush()
	return flushed(w.out, w.csv.Error())
}

func flushed(w *bufio.Writer, err error) error {
	if err != nil {
		return err
	}
	return w.Flush()
}

// object is a row in JSON, its fields in the order of the columns.
func (w *Writer) object(row []Cell) (json.RawMessage, error) {
	var b strings.Builder
	b.WriteByte('{')
	for i, c := range row {
		if i > 0 {
			b.WriteByte(',')
		}
		v := c.Value
		if null(v) {
			v = nil
		}
		var field strings.Builder
		enc := json.NewEncoder(&field)
		enc.SetEscapeHTML(false)
		if err := enc.Encode(v); err != nil {
			return nil, err
		}
		name, err := json.Marshal(w.columns[w.chosen[i]].Name)
		if err != nil {
			return nil, err
		}
		b.Write(name)
		b.WriteByte(':')
		b.WriteString(strings.TrimSuffix(field.String(), "\n"))
	}
	b.WriteByte('}')
	return json.RawMessage(b.String()), nil
}

// Close writes what was held back.
func (w *Writer) Close() error {
	switch w.format {
	case "table":
		w.table()
	case "json":
		if err := w.document(); err != nil {
			return err
		}
	case "yaml":
		if err := w.yaml(); err != nil {
			return err
		}
	}
	return w.out.Flush()
}

// document writes the rows as one JSON array, or what jq makes of it.
func (w *Writer) document() error {
	if w.jq != nil {
		return w.filter()
	}
	w.out.WriteByte('[')
	for i, line := range w.json {
		if i > 0 {
			w.out.WriteByte(',')
		}
		w.out.WriteByte('\n')
		w.out.Write(line)
	}
	_, err := w.out.WriteString("\n]\n") // bufio keeps the first error
	return err
}
