package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"text/tabwriter"

	"github.com/enrichgate/enrichgate/enrich/source"
	"github.com/enrichgate/enrichgate/enrich/source/proofpoint"
)

// sourceCmd is about sources: the declared ones, those that ship and the
// operator's own; and whether one of them may spend.
type sourceCmd struct {
	List sourceListCmd `cmd:"" help:"List the sources: what they take, how many calls that costs, and what their keys may spend."`
	Show sourceShowCmd `cmd:"" help:"Print a source's definition (of one written in Go: what is known of it), or the schema of definitions."`
	Test sourceTryCmd  `cmd:"" name:"test" help:"Run a definition on its fixtures: requests, classes, intents and STIX. Makes no call."`
	Lint sourceLintCmd `cmd:"" help:"Check definitions and try them on hostile answers; names file and line."`
	New  sourceNewCmd  `cmd:"" help:"Write the folder of a new source, which explains itself."`

	Pause  sourcePauseCmd  `cmd:"" help:"Stop a source's spending; what is kept is still served."`
	Resume sourceResumeCmd `cmd:"" help:"End a pause."`
}

// ownSources is the operator's folder.
type ownSources struct {
	Dir string `help:"Folder of your own sources, one a folder in it; they replace those that ship under the same name (default: $ENRICHGATE_SOURCES_DIR)." type:"path" placeholder:"DIR"`
}

// find takes the folder of the environment when none was named.
func (o *ownSources) find(env *environment) {
	for _, e := range env.environ {
		if dir, ok := strings.CutPrefix(e, "ENRICHGATE_SOURCES_DIR="); ok && o.Dir == "" {
			o.Dir = dir
		}
	}
}

// load gives all sources; what is wrong with others is printed and costs no one.
func (o ownSources) load(env *environment) []*source.Definition {
	o.find(env)
	all, problems := source.Catalogue()
	if o.Dir != "" {
		all, problems = source.WithOwn(os.DirFS(o.Dir))
	}
	for _, p := range problems {
		fmt.Fprintln(env.stderr, p)
	}
	return all
}

// one loads the source of a name, tried, and the folder that it came from.
func (o ownSources) one(env *environment, name string) (*source.Definition, fs.FS, error) {
	o.find(env)
	if name == proofpoint.Name {
		return nil, nil, &exitError{exitUsage, fmt.Errorf("%s is written in Go and has no definition", name)}
	}
	fsys := source.CatalogueFS()
	if o.Dir != "" {
		if _, err := os.Stat(o.path(name)); err == nil {
			fsys = os.DirFS(o.Dir)
		}
	}
	if _, err := fs.Stat(fsys, name); err != nil || strings.ContainsAny(name, `/\`) {
		return nil, nil, &exitError{exitNotFound, fmt.Errorf("there is no source %q (see enrichgate source list)", name)}
	}
	d, problems := source.LoadOne(fsys, name)
	if len(problems) > 0 {
		return nil, nil, lintError(problems)
	}
	return d, fsys, nil
}

func (o ownSources) path(name string) string { return o.Dir + string(os.PathSeparator) + name }

type sourceListCmd struct {
	ownSources
	Output string `help:"table or json." enum:"table,json" default:"table" short:"o"`
}

// Run lists what could be asked.
func (l sourceListCmd) Run(env *environment) error {
	rows, from := []source.Row{nativeRow()}, []string{"native"}
	for _, d := range l.load(env) {
		rows = append(rows, d.Row())
		if d.Own() {
			from = append(from, "own")
		} else {
			from = append(from, "shipped")
		}
	}
	if l.Output == "json" {
		return json.NewEncoder(env.stdout).Encode(rows)
	}
	w := tabwriter.NewWriter(env.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "SOURCE\tTYPES\tCALLS\tQUOTA\tFROM")
	for i, r := range rows {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", r.Source, strings.Join(r.Types, ","), r.Cost, cmp.Or(r.Quota, "by contract"), from[i])
	}
	return w.Flush()
}

type sourceShowCmd struct {
	ownSources
	Name   string `arg:"" optional:"" help:"Name of the source."`
	Schema bool   `help:"Print the JSON Schema of definitions, for editors."`
}

// Run prints a definition as it stands in its file.
func (s sourceShowCmd) Run(env *environment) error {
	if s.Schema {
		_, err := env.stdout.Write(source.Schema())
		return err
	}
	if s.Name == "" {
		return &exitError{exitUsage, fmt.Errorf("name a source, or ask for --schema")}
	}
	if s.Name == proofpoint.Name {
		return showNative(env.stdout, nativeRow())
	}
	d, _, err := s.one(env, s.Name)
	if err != nil {
		return err
	}
	_, err = env.stdout.Write(d.Text())
	return err
}
