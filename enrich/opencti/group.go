package opencti

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
)

// Group is the connectors of one process. Each lives on its own: whatever
// befalls one, the others do not notice.
type Group struct {
	log        *slog.Logger
	connectors []*Connector
}

// NewGroup builds the connectors. IDs and names must differ, and so must
// the addresses at which messages are listened for.
func NewGroup(log *slog.Logger, configs ...Config) (*Group, error) {
	if len(configs) == 0 {
		return nil, errors.New("no connector is configured")
	}
	g := &Group{log: log}
	hub := newCallbackHub()
	seen := map[string]bool{}
	for _, cfg := range configs {
		marks := []string{"the id " + cfg.ID, "the name " + cfg.Name}
		if cfg.ListenProtocol == ProtocolAPI {
			marks = append(marks, "the address "+cfg.Callback.Listen+cfg.Callback.Path)
		}
		for _, mark := range marks {
			if seen[mark] {
				return nil, fmt.Errorf("two connectors have %s", mark)
			}
			seen[mark] = true
		}
	}
	for _, cfg := range configs {
		c := New(cfg)
		c.hub = hub
		g.connectors = append(g.connectors, c)
	}
	return g, nil
}

// Connectors of the group, in the order of their configuration.
func (g *Group) Connectors() []*Connector { return g.connectors }

// Run runs all connectors until ctx ends, and each of them again when it stops
// before. Of a single connector it returns the error instead: there is nobody
// whom it would harm.
func (g *Group) Run(ctx context.Context) error {
	if len(g.connectors) == 1 {
		return runSafely(ctx, g.connectors[0])
	}
	var all sync.WaitGroup
	for _, c := range g.connectors {
		all.Go(func() { g.keep(ctx, c) })
	}
	all.Wait()
	return nil
}

// keep runs one connector as long as ctx lasts.
func (g *Group) keep(ctx context.Context, c *Connector) {
	for n := 0; ; n++ {
		err := runSafely(ctx, c)
		if ctx.Err() != nil {
			if err != nil {
				g.log.Error("Connector did not stop cleanly", "connector", c.Name(), "error", err)
			}
			return
		}
		g.log.Error("Connector stopped and is started again", "connector", c.Name(), "error", err)
		if sleep(ctx, pauseAfter(n)) != nil {
			return
		}
	}
}

// runSafely keeps one connector's panic from the others.
func runSafely(ctx context.Context, c *Connector) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("the connector panicked: %v", r)
		}
	}()
	return c.Run(ctx)
}

// States are how the connectors are, in their order.
func (g *Group) States() []State {
	var all []State
	for _, c := range g.connectors {
		all = append(all, c.State())
	}
	return all
}

// Healthy is nil while at least one connector does its work: the process is of
// use, and a restart would help none of the others.
func (g *Group) Healthy() error {
	var errs []error
	for _, c := range g.connectors {
		err := c.Healthy()
		if err == nil {
			return nil
		}
		errs = append(errs, fmt.Errorf("%s: %w", c.Name(), err))
	}
	return errors.Join(errs...)
}
