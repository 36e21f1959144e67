package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/enrichgate/enrichgate/cmd/enrichgate/internal/settings"
	"github.com/enrichgate/enrichgate/enrich/httpapi"
	"github.com/enrichgate/enrichgate/quota"
)

// figures are the daemon's metrics: series, as they are exposed, to value.
type figures map[string]float64

// parseFigures reads our own series off a /metrics page.
func parseFigures(page []byte) figures {
	f := figures{}
	for line := range strings.Lines(string(page)) {
		series, value, _ := strings.Cut(strings.TrimSpace(line), "} ")
		if v, err := strconv.ParseFloat(value, 64); err == nil && strings.HasPrefix(series, "enrichgate_") {
			f[series] = v
		}
	}
	return f
}

// sum adds up the series of a family that have all the labels, such as
// `result="hit"`.
func (f figures) sum(family string, labels ...string) int {
	total := 0.0
series:
	for series, v := range f {
		name, has, _ := strings.Cut(series, "{")
		if name != family {
			continue
		}
		for _, l := range labels {
			if !strings.Contains(has, l) {
				continue series
			}
		}
		total += v
	}
	return int(total)
}

// tally is what the daemon says that it did.
type tally struct {
	messages, playbook, manual int
	failed                     int // messages that did not get all they asked for
	// Lookups by where the answer came from; none had none, stale is past its time.
	asked, cached, shared, stale, none int
	unknown                            int // of asked and cached: the provider had no record
	saved                              int // units
	tlp, scope, refused                int // not looked up, by the reason
}

func (f figures) tally() tally {
	const messages, lookups = "enrichgate_enrichments_total", "enrichgate_cache_requests_total"
	const denied, saved = "enrichgate_policy_denials_total", "enrichgate_quota_units_saved_total"
	return tally{
		messages: f.sum(messages), playbook: f.sum(messages, `trigger="playbook"`), manual: f.sum(messages, `trigger="manual"`),
		failed: f.sum(messages, `outcome="failed"`) + f.sum(messages, `outcome="incomplete"`),
		asked:  f.sum(lookups, `result="miss"`) + f.sum(lookups, `result="bypass"`), cached: f.sum(lookups, `result="hit"`) + f.sum(lookups, `result="negative"`),
		shared: f.sum(lookups, `result="shared"`), stale: f.sum(lookups, `result="stale"`), none: f.sum(lookups, `result="none"`),
		unknown: f.sum(lookups, `result="negative"`) + f.sum("enrichgate_upstream_answers_total", `class="not_found"`),
		saved:   f.sum(saved) - f.sum(saved, `reason="policy"`),
		tlp:     f.sum(denied, `reason="tlp"`), scope: f.sum(denied, `reason="scope"`),
		// What is answered with a kept answer past its time was refused its units too.
		refused: f.sum(denied, `reason="quota"`) + f.sum(denied, `reason="reserve"`) + f.sum(denied, `reason="paused"`) - f.sum(lookups, `result="stale"`),
	}
}

func (t tally) lookups() int { return t.asked + t.cached + t.shared + t.stale + t.none }

// minus is what happened since.
func (t tally) minus(o tally) tally {
	return tally{
		t.messages - o.messages, t.playbook - o.playbook, t.manual - o.manual, t.failed - o.failed,
		t.asked - o.asked, t.cached - o.cached, t.shared - o.shared, t.stale - o.stale, t.none - o.none,
		t.unknown - o.unknown, t.saved - o.saved, t.tlp - o.tlp, t.scope - o.scope, t.refused - o.refused,
	}
}

// hits is the share of the lookups that cost nothing.
func (t tally) hits() string {
	if t.lookups() == 0 {
		return "0 %"
	}
	return fmt.Sprintf("%d %%", 100*(t.cached+t.shared+t.stale)/t.lookups())
}

