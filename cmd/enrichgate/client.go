package main

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/enrichgate/enrichgate/cmd/enrichgate/internal/output"
	"github.com/enrichgate/enrichgate/cmd/enrichgate/internal/settings"
	"github.com/enrichgate/enrichgate/enrich/httpapi"
	"github.com/enrichgate/enrichgate/enrich/httpapi/clients"
)

type clientCmd struct {
	Add    clientAddCmd    `cmd:"" help:"Make a client and print its token, this once."`
	List   clientListCmd   `cmd:"" help:"List the clients; their tokens are not kept."`
	Revoke clientRevokeCmd `cmd:"" help:"End a client: its token is no good any more."`
	Budget clientBudgetCmd `cmd:"" help:"Give a client another budget at a source."`
}

type clientAddCmd struct {
	Name    string            `arg:"" help:"The client's name, as it will stand in the ledger."`
	Sources []string          `name:"source" help:"A source that it may ask (default: every one)." placeholder:"NAME"`
	Budgets map[string]string `name:"budget" help:"Its limits at a source, beside the source's own." placeholder:"SOURCE=10/day,100/month" mapsep:";"`
	MaxTLP  string            `name:"max-tlp" help:"The strictest marking that it may ask about (default: the source's own)." placeholder:"TLP"`
	Expires string            `help:"When its token ends: a date, or how long from now (default: never)." placeholder:"2027-01-31|90d"`
}

// Run makes the client. The token alone is on standard output, so that a script
// can take it.
func (a clientAddCmd) Run(env *environment, c *cli) error {
	n := httpapi.NewClient{Name: a.Name, Sources: a.Sources, Budgets: a.Budgets, MaxTLP: a.MaxTLP}
	if a.Expires != "" {
		at, err := expiry(a.Expires, time.Now())
		if err != nil {
			return &exitError{exitUsage, err}
		}
		n.ExpiresAt = &at
	}
	var added httpapi.AddedClient
	err := c.ask(env, "client add", request{method: http.MethodPost, path: "/api/v1/clients", body: n}, &added)
	if err != nil {
		return err
	}
	env.say("client %s was made; this is its token, which is not shown again:", added.Name)
	_, err = fmt.Fprintln(env.stdout, added.Token)
	return err
}

// expiry reads a date, or a time from now: 90d, 12h.
func expiry(s string, now time.Time) (time.Time, error) {
	if days, ok := strings.CutSuffix(s, "d"); ok {
		s = days + "h"
		if d, err := time.ParseDuration(s); err == nil && d > 0 {
			return now.Add(24 * d).UTC().Truncate(time.Second), nil
		}
	} else if d, err := time.ParseDuration(s); err == nil && d > 0 {
		return now.Add(d).UTC().Truncate(time.Second), nil
	}
	for _, layout := range []string{time.DateOnly, time.RFC3339} {
		if at, err := time.Parse(layout, s); err == nil {
			return at.UTC(), nil
		}
	}
	return time.Time{}, errors.New("--expires: neither a date such as 2027-01-31 nor a time from now such as 90d")
}

type clientListCmd struct{ output.Options }

// Run lists the clients.
func (l clientListCmd) Run(env *environment, c *cli) error {
	var answer httpapi.ClientsAnswer
	if err := c.ask(env, "client list", request{method: http.MethodGet, path: "/api/v1/clients"}, &answer); err != nil {
		return err
	}
	w, err := env.rows(l.Options,
		output.Column{Name: "name", Title: "CLIENT"}, output.Column{Name: "sources", Title: "SOURCES"}, output.Column{Name: "budgets", Title: "BUDGETS"},
		output.Column{Name: "max_tlp", Title: "MAX TLP"}, output.Column{Name: "created_at"},
		output.Column{Name: "expires_at", Title: "EXPIRES"}, output.Column{Name: "last_used_at", Title: "LAST USED"})
	if err != nil {
		return err
	}
	for _, one := range answer.Clients {
		err := w.Row(one.Name, sourcesCell(one), budgetsCell(one), output.Cell{Value: nilIfEmpty(one.MaxTLP), Text: one.MaxTLP}, one.CreatedAt,
			dateCell(one.ExpiresAt, "never"), dateCell(one.LastUsedAt, "never"))
		if err != nil {
			return err
		}
	}
	return w.Close()
}

func sourcesCell(c clients.Client) output.Cell {
	if len(c.Sources) == 0 {
		return output.Cell{Text: "all"}
	}
	return output.Cell{Value: c.Sources, Text: strings.Join(c.Sources, ", ")}
}

func budgetsCell(c clients.Client) output.Cell {
	if len(c.Budgets) == 0 {
		return output.Cell{Text: "-"}
	}
	var all []string
	for _, source := range slices.Sorted(maps.Keys(c.Budgets)) {
		all = append(all, source+" "+c.Budgets[source])
	}
	return output.Cell{Value: c.Budgets, Text: strings.Join(all, "; ")}
}

func dateCell(at *time.Time, none string) output.Cell {
	if at == nil {
		return output.Cell{Text: none}
	}
	return output.Cell{Value: at, Text: at.UTC().Format("2006-01-02 15:04")}
}

func nilIfEmpty(s string) any {
	if s == "" {
		return nil
	}
	return s
}

type clientRevokeCmd struct {
	Name string `arg:"" help:"The client."`
}

// Run ends a client.
func (r clientRevokeCmd) Run(env *environment, c *cli) error {
	err := c.ask(env, "client revoke", request{method: http.MethodDelete, path: "/api/v1/clients/" + url.PathEscape(r.Name)}, nil)
	if err == nil {
		env.say("client %s was revoked; what it spent stays in the ledger", r.Name)
	}
	return err
}

type clientBudgetCmd struct {
	Name   string `arg:"" help:"The client."`
	Source string `arg:"" help:"The source."`
	Limits string `arg:"" help:"Its limits, such as 10/day,100/month, or none."`
}

// Run changes a budget. What the client spent before counts in it.
func (b clientBudgetCmd) Run(env *environment, c *cli) error {
	limits := b.Limits
	if strings.EqualFold(limits, "none") {
		limits = ""
	}
	path := "/api/v1/clients/" + url.PathEscape(b.Name) + "/budgets/" + url.PathEscape(b.Source)
	var changed clients.Client
	err := c.ask(env, "client budget", request{method: http.MethodPut, path: path, body: httpapi.Budget{Limits: limits}}, &changed)
	if err == nil && limits == "" {
		env.say("client %s has no budget of its own at %s now", b.Name, b.Source)
	} else if err == nil {
		env.say("client %s may spend %s at %s", b.Name, changed.Budgets[b.Source], b.Source)
	}
	return err
}

// ask makes one call of the API, through the daemon or on the data directory.
func (c *cli) ask(env *environment, command string, r request, answer any) (err error) {
	way, err := c.access(env, settings.NeedData, command)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, way.close()) }()
	if answer != nil {
		return way.call(env.ctx, r, answer)
	}
	resp, err := way.do(env.ctx, r)
	if err != nil {
		return err
	}
	return resp.Body.Close()
}
