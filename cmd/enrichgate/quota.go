package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/enrichgate/enrichgate/cmd/enrichgate/internal/settings"
	"github.com/enrichgate/enrichgate/enrich/httpapi"
)

type quotaCmd struct {
	Output string `help:"table or json." enum:"table,json" default:"table" short:"o"`
}

// Run shows the books: of the running daemon, or of the data directory.
func (q quotaCmd) Run(env *environment, c *cli) error {
	s, err := c.load(env, settings.NeedData)
	if err != nil {
		return err
	}
	answer, err := readQuota(env, s)
	if err != nil {
		return err
	}
	if q.Output == "json" {
		return json.NewEncoder(env.stdout).Encode(answer)
	}
	return printQuota(env.stdout, answer, time.Now())
}

func readQuota(env *environment, s settings.Settings) (answer httpapi.QuotaAnswer, err error) {
	a, err := openApp(s, newLog(env, s), "quota", nil)
	var held *heldError
	if errors.As(err, &held) {
		d, err := daemonOf(held)
		if err != nil {
			return answer, err
		}
		body, err := d.get(env.ctx, "/api/v1/quota", nil, "application/json")
		if err != nil {
			return answer, err
		}
		return answer, json.Unmarshal(body, &answer)
	}
	if err != nil {
		return answer, err
	}
	answer.Sources = a.ledger.Usage()
	return answer, a.close()
}

func printQuota(out io.Writer, answer httpapi.QuotaAnswer, now time.Time) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "SOURCE\tWINDOW\tLIMIT\tUSED\tPENDING\tLEFT\tRESETS")
	for _, src := range answer.Sources {
		for _, u := range src.Windows {
			resets := "rolling"
			if !u.Rolling {
				resets = u.ResetsAt.Format("2006-01-02 15:04 MST")
			}
			fmt.Fprintf(w, "%s\t%s\t%d\t%d\t%d\t%d\t%s\n", src.Source, u.Window, u.Limit, u.Used, u.Pending, u.Remaining, resets)
		}
		fmt.Fprintf(w, "%s\tever\t-\t%d\t%d\t-\t%d uncertain\n", src.Source, src.Spent+src.Uncertain, src.Pending, src.Uncertain)
	}
	return w.Flush()
}
