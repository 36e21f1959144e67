package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/enrichgate/enrichgate/cmd/enrichgate/internal/output"
	"github.com/enrichgate/enrichgate/cmd/enrichgate/internal/settings"
	"github.com/enrichgate/enrichgate/enrich/httpapi"
)

type statusCmd struct{ output.Options }

// Run says how the daemon of the data directory is. No daemon is exit code 69.
func (st statusCmd) Run(env *environment, c *cli) error {
	w, err := env.rows(st.Options, output.Column{Name: "part", Title: "PART"}, output.Column{Name: "state", Title: "STATE"}, output.Column{Name: "detail", Title: "DETAIL"})
	if err != nil {
		return err
	}
	way, daemon, err := c.running(env)
	if err != nil {
		return err
	}
	defer way.client.CloseIdleConnections()
	well, err := st.report(env.ctx, way, daemon, func(part, state, detail string) error {
		ink := output.Green
		if state != "ok" {
			ink = output.Red
		}
		return w.Row(part, output.Cell{Value: state, Ink: ink}, detail)
	})
	if err := errors.Join(err, w.Close()); err != nil {
		return err
	}
	if !well {
		return &exitError{code: 1}
	}
	return nil
}

// running is the way to a daemon, and which one it is; one that does not run is
// exit code 69.
func (c *cli) running(env *environment) (way *access, daemon string, err error) {
	if way, err := c.remote(); way != nil || err != nil {
		return way, c.Server, err
	}
	s, err := c.load(env, settings.NeedData)
	if err != nil {
		return nil, "", err
	}
	if err := checkLedger(s.DataDir); err != nil {
		return nil, "", err
	}
	by, err := readHolder(s.DataDir)
	if err != nil || by.PID == 0 {
		return nil, "", &exitError{exitUnreachable, fmt.Errorf("no enrichgate runs on %s", s.DataDir)}
	}
	d, err := daemonOf(&heldError{dir: s.DataDir, by: by})
	if err != nil {
		return nil, "", &exitError{exitUnreachable, err}
	}
	return &access{client: d.client, daemon: by.PID}, fmt.Sprintf("process %d on %s for %s", by.PID, by.Host, span(time.Since(by.Since))), nil
}

// report tells of the process, of what it depends on, of its sources and of its cache.
func (st statusCmd) report(ctx context.Context, way *access, daemon string, row func(part, state, detail string) error) (well bool, err error) {
	well = true
	checks, err := way.ready(ctx)
	if err != nil {
		return false, err
	}
	err = row("daemon", "ok", daemon)
	for _, name := range slices.Sorted(maps.Keys(checks)) {
		state, detail := "ok", ""
		if name == "status" {
			continue
		}
		if checks[name] != "ok" {
			state, detail, well = "failed", checks[name], false
		}
		err = errors.Join(err, row(name, state, detail))
	}
	sources, qerr := way.quotas(ctx, "")
	var states httpapi.SourcesAnswer
	serr := way.call(ctx, request{method: http.MethodGet, path: "/api/v1/sources"}, &states)
	now, nerr := way.now(ctx)
	var kept httpapi.CacheStats
	if err := errors.Join(err, qerr, serr, nerr, way.call(ctx, request{method: http.MethodGet, path: "/api/v1/cache"}, &kept)); err != nil {
		return false, err
	}
	for _, s := range sources {
		state, detail := s.outlook(now)
		if i := slices.IndexFunc(states.Sources, func(one httpapi.SourceState) bool { return one.Source == s.Source && one.LeftAlone != nil }); i >= 0 && state == "ok" {
			left := states.Sources[i].LeftAlone
			state, detail = "failed", fmt.Sprintf("left alone until %s: %s; %s", left.Until.Local().Format(time.TimeOnly), left.Reason, detail)
		}
		well = well && state == "ok"
		err = errors.Join(err, row("source "+s.Source, state, detail))
	}
	return well, errors.Join(err, row("answers kept", "ok", fmt.Sprintf("%s, %s bytes", grouped(kept.Entries), grouped(kept.Bytes))))
}

// outlook is a source in one line: whether it spends, and what of its tightest
// window is left.
func (s sourceQuota) outlook(now time.Time) (state, detail string) {
	if s.Paused != nil {
		return "paused", s.state(now).Text
	}
	detail = grouped(s.Spent+s.Uncertain) + " units spent; no limit"
	for i, w := range s.Windows {
		if i > 0 && w.Remaining >= s.Windows[0].Remaining && w.Forecast == nil && w.Remaining > 0 {
			continue
		}
		detail = fmt.Sprintf("%s of %s left this %s", grouped(w.Remaining), grouped(w.Limit), w.Window)
		if w.Remaining == 0 {
			return "exhausted", detail
		}
		if w.Forecast != nil {
			return "ok", detail + ", which ends " + w.ends(now).Text
		}
	}
	return "ok", detail
}

// ready asks what keeps the daemon from its work; an answer of 503 has it too.
func (a *access) ready(ctx context.Context) (checks map[string]string, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://enrichgate/readyz", nil)
	if err != nil {
		return nil, err
	}
	resp, err := a.client.Do(req)
	if err != nil {
		return nil, a.unanswered(ctx, err)
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(io.LimitReader(resp.Body, 1<<20)).Decode(&checks); err != nil {
		return nil, a.unanswered(ctx, err)
	}
	return checks, nil
}
