package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/enrichgate/enrichgate/enrich/source"
	"github.com/enrichgate/enrichgate/enrich/source/proofpoint"
)

type sourceNewCmd struct {
	ownSources
	Name string `arg:"" help:"Name of the source: small letters, digits and _."`
}

// Run writes the skeleton. It overwrites nothing.
func (n sourceNewCmd) Run(env *environment) error {
	n.find(env)
	if n.Name == proofpoint.Name {
		return &exitError{exitUsage, fmt.Errorf("%s ships, is written in Go and cannot be replaced: choose another name", n.Name)}
	}
	files, err := source.Skeleton(n.Name)
	if err != nil {
		return &exitError{exitUsage, err}
	}
	dir := n.Name
	if n.Dir != "" {
		dir = n.path(n.Name)
	}
	if _, err := os.Lstat(dir); !errors.Is(err, fs.ErrNotExist) {
		return &exitError{exitUsage, fmt.Errorf("%s is there already", dir)}
	}
	for name, text := range files {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, text, 0o644); err != nil {
			return err
		}
	}
	if shipped, _ := source.Catalogue(); slices.ContainsFunc(shipped, func(d *source.Definition) bool { return d.Name() == n.Name }) {
		fmt.Fprintf(env.stderr, "%s ships with enrichgate: yours is asked instead of it, also while it is broken. To change it, begin with what 'enrichgate source show %[1]s' prints\n", n.Name)
	}
	fmt.Fprintf(env.stdout, "%s: fill in source.yaml and fixtures.yaml, then\n  enrichgate source lint --dir %s\n  enrichgate source test %s --dir %[2]s\n",
		dir, filepath.Dir(dir), n.Name)
	return nil
}
