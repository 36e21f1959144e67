package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"time"

	platform "github.com/enrichgate/enrichgate/enrich/opencti/sandbox"
)

// demoPlayer plays the script, one scene after the other, so that what the
// books say between two scenes is what the one between them did.
type demoPlayer struct {
	script   *script
	platform *platform.Platform
	books    *demoBooks
	log      *demoLog
	show     *demoShow

	seen    tally // the daemon's counts when they were last looked at
	billed  int   // the provider's bill then
	totaled time.Time
}

const (
	// demoGrace is how long Ctrl-C waits for the message in hand. Then the
	// daemon is stopped, which gives the message back.
	demoGrace = 2 * time.Second
	// demoPatience is when a message that waits gets a line that says so.
	demoPatience  = 2 * time.Second
	demoTotalsGap = 2 * time.Second
)

// play sends a message at each interval until ctx, its time (0 for no end) or
// the daemon ends.
func (p *demoPlayer) play(ctx context.Context, d *demoDaemon, length, interval time.Duration) error {
	if length == 0 {
		length = math.MaxInt64
	}
	ctx, cancel := context.WithTimeout(ctx, length)
	defer cancel()
	inHand, drop := context.WithCancel(context.WithoutCancel(ctx))
	defer drop()
	context.AfterFunc(ctx, func() { time.AfterFunc(demoGrace, drop) })
	go func() {
		select {
		case <-d.ended: // by itself: nothing more will happen
			cancel()
			drop()
		case <-inHand.Done():
		}
	}()
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for owed := 0; ; owed-- {
		if owed == 0 {
			sc := p.script.next()
			owed = sc.times
			if err := p.turn(inHand, sc); err != nil && inHand.Err() == nil {
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

// turn plays a scene and shows it.
func (p *demoPlayer) turn(ctx context.Context, sc scene) error {
	if err := p.visitors(ctx); err != nil {
		return err
	}
	calls := p.books.calls(sc)
	answers, err := p.perform(ctx, sc)
	if err != nil {
		return err
	}
	did, err := p.since(ctx, sc.times)
	if err != nil {
		return err
	}
	if why := p.log.about(sc.entity.ID); why != "" {
		answers[0].words = why
	}
	who, times := "playbook", ""
	if sc.manual {
		who = "manual"
	}
	if sc.times > 1 {
		times = fmt.Sprintf("×%d", sc.times)
	}
	what := happened(did, answers)
	if did.lookups() > sc.lookups*sc.times {
		what += " (with what another terminal asked)"
	}
	p.show.line(who, sc.value, times, p.books.calls(sc)-calls, what)
	p.billed = p.books.bill()
	return p.totals(ctx)
}

// totals shows the running line now and then.
func (p *demoPlayer) totals(ctx context.Context) error {
	if time.Since(p.totaled) < demoTotalsGap {
		return nil
	}
	p.totaled = time.Now()
	p.platform.Trim() // what is not shown any more; the demo may run for hours
	b, err := p.books.balance(ctx)
	if err == nil {
		p.show.totals(p.seen, b)
	}
	return err
}

// since is what the daemon did since this was last asked, once it has counted
// so many messages more: it counts one after it has answered it.
func (p *demoPlayer) since(ctx context.Context, messages int) (did tally, err error) {
	for {
		now, err := p.books.tally(ctx)
		if err != nil {
			return did, err
		}
		if did = now.minus(p.seen); did.messages >= messages {
			p.seen = now
			return did, nil
		}
		if err := demoPause(ctx); err != nil {
			return did, err
		}
	}
}

// demoPause is for those who look again and again.
func demoPause(ctx context.Context) error {
	select {
	case <-time.After(2 * time.Millisecond):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// visitors shows what was asked for by somebody else since the last scene.
func (p *demoPlayer) visitors(ctx context.Context) error {
	did, err := p.since(ctx, 0)
	if err != nil || did.lookups() == 0 {
		return err
	}
	bill := p.books.bill()
	p.show.line("you", "from another terminal", "", bill-p.billed, happened(did, nil))
	p.billed = bill
	return nil
}

// demoAnswer is what a message brought back.
type demoAnswer struct {
	// words are the daemon's, empty when it had nothing to say.
	words string
	// objects that came on top of those that were sent.
	objects int
}

// perform sends the scene's messages at the same time and waits for their ends.
func (p *demoPlayer) perform(ctx context.Context, sc scene) ([]demoAnswer, error) {
	p.platform.AddEntity(sc.entity)
	var late sync.WaitGroup
	waits, stop := context.WithCancel(ctx)
	late.Go(func() { p.waiting(waits, sc) })
	defer late.Wait()
	defer stop()
	answers, errs := make([]demoAnswer, sc.times), make([]error, sc.times)
	var all sync.WaitGroup
	for i := range sc.times {
		all.Go(func() {
			if sc.manual {
				answers[i], errs[i] = p.enrich(ctx, sc.entity.ID)
			} else {
				answers[i], errs[i] = p.step(ctx, sc.entity.ID)
			}
		})
	}
	all.Wait()
	return answers, errors.Join(errs...)
}

// enrich presses the button on an entity.
func (p *demoPlayer) enrich(ctx context.Context, entity string) (a demoAnswer, err error) {
	id, err := p.platform.Enrich(ctx, entity)
	if err != nil {
		return a, err
	}
	// Once imported the work is complete, but the connector's last words are to come.
	err = p.platform.Wait(ctx, func() bool { w := p.platform.Work(id); return w.Complete() && w.ProcessedCount > 0 })
	if err != nil {
		return a, err
	}
	w := p.platform.Work(id)
	said := slices.Concat(w.Messages, w.Errors)
	if len(said) > 0 {
		a.words = said[len(said)-1]
	}
	a.objects = max(0, w.Expected-1)
	return a, nil
}

// step runs a playbook that has the connector as a step.
func (p *demoPlayer) step(ctx context.Context, entity string) (a demoAnswer, err error) {
	id, err := p.platform.Playbook(ctx, entity)
	if err != nil {
		return a, err
	}
	s, err := p.platform.WaitStep(ctx, id)
	if err != nil {
		return a, err
	}
	var bundle struct{ Objects []json.RawMessage }
	if err := json.Unmarshal(s.Bundle, &bundle); err != nil {
		return a, err
	}
	a.objects = len(bundle.Objects) - 1
	return a, nil
}

// waiting says now and then that a message waits, until ctx ends.
func (p *demoPlayer) waiting(ctx context.Context, sc scene) {
	for {
		select {
		case <-time.After(demoPatience):
		case <-ctx.Done():
			return
		}
		if b, err := p.books.balance(ctx); err == nil {
			p.show.waits(sc.value, b)
		}
	}
}

// happened says what a scene did, in the order in which it matters.
func happened(did tally, answers []demoAnswer) string {
	var words string
	objects := 0
	for _, a := range answers {
		objects += a.objects
		words = cmp.Or(words, a.words)
	}
	switch {
	case did.tlp > 0:
		return "refused for its TLP: nothing leaves the platform" + unchanged(did)
	case did.scope > 0:
		return "out of the connector's scope" + unchanged(did)
	case did.refused > 0:
		return "refused: " + cmp.Or(reasonIn(words), "the quota") + kept(did)
	}
	s := answered(did)
	switch {
	case objects > 0:
		s += fmt.Sprintf("; +%s", count(objects, "object"))
	case did.failed > 0 || len(answers) == 0:
	case did.unknown > 0 && did.asked > 0:
		s += "; no record, and that is kept too"
	case did.unknown > 0:
		s += "; no record"
	default:
		s += "; nothing new"
	}
	return s
}

// answered is where the answers came from.
func answered(did tally) string {
	var s []string
	if did.asked > 0 {
		s = append(s, count(did.asked, "call"))
	}
	add := func(n int, what string) {
		if n > 0 {
			s = append(s, fmt.Sprintf("%d %s", n, what))
		}
	}
	add(did.shared, "shared")
	add(did.cached, "from the cache")
	add(did.stale, "past their time")
	add(did.none, "without an answer")
	return strings.Join(s, ", ")
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// unchanged is what a playbook gets when nothing was looked up.
func unchanged(did tally) string {
	if did.playbook > 0 {
		return "; the playbook goes on with its bundle"
	}
	return ""
}

// kept is what the cache still gave.
func kept(did tally) string {
	if n := did.cached + did.stale; n > 0 {
		return fmt.Sprintf("; %d from the cache", n)
	}
	return ""
}

// reasonIn finds the ledger's reason in the daemon's words: "… Missing: a, b
// (the quota of 1000/day is exhausted; it opens at …)".
func reasonIn(words string) string {
	_, rest, _ := strings.Cut(words, "Missing: ")
	_, rest, _ = strings.Cut(rest, "(")
	reason, _, _ := strings.Cut(rest, ";")
	return reason
}
