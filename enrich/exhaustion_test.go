package enrich

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/enrichgate/enrichgate/quota"
	"github.com/enrichgate/enrichgate/stixconv"
)

// recorder is a platform that remembers what it was told.
type recorder struct {
	said      []string
	delivered int
	failed    bool
	refuse    bool // parking
	until     time.Time
}

func (r *recorder) Received(context.Context) error { r.said = append(r.said, "received"); return nil }

func (r *recorder) Deliver(context.Context, stixconv.Bundle) error { r.delivered++; return nil }

func (r *recorder) Park(_ context.Context, until time.Time, text string) error {
	if r.refuse {
		return ErrNotParked
	}
	r.until = until
	r.said = append(r.said, "parked: "+text)
	return nil
}

func (r *recorder) Processed(_ context.Context, text string, failed bool) error {
	r.said = append(r.said, "processed: "+text)
	r.failed = failed
	return nil
}

// exhausted is a gateway whose day is spent, with an answer that is past its time.
func exhausted(t *testing.T, e Exhaustion) (*bench, Request) {
	t.Helper()
	b := newBench(t, "2/day", func(c *Config) { c.Exhaustion, c.MaxWait = e, time.Millisecond })
	old := request(t, "192.0.2.1", quota.Manual)
	b.enrich(t, old)
	b.enrich(t, request(t, "192.0.2.2", quota.Manual))
	b.tick(90 * time.Minute)
	return b, old
}

func TestExhaustion(t *testing.T) {
	for _, c := range []struct {
		policy Exhaustion
		stale  bool
	}{{ServeStale, true}, {Skip, false}, {Wait, true}, {Defer, true}} {
		t.Run(c.policy.String(), func(t *testing.T) {
			b, r := exhausted(t, c.policy)
			p := b.enrich(t, r)
			if d, refused := IsRefused(p.Err); !refused || d.RetryAt.IsZero() {
				t.Fatalf("not refused: %v", p.Err)
			}
			if p.Stale != c.stale || (p.Entry != nil) != c.stale {
				t.Errorf("stale %v, entry %v", p.Stale, p.Entry != nil)
			}
			if n := b.source.calls(); n != 2 {
				t.Errorf("%d calls, the quota is 2", n)
			}
		})
	}
}

// A message whose quota is exhausted is parked until the window opens; nothing
// is delivered and its work is not ended. When it comes again, it is paid for once.
func TestDeferParksTheMessage(t *testing.T) {
	b, r := exhausted(t, Defer)
	to := &recorder{}
	m := Message{Request: r}
	if err := b.Handle(t.Context(), m, to); err != nil {
		t.Fatal(err)
	}
	if want := time.Date(2026, 11, 27, 0, 0, 0, 0, time.UTC); !to.until.Equal(want) || to.delivered != 0 {
		t.Errorf("parked until %s, %d delivered", to.until, to.delivered)
	}
	if last := to.said[len(to.said)-1]; !strings.HasPrefix(last, "parked: ") || !strings.Contains(last, "resumes at 2026-11-27T00:00:00Z") {
		t.Errorf("the work was told %q", last)
	}
	b.tick(13 * time.Hour)
	if err := b.Handle(t.Context(), m, to); err != nil {
		t.Fatal(err)
	}
	if last := to.said[len(to.said)-1]; !strings.HasPrefix(last, "processed: ") || to.failed {
		t.Errorf("the work was told %q, failed %v", last, to.failed)
	}
	if n := b.source.calls(); n != 3 {
		t.Errorf("%d calls", n)
	}
}

// What cannot be parked is answered like under the default policy.
func TestWhatCannotBeParkedIsServedStale(t *testing.T) {
	b, r := exhausted(t, Defer)
	r.Trigger = quota.Playbook
	to := &recorder{refuse: true}
	if err := b.Handle(t.Context(), Message{Request: r}, to); err != nil {
		t.Fatal(err)
	}
	if to.delivered != 1 || !strings.Contains(to.said[len(to.said)-1], "past their time") {
		t.Errorf("%d delivered, told %q", to.delivered, to.said)
	}
}

func TestParseExhaustion(t *testing.T) {
	for e := range exhaustionNames {
		if got, err := ParseExhaustion(" " + strings.ToUpper(Exhaustion(e).String())); err != nil || got != Exhaustion(e) {
			t.Errorf("%v, %v", got, err)
		}
	}
	if _, err := ParseExhaustion("error"); err == nil || !strings.Contains(err.Error(), "stale, skip, wait, defer") {
		t.Errorf("%v", err)
	}
}
