package main

import (
	"fmt"

	mangokong "github.com/alecthomas/mango-kong"
	"github.com/muesli/roff"
)

type manCmd struct{}

// Run prints the manual page: enrichgate man | man -l -
func (manCmd) Run(env *environment) error {
	page := mangokong.NewManPage(1, env.model).
		WithSection("Exit status", exitCodes()).
		WithSection("Files", "config.yml or /etc/enrichgate/config.yml hold the settings; the data directory (ENRICHGATE_DATA_DIR) holds the ledger, the cache and the journal.")
	_, err := fmt.Fprint(env.stdout, page.Build(roff.NewDocument()))
	return err
}
