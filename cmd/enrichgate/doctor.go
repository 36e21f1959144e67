package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/enrichgate/enrichgate/cmd/enrichgate/internal/output"
	"github.com/enrichgate/enrichgate/cmd/enrichgate/internal/settings"
)

type doctorCmd struct{ output.Options }

// finding is what one check found.
type finding struct {
	check string
	// state is ok, warning, failed, or skipped.
	state, detail string
	// advice is what to do about it.
	advice string
}

func good(format string, args ...any) finding {
	return finding{state: "ok", detail: fmt.Sprintf(format, args...)}
}

func bad(advice, format string, args ...any) finding {
	return finding{state: "failed", detail: fmt.Sprintf(format, args...), advice: advice}
}

func doubtful(advice, format string, args ...any) finding {
	return finding{state: "warning", detail: fmt.Sprintf(format, args...), advice: advice}
}

func skipped(format string, args ...any) finding {
	return finding{state: "skipped", detail: fmt.Sprintf(format, args...)}
}

// Run checks everything that the daemon needs, one after the other, and says
// what to do. It spends nothing and changes nothing.
func (d doctorCmd) Run(env *environment, c *cli) error {
	w, err := env.rows(d.Options,
		output.Column{Name: "check", Title: "CHECK"}, output.Column{Name: "state", Title: "STATE"}, output.Column{Name: "detail", Title: "FOUND"},
		output.Column{Name: "advice", Title: "WHAT TO DO"})
	if err != nil {
		return err
	}
	failed := 0
	report := func(name string, f finding) error {
		f.check = name
		state := output.Cell{Value: f.state, Ink: map[string]output.Ink{"ok": output.Green, "warning": output.Yellow, "failed": output.Red}[f.state]}
		if f.state == "failed" {
			failed++
		}
		return w.Row(f.check, state, f.detail, f.advice)
	}
	s, err := c.load(env, settings.NeedRun)
	var problems *settings.Problems
	if err != nil && !errors.As(err, &problems) {
		return err
	}
	for _, one := range d.checks(s, problems) {
		if err := report(one.name, one.look(env.ctx)); err != nil {
			return err
		}
		if env.ctx.Err() != nil {
			return errors.Join(w.Close(), &exitError{exitInterrupted, errors.New("interrupted")})
		}
	}
	if err := w.Close(); err != nil || failed == 0 {
		return err
	}
	if problems != nil {
		return &exitError{code: exitConfig}
	}
	return &exitError{1, fmt.Errorf("%s failed", count(failed, "check"))}
}

// examination is one check.
type examination struct {
	name string
	look func(context.Context) finding
}

// checks are those of the settings, one row a problem, and then of what could be
// read of them: what nobody knows is skipped.
func (d doctorCmd) checks(s settings.Settings, problems *settings.Problems) []examination {
	p := &platformCheck{settings: s}
	known := func(value, setting string, look func(context.Context) finding) func(context.Context) finding {
		if value == "" {
			return func(context.Context) finding { return skipped("%s is not known", setting) }
		}
		return look
	}
	all := append(checkSettings(s, problems), []examination{
		{"data directory", known(s.DataDir, "ENRICHGATE_DATA_DIR", func(context.Context) finding { return checkDataDir(s.DataDir) })},
		{"disk", known(s.DataDir, "ENRICHGATE_DATA_DIR", func(context.Context) finding { return checkDisk(s.DataDir) })},
		{"volume", known(s.DataDir, "ENRICHGATE_DATA_DIR", func(context.Context) finding { return checkVolume(s.DataDir) })},
		{"HTTP address", known(s.DataDir, "ENRICHGATE_DATA_DIR", func(ctx context.Context) finding { return checkListen(ctx, s) })},
		{"OpenCTI's name", known(s.OpenCTIURL, "OPENCTI_URL", func(ctx context.Context) finding { return checkName(ctx, s.OpenCTIURL, "OPENCTI_URL") })},
		{"OpenCTI's answer", known(s.OpenCTIURL, "OPENCTI_URL", p.reach)},
		{"OpenCTI's token", known(s.OpenCTIToken.Reveal(), "OPENCTI_TOKEN", func(context.Context) finding { return p.token() })},
		{"clock", func(context.Context) finding { return p.clock() }},
		{"broker", known(s.DataDir, "ENRICHGATE_DATA_DIR", func(ctx context.Context) finding { return checkBroker(ctx, s) })},
	}...)
	for _, source := range s.Enabled() {
		all = append(all, examination{source.Spec.Name, known(source.BaseURL, "its address", func(ctx context.Context) finding { return checkProvider(ctx, source) })})
	}
	return all
}

// checkSettings has a row for each problem of the settings, or one for all of them.
func checkSettings(s settings.Settings, problems *settings.Problems) (all []examination) {
	row := func(f finding) {
		all = append(all, examination{"settings", func(context.Context) finding { return f }})
	}
	switch {
	case problems != nil:
		for _, one := range problems.List {
			row(bad("correct it; 'enrichgate config check' tries again", "%s", one))
		}
	case len(s.Warnings) > 0:
		for _, one := range s.Warnings {
			row(doubtful("enrichgate config check", "%s", one))
		}
	default:
		row(good("%d settings, %d sources, %d connectors", len(s.Values()), len(s.Enabled()), len(s.Connectors)))
	}
	return all
}
