package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/enrichgate/enrichgate/cmd/enrichgate/internal/settings"
	"github.com/enrichgate/enrichgate/dashboards"
	"github.com/enrichgate/enrichgate/enrich"
	"github.com/enrichgate/enrichgate/enrich/opencti"
	"github.com/enrichgate/enrichgate/quota"
)

// State implements dashboards.Reader.
func (b *pageBackend) State(context.Context) dashboards.State {
	now := b.app.now()
	usages := b.app.ledger.Usage()
	s := dashboards.State{At: now, Cache: b.cacheStats(), Health: b.health()}
	for _, source := range b.app.settings().Enabled() {
		i := slices.IndexFunc(usages, func(u quota.Usage) bool { return u.Source == source.Spec.Name })
		if i >= 0 {
			s.Sources = append(s.Sources, b.source(source, usages[i], now))
		}
	}
	s.Clients = b.clientList(usages)
	return s
}

// Version implements dashboards.Reader: it grows with every entry of the ledger
// and with every decision.
func (b *pageBackend) Version() uint64 { return b.app.ledger.Stats().Entries + b.app.recent.Count() }

func (b *pageBackend) source(s *settings.Source, u quota.Usage, now time.Time) dashboards.Source {
	d := dashboards.Source{
		Name: s.Spec.Name, Title: s.Spec.Title, MaxTLP: s.MaxTLP, BaseURL: s.BaseURL, Types: s.Spec.Scope,
		Spent: u.Spent, Uncertain: u.Uncertain, Pending: u.Pending, Saved: b.app.savings.of(s.Spec.Name), Currency: s.Currency,
	}
	d.Price, _ = strconv.ParseFloat(s.UnitPrice, 64) // empty: no price; else the settings saw to it
	if g := b.app.gateways[s.Spec.Name]; g != nil {
		d.Circuit, _ = g.Circuit()
	}
	if p := u.Paused; p != nil {
		d.Pause = &dashboards.Pause{By: p.By, Reason: p.Reason}
		if p.Until != nil {
			d.Pause.Until = *p.Until
		}
	}
	for _, w := range u.Windows {
		d.Windows = append(d.Windows, b.window(s.Spec.Name, w, now))
	}
	return d
}

func (b *pageBackend) window(source string, u quota.WindowUsage, now time.Time) dashboards.Window {
	w := dashboards.Window{
		Period: u.Window, Rolling: u.Rolling, Limit: u.Limit, Used: u.Used, Pending: u.Pending, Left: u.Remaining,
		Start: u.StartsAt, Reset: u.ResetsAt,
	}
	for _, t := range quota.Triggers() {
		if n := u.Floors[t.String()]; n > 0 {
			w.Floors = append(w.Floors, dashboards.Floor{Trigger: t.String(), Units: n})
		}
		if n := u.ByTrigger[t.String()]; n > 0 {
			w.Spent.Triggers = append(w.Spent.Triggers, dashboards.Share{Name: t.String(), Units: n})
		}
	}
	if u.Outside != 0 {
		w.Spent.Triggers = append(w.Spent.Triggers, dashboards.Share{Name: "elsewhere", Units: u.Outside})
	}
	slices.SortStableFunc(w.Spent.Triggers, func(a, b dashboards.Share) int { return cmp.Compare(b.Units, a.Units) })
	if u.Limit != u.Configured {
		w.Changed = fmt.Sprintf("the limit is %d in this window; the settings say %d", u.Limit, u.Configured)
	}
	if length := u.ResetsAt.Sub(u.StartsAt); !u.Rolling && length >= 23*time.Hour {
		w.Forecast = forecastOf(u, now)
		b.draw(source, u, &w, now)
	}
	return w
}

// drawn is what a month of minutes was read for: the course of a window, and
// who spent in it.
type drawn struct {
	at, since          time.Time
	history            []dashboards.Point
	clients, playbooks []dashboards.Share
}

// drawnFor is how long that is good enough: a page that follows asks each
// second, and the figures beside the chart are always those of now.
const drawnFor = 5 * time.Second

// draw fills in what is drawn of a window.
func (b *pageBackend) draw(source string, u quota.WindowUsage, w *dashboards.Window, now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	key := source + " " + u.Window
	d := b.drawn[key]
	if now.Sub(d.at) >= drawnFor || !d.since.Equal(u.Since) {
		d = drawn{at: now, since: u.Since, history: b.burnDown(source, u, now)}
		d.clients, d.playbooks = b.spenders(source, u, now)
		b.drawn[key] = d
	}
	w.History, w.Spent.Clients, w.Spent.Playbooks = d.history, d.clients, d.playbooks
}

