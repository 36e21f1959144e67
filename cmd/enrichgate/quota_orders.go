package main

import (
	"fmt"
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
