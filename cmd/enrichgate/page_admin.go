package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/enrichgate/enrichgate/cache"
	"github.com/enrichgate/enrichgate/dashboards"
	"github.com/enrichgate/enrichgate/enrich"
	"github.com/enrichgate/enrichgate/quota"
)

// Cached implements dashboards.Answers: what every source that knows such a
// value has kept of it.
func (b *pageBackend) Cached(_ context.Context, value string) ([]dashboards.Cached, error) {
	entity, err := enrich.NewEntity("", value)
	if err != nil {
		return nil, err
	}
	var all []dashboards.Cached
	for _, name := range slices.Sorted(maps.Keys(b.app.gateways)) {
		kept, err := b.app.gateways[name].Kept(entity)
		if err != nil {
			continue // not a value for this source
		}
		for _, k := range kept {
			if k.Entry != nil && k.State != cache.Gone {
				all = append(all, cachedOf(name, entity.Type, k))
			}
		}
	}
	return all, nil
}

func cachedOf(source, kind string, k enrich.Kept) dashboards.Cached {
	state := "fresh"
	if k.State == cache.Stale {
		state = "stale"
	}
	return dashboards.Cached{
		Source: source, Endpoint: k.Lookup.Endpoint, Value: k.Lookup.Value, Type: kind, Class: enrich.Class(k.Entry.Kind).String(), State: state,
		Stored: k.Entry.StoredAt, FreshUntil: k.Entry.FreshUntil, StaleUntil: k.Entry.StaleUntil, Bytes: len(k.Entry.Body), Status: k.Entry.Status,
	}
}

// Prices implements dashboards.Admin: one for each source that looks such a
// value up, or why none does.
func (b *pageBackend) Prices(_ context.Context, value string) ([]dashboards.Price, error) {
	entity, err := enrich.NewEntity("", value)
	if err != nil {
		return nil, err
	}
	var all []dashboards.Price
	for _, name := range slices.Sorted(maps.Keys(b.app.gateways)) {
		if _, why := b.app.gateways[name].Kept(entity); why != nil {
			err = why // not a value for this source
			continue
		}
		all = append(all, b.price(name, entity))
	}
	if len(all) == 0 {
		return nil, cmp.Or(err, errors.New("no source is configured"))
	}
	return all, nil
}

func (b *pageBackend) price(source string, e enrich.Entity) dashboards.Price {
	p := dashboards.Price{Source: source, Value: e.Subject(), Type: e.Type, Left: -1}
	estimate, err := b.app.gateways[source].Estimate(e, enrich.Directives{})
	if err != nil {
		p.Refused = err.Error()
		return p
	}
	p.Units, p.Lookups, p.Kept = estimate.Units, estimate.Lookups, estimate.Cached
	for _, u := range b.app.ledger.Usage() {
		if u.Source != source {
			continue
		}
		for _, w := range u.Windows {
			if p.Left < 0 || w.Remaining < p.Left {
				p.Left = w.Remaining
			}
		}
		if u.Paused != nil && p.Units > 0 {
			p.Refused = "the source is paused: " + u.Paused.Reason
		}
	}
	return p
}

// Do implements dashboards.Admin.
func (b *pageBackend) Do(ctx context.Context, a dashboards.Action) (said string, err error) {
	order := quota.Order{By: "page: " + cmp.Or(a.By, "admin"), Reason: a.Reason}
	ledger := b.app.ledger
	switch a.Kind {
	case dashboards.PauseSource:
		said, err = a.Source+" is asked nothing until it is resumed or the pause ends.", ledger.Pause(a.Source, a.Until, order)
	case dashboards.ResumeSource:
		said, err = a.Source+" is asked again.", ledger.Resume(a.Source, order)
	case dashboards.SetLimit:
		said, err = fmt.Sprintf("The limit of the %s is %d until its reset.", a.Window, a.Units), ledger.SetLimit(a.Source, a.Window, a.Units, order)
	case dashboards.SetUsed:
		said, err = fmt.Sprintf("%d units of the %s count as used.", a.Units, a.Window), ledger.SetUsed(a.Source, a.Window, a.Units, order)
	case dashboards.SetFloor:
		var trigger quota.Trigger
		if trigger, err = quota.ParseTrigger(a.Trigger); err == nil {
			err = ledger.SetFloor(a.Source, a.Window, trigger, a.Units, order)
		}
		said = fmt.Sprintf("%s leaves %d units of the %s to others until its reset.", a.Trigger, a.Units, a.Window)
	case dashboards.PurgeAnswers:
		said, err = b.purge(a, order)
	case dashboards.LookUp:
		said, err = b.lookUp(ctx, a, order)
	default:
		err = errors.New("there is no such action")
	}
	if err != nil {
		return "", inWords(err)
	}
	b.app.log.Info("an order was given on the page", "order", string(a.Kind), "by", order.By, "source", a.Source, "reason", a.Reason)
	return said, nil
}

// inWords leaves out what an error says to programs.
func inWords(err error) error {
	if said, ok := strings.CutPrefix(err.Error(), quota.ErrOrder.Error()+": "); ok {
		return errors.New(said)
	}
	return err
}

// purge removes what is kept of a value. It is noted first: what cannot be
// audited is not done.
func (b *pageBackend) purge(a dashboards.Action, order quota.Order) (string, error) {
	entity, err := enrich.NewEntity("", a.Value)
	if err != nil {
		return "", err
	}
	order.Reason = "purged from the cache: " + order.Reason
	removed := 0
	for _, name := range slices.Sorted(maps.Keys(b.app.gateways)) {
		kept, err := b.app.gateways[name].Kept(entity)
		if err != nil || !slices.ContainsFunc(kept, func(k enrich.Kept) bool { return k.Entry != nil }) {
			continue // nothing for this source
		}
		if err := b.app.ledger.Note(name, entity.Subject(), order); err != nil {
			return "", err
		}
		n, err := b.app.gateways[name].Forget(entity)
		if removed += n; err != nil {
			return "", fmt.Errorf("%d kept answers were removed, then: %w", removed, err)
		}
	}
	return fmt.Sprintf("%d kept answers were removed; the next lookup is paid for.", removed), nil
}

// pagePatience is how long a browser waits for a limit.
const pagePatience = 20 * time.Second

// lookUp looks a value up as manual work.
func (b *pageBackend) lookUp(ctx context.Context, a dashboards.Action, order quota.Order) (string, error) {
	entity, err := enrich.NewEntity("", a.Value)
	if err != nil {
		return "", err
	}
	gateway, err := enrich.Choose(b.app.gateways, a.Source, entity)
	if err != nil {
		return "", err
	}
	order.Reason = "looked up: " + order.Reason
	if err := b.app.ledger.Note(a.Source, entity.Subject(), order); err != nil {
		return "", err
	}
	res, err := gateway.Enrich(ctx, enrich.Request{Entity: entity, Trigger: quota.Manual, Client: "page", Person: a.By, Patience: pagePatience})
	if err != nil {
		return "", err
	}
	return res.Summary, nil
}
