package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/enrichgate/enrichgate/enrich/source"
)

type sourceTryCmd struct {
	ownSources
	Name    string `arg:"" help:"Name of the source."`
	Fixture string `arg:"" optional:"" help:"Only this fixture."`
	Output  string `help:"text, intents (JSON Lines) or stix." enum:"text,intents,stix" default:"text" short:"o"`
	Update  bool   `help:"Write the STIX to the golden files of your own source."`
}

// Run tries a definition. It fails when a golden file says otherwise.
func (t sourceTryCmd) Run(env *environment) error {
	t.find(env)
	if t.Update && t.Dir == "" {
		// Those of the sources that ship are the repository's: a test writes them.
		return &exitError{exitUsage, fmt.Errorf("--update writes to your own folder: name it with --dir")}
	}
	d, fsys, err := t.one(env, t.Name)
	if err != nil {
		return err
	}
	outcomes, err := d.Outcomes()
	if err != nil {
		return err
	}
	if t.Fixture != "" {
		outcomes = slices.DeleteFunc(outcomes, func(o source.Outcome) bool { return o.Fixture != t.Fixture })
		if len(outcomes) == 0 {
			return &exitError{exitNotFound, fmt.Errorf("%s has no fixture %q", t.Name, t.Fixture)}
		}
	}
	for _, o := range outcomes {
		if err := t.print(env, o); err != nil {
			return err
		}
	}
	if t.Update {
		return t.update(outcomes)
	}
	if stale := source.StaleGoldens(fsys, t.Name, outcomes); len(stale) > 0 {
		return fmt.Errorf("%v differ from the golden files: look at the STIX, then --update", stale)
	}
	return nil
}

func (t sourceTryCmd) print(env *environment, o source.Outcome) error {
	switch t.Output {
	case "stix":
		if o.STIX == nil {
			return nil
		}
		_, err := env.stdout.Write(append(bytes.Clone(o.STIX), '\n'))
		return err
	case "intents":
		return printIntents(env, o, "")
	}
	fmt.Fprintf(env.stdout, "%s\n  %s -> %d: %s\n", o.Fixture, o.Request, o.Status, o.Class)
	if o.Err != nil {
		fmt.Fprintf(env.stdout, "  %v\n", o.Err)
	}
	if err := printIntents(env, o, "  "); err != nil {
		return err
	}
	for _, err := range o.Skipped {
		fmt.Fprintf(env.stdout, "  lost: %v\n", err)
	}
	if o.STIX == nil {
		return nil
	}
	var pretty bytes.Buffer
	if err := json.Indent(&pretty, o.STIX, "  ", "  "); err != nil {
		return err
	}
	fmt.Fprintf(env.stdout, "  %s\n", pretty.Bytes())
	return nil
}

func printIntents(env *environment, o source.Outcome, indent string) error {
	for _, intent := range o.Yields {
		line, err := json.Marshal(intent)
		if err != nil {
			return err
		}
		fmt.Fprintf(env.stdout, "%s%s\n", indent, line)
	}
	return nil
}

// update writes golden files.
func (t sourceTryCmd) update(outcomes []source.Outcome) error {
	golden := filepath.Join(t.path(t.Name), "golden")
	if err := os.MkdirAll(golden, 0o755); err != nil {
		return err
	}
	for _, o := range outcomes {
		if o.STIX == nil {
			continue
		}
		if err := os.WriteFile(filepath.Join(golden, o.Fixture+".json"), o.Golden(), 0o644); err != nil {
			return err
		}
	}
	return nil
}
