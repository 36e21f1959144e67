package main

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/enrichgate/enrichgate/cmd/enrichgate/internal/logging"
	"github.com/enrichgate/enrichgate/cmd/enrichgate/internal/settings"
	"github.com/enrichgate/enrichgate/enrich"
	"github.com/enrichgate/enrichgate/enrich/opencti"
)

type runCmd struct{}

// Run is the daemon.
func (runCmd) Run(env *environment, c *cli) error {
	read := func() (settings.Settings, error) { return c.load(env, settings.NeedRun) }
	s, err := read()
	if err != nil {
		return err
	}
	level := new(slog.LevelVar)
	level.Set(s.LogLevel)
	log := newLog(env.stderr, s, level)
	for _, w := range s.Warnings {
		log.Warn(w)
	}
	for _, n := range s.Notices {
		log.Debug(n)
	}
	return serving{settings: s, log: log, level: level, read: read, now: time.Now}.run(env.ctx)
}

func newLog(w io.Writer, s settings.Settings, level slog.Leveler) *slog.Logger {
	return logging.New(w, logging.Options{Name: s.LogName(), Level: level, JSON: s.OpenCTIJSONLogging, Secrets: s.Secrets()})
}

// serving is the daemon's work. settings, log and now are required.
type serving struct {
	settings settings.Settings
	log      *slog.Logger
	// now dates the books.
	now func() time.Time
	// trace is told of each step of each lookup.
	trace func(enrich.Step)
	// read reads the settings again when a signal or an admin says so, and level
	// is that of the log; without read there is nothing to read.
	read  func() (settings.Settings, error)
	level *slog.LevelVar
}

// run builds everything in order, serves until ctx ends, and stops in reverse:
// messages first, then the HTTP listeners, so that the metrics see the drain,
// then the stores.
func (d serving) run(ctx context.Context) (err error) {
	s, log := d.settings, d.log
	hangups := make(chan os.Signal, 1)
	if d.read != nil { // else a hangup ends the process, as it does by default
		signal.Notify(hangups, syscall.SIGHUP)
		defer signal.Stop(hangups)
	}
	a, err := openAppAt(s, log, "run", d.trace, d.now)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, a.close()) }()
	a.reload.read, a.reload.level = d.read, d.level
	journal, err := opencti.OpenJournal(a.dir.file(fileJournal), time.Now)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, journal.Close()) }()
	connectors, err := a.connectors(journal)
	if err != nil {
		return err
	}
	front, err := a.listen(s.HTTPListen, connectors.States)
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
	watching.Go(func() { a.reload.follow(ctx, hangups) })
	defer watching.Wait()
	err = connectors.Run(ctx)
	log.Info("enrichgate stops")
	return errors.Join(err, notifyManager(notifyStopping))
}