// spenders are the clients and playbooks that spent. What the disk does not
// give is left out: the page is shown all the same.
func (b *pageBackend) spenders(source string, u quota.WindowUsage, now time.Time) (byClient, byPlaybook []dashboards.Share) {
	all, err := b.app.ledger.Spenders(source, u.StartsAt, now)
	if err != nil {
		b.app.log.Warn("the page cannot tell who spent", "error", err)
		return nil, nil
	}
	clients, playbooks := map[string]int64{}, map[string]int64{}
	for _, s := range all {
		if s.Owner.Kind == quota.OfPlaybook {
			playbooks[b.app.recent.Playbook(s.Name)] += s.Units
		} else {
			clients[s.Name] += s.Units
		}
	}
	return shares(clients), shares(playbooks)
}

// mostShares bounds a list of spenders; the smallest are one line together.
const mostShares = 8

// shares are spenders, the greatest first.
func shares(units map[string]int64) []dashboards.Share {
	var all []dashboards.Share
	for _, name := range slices.Sorted(maps.Keys(units)) {
		all = append(all, dashboards.Share{Name: name, Units: units[name]})
	}
	slices.SortStableFunc(all, func(a, b dashboards.Share) int { return cmp.Compare(b.Units, a.Units) })
	if len(all) <= mostShares {
		return all
	}
	rest := dashboards.Share{Name: fmt.Sprintf("%d others", len(all)-mostShares+1)}
	for _, s := range all[mostShares-1:] {
		rest.Units += s.Units
	}
	return append(all[:mostShares-1], rest)
}

// burnDownPoints is how fine the chart of a window is.
const burnDownPoints = 96

// burnDown is what was left of a window since there are books of it. What was
// used elsewhere has no time, and is taken off from the start.
func (b *pageBackend) burnDown(source string, u quota.WindowUsage, now time.Time) []dashboards.Point {
	step := max(time.Minute, now.Sub(u.Since)/burnDownPoints).Truncate(time.Minute)
	history, err := b.app.ledger.History(source, u.Since, now.Add(1), step) // now may be when they began
	if err != nil {
		b.app.log.Warn("the page cannot draw the burn-down", "error", err)
		return nil
	}
	left := u.Ceiling - max(0, u.Outside)
	points := []dashboards.Point{{At: u.Since, Left: left}}
	for _, p := range history {
		left -= p.Total
		at := p.Start.Add(step)
		if at.After(now) {
			at = now
		}
		points = append(points, dashboards.Point{At: at, Left: max(0, left)})
	}
	return points
}

// forecastOf names the estimate that runs out first; without one, the rate of
// the window so far, once there is enough to go by.
func forecastOf(u quota.WindowUsage, now time.Time) *dashboards.Forecast {
	if f := u.Forecast; f != nil {
		d := &dashboards.Forecast{RunsOut: f.At, Basis: "this window so far"}
		if f.Latest != nil {
			d.Latest = *f.Latest
		}
		switch {
		case f.Last6h != nil && f.Last6h.Equal(f.At):
			d.Basis = "the last 6 h"
		case f.Week != nil && f.Week.Equal(f.At):
			d.Basis = "the last 7 days"
		}
		if hours := f.At.Sub(now).Hours(); hours > 0 {
			d.Rate = float64(u.Remaining) / hours
		}
		return d
	}
	const enough = 20
	passed := now.Sub(u.Since)
	if spent := u.Used - max(0, u.Outside); spent >= enough && passed > u.ResetsAt.Sub(u.StartsAt)/20 {
		return &dashboards.Forecast{Rate: float64(spent) / passed.Hours(), Basis: "this window so far"}
	}
	return nil
}

func (b *pageBackend) cacheStats() dashboards.CacheStats {
	s := b.app.cache.Stats()
	d := dashboards.CacheStats{
		MemoryHits: s.MemoryHits, DiskHits: s.DiskHits, Shared: s.Shared, Misses: s.Misses,
		Damaged: s.Damaged, WriteErrors: s.WriteErrors, SizeBytes: s.SizeBytes, MaxBytes: s.MaxDisk, Entries: s.Entries, Encrypted: s.Encrypted,
	}
	for _, one := range s.Sources {
		d.Sources = append(d.Sources, dashboards.CacheShare{
			Source: one.Source, Entries: one.Entries, Bytes: one.Bytes, Expired: one.Expired, Evicted: one.Evicted, Purged: one.Purged,
		})
	}
	return d
}

// health is every check of readiness, the disk's part in it, and the providers.
func (b *pageBackend) health() []dashboards.Check {
	room := "make room on the volume of " + b.app.settings().DataDir + "."
	ledger := dashboards.Check{Name: "ledger", Says: "durable"}
	if last := b.app.ledger.Stats().LastCommit; !last.IsZero() {
		ledger.Says = "durable, last saved " + span(b.app.now().Sub(last)) + " ago"
	}
	if err := b.app.ledger.Healthy(); err != nil {
		ledger.Level, ledger.Says, ledger.Advice = dashboards.Bad, err.Error(), "Nothing is spent until the disk takes a write again: "+room
		if errors.Is(err, quota.ErrMisplaced) {
			ledger.Advice = "Nothing is spent. Bring the file back, or restart with a backup: a new ledger knows only what OpenCTI was told last."
		}
	}
	all := []dashboards.Check{ledger}
	for _, s := range b.connectors.states() {
		all = append(all, openctiCheck(s), messagesCheck(s))
	}
	usage := map[string]quota.Usage{}
	for _, u := range b.app.ledger.Usage() {
		usage[u.Source] = u
	}
	for _, s := range b.app.settings().Enabled() {
		if g := b.app.gateways[s.Spec.Name]; g != nil {
			all = append(all, sourceCheck(s.Spec.Title, g, usage[s.Spec.Name]))
		}
	}
	if n := b.app.cache.Stats().WriteErrors; n > 0 {
		all = append(all, dashboards.Check{Name: "cache", Level: dashboards.Warn, Says: fmt.Sprintf("%d writes failed", n),
			Advice: "Answers that cannot be kept are paid for again: " + room})
	}
	return all
}

