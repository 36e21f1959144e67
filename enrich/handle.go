package enrich

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/enrichgate/enrichgate/quota"
	"github.com/enrichgate/enrichgate/stixconv"
)

// Reporter tells the platform what becomes of one message. An error means that
// the platform or the broker could not be told, and the message must come again.
type Reporter interface {
	// Received says that work on the message begins.
	Received(context.Context) error
	// Deliver hands over the bundle; it returns when the platform has it for good.
	Deliver(context.Context, stixconv.Bundle) error
	// Park keeps the message durably until a time, tells its work so, and has it
	// handled again then. When it returns nil the message is done with for now;
	// ErrNotParked means that this one cannot be kept.
	Park(ctx context.Context, until time.Time, text string) error
	// Processed ends the message's work.
	Processed(ctx context.Context, text string, failed bool) error
}

// ErrNotParked is a Reporter's answer to what it cannot park.
var ErrNotParked = errors.New("the message cannot be parked")

// Message is a request of the platform.
type Message struct {
	Request
	// Problem is why the message cannot be worked on, nil for a good one. Its
	// text is for the analyst.
	Problem error
}

// Handle takes a message from arrival to fate. It returns nil when the message
// is done with, whatever its fate, and may be acknowledged.
func (g *Gateway) Handle(ctx context.Context, m Message, to Reporter) error {
	if err := to.Received(ctx); err != nil {
		return fmt.Errorf("reporting the start: %w", err)
	}
	began := g.begin()
	g.metrics.inHand.Inc()
	defer g.metrics.inHand.Dec()
	result, err := Result{Bundle: original(m.Request)}, m.Problem
	if err == nil {
		result, err = g.Enrich(ctx, m.Request)
	} else {
		g.decided(began, m.Request, result, err)
	}
	if cut := ctx.Err(); cut != nil {
		// We are being stopped: what was paid for is in the cache, and the
		// message comes again. Its failure is ours, not the provider's.
		return cut
	}
	if at, park := g.resumesAt(result); park {
		parkErr := to.Park(ctx, at, fmt.Sprintf("%s. It resumes at %s", result.Summary, at.UTC().Format(time.RFC3339)))
		if parkErr == nil {
			g.metrics.handled(m.Trigger, Deferred, began.took())
			return nil
		}
		if !errors.Is(parkErr, ErrNotParked) {
			return fmt.Errorf("parking the message: %w", parkErr)
		}
	}
	fate := fateOf(result, err)
	// A playbook goes on with the bundle that it gave us, whatever happened.
	if result.Changed || m.Trigger == quota.Playbook {
		var unfit *InputError
		if deliverErr := to.Deliver(ctx, result.Bundle); errors.As(deliverErr, &unfit) {
			err, fate = unfit, Failed // it would be as unfit the next time
		} else if deliverErr != nil {
			return fmt.Errorf("delivering the bundle: %w", deliverErr)
		}
	}
	text := result.Summary
	if err != nil {
		text = subject(m.Entity) + ": " + err.Error()
	}
	if err := to.Processed(ctx, text, fate.failed()); err != nil {
		return fmt.Errorf("reporting the end: %w", err)
	}
	g.metrics.handled(m.Trigger, fate, began.took())
	if m.Trigger == quota.Playbook && fate.failed() {
		// A playbook step has no work to complain on.
		g.log.Warn("a playbook step was answered without all that was asked for", "playbook", m.Playbook, "entity", m.Entity.ID, "reason", text)
	}
	return nil
}

// Fate is how a message ended. A new value needs: fateNames and failed.
type Fate uint8

const (
	// Enriched: something was added.
	Enriched Fate = iota
	// Unchanged: the provider knows nothing new.
	Unchanged
	// Unknown: the provider knows nothing at all.
	Unknown
	// Denied: by policy; nothing left the platform.
	Denied
	// Incomplete: a part is missing, the others were delivered.
	Incomplete
	// Failed: nothing could be looked up.
	Failed
	// Deferred: parked until the quota opens; it will come to another fate.
	Deferred
	numFates
)

var fateNames = [numFates]string{"enriched", "unchanged", "not_found", "denied", "incomplete", "failed", "deferred"}

// ParseFate reads a fate's name.
func ParseFate(s string) (Fate, error) {
	for i, name := range fateNames {
		if s == name {
			return Fate(i), nil
		}
	}
	return 0, fmt.Errorf("%.40q is not a fate; use %s", s, strings.Join(fateNames[:], ", "))
}

// String is the fate's name in the metrics.
func (f Fate) String() string { return fateNames[f] }

func (f Fate) failed() bool { return f == Incomplete || f == Failed }

// fateOf maps what happened to a fate. A lookup that was served stale did bring
// its answer; one that brought none is a failure and is reported as such.
func fateOf(r Result, err error) Fate {
	var refused *PolicyError
	if errors.As(err, &refused) && refused.Kind != "scope" {
		return Denied
	}
	if err != nil {
		return Failed
	}
	missing, barred, known := 0, 0, 0
	for _, p := range r.Parts {
		if p.Class == Found || p.Class == Partial {
			known++
		}
		if p.Entry == nil {
			missing++
			if isBarred(p.Err) {
				barred++
			}
		}
	}
	switch {
	case barred > 0 && barred == missing:
		return Denied
	case missing == len(r.Parts):
		return Failed
	case missing > 0:
		return Incomplete
	case r.Changed:
		return Enriched
	case known == 0:
		return Unknown
	default:
		return Unchanged
	}
}

// isBarred says that the trigger may not spend at all: policy, not failure. A
// source that is paused is out of order for now, which its analysts must see.
func isBarred(err error) bool {
	d, refused := IsRefused(err)
	return refused && d.Limit.Units == 0 && !d.Paused
}
