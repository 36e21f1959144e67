package output

import (
	"slices"
	"strings"
	"unicode/utf8"
)

const gap = 2 // columns between columns

// table writes the rows under their titles, each column as wide as it has to
// be. On a terminal the least important columns give way, and then the last one.
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
	for i := w.tooMuch(widths); i >= 0; i = w.tooMuch(widths) {
		w.chosen, widths = slices.Delete(slices.Clone(w.chosen), i, i+1), slices.Delete(widths, i, i+1)
		for r := range rows {
			rows[r] = slices.Delete(slices.Clone(rows[r]), i, i+1)
		}
	}
	for _, row := range rows {
		w.line(row, widths)
	}
}

// lastNeeds is what a cut last column needs to be worth its place.
const lastNeeds = 20

// tooMuch is the column that a table which does not fit can best do without, -1
// when it fits or has none. Columns that were asked for by name stay.
func (w *Writer) tooMuch(widths []int) int {
	needs, drop := 0, -1
	for i, c := range w.chosen {
		needs += widths[i] + gap
		if w.columns[c].Drop > 0 && (drop < 0 || w.columns[c].Drop > w.columns[w.chosen[drop]].Drop) {
			drop = i
		}
	}
	if n := len(widths); n > 0 && w.columns[w.chosen[n-1]].Drop == 0 {
		needs += min(widths[n-1], lastNeeds) - widths[n-1]
	}
	if w.term.Width == 0 || w.named || needs-gap <= w.term.Width {
		return -1
	}
	return drop
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
