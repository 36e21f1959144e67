package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"text/tabwriter"
	"time"

	"github.com/enrichgate/enrichgate/cmd/enrichgate/internal/settings"
	"github.com/enrichgate/enrichgate/enrich"
	"github.com/enrichgate/enrichgate/enrich/httpapi"
	"github.com/enrichgate/enrichgate/quota"
)

type lookupCmd struct {
	Value  string `arg:"" help:"An IPv4 address, a domain name or an MD5; defanged is fine."`
	Type   string `help:"The value's type, as OpenCTI or STIX names it (default: what it looks like)."`
	Source string `help:"The source to ask, when several look such a value up." placeholder:"NAME"`
	TLP    string `help:"The value's marking, such as TLP:GREEN." placeholder:"TLP"`
	Output string `help:"text, json, or stix (the bundle alone)." enum:"text,json,stix" default:"text" short:"o"`
}

// Run looks a value up, through the running daemon or straight on the data
// directory: either way the same cache, ledger and policy.
func (l lookupCmd) Run(env *environment, c *cli) error {
	entity, err := enrich.NewEntity(l.Type, l.Value)
	if err != nil {
		return &exitError{exitUsage, err}
	}
	s, err := c.load(env, settings.NeedData)
	if err != nil {
		return err
	}
	answer, err := l.ask(env, c, s, entity)
	if err != nil {
		return err
	}
	switch l.Output {
	case "stix":
		_, err = fmt.Fprintf(env.stdout, "%s\n", answer.Bundle)
	case "json":
		err = json.NewEncoder(env.stdout).Encode(answer)
	default:
		err = printLookup(env.stdout, answer)
	}
	if err != nil {
		return err
	}
	return verdict(answer)
}

func (l lookupCmd) ask(env *environment, c *cli, s settings.Settings, entity enrich.Entity) (answer httpapi.LookupAnswer, err error) {
	a, err := openApp(s, newLog(env, s), "lookup", nil)
	var held *heldError
	if errors.As(err, &held) {
		d, err := daemonOf(held)
		if err != nil {
			return answer, err
		}
		body, err := d.get(env.ctx, "/api/v1/lookup", url.Values{"type": {l.Type}, "value": {l.Value}, "source": {l.Source}, "tlp": {l.TLP}}, "application/json")
		if err != nil {
			return answer, coded(err)
		}
		return answer, json.Unmarshal(body, &answer)
	}
	if err != nil {
		return answer, err
	}
	defer func() { err = errors.Join(err, a.close()) }()
	if len(a.gateways) == 0 {
		// Straight on the data directory we ask the provider ourselves.
		_, err := c.load(env, settings.NeedLookup)
		return answer, err
	}
	if l.TLP != "" {
		entity.TLP = []string{l.TLP}
	}
	gateway, err := enrich.Choose(a.gateways, l.Source, entity)
	if err != nil {
		return answer, &exitError{exitUsage, err}
	}
	res, err := gateway.Enrich(env.ctx, enrich.Request{Entity: entity, Trigger: quota.Manual, Client: "cli", Patience: 30 * time.Second})
	if err != nil {
		var policy *enrich.PolicyError
		if errors.As(err, &policy) {
			return answer, &exitError{exitDenied, err}
		}
		return answer, &exitError{exitUsage, err}
	}
	if env.ctx.Err() != nil {
		return answer, &exitError{exitInterrupted, errors.New("interrupted")}
	}
	return httpapi.NewLookupAnswer(entity, res, time.Now()), nil
}

// coded gives a problem of the daemon the exit code that the same problem has here.
func coded(err error) error {
	var p httpapi.Details
	if !errors.As(err, &p) {
		return err
	}
	code := map[int]int{
		http.StatusBadRequest: exitUsage, http.StatusUnauthorized: exitAuth, http.StatusForbidden: exitDenied,
		http.StatusTooManyRequests: exitQuota, http.StatusBadGateway: exitUnavailable,
	}[p.Status]
	if code == 0 {
		code = 1
	}
	return &exitError{code, err}
}

// verdict is the exit code of an answer: what a script wants to branch on.
func verdict(a httpapi.LookupAnswer) error {
	stale, missing, quotaOut := false, 0, false
	for _, p := range a.Lookups {
		stale = stale || p.Stale
		if p.From == "" {
			missing++
			quotaOut = quotaOut || p.Class == enrich.QuotaExhausted.String()
		}
	}
	switch {
	case quotaOut:
		return &exitError{code: exitQuota}
	case missing > 0:
		return &exitError{code: exitUnavailable}
	case stale:
		return &exitError{code: exitStale}
	case !a.Known:
		return &exitError{code: exitNotFound}
	}
	return nil
}

func printLookup(out io.Writer, a httpapi.LookupAnswer) error {
	fmt.Fprintln(out, a.Summary)
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "LOOKUP\tANSWER\tFROM\tAGE\tUNITS")
	for _, p := range a.Lookups {
		from, age := p.From, ""
		if p.StoredAt != nil {
			age = (time.Duration(p.AgeSeconds) * time.Second).String()
		}
		if p.Stale {
			age += " (expired)"
		}
		if from == "" {
			from = "-"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%d\n", p.Endpoint, p.Class, from, age, p.Units)
	}
	return w.Flush()
}
