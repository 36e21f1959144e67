package main

import (
	"context"
	"log/slog"
	"os"
	"strings"
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/enrichgate/enrichgate/cmd/enrichgate/internal/settings"
	"github.com/enrichgate/enrichgate/enrich"
	"github.com/enrichgate/enrichgate/enrich/httpapi"
	"github.com/enrichgate/enrichgate/quota"
)

// reloader reads the settings again while the daemon is at work. What cannot be
// read, or that the ledger does not take, changes nothing.
type reloader struct {
	app *app
	// read reads them from where they came from; nil when that was nowhere.
	read func() (settings.Settings, error)
	// level is that of the log.
	level *slog.LevelVar

	mu sync.Mutex // one at a time
	ok prometheus.Gauge
	at prometheus.Gauge
}

func newReloader(a *app) *reloader {
	r := &reloader{app: a,
		ok: prometheus.NewGauge(prometheus.GaugeOpts{Name: "enrichgate_config_last_reload_successful",
			Help: "1 while the settings that hold are those that were last read, 0 after a reload that was refused; those before it hold then."}),
		at: prometheus.NewGauge(prometheus.GaugeOpts{Name: "enrichgate_config_last_reload_timestamp_seconds",
			Help: "Time at which settings were last read and taken."}),
	}
	a.registry.MustRegister(r.ok, r.at)
	r.took()
	return r
}

func (r *reloader) took() {
	r.ok.Set(1)
	r.at.SetToCurrentTime()
}

// run reads them again and takes up what can change. by is who wants it.
func (r *reloader) run(by string) (httpapi.Reloaded, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.read == nil {
		return httpapi.Reloaded{}, &enrich.InputError{Reason: "these settings come from no file and no environment; there is nothing to read again"}
	}
	changes, err := r.take()
	if err != nil {
		r.ok.Set(0)
		return httpapi.Reloaded{}, err
	}
	r.took()
	r.app.log.Info("the settings were read again", "by", by, "taken", changes.Taken)
	if len(changes.Restart) > 0 {
		r.app.log.Warn("some settings hold from the next start only", "needs_restart", changes.Restart)
	}
	r.audit(by, changes)
	return httpapi.Reloaded{Taken: orEmpty(changes.Taken), NeedsRestart: orEmpty(changes.Restart)}, nil
}

// take is all or nothing, but for the file of clients: that is taken as it is even
// if the ledger, whose disk has failed, is not told of their budgets.
func (r *reloader) take() (settings.Changes, error) {
	a := r.app
	fresh, err := r.read()
	if err != nil {
		return settings.Changes{}, &enrich.InputError{Reason: err.Error()}
	}
	for _, w := range fresh.Warnings {
		a.log.Warn(w)
	}
	next, changes := a.settings().Adopt(&fresh)
	a.budgets.Lock()
	defer a.budgets.Unlock()
	changed, err := a.clients.Reload()
	if err != nil {
		return settings.Changes{}, &enrich.InputError{Reason: err.Error()}
	}
	if changed {
		changes.Taken = append(changes.Taken, "clients")
	}
	if err := a.ledger.Configure(a.accountsOf(&next)); err != nil {
		return settings.Changes{}, err
	}
	a.current.Store(&next)
	a.tellBudgets()
	if r.level != nil {
		r.level.Set(next.LogLevel)
	}
	return changes, nil
}

// audit writes down what was taken, and for whom.
func (r *reloader) audit(by string, changes settings.Changes) {
	if len(changes.Taken) == 0 {
		return
	}
	for _, s := range r.app.settings().Enabled() {
		if err := r.app.ledger.Note(s.Spec.Name, "settings", quota.Order{By: by, Reason: "settings were read again: " + strings.Join(changes.Taken, ", ")}); err != nil {
			r.app.log.Error("a reload could not be written into the audit log", "source", s.Spec.Name, "error", err)
		}
	}
}

func orEmpty(names []string) []string {
	if names == nil {
		return []string{}
	}
	return names
}

// follow reloads at each signal, until ctx ends.
func (r *reloader) follow(ctx context.Context, signals <-chan os.Signal) {
	for {
		select {
		case <-signals:
			if _, err := r.run("signal"); err != nil {
				r.app.log.Error("the settings could not be read again; those before hold", "error", err)
			}
		case <-ctx.Done():
			return
		}
	}
}
