package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/enrichgate/enrichgate/cmd/enrichgate/internal/output"
)

type quotaCmd struct {
	Show quotaShowCmd `cmd:"" default:"withargs" help:"Show what was spent, what is left, and until when it lasts."`

	SetUsed  quotaSetUsedCmd  `cmd:"" help:"Say how much of a window is used, by the provider's own count."`
	SetLimit quotaSetLimitCmd `cmd:"" help:"Change a limit until its next reset."`
	SetFloor quotaSetFloorCmd `cmd:"" help:"Change what a trigger leaves to others, until the next reset."`
	Reserve  quotaReserveCmd  `cmd:"" help:"Keep a share of a window for people, until its next reset."`
	Resolve  quotaResolveCmd  `cmd:"" help:"Say what became of units that are uncertain."`
}

// Help is what 'quota --help' says beside the list of its commands.
func (quotaCmd) Help() string {
	return "'enrichgate quota [SOURCE] [--watch]' is 'enrichgate quota show': see 'enrichgate quota show --help' for its flags, --watch, --every, --output, --json and --jq."
}

type quotaShowCmd struct {
	Source string        `arg:"" optional:"" help:"Only this source."`
	Watch  bool          `help:"Show it again and again until Ctrl-C." short:"w"`
	Every  time.Duration `help:"How often --watch shows it." default:"2s"`
	output.Options
}

// sourceQuota is one source as GET /api/v1/quota tells of it.
type sourceQuota struct {
	Source    string        `json:"source"`
	Windows   []windowQuota `json:"windows"`
	Spent     int64         `json:"spent_total"`
	Uncertain int64         `json:"uncertain_total"`
	Pending   int64         `json:"pending"`
	Paused    *struct {
		Until  *time.Time `json:"until"`
		Reason string     `json:"reason"`
		By     string     `json:"by"`
	} `json:"paused"`
}

type windowQuota struct {
	Window    string           `json:"window"`
	Limit     int64            `json:"limit"`
	Used      int64            `json:"used"`
	Pending   int64            `json:"pending"`
	Remaining int64            `json:"remaining"`
	ResetsAt  time.Time        `json:"resets_at"`
	Burn      *float64         `json:"burn"`
	Rolling   bool             `json:"rolling"`
	Floors    map[string]int64 `json:"floors"`
	Forecast  *struct {
		At time.Time `json:"at"`
	} `json:"forecast"`
}

// quotas reads the books.
func (a *access) quotas(ctx context.Context, source string) ([]sourceQuota, error) {
	var answer struct {
		Sources []sourceQuota `json:"sources"`
	}
	if err := a.call(ctx, request{method: http.MethodGet, path: "/api/v1/quota"}, &answer); err != nil {
		return nil, err
	}
	if source == "" {
		return answer.Sources, nil
	}
	var all []string
	for _, s := range answer.Sources {
		if s.Source == source {
			return []sourceQuota{s}, nil
		}
		all = append(all, s.Source)
	}
	return nil, &exitError{exitUsage, fmt.Errorf("there is no source %q; there is %s", source, strings.Join(all, ", "))}
}

// Run shows the books: of the running daemon, or of the data directory.
func (q quotaShowCmd) Run(env *environment, c *cli) (err error) {
	if q.Watch && q.Every < 100*time.Millisecond {
		return &exitError{exitUsage, errors.New("--every is at least 100ms")}
	}
	// Each look opens the books anew: they are not to be held from a daemon that
	// wants to start.
	show := func() (err error) {
		way, err := c.reading(env, "quota")
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, way.close()) }()
		sources, err := way.quotas(env.ctx, q.Source)
		if err != nil {
			return err
		}
		now, err := way.now(env.ctx)
		if err != nil {
			return err
		}
		return q.print(env, sources, now)
	}
	if !q.Watch {
		return show()
	}
	return env.watch(q.Every, show)
}

// watch does something again and again, on a terminal at the same place.
func (env *environment) watch(every time.Duration, show func() error) error {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		if env.terminal().Width > 0 {
			fmt.Fprint(env.stdout, "\x1b[H\x1b[2J")
		}
		if err := show(); err != nil {
			if env.ctx.Err() != nil {
				return nil
			}
			return err
		}
		select {
		case <-tick.C:
		case <-env.ctx.Done():
			return nil
		}
	}
}

