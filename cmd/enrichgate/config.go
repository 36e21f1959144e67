package main

import (
	"cmp"
	"fmt"
	"net/http"

	"github.com/enrichgate/enrichgate/cmd/enrichgate/internal/output"
	"github.com/enrichgate/enrichgate/cmd/enrichgate/internal/settings"
	"github.com/enrichgate/enrichgate/enrich/httpapi"
)

type configCmd struct {
	Check  configCheckCmd  `cmd:"" help:"Check all settings without starting anything."`
	Print  configPrintCmd  `cmd:"" help:"Print every setting, its value and where it comes from; no secrets."`
	Reload configReloadCmd `cmd:"" help:"Have the running daemon read its settings again; it says what holds now and what needs a restart."`
	Schema configSchemaCmd `cmd:"" help:"Print the JSON Schema of the settings, as OpenCTI's catalogue wants it."`
	Docs   configDocsCmd   `cmd:"" help:"Print the tables of settings as Markdown, or the sample files."`
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

type configPrintCmd struct {
	Origin bool `help:"Say where each value comes from." default:"true" negatable:""`
	output.Options
}

// Run prints what holds and why.
func (p configPrintCmd) Run(env *environment, c *cli) error {
	s, err := c.load(env, settings.NeedData)
	if err != nil {
		return err
	}
	columns := []output.Column{{Name: "name", Title: "SETTING"}, {Name: "value", Title: "VALUE"}, {Name: "origin", Title: "ORIGIN"}}
	if !p.Origin {
		columns = columns[:2]
	}
	w, err := env.rows(p.Options, columns...)
	if err != nil {
		return err
	}
	for _, v := range s.Values() {
		if err := w.Row(cmp.Or(v.Name, v.YAML), v.Value, v.Origin); err != nil {
			return err
		}
	}
	return w.Close()
}

type configReloadCmd struct{}

// Run has the daemon read its settings again.
func (configReloadCmd) Run(env *environment, c *cli) error {
	way, _, err := c.running(env)
	if err != nil {
		return err
	}
	defer way.client.CloseIdleConnections()
	var done httpapi.Reloaded
	if err := way.call(env.ctx, request{method: http.MethodPost, path: "/api/v1/config/reload"}, &done); err != nil {
		return err
	}
	for _, name := range done.Taken {
		fmt.Fprintln(env.stdout, "taken:", name)
	}
	for _, name := range done.NeedsRestart {
		fmt.Fprintln(env.stdout, "needs a restart:", name)
	}
	if len(done.Taken)+len(done.NeedsRestart) == 0 {
		env.say("nothing has changed")
	}
	return nil
}

type configSchemaCmd struct{}

// Run prints the schema that __metadata__ holds.
func (configSchemaCmd) Run(env *environment) error {
	schema, err := settings.Schema(sourceSpecs())
	if err != nil {
		return err
	}
	_, err = env.stdout.Write(schema)
	return err
}

type configDocsCmd struct {
	As string `help:"markdown (as in the README), env (.env.sample) or yaml (config.yml.sample)." enum:"markdown,env,yaml" default:"markdown"`
}

// Run prints what the repository's files hold, from the one table.
func (d configDocsCmd) Run(env *environment) error {
	_, err := fmt.Fprint(env.stdout, d.text(sourceSpecs()))
	return err
}

func (d configDocsCmd) text(specs []settings.SourceSpec) string {
	switch d.As {
	case "env":
		return settings.EnvSample(specs)
	case "yaml":
		return settings.YAMLSample(specs)
	default:
		return settings.MarkdownTable(specs)
	}
}
