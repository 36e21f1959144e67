package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/enrichgate/enrichgate/enrich/source"
)

type sourceLintCmd struct {
	ownSources
	Names []string `arg:"" optional:"" help:"Only these sources."`
}

// lintProblems are what is wrong with definitions, printed one a line.
type lintProblems []source.Problem

func (p lintProblems) Error() string {
	lines := make([]string, len(p))
	for i := range p {
		lines[i] = p[i].Error()
	}
	return strings.Join(lines, "\n")
}

func lintError(found []source.Problem) error { return lintProblems(found) }

// Run checks the operator's folder, or without one the sources that ship.
func (l sourceLintCmd) Run(env *environment) error {
	l.find(env)
	fsys := source.CatalogueFS()
	if l.Dir != "" {
		fsys = os.DirFS(l.Dir)
	}
	names, err := source.Folders(fsys)
	if err != nil {
		return fmt.Errorf("%s cannot be read: %w", l.Dir, errors.Unwrap(err))
	}
	if len(l.Names) > 0 {
		for _, name := range l.Names {
			if !slices.Contains(names, name) {
				return &exitError{exitNotFound, fmt.Errorf("there is no source %q", name)}
			}
		}
		names = l.Names
	}
	shipped, _ := source.Catalogue() // a test sees to it that all of them load
	taken := takenBy(shipped)
	var all lintProblems
	for _, name := range names {
		for _, p := range lintOne(fsys, name, taken) {
			if l.Dir != "" {
				p.File = filepath.Join(l.Dir, filepath.FromSlash(p.File))
			}
			all = append(all, p)
		}
	}
	if len(all) > 0 {
		return all
	}
	return nil
}

// lintOne tries a definition, and holds its names against those that are taken.
func lintOne(fsys fs.FS, name string, names taken) []source.Problem {
	d, found := source.LoadOne(fsys, name)
	if d == nil || len(found) > 0 {
		return found
	}
	spec := declaredSpec(d)
	if p := names.check(d, spec); p != nil {
		return []source.Problem{*p}
	}
	names.take(spec, spec.Name)
	return nil
}
