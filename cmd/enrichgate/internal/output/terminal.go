package output

import (
	"io"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// Terminal is what a stream writes on. The zero value is no terminal: a file,
// a pipe, a test.
type Terminal struct {
	// Width in columns; 0 means that it is no terminal.
	Width  int
	Colour bool
}

// TerminalOf looks at a stream. NO_COLOR and TERM=dumb, in the environment, are
// obeyed.
func TerminalOf(w io.Writer, environ []string) Terminal {
	f, ok := w.(*os.File)
	if !ok {
		return Terminal{}
	}
	size, err := unix.IoctlGetWinsize(int(f.Fd()), unix.TIOCGWINSZ)
	if err != nil {
		return Terminal{}
	}
	t := Terminal{Width: int(size.Col), Colour: true}
	if t.Width == 0 {
		t.Width = 80
	}
	for _, v := range environ {
		name, value, _ := strings.Cut(v, "=")
		if name == "NO_COLOR" && value != "" || name == "TERM" && value == "dumb" {
			t.Colour = false
		}
	}
	return t
}

// Ink is a colour as an ANSI terminal's code; empty is the usual one.
type Ink string

// The inks.
const (
	Bold   Ink = "1"
	Dim    Ink = "2"
	Red    Ink = "31"
	Green  Ink = "32"
	Yellow Ink = "33"
	Cyan   Ink = "36"
)

// Paint colours a text if there is colour.
func (t Terminal) Paint(ink Ink, text string) string {
	if !t.Colour || ink == "" || text == "" {
		return text
	}
	return "\x1b[" + string(ink) + "m" + text + "\x1b[0m"
}
