package main

import (
	"context"
	"log/slog"
	"sync"

	"github.com/enrichgate/enrichgate/cmd/enrichgate/internal/logging"
	"github.com/enrichgate/enrichgate/cmd/enrichgate/internal/settings"
)

// demoLog is the daemon's log. What it says of a playbook step goes into the
// step's own line, for a step has no work where the platform would show it;
// everything else goes where a log goes.
type demoLog struct {
	slog.Handler
	said *demoWords
}

// demoWords are the daemon's words by entity.
type demoWords struct {
	mu sync.Mutex
	of map[string]string
}

func newDemoLog(env *environment, s settings.Settings) *demoLog {
	h := logging.NewHandler(env.stderr, logging.Options{Name: s.LogName(), Level: s.LogLevel, JSON: s.OpenCTIJSONLogging, Secrets: s.Secrets()})
	return &demoLog{Handler: h, said: &demoWords{of: map[string]string{}}}
}

func (l *demoLog) logger() *slog.Logger { return slog.New(l) }

// Handle implements slog.Handler.
func (l *demoLog) Handle(ctx context.Context, r slog.Record) error {
	attrs := map[string]string{}
	r.Attrs(func(a slog.Attr) bool { attrs[a.Key] = a.Value.String(); return true })
	if r.Level == slog.LevelWarn && attrs["playbook"] != "" && attrs["entity"] != "" && attrs["reason"] != "" {
		l.said.mu.Lock()
		defer l.said.mu.Unlock()
		l.said.of[attrs["entity"]] = attrs["reason"]
		return nil
	}
	return l.Handler.Handle(ctx, r)
}

// WithAttrs implements slog.Handler.
func (l *demoLog) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &demoLog{l.Handler.WithAttrs(attrs), l.said}
}

// WithGroup implements slog.Handler.
func (l *demoLog) WithGroup(name string) slog.Handler {
	return &demoLog{l.Handler.WithGroup(name), l.said}
}

// about is what was said of an entity since it was last asked for.
func (l *demoLog) about(entity string) string {
	l.said.mu.Lock()
	defer l.said.mu.Unlock()
	text := l.said.of[entity]
	delete(l.said.of, entity)
	return text
}
