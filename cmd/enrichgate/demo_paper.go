package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"unicode/utf8"

	"golang.org/x/sys/unix"
)

// paper is what the demo writes on: a terminal with a width and colours, or a
// file with neither.
type paper struct {
	out    io.Writer
	width  int // 0: endless
	colour bool
}

func newPaper(env *environment) *paper {
	p := &paper{out: env.stdout}
	f, ok := env.stdout.(*os.File)
	if !ok {
		return p
	}
	size, err := unix.IoctlGetWinsize(int(f.Fd()), unix.TIOCGWINSZ)
	if err != nil {
		return p // no terminal
	}
	p.width, p.colour = int(size.Col), true
	for _, v := range env.environ {
		name, value, _ := strings.Cut(v, "=")
		if name == "NO_COLOR" && value != "" || name == "TERM" && value == "dumb" {
			p.colour = false
		}
	}
	return p
}

// Colours, as the codes of ANSI terminals.
const (
	bold   = "1"
	dim    = "2"
	red    = "31"
	green  = "32"
	yellow = "33"
	cyan   = "36"
)

// ink colours a text if there is colour.
func (p *paper) ink(colour, text string) string {
	if !p.colour || text == "" {
		return text
	}
	return "\x1b[" + colour + "m" + text + "\x1b[0m"
}

// cut shortens a text to what is left of a line that has begun.
func (p *paper) cut(text string, used int) string {
	room := p.width - used
	if p.width == 0 || utf8.RuneCountInString(text) <= room || room < 10 {
		return text
	}
	return string([]rune(text)[:room-1]) + "…"
}

// join puts parts on a line, and on the next if there is no room.
func (p *paper) join(indent string, parts ...string) string {
	const between = " · "
	text, used := indent, utf8.RuneCountInString(indent)
	for i, part := range parts {
		n := utf8.RuneCountInString(part)
		switch {
		case i == 0:
		case p.width > 0 && used+3+n > p.width:
			blank := strings.Repeat(" ", utf8.RuneCountInString(indent))
			text, used = text+"\n"+blank, len(blank)
		default:
			text, used = text+between, used+3
		}
		text, used = text+part, used+n
	}
	return text
}

func (p *paper) printf(format string, args ...any) { fmt.Fprintf(p.out, format+"\n", args...) }
