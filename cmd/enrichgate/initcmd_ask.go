package main

import (
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/enrichgate/enrichgate/cmd/enrichgate/internal/output"
)

// questions are asked on a terminal, and only there.
type questions struct {
	env *environment
	in  *os.File // nil: there is none
	buf *bufio.Reader
}

// given is a secret as flags give it: itself, - for a line of standard input,
// or the file that holds it.
type given struct{ value, file string }

func newQuestions(env *environment) *questions {
	q := &questions{env: env}
	if env.stdin != nil {
		q.buf = bufio.NewReader(env.stdin)
	}
	if in, ok := env.stdin.(*os.File); ok && output.TerminalOf(in, nil).Width > 0 {
		q.in = in
	}
	return q
}

// secret takes the next of those that were given, else the environment's, else
// asks. What stood on the command line is used, and warned about.
func (q *questions) secret(name, what, flag string, all []given) (secret, []given, error) {
	s := secret{name: name}
	var err error
	switch {
	case len(all) == 0:
		if s.value = q.env.variable(name); s.value == "" {
			s.value, err = q.ask(what, flag, true)
		}
		return s, all, err
	case all[0].file != "":
		var b []byte
		b, err = os.ReadFile(all[0].file)
		s.value = string(b)
	case all[0].value == "-" && q.buf != nil:
		s.value, err = q.buf.ReadString('\n')
		if errors.Is(err, io.EOF) && s.value != "" {
			err = nil // the last line may lack its end
		}
	case all[0].value == "-":
		err = errors.New("there is no standard input to read")
	default:
		fmt.Fprintf(q.env.stderr, "warning: everybody on this machine can read %[1]s of a command line, and the shell keeps it; use %[1]s-file, %[1]s - or the environment's %[2]s\n", flag, name)
		s.value = all[0].value
	}
	if s.value = strings.TrimSpace(s.value); err != nil || s.value == "" {
		return s, nil, &exitError{exitUsage, fmt.Errorf("%s: %w", flag, cmp.Or(err, errors.New("nothing is there")))}
	}
	return s, all[1:], nil
}

// variable is one of the environment; the last of a name counts.
func (env *environment) variable(name string) (value string) {
	for _, line := range env.environ {
		if rest, ok := strings.CutPrefix(line, name+"="); ok {
			value = rest
		}
	}
	return value
}

// ask reads a line; unseen ones are not shown while they are typed.
func (q *questions) ask(what, flag string, unseen bool) (string, error) {
	if q.in == nil {
		return "", &exitError{exitUsage, fmt.Errorf("%s is needed where nobody can be asked", flag)}
	}
	fmt.Fprintf(q.env.stderr, "%s: ", what)
	if unseen {
		show, err := hideTyping(q.in)
		if err != nil {
			return "", err
		}
		defer func() { show(); fmt.Fprintln(q.env.stderr) }()
	}
	line, err := q.buf.ReadString('\n')
	if line = strings.TrimSpace(line); err != nil || line == "" {
		return "", &exitError{exitUsage, errors.New("nothing was typed; nothing was written")}
	}
	return line, nil
}

// hideTyping switches a terminal's echo off, and back on.
func hideTyping(f *os.File) (show func(), err error) {
	fd := int(f.Fd())
	before, err := unix.IoctlGetTermios(fd, unix.TCGETS)
	if err != nil {
		return nil, err
	}
	silent := *before
	silent.Lflag &^= unix.ECHO
	if err := unix.IoctlSetTermios(fd, unix.TCSETS, &silent); err != nil {
		return nil, err
	}
	return func() { _ = unix.IoctlSetTermios(fd, unix.TCSETS, before) }, nil // the terminal may be gone
}
