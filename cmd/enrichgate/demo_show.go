package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	platform "github.com/enrichgate/enrichgate/enrich/opencti/sandbox"
	"github.com/enrichgate/enrichgate/quota"
)

// demoShow plays traffic and says what came of it.
type demoShow struct {
	*demoStage
	out  io.Writer
	rng  *rand.Rand
	http string

	messages, lookups, played int
}

func (d *demoShow) header(c demoCmd) {
	fmt.Fprintf(d.out, `enrichgate %s demo: the real daemon between two sandboxes; nothing leaves this machine
  provider   an ET-Intelligence-like API that keeps its own bill, %s
  platform   an OpenCTI-like platform that speaks the connector protocol, %s
  quota      %s; playbooks leave a tenth of it for people
  data       %s (%s)
in another terminal:
  ENRICHGATE_DATA_DIR=%[5]s enrichgate quota
  ENRICHGATE_DATA_DIR=%[5]s enrichgate lookup 198.51.100.1

`, version(), d.server.URL(), d.platform.URL(), c.Quota, d.data(), map[bool]string{true: "kept", false: "removed at the end; --keep keeps it"}[d.kept])
}

// scene is one thing that is asked for.
type scene struct {
	kind, value, tlp string
	lookups          int
}

// next draws a scene: a few values are asked for again and again, as in life.
func (d *demoShow) next() scene {
	switch n := d.rng.IntN(20); {
	case n == 0:
		return scene{"IPv4-Addr", "192.0.2.66", "TLP:RED", 5}
	case n == 1:
		return scene{"Url", "https://www.example.com/", "", 0}
	}
	// Zipf-like: rank r comes up about 1/r as often as rank 1.
	rank := int(math.Exp(d.rng.Float64() * math.Log(60)))
	switch rank % 4 {
	case 0:
		return scene{"Domain-Name", fmt.Sprintf("host%d.example.com", rank), "TLP:GREEN", 3}
	case 1:
		return scene{"StixFile", fmt.Sprintf("%032x", rank), "", 1}
	default:
		return scene{"IPv4-Addr", fmt.Sprintf("198.51.100.%d", rank), "TLP:AMBER", 5}
	}
}

// play sends a message each interval, sometimes two of the same at once, and
// prints what happened, until ctx ends.
func (d *demoShow) play(ctx context.Context, interval time.Duration) error {
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for d.played = 1; ; d.played++ {
		if err := d.one(ctx, d.next()); err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return err
		}
		if d.played%8 == 0 {
			if err := d.totals(ctx); err != nil && ctx.Err() == nil {
				return err
			}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// one plays a scene to its end.
func (d *demoShow) one(ctx context.Context, s scene) error {
	var tlp []string
	if s.tlp != "" {
		tlp = []string{s.tlp}
	}
	e := platform.NewEntity(s.kind, s.value, tlp...)
	d.platform.AddEntity(e)
	before := d.provider.Bill().Total
	times := 1
	if d.rng.IntN(6) == 0 {
		times = 2
	}
	manual := d.rng.IntN(4) == 0
	said := make([]string, times)
	errs := make([]error, times)
	var all sync.WaitGroup
	for i := range times {
		all.Go(func() { said[i], errs[i] = d.ask(ctx, e.ID, manual) })
	}
	all.Wait()
	if err := errors.Join(errs...); err != nil {
		return err
	}
	calls := d.provider.Bill().Total - before
	d.messages += times
	if s.tlp != "TLP:RED" {
		d.lookups += times * s.lookups
	}
	who := map[bool]string{true: "manual  ", false: "playbook"}[manual]
	if times == 2 {
		who += " ×2"
	} else {
		who += "   "
	}
	fmt.Fprintf(d.out, "%s  %s  %-32s %2d calls  %s\n", time.Now().Format("15:04:05"), who, s.value, calls, said[0])
	return nil
}

// ask sends one message and waits for its end; the words are the platform's.
func (d *demoShow) ask(ctx context.Context, entity string, manual bool) (string, error) {
	if !manual {
		id, err := d.platform.Playbook(ctx, entity)
		if err != nil {
			return "", err
		}
		step, err := d.platform.WaitStep(ctx, id)
		if err != nil {
			return "", err
		}
		return fmt.Sprintf("step answered, bundle of %d objects", strings.Count(string(step.Bundle), `"spec_version":"2.1"`)-1), nil
	}
	id, err := d.platform.Enrich(ctx, entity)
	if err != nil {
		return "", err
	}
	work := d.platform.Work(id)
	err = d.platform.Wait(ctx, func() bool { work = d.platform.Work(id); return work.ProcessedCount > 0 })
	if err != nil {
		return "", err
	}
	text := append(work.Messages, work.Errors...)
	if len(work.Errors) > 0 {
		return work.Errors[len(work.Errors)-1], nil
	}
	return text[len(text)-1], nil
}

func (d *demoShow) totals(ctx context.Context) error {
	u, err := d.usage(ctx)
	if err != nil {
		return err
	}
	bill := d.provider.Bill().Total
	fmt.Fprintf(d.out, "%s  —  %d messages, %d lookups, %s from the cache; ledger %d, bill of this run %d; %s left\n",
		time.Now().Format("15:04:05"), d.messages, d.lookups, share(d.lookups-bill, d.lookups), u.Spent+u.Uncertain, bill, left(u))
	return nil
}

func (d *demoShow) summary(u quota.Usage) {
	bill := d.provider.Bill().Total
	fmt.Fprintf(d.out, `
summary
  messages        %d
  lookups         %d: what the calls would have been without a cache
  calls           %d: the provider's own bill of this run
  saved           %d units, %s
  ledger          %d units spent, %d uncertain, in all runs on this data
  left            %s
`, d.messages, d.lookups, bill, d.lookups-bill, share(d.lookups-bill, d.lookups), u.Spent, u.Uncertain, left(u))
	if d.kept {
		fmt.Fprintf(d.out, "  data            kept in %s; run it again with --keep, and nothing is paid twice\n", d.dir)
	} else {
		fmt.Fprintln(d.out, "  data            removed; with --keep the next run would pay for nothing twice")
	}
}

func left(u quota.Usage) string {
	var s []string
	for _, w := range u.Windows {
		s = append(s, fmt.Sprintf("%d of %d this %s", w.Remaining, w.Limit, w.Window))
	}
	if len(s) == 0 {
		return "no limit"
	}
	return strings.Join(s, ", ")
}

func share(part, whole int) string {
	if whole == 0 {
		return "0 %"
	}
	return fmt.Sprintf("%d %%", 100*part/whole)
}
