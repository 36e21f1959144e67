package output

import (
	"strings"
	"unicode/utf8"
)

const gap = 2 // columns between columns

// table writes the rows under their titles, each column as wide as it has to
// be. On a terminal the last column gives way.
func (w *Writer) table() {
	head := make([]Cell, len(w.chosen))
	for i, c := range w.chosen {
		head[i] = Cell{Text: w.columns[c].title(), Ink: Bold}
	}
	rows := append([][]Cell{head}, w.rows...)
	widths := make([]int, len(head))
	for _, row := range rows {
		for i, c := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(Harmless(c.text())))
		}
	}
	for _, row := range rows {
		w.line(row, widths)
	}
}

// title names a column that was asked for though tables do not have it.
func (c Column) title() string {
	if c.Title == "" {
		return strings.ToUpper(c.Name)
	}
	return c.Title
}

func (w *Writer) line(row []Cell, widths []int) {
	used := 0
	for i, c := range row {
		text := Harmless(c.text())
		last := i == len(row)-1
		if last && w.term.Width > 0 {
			text = Cut(text, w.term.Width-used)
		}
		pad := strings.Repeat(" ", max(0, widths[i]-utf8.RuneCountInString(text)))
		painted := w.term.Paint(c.Ink, text)
		switch {
		case w.columns[w.chosen[i]].Right:
			painted = pad + painted
		case !last:
			painted += pad
		}
		if !last {
			painted += strings.Repeat(" ", gap)
		}
		used += widths[i] + gap
		w.out.WriteString(painted)
	}
	w.out.WriteByte('\n') // Close tells of errors
}

// Cut shortens a text to a width, where that leaves something to read.
func Cut(text string, width int) string {
	if utf8.RuneCountInString(text) <= width || width < 10 {
		return text
	}
	return string([]rune(text)[:width-1]) + "…"
}