// sourceCheck says whether a source is asked, and what keeps it from that.
func sourceCheck(title string, g *enrich.Gateway, u quota.Usage) dashboards.Check {
	c := dashboards.Check{Name: title, Says: "asked when needed"}
	for _, w := range u.Windows {
		if w.Limit > 0 && w.Remaining == 0 {
			c.Level, c.Says, c.Advice = dashboards.Warn, "its quota of this "+w.Window+" is used up", "Kept answers are served meanwhile, past their time too."
		}
	}
	if u.Paused != nil {
		c.Level, c.Says, c.Advice = dashboards.Warn, "paused by "+u.Paused.By+": "+u.Paused.Reason, "Kept answers are served meanwhile."
	}
	if why, _ := g.Circuit(); why != "" {
		c.Level, c.Says, c.Advice = dashboards.Bad, "left alone for a moment: "+why, "Kept answers are served meanwhile. Check the key, and the provider's status page."
	}
	return c
}

func openctiCheck(s opencti.State) dashboards.Check {
	c := dashboards.Check{Name: "OpenCTI, for " + s.Name, Says: "registered, answered " + span(time.Since(s.LastPing)) + " ago"}
	if s.Platform != nil {
		c.Level, c.Says, c.Advice = dashboards.Bad, s.Platform.Error(), "Requests wait in OpenCTI meanwhile. Check OPENCTI_URL and OPENCTI_TOKEN; the log has more."
	}
	return c
}

func messagesCheck(s opencti.State) dashboards.Check {
	c := dashboards.Check{Name: "messages to " + s.Name, Says: fmt.Sprintf("taken; %d in the queue, %d parked", s.Waiting, s.Parked)}
	if !s.LastMessage.IsZero() {
		c.Says += ", the last one came " + span(time.Since(s.LastMessage)) + " ago"
	}
	if s.Messages != nil {
		c.Level, c.Says, c.Advice = dashboards.Bad, s.Messages.Error(), "Nothing is spent on what cannot be answered; it waits. Check RabbitMQ, its queues and its memory; the log has more."
	}
	return c
}

// clientList is every client with a token, and whoever else has a budget.
func (b *pageBackend) clientList(usages []quota.Usage) []dashboards.Client {
	all := map[string]dashboards.Client{}
	for _, c := range b.app.clients.List() {
		one := dashboards.Client{Name: c.Name, Sources: c.Sources, MaxTLP: c.MaxTLP}
		if c.LastUsedAt != nil {
			one.LastUsed = *c.LastUsedAt
		}
		if c.ExpiresAt != nil {
			one.Expires = *c.ExpiresAt
		}
		all[c.Name] = one
	}
	for _, u := range usages {
		for _, c := range u.Clients {
			one := all[c.Name]
			one.Name = c.Name
			for _, w := range c.Windows {
				one.Budgets = append(one.Budgets, dashboards.Budget{Source: u.Source, Period: w.Window, Limit: w.Limit, Used: w.Used, Reset: w.ResetsAt})
			}
			all[c.Name] = one
		}
	}
	b.spentBy(all)
	return slices.SortedFunc(maps.Values(all), func(a, b dashboards.Client) int { return cmp.Compare(a.Name, b.Name) })
}

// spentBy fills in what each client spent as far back as the ledger knows.
func (b *pageBackend) spentBy(all map[string]dashboards.Client) {
	for client, units := range b.clientTotals(b.app.now()) {
		if c, ok := all[client]; ok {
			c.Spent = units
			all[client] = c
		}
	}
}

// clientTotals is what all clients spent, read anew after drawnFor.
func (b *pageBackend) clientTotals(now time.Time) map[string]int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	if now.Sub(b.totaled) < drawnFor {
		return b.totals
	}
	b.totaled, b.totals = now, map[string]int64{}
	for name := range b.app.gateways {
		spenders, err := b.app.ledger.Spenders(name, time.Unix(0, 0), now)
		if err != nil {
			b.app.log.Warn("the page cannot tell who spent", "error", err)
			return b.totals
		}
		for _, s := range spenders {
			if s.Owner.Kind == quota.OfClient {
				b.totals[s.Name] += s.Units
			}
		}
	}
	return b.totals
}
