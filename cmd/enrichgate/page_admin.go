package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

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

// Price implements dashboards.Admin.
func (b *pageBackend) Price(_ context.Context, value string) (p dashboards.Price, err error) {
	entity, err := enrich.NewEntity("", value)
	if err != nil {
		return p, err
	}
	name, gateway, err := b.choose("", entity)
	if err != nil {
		return p, err
	}
	p = dashboards.Price{Source: name, Value: entity.Subject(), Type: entity.Type, Left: -1}
	estimate, err := gateway.Estimate(entity, enrich.Directives{})
	if err != nil {
		p.Refused = err.Error()
		return p, nil
	}
	p.Units, p.Kept = estimate.Units, int64(estimate.Cached)
	for _, u := range b.app.ledger.Usage() {
		for _, w := range u.Windows {
			if u.Source == name && (p.Left < 0 || w.Remaining < p.Left) {
				p.Left = w.Remaining
			}
		}
	}
	return p, nil
}

func (b *pageBackend) choose(source string, e enrich.Entity) (string, *enrich.Gateway, error) {
	g, err := enrich.Choose(b.app.gateways, source, e)
	if err != nil {
		return "", nil, err
	}
	for name, one := range b.app.gateways {
		if one == g {
			source = name
		}
	}
	return source, g, nil
}

// Do implements dashboards.Admin.
func (b *pageBackend) Do(ctx context.Context, a dashboards.Action) (string, error) {
	order := quota.Order{By: a.By, Reason: a.Reason}
	ledger := b.app.ledger
	switch a.Kind {
	case dashboards.PauseSource:
		return a.Source + " is asked nothing until it is resumed or the pause ends.", ledger.Pause(a.Source, a.Until, order)
	case dashboards.ResumeSource:
		return a.Source + " is asked again.", ledger.Resume(a.Source, order)
	case dashboards.SetLimit:
		return fmt.Sprintf("The limit of the %s is %d until its reset.", a.Window, a.Units), ledger.SetLimit(a.Source, a.Window, a.Units, order)
	case dashboards.SetUsed:
		return fmt.Sprintf("%d units of the %s count as used.", a.Units, a.Window), ledger.SetUsed(a.Source, a.Window, a.Units, order)
	case dashboards.SetFloor:
		trigger, err := quota.ParseTrigger(a.Trigger)
		if err != nil {
			return "", err
		}
		return fmt.Sprintf("%s leaves %d units of the %s to others until its reset.", a.Trigger, a.Units, a.Window),
			ledger.SetFloor(a.Source, a.Window, trigger, a.Units, order)
	case dashboards.PurgeAnswers:
		return b.purge(a)
	case dashboards.LookUp:
		return b.lookUp(ctx, a)
	}
	return "", errors.New("there is no such action")
}

// purge removes what is kept of a value.
func (b *pageBackend) purge(a dashboards.Action) (string, error) {
	entity, err := enrich.NewEntity("", a.Value)
	if err != nil {
		return "", err
	}
	removed := 0
	for _, name := range slices.Sorted(maps.Keys(b.app.gateways)) {
		if a.Source != "" && a.Source != name {
			continue
		}
		n, err := b.app.gateways[name].Forget(entity)
		if err != nil && a.Source != "" {
			return "", err
		}
		removed += n
	}
	b.app.log.Info("kept answers removed", "value", a.Value, "answers", removed, "by", a.By, "reason", a.Reason)
	return fmt.Sprintf("%d kept answers were removed; the next lookup is paid for.", removed), nil
}

// lookUp looks a value up as manual work.
func (b *pageBackend) lookUp(ctx context.Context, a dashboards.Action) (string, error) {
	entity, err := enrich.NewEntity("", a.Value)
	if err != nil {
		return "", err
	}
	_, gateway, err := b.choose(a.Source, entity)
	if err != nil {
		return "", err
	}
	res, err := gateway.Enrich(ctx, enrich.Request{Entity: entity, Trigger: quota.Manual, Client: "page", Person: a.By})
	if err != nil {
		return "", err
	}
	return res.Summary, nil
}
