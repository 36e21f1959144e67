package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

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
	if errors.As(err, &problems) {
		// Without settings there is nothing else to check.
		lines := strings.Split(strings.TrimSpace(problems.Error()), "\n")
		err := report("settings", bad("enrichgate config check", "%s", strings.Join(lines, "; ")))
		return errors.Join(err, w.Close(), &exitError{code: exitConfig})
	}
	if err != nil {
		return err
	}
	for _, one := range d.checks(s) {
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
	return &exitError{1, fmt.Errorf("%s failed", count(failed, "check"))}
}

// examination is one check.
type examination struct {
	name string
	look func(context.Context) finding
}

func (d doctorCmd) checks(s settings.Settings) []examination {
	p := &platformCheck{settings: s}
	all := []examination{
		{"settings", func(context.Context) finding {
			if len(s.Warnings) > 0 {
				return doubtful("enrichgate config check", "%s", strings.Join(s.Warnings, "; "))
			}
			return good("%d settings, %d sources, %d connectors", len(s.Values()), len(s.Enabled()), len(s.Connectors))
		}},
		{"data directory", func(context.Context) finding { return checkDataDir(s.DataDir) }},
		{"disk", func(context.Context) finding { return checkDisk(s.DataDir) }},
		{"volume", func(context.Context) finding { return checkVolume(s.DataDir) }},
		{"OpenCTI's name", func(ctx context.Context) finding { return checkName(ctx, s.OpenCTIURL, "OPENCTI_URL") }},
		{"OpenCTI's answer", p.reach},
		{"OpenCTI's token", func(context.Context) finding { return p.token() }},
		{"clock", func(context.Context) finding { return p.clock() }},
		{"broker", func(ctx context.Context) finding { return checkBroker(ctx, s) }},
	}
	for _, source := range s.Enabled() {
		all = append(all, examination{source.Spec.Name, func(ctx context.Context) finding { return checkProvider(ctx, source) }})
	}
	return all
}
