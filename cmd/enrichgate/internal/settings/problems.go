package settings

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// ExitCode is what a process ends with when its configuration is wrong
// (EX_CONFIG of sysexits.h).
const ExitCode = 78

// Problem is one thing that is wrong.
type Problem struct {
	// Name is the setting as the operator wrote it: an environment name, or
	// section.key of config.yml. Empty when the file as a whole is meant.
	Name string
	// Value is the offending value, quoted; empty for secrets and where there is none.
	Value string
	// Where is file:line; empty for the environment.
	Where string
	// Text says what is wrong and, where possible, what to write instead.
	Text string

	rank int // place in the list
}

// String is the problem on one line.
func (p Problem) String() string {
	var b strings.Builder
	b.WriteString(p.Name)
	if p.Value != "" {
		b.WriteString("=" + p.Value)
	}
	switch {
	case p.Where != "" && p.Name != "":
		b.WriteString(" (" + p.Where + ")")
	case p.Where != "":
		b.WriteString(p.Where)
	}
	return b.String() + ": " + p.Text
}

// Problems is the error of Load: everything that is wrong, at once.
type Problems struct {
	// Sources says what was read: "config.yml + environment".
	Sources string
	// List is in the order of the table, what is unknown last.
	List []Problem
}

// Error is the whole report, one line a problem, without a final newline.
func (p *Problems) Error() string {
	var b strings.Builder
	plural := "s"
	if len(p.List) == 1 {
		plural = ""
	}
	fmt.Fprintf(&b, "config: %d problem%s (%s)\n", len(p.List), plural, p.Sources)
	for _, one := range p.List {
		b.WriteString("  " + one.String() + "\n")
	}
	b.WriteString("run 'enrichgate config check' to try again without starting")
	return b.String()
}

// ExitCode is 78 (EX_CONFIG).
func (p *Problems) ExitCode() int { return ExitCode }

// Ranks of what does not belong to a setting; settings lie between. What is wrong
// with the file as a whole has its line added.
const (
	rankFile    = -1 << 30
	rankUnknown = 1 << 30
)

// sortProblems puts the list into the order in which it is read. What was found
// for several settings of one name is said once.
func sortProblems(list []Problem) []Problem {
	slices.SortStableFunc(list, func(a, b Problem) int { return cmp.Compare(a.rank, b.rank) })
	said := map[string]bool{}
	return slices.DeleteFunc(list, func(p Problem) bool {
		line := p.String()
		again := said[line]
		said[line] = true
		return again
	})
}

// shown is a value as a problem shows it: quoted, on one line, not too long.
func shown(v string) string {
	const most = 120
	if len(v) > most {
		cut := most
		for cut > 0 && !utf8.RuneStart(v[cut]) {
			cut--
		}
		v = v[:cut] + "…"
	}
	return strconv.Quote(v)
}

// unshown is an error about a value that a report must not repeat.
type unshown struct{ error }
