package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/enrichgate/enrichgate/cmd/enrichgate/internal/output"
)

// terminal is what standard output is written on.
func (env *environment) terminal() output.Terminal { return output.TerminalOf(env.stdout, env.environ) }

// rows opens the output of a command that prints rows.
func (env *environment) rows(o output.Options, columns ...output.Column) (*output.Writer, error) {
	w, err := output.New(env.stdout, env.terminal(), o, columns...)
	if errors.Is(err, output.ErrUsage) {
		return nil, &exitError{exitUsage, errors.New(strings.TrimPrefix(err.Error(), output.ErrUsage.Error()+": "))}
	}
	return w, err
}

// say tells people something that is not the command's result.
func (env *environment) say(format string, args ...any) {
	if !env.quiet {
		fmt.Fprintf(env.stderr, format+"\n", args...)
	}
}

// grouped writes a count with thin groups: 1 234 567.
func grouped(n int64) string {
	digits := fmt.Sprint(n)
	var b strings.Builder
	for i, d := range digits {
		if i > 0 && (len(digits)-i)%3 == 0 && digits[i-1] != '-' {
			b.WriteByte(' ')
		}
		b.WriteRune(d)
	}
	return b.String()
}