// demoBooks reads the three sets of books: the daemon's metrics and its ledger,
// over its local socket as `enrichgate quota` does, and the provider's bill.
type demoBooks struct {
	stage *demoStage
	ask   *daemon
	start balance
}

// balance is the ledger held against the provider's bill.
type balance struct {
	usage quota.Usage
	// bill is all that the provider has seen, in earlier runs too.
	bill int
}

func (b balance) ledger() int { return int(b.usage.Spent + b.usage.Uncertain) }

// sound says that no call was forgotten.
func (b balance) sound() bool { return b.ledger()+int(b.usage.Pending) >= b.bill }

func (b balance) String() string {
	switch pending := b.usage.Pending; {
	case b.ledger() == b.bill:
		return fmt.Sprintf("ledger %d = provider's bill %d", b.ledger(), b.bill)
	case !b.sound():
		return fmt.Sprintf("ledger %d < provider's bill %d: a call was forgotten", b.ledger(), b.bill)
	case pending > 0:
		return fmt.Sprintf("ledger %d + %d under way, provider's bill %d", b.ledger(), pending, b.bill)
	default:
		return fmt.Sprintf("ledger %d > provider's bill %d: %d units are uncertain since a crash", b.ledger(), b.bill, b.usage.Uncertain)
	}
}

// left is what may still be spent.
func (b balance) left() string {
	var s []string
	for _, w := range b.usage.Windows {
		s = append(s, fmt.Sprintf("%d/%s", w.Remaining, w.Window))
	}
	if s == nil {
		return "no limit"
	}
	return strings.Join(s, ", ") + " left"
}

func openDemoBooks(ctx context.Context, st *demoStage, ask *daemon) (*demoBooks, error) {
	b := &demoBooks{stage: st, ask: ask}
	var err error
	b.start, err = b.balance(ctx)
	return b, err
}

func (b *demoBooks) tally(ctx context.Context) (tally, error) {
	page, err := b.ask.get(ctx, "/metrics", nil, "text/plain")
	return parseFigures(page).tally(), err
}

// balance waits a moment for calls under way, so that both sides are of one
// instant. Someone may be at `enrichgate lookup`.
func (b *demoBooks) balance(ctx context.Context) (balance, error) {
	for deadline := time.Now().Add(time.Second); ; {
		before := b.bill()
		body, err := b.ask.get(ctx, "/api/v1/quota", nil, "application/json")
		if err != nil {
			return balance{}, err
		}
		var answer httpapi.QuotaAnswer
		if err := json.Unmarshal(body, &answer); err != nil {
			return balance{}, err
		}
		now, err := b.of(answer)
		if err != nil || now.usage.Pending == 0 && now.bill == before || time.Now().After(deadline) {
			return now, err
		}
		if err := demoPause(ctx); err != nil {
			return now, err
		}
	}
}

// booksOnDisk reads the ledger that a daemon left behind.
func booksOnDisk(env *environment, s settings.Settings, clock demoClock) (answer httpapi.QuotaAnswer, err error) {
	a, err := openAppAt(s, newLog(env.stderr, s, s.LogLevel), "demo", nil, clock.now)
	if err != nil {
		return answer, err
	}
	answer.Sources = a.ledger.Usage()
	return answer, a.close()
}

// of holds what the ledger says against the bill as it is now.
func (b *demoBooks) of(answer httpapi.QuotaAnswer) (balance, error) {
	if len(answer.Sources) != 1 {
		return balance{}, errors.New("the ledger does not have the demo's one source")
	}
	return balance{answer.Sources[0], b.bill()}, nil
}

func (b *demoBooks) bill() int { return b.stage.paid + b.stage.provider.Bill().Total }

// calls is how often the provider was asked about the scene's value in this run.
func (b *demoBooks) calls(sc scene) (n int) {
	for line, times := range b.stage.provider.Bill().Counts {
		if _, of, _ := strings.Cut(line, " "); of == sc.asked {
			n += times
		}
	}
	return n
}
