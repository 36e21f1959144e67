package main

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

type quotaSetUsedCmd struct {
	Source string `arg:"" help:"The source."`
	Window string `arg:"" help:"Its window, as 'enrichgate quota' names it."`
	Units  int64  `arg:"" help:"What the provider says was used."`
	Reason string `help:"Why; it goes into the audit log." required:"" placeholder:"TEXT"`
}

// Run tells the ledger what the provider counts.
func (q quotaSetUsedCmd) Run(env *environment, c *cli) error {
	_, err := c.give(env, "set-used", order{Source: q.Source, Window: q.Window, Units: q.Units, Reason: q.Reason})
	if err == nil {
		env.say("%s: %s units count as used in this %s", q.Source, grouped(q.Units), q.Window)
	}
	return err
}

type quotaSetLimitCmd struct {
	Source string `arg:"" help:"The source."`
	Window string `arg:"" help:"Its window, as 'enrichgate quota' names it."`
	Units  int64  `arg:"" help:"The limit until the window's next reset."`
	Reason string `help:"Why; it goes into the audit log." required:"" placeholder:"TEXT"`
}

// Run changes a limit for this window.
func (q quotaSetLimitCmd) Run(env *environment, c *cli) error {
	_, err := c.give(env, "set-limit", order{Source: q.Source, Window: q.Window, Units: q.Units, Reason: q.Reason})
	if err == nil {
		env.say("%s: the limit of this %s is %s units", q.Source, q.Window, grouped(q.Units))
	}
	return err
}

type quotaSetFloorCmd struct {
	Source  string `arg:"" help:"The source."`
	Window  string `arg:"" help:"Its window, as 'enrichgate quota' names it."`
	Trigger string `arg:"" help:"Who has to leave something: api, proxy, playbook or auto." enum:"manual,api,proxy,playbook,auto"`
	Units   int64  `arg:"" help:"What is to be left to the others, until the window's next reset."`
	Reason  string `help:"Why; it goes into the audit log." required:"" placeholder:"TEXT"`
}

// Run changes for this window what a trigger leaves to the others.
func (q quotaSetFloorCmd) Run(env *environment, c *cli) error {
	_, err := c.give(env, "set-floor", order{Source: q.Source, Window: q.Window, Trigger: q.Trigger, Units: q.Units, Reason: q.Reason})
	if err == nil {
		env.say("%s: %s leaves %s units of this %s to others", q.Source, q.Trigger, grouped(q.Units), q.Window)
	}
	return err
}

type quotaReserveCmd struct {
	Source string `arg:"" help:"The source."`
	Window string `arg:"" help:"Its window, as 'enrichgate quota' names it."`
	Share  string `arg:"" help:"The share of its limit that is kept for people, such as 15%."`
	Reason string `help:"Why; it goes into the audit log." required:"" placeholder:"TEXT"`
}

// Run has everybody but people leave a share of the window. It is quota set-floor
// for each of them; automatic enrichment that may spend nothing still may not.
func (q quotaReserveCmd) Run(env *environment, c *cli) error {
	percent, err := strconv.Atoi(strings.TrimSuffix(q.Share, "%"))
	if err != nil || percent < 0 || percent > 100 {
		return &exitError{exitUsage, errors.New("the share is a percentage from 0% to 100%")}
	}
	w, err := q.window(env, c)
	if err != nil {
		return err
	}
	units := (w.Limit*int64(percent) + 99) / 100
	triggers := []string{"playbook", "api", "proxy"}
	if w.Floors["auto"] < w.Limit {
		triggers = append(triggers, "auto")
	}
	for _, t := range triggers {
		if _, err := c.give(env, "set-floor", order{Source: q.Source, Window: q.Window, Trigger: t, Units: units, Reason: q.Reason}); err != nil {
			return err
		}
	}
	env.say("%s: %s units of this %s are kept for people", q.Source, grouped(units), q.Window)
	return nil
}

// window is the one that is meant, as it is now.
func (q quotaReserveCmd) window(env *environment, c *cli) (w windowQuota, err error) {
	way, err := c.reading(env, "quota reserve")
	if err != nil {
		return w, err
	}
	defer func() { err = errors.Join(err, way.close()) }()
	sources, err := way.quotas(env.ctx, q.Source)
	if err != nil {
		return w, err
	}
	i := slices.IndexFunc(sources[0].Windows, func(w windowQuota) bool { return w.Window == q.Window })
	if i < 0 {
		return w, &exitError{exitUsage, fmt.Errorf("%s has no window %q; 'enrichgate quota' has them", q.Source, q.Window)}
	}
	return sources[0].Windows[i], nil
}

type quotaResolveCmd struct {
	Source  string `arg:"" help:"The source."`
	Outcome string `arg:"" help:"What became of its uncertain units by the provider's bill: spent or void." enum:"spent,void"`
	ID      uint64 `help:"Only this reservation (default: all that are uncertain); see 'enrichgate ledger list --kind uncertain'." placeholder:"SEQ"`
	Reason  string `help:"Why; it goes into the audit log." required:"" placeholder:"TEXT"`
}

// Run ends a doubt.
func (q quotaResolveCmd) Run(env *environment, c *cli) error {
	d, err := c.give(env, "resolve", order{Source: q.Source, Outcome: q.Outcome, ID: q.ID, Reason: q.Reason})
	if err == nil {
		env.say("%s", fmt.Sprintf("%s: %s units that were uncertain are %s", q.Source, grouped(d.Units), q.Outcome))
	}
	return err
}
