package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/enrichgate/enrichgate/enrich/source"
	"github.com/enrichgate/enrichgate/enrich/source/proofpoint"
)

// nativeRow is the source that is written in Go, as the declared ones are listed.
func nativeRow() source.Row {
	spec := proofpointSpec()
	r := source.Row{
		Source: spec.Name, Title: spec.Title, About: "Reputation, relations and samples of addresses, domains and files.",
		Types: spec.Types, Quota: spec.Quota, Makes: proofpoint.Makes(), File: "proofpoint/proofpoint.go",
		Cost: source.Cost(spec.Types, func(t string) (calls int, units int64) {
			n := len(proofpoint.Asked(t)) // a unit each
			return n, int64(n)
		}),
	}
	for _, key := range spec.Secrets {
		r.Env = append(r.Env, spec.KeyEnv(key))
	}
	return r
}

// showNative prints what a definition would say at its head.
func showNative(w io.Writer, r source.Row) error {
	_, err := fmt.Fprintf(w, `# written in Go: it has no definition
source: %s
title: %s
about: %s
types: [%s]
calls: %q
quota: %s
secrets: [%s]
makes: [%s]
`, r.Source, r.Title, r.About, strings.Join(r.Types, ", "), r.Cost, r.Quota, strings.Join(r.Env, ", "), strings.Join(r.Makes, ", "))
	return err
}
