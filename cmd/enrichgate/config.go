package main

import (
	"fmt"
	"text/tabwriter"

	"github.com/enrichgate/enrichgate/cmd/enrichgate/internal/settings"
)

type configCmd struct {
	Check configCheckCmd `cmd:"" help:"Check all settings without starting anything."`
	Print configPrintCmd `cmd:"" help:"Print every setting, its value and where it comes from; no secrets."`
	Docs  configDocsCmd  `cmd:"" help:"Print the table of settings as Markdown."`
}

type configCheckCmd struct{}

// Run checks the settings; problems come all at once.
func (configCheckCmd) Run(env *environment, c *cli) error {
	s, err := c.load(env, settings.NeedRun)
	if err != nil {
		return err
	}
	for _, w := range s.Warnings {
		fmt.Fprintln(env.stderr, "warning:", w)
	}
	where := "environment"
	if s.ConfigFile != "" {
		where = s.ConfigFile + " + environment"
	}
	_, err = fmt.Fprintf(env.stdout, "configuration is good (%s)\n", where)
	return err
}

type configPrintCmd struct{}

// Run prints what holds and why.
func (configPrintCmd) Run(env *environment, c *cli) error {
	s, err := c.load(env, settings.NeedData)
	if err != nil {
		return err
	}
	w := tabwriter.NewWriter(env.stdout, 0, 0, 2, ' ', 0)
	for _, v := range s.Values() {
		fmt.Fprintf(w, "%s\t%s\t%s\n", v.Name, v.Value, v.Origin)
	}
	return w.Flush()
}

type configDocsCmd struct{}

// Run prints the table that the README holds.
func (configDocsCmd) Run(env *environment) error {
	_, err := fmt.Fprint(env.stdout, settings.MarkdownTable())
	return err
}
