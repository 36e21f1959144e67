package enrich

import (
	"context"
	"time"

	"github.com/enrichgate/enrichgate/quota"
)

// reportEvery is how often a provider that can be asked for its count is asked.
const reportEvery = 15 * time.Minute

// reconcile tells the ledger what the provider says it has counted.
func (g *Gateway) reconcile(from string, usages []Usage) {
	for _, u := range usages {
		r := quota.Report{Window: u.Window, At: g.now(), From: from, ResetsAt: u.ResetsAt}
		if u.Limit >= 0 {
			r.Limit = &u.Limit
		}
		if u.Used < 0 {
			continue // a limit alone says nothing of what is left
		}
		r.Used = &u.Used
		if err := g.ledger.Reconcile(g.source.Name(), r); err != nil {
			// The operator may have set no limit of that period.
			g.log.Debug("the provider's own count was not used", "window", u.Window, "reason", err)
		}
	}
}

// WatchUsage asks the provider for its own count at the start and now and then,
// until ctx ends; it returns at once for a source whose provider cannot be asked.
func (g *Gateway) WatchUsage(ctx context.Context) {
	source, can := g.source.(UsageReporter)
	if !can {
		return
	}
	tick := time.NewTicker(reportEvery)
	defer tick.Stop()
	for ctx.Err() == nil {
		if g.guard.check() == nil { // a key that is left alone is not used for this either
			usages, err := source.Usage(ctx)
			if err != nil && ctx.Err() == nil {
				g.log.Warn("the provider's own count could not be had", "error", err)
			}
			g.reconcile("usage endpoint", usages)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
		}
	}
}
