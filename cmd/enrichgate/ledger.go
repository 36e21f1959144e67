package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/enrichgate/enrichgate/cmd/enrichgate/internal/output"
	"github.com/enrichgate/enrichgate/quota"
)

type ledgerCmd struct {
	List   ledgerListCmd   `cmd:"" help:"Show entries of the audit log, the newest first."`
	Export ledgerExportCmd `cmd:"" help:"Write entries of the audit log, the oldest first."`
	Verify ledgerVerifyCmd `cmd:"" help:"Check the chain of hashes, and that the books follow from the entries."`
}

// ledgerFilter are the flags that choose entries.
type ledgerFilter struct {
	Since    string `help:"From this time or age on: 24h, 7d, 2026-08-01, 2026-08-01T12:00:00Z." placeholder:"WHEN"`
	Until    string `help:"Before this time or age." placeholder:"WHEN"`
	Source   string `help:"Only of this source." placeholder:"NAME"`
	Trigger  string `help:"Only by this trigger: manual, api, proxy, playbook or auto." placeholder:"TRIGGER"`
	Kind     string `help:"Only of this kind: reserve, spent, void, uncertain, resolve, set-used, pause, …" placeholder:"KIND"`
	Client   string `help:"Only by this client." placeholder:"NAME"`
	Playbook string `help:"Only by this playbook's id." placeholder:"ID"`
	Work     string `help:"Only for this work." placeholder:"ID"`
	Endpoint string `help:"Only calls of this endpoint." placeholder:"NAME"`
	Value    string `help:"Only about this value." placeholder:"VALUE"`
}

func (l ledgerFilter) filter(now time.Time) (f quota.Filter, err error) {
	f = quota.Filter{
		Source: l.Source, Trigger: l.Trigger, Kind: l.Kind, Client: l.Client, Playbook: l.Playbook,
		Work: l.Work, Endpoint: l.Endpoint, Subject: l.Value,
	}
	if err := f.Check(); err != nil {
		return f, &exitError{exitUsage, err}
	}
	if f.Since, err = moment(l.Since, now); err != nil {
		return f, &exitError{exitUsage, fmt.Errorf("--since: %w", err)}
	}
	if f.Until, err = moment(l.Until, now); err != nil {
		return f, &exitError{exitUsage, fmt.Errorf("--until: %w", err)}
	}
	return f, nil
}

// moment reads a time, or how long ago it was; empty is the zero time.
func moment(s string, now time.Time) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	age := s
	if days, ok := strings.CutSuffix(s, "d"); ok {
		age = days + "h"
	}
	if ago, err := time.ParseDuration(age); err == nil && ago >= 0 {
		if age != s {
			ago *= 24
		}
		return now.Add(-ago), nil
	}
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04", time.DateTime, time.DateOnly} {
		if t, err := time.ParseInLocation(layout, s, time.Local); err == nil {
			return t, nil
		}
	}
	return time.Time{}, fmt.Errorf("%.40q is neither an age such as 24h or 7d nor a time such as 2026-08-01T12:00:00Z", s)
}

type ledgerListCmd struct {
	ledgerFilter
	Limit int `help:"How many entries at most; 0 for all." default:"50" short:"n"`
	output.Options
}

// Run lists the newest entries.
func (l ledgerListCmd) Run(env *environment, c *cli) error {
	if l.Limit < 0 {
		return &exitError{exitUsage, errors.New("--limit is a number from 0")}
	}
	return c.entries(env, l.Options, l.ledgerFilter, func(f *quota.Filter) { f.Newest, f.Limit = true, l.Limit })
}

type ledgerExportCmd struct {
	ledgerFilter
	output.Options
}

// Run writes everything that is asked for, JSON Lines unless told otherwise.
func (l ledgerExportCmd) Run(env *environment, c *cli) error {
	if l.Output == "auto" && l.JQ == "" && l.Template == "" {
		l.Output = "jsonl"
	}
	if len(l.Fields) == 0 && l.JQ == "" && (l.Output == "csv" || l.Output == "jsonl") {
		return c.export(env, l.ledgerFilter, map[string]string{"csv": "text/csv", "jsonl": "application/x-ndjson"}[l.Output])
	}
	return c.entries(env, l.Options, l.ledgerFilter, func(*quota.Filter) {})
}

// export writes the whole as the ledger itself exports it, which is what the
// API answers with too.
func (c *cli) export(env *environment, l ledgerFilter, form string) (err error) {
	way, err := c.reading(env, "ledger")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, way.close()) }()
	now, err := way.now(env.ctx)
	if err != nil {
		return err
	}
	f, err := l.filter(now)
	if err != nil {
		return err
	}
	resp, err := way.do(env.ctx, request{method: http.MethodGet, path: "/local/v1/ledger" + ledgerQuery(f), header: http.Header{"Accept": {form}}})
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if _, err := io.Copy(env.stdout, resp.Body); err != nil {
		return way.unanswered(env.ctx, fmt.Errorf("the export was cut off: %w", err))
	}
	return nil
}

// entries prints what the filter wants.
func (c *cli) entries(env *environment, o output.Options, l ledgerFilter, more func(*quota.Filter)) (err error) {
	way, err := c.reading(env, "ledger")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, way.close()) }()
	w, err := env.rows(o, ledgerColumns()...)
	if err != nil {
		return err
	}
	now, err := way.now(env.ctx)
	if err != nil {
		return err
	}
	f, err := l.filter(now)
	if err != nil {
		return err
	}
	more(&f)
	resp, err := way.do(env.ctx, request{method: http.MethodGet, path: "/local/v1/ledger" + ledgerQuery(f)})
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	for dec := json.NewDecoder(resp.Body); ; {
		var e quota.Entry
		if err := dec.Decode(&e); errors.Is(err, io.EOF) {
			return w.Close()
		} else if err != nil {
			return way.unanswered(env.ctx, fmt.Errorf("the ledger cannot be read: %w", err))
		}
		if err := w.Row(entryRow(e)...); err != nil {
			return err
		}
	}
}

type ledgerVerifyCmd struct{}

// Run reads the whole audit log and says whether it is sound.
func (ledgerVerifyCmd) Run(env *environment, c *cli) (err error) {
	way, err := c.reading(env, "ledger verify")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, way.close()) }()
	var v verified
	if err := way.call(env.ctx, request{method: http.MethodPost, path: "/local/v1/ledger/verify"}, &v); err != nil {
		return err
	}
	if len(v.Errors) == 0 {
		_, err := fmt.Fprintf(env.stdout, "%s entries: the chain is unbroken and the books follow from it\n", grouped(int64(v.Entries)))
		return err
	}
	for _, e := range v.Errors {
		if _, err := fmt.Fprintln(env.stdout, output.Harmless(e)); err != nil {
			return err
		}
	}
	return fmt.Errorf("the ledger is not sound: %d faults in %s entries; keep a copy of it, and see 'Upgrade and backup' in the README", len(v.Errors), grouped(int64(v.Entries)))
}
