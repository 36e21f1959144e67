package main

import (
	"errors"

	"github.com/enrichgate/enrichgate/cmd/enrichgate/internal/settings"
)

type healthCmd struct{}

// Run asks the daemon of the data directory whether it and its ledger are well.
// Whoever else is away does not count: a restart would not bring them back.
func (healthCmd) Run(env *environment, c *cli) error {
	s, err := c.load(env, settings.NeedData)
	if err != nil {
		return err
	}
	by, err := readHolder(s.DataDir)
	if err != nil || by.PID == 0 {
		return errors.New("no enrichgate runs on " + s.DataDir)
	}
	d, err := daemonOf(&heldError{dir: s.DataDir, by: by})
	if err != nil {
		return err
	}
	_, err = d.get(env.ctx, "/healthz", nil, "application/json")
	return err
}