func (q quotaShowCmd) print(env *environment, sources []sourceQuota, now time.Time) error {
	w, err := env.rows(q.Options,
		output.Column{Name: "source", Title: "SOURCE"}, output.Column{Name: "window", Title: "WINDOW"},
		output.Column{Name: "limit", Title: "LIMIT", Right: true}, output.Column{Name: "used", Title: "USED", Right: true},
		output.Column{Name: "pending", Title: "PENDING", Right: true, Drop: 2}, output.Column{Name: "left", Title: "LEFT", Right: true},
		output.Column{Name: "burn", Title: "BURN", Right: true, Drop: 1},
		output.Column{Name: "resets_at", Title: "RESETS"}, output.Column{Name: "ends_at", Title: "ENDS"},
		output.Column{Name: "rolling"}, output.Column{Name: "spent_total"}, output.Column{Name: "uncertain_total"}, output.Column{Name: "paused", Title: "STATE"}, output.Column{Name: "floors", Title: "FLOORS", Drop: 3})
	if err != nil {
		return err
	}
	for _, s := range sources {
		for _, u := range s.Windows {
			err := w.Row(s.Source, u.Window, units64(u.Limit), units64(u.Used), units64(u.Pending), u.left(), u.burn(),
				u.resets(now), u.ends(now), u.Rolling, s.Spent, s.Uncertain, s.state(now), u.floors())
			if err != nil {
				return err
			}
		}
		// What no limit forgets.
		err := w.Row(s.Source, "ever", nil, units64(s.Spent+s.Uncertain), units64(s.Pending), nil, nil,
			nil, nil, false, s.Spent, s.Uncertain, s.doubt(now), nil)
		if err != nil {
			return err
		}
	}
	return w.Close()
}

// units64 is a count of units.
func units64(n int64) output.Cell { return output.Cell{Value: n, Text: grouped(n)} }

func (w windowQuota) left() output.Cell {
	c := units64(w.Remaining)
	switch {
	case w.Remaining*10 <= w.Limit:
		c.Ink = output.Red
	case w.Remaining*4 <= w.Limit:
		c.Ink = output.Yellow
	}
	return c
}

// floors are what triggers must leave, where they must leave anything.
func (w windowQuota) floors() output.Cell {
	var all []string
	for _, t := range slices.Sorted(maps.Keys(w.Floors)) {
		if n := w.Floors[t]; n > 0 {
			all = append(all, t+" "+grouped(n))
		}
	}
	return output.Cell{Value: w.Floors, Text: cmp.Or(strings.Join(all, ", "), "-")}
}

// burn is how fast the window is used: 1 is the pace that uses the limit from
// start to reset.
func (w windowQuota) burn() output.Cell {
	if w.Burn == nil {
		return output.Cell{} // too early to say
	}
	burn := *w.Burn
	c := output.Cell{Value: float64(int(burn*100)) / 100, Text: fmt.Sprintf("%.1f", burn)}
	if burn > 1 {
		c.Ink = output.Yellow
	}
	return c
}

func (w windowQuota) resets(now time.Time) output.Cell {
	if w.Rolling {
		return output.Cell{Value: w.ResetsAt, Text: "rolling"}
	}
	return output.Cell{Value: w.ResetsAt, Text: "in " + span(w.ResetsAt.Sub(now))}
}

// ends is when the window is used up at this rate.
func (w windowQuota) ends(now time.Time) output.Cell {
	if w.Forecast == nil {
		return output.Cell{}
	}
	at := w.Forecast.At
	return output.Cell{Value: at, Ink: output.Red,
		Text: fmt.Sprintf("%s (%s early)", at.Local().Format("Mon 2 Jan 15:04"), span(w.ResetsAt.Sub(at)))}
}

// state is why a source does not spend.
func (s sourceQuota) state(now time.Time) output.Cell {
	if s.Paused == nil {
		return output.Cell{}
	}
	until := ""
	if s.Paused.Until != nil {
		until = " for another " + span(s.Paused.Until.Sub(now))
	}
	return output.Cell{Value: s.Paused, Text: fmt.Sprintf("paused%s by %s: %s", until, s.Paused.By, s.Paused.Reason), Ink: output.Yellow}
}

// doubt is the state, or else what nobody knows for sure.
func (s sourceQuota) doubt(now time.Time) output.Cell {
	c := s.state(now)
	if c.Value == nil && s.Uncertain > 0 {
		c.Text = grouped(s.Uncertain) + " uncertain"
	}
	return c
}

// span is a duration in its two largest units: 7d 2h, 8m 20s.
func span(d time.Duration) string {
	d = max(0, d).Round(time.Second)
	parts := []struct {
		of   time.Duration
		name string
	}{{24 * time.Hour, "d"}, {time.Hour, "h"}, {time.Minute, "m"}, {time.Second, "s"}}
	for i, p := range parts {
		if n := d / p.of; n > 0 {
			text := fmt.Sprintf("%d%s", n, p.name)
			if i+1 < len(parts) {
				if rest := d % p.of / parts[i+1].of; rest > 0 {
					text += fmt.Sprintf(" %d%s", rest, parts[i+1].name)
				}
			}
			return text
		}
	}
	return "0s"
}
