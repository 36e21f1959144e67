package main

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/enrichgate/enrichgate/cmd/enrichgate/internal/logging"
	"github.com/enrichgate/enrichgate/cmd/enrichgate/internal/settings"
	"github.com/enrichgate/enrichgate/enrich"
	"github.com/enrichgate/enrichgate/enrich/opencti"
)

type runCmd struct{}

// Run is the daemon.
func (runCmd) Run(env *environment, c *cli) error {
	s, err := c.load(env, settings.NeedRun)
	if err != nil {
		return err
	}
	log := newLog(env, s)
	for _, w := range s.Warnings {
		log.Warn(w)
	}
	for _, n := range s.Notices {
		log.Debug(n)
	}
	return serve(env.ctx, s, log, nil)
}

func newLog(env *environment, s settings.Settings) *slog.Logger {
	return logging.New(env.stderr, logging.Options{Name: s.LogName(), Level: s.LogLevel, JSON: s.OpenCTIJSONLogging, Secrets: s.Secrets()})
}

// serve builds everything in order, serves until ctx ends, and stops in
// reverse: messages first, then the HTTP listeners, so that the metrics see the
// drain, then the stores.
func serve(ctx context.Context, s settings.Settings, log *slog.Logger, trace func(enrich.Step)) error {
	return serveAt(ctx, s, log, trace, time.Now)
}

// serveAt is serve by another clock.
func serveAt(ctx context.Context, s settings.Settings, log *slog.Logger, trace func(enrich.Step), now func() time.Time) (err error) {
	a, err := openAppAt(s, log, "run", trace, now)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, a.close()) }()
	journal, err := opencti.OpenJournal(a.dir.file(fileJournal), time.Now)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, journal.Close()) }()
	connectors, err := a.connectors(journal)
	if err != nil {
		return err
	}
	front, err := a.listen(s.HTTPListen, connectors.healthy)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, front.close()) }()
	log.Info("enrichgate starts", "version", version(), "data_dir", s.DataDir, "http", front.address(), "connectors", len(s.Connectors))
	for _, source := range s.Enabled() {
		log.Info("source", "source", source.Spec.Name, "quota", source.QuotaText(), "max_tlp", source.MaxTLP)
	}
	if err := notifyManager(notifyReady); err != nil {
		log.Warn("the service manager was not told that the daemon is ready", "error", err)
	}
	var watching sync.WaitGroup
	for _, g := range a.gateways {
		watching.Go(func() { g.WatchUsage(ctx) })
	}
	defer watching.Wait()
	err = connectors.Run(ctx)
	log.Info("enrichgate stops")
	return errors.Join(err, notifyManager(notifyStopping))
}
