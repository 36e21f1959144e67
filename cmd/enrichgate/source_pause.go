package main

import (
	"errors"
	"time"
)

type sourcePauseCmd struct {
	Source string        `arg:"" help:"The source."`
	For    time.Duration `help:"How long (default: until 'enrichgate source resume')." placeholder:"10m"`
	Reason string        `help:"Why; it goes into the audit log." required:"" placeholder:"TEXT"`
}

// Run pauses a source.
func (p sourcePauseCmd) Run(env *environment, c *cli) error {
	if p.For < 0 {
		return &exitError{exitUsage, errors.New("--for is a time to come, such as 10m")}
	}
	until := "until it is resumed"
	if p.For > 0 {
		until = "for " + span(p.For)
	}
	_, err := c.give(env, "pause", order{Source: p.Source, For: p.For, Reason: p.Reason})
	if err == nil {
		env.say("%s is paused %s", p.Source, until)
	}
	return err
}

type sourceResumeCmd struct {
	Source string `arg:"" help:"The source."`
	Reason string `help:"Why; it goes into the audit log." required:"" placeholder:"TEXT"`
}

// Run resumes a source.
func (r sourceResumeCmd) Run(env *environment, c *cli) error {
	_, err := c.give(env, "resume", order{Source: r.Source, Reason: r.Reason})
	if err == nil {
		env.say("%s may spend again", r.Source)
	}
	return err
}
