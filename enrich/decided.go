package enrich

import (
	"time"

	"github.com/enrichgate/enrichgate/stixconv"
)

// Decided is what became of one request, with every decision on the way.
type Decided struct {
	// Source that was asked.
	Source string
	// At is when the request began, Took how long it lasted.
	At   time.Time
	Took time.Duration
	// Request, and the result of its lookups.
	Request Request
	Result  Result
	// TLP is the entity's marking as it counted, or the one that nobody knows and
	// for which it was refused; empty without one. MaxTLP is the most that was
	// allowed.
	TLP, MaxTLP string
	// Fate in one word, and Text in a line for people.
	Fate Fate
	Text string
}

// Saved are the units that were not spent because the answers were there. One
// that is past its time is no saving: it was served for want of another.
func (d Decided) Saved() (units int64) {
	for _, p := range d.Result.Parts {
		if p.Cached() && p.Err == nil {
			units += p.Lookup.Units
		}
	}
	return units
}

// beginning is when a request began: by the clock of the books, and by the steady
// one of the system, by which durations are told.
type beginning struct{ at, steady time.Time }

func (g *Gateway) begin() beginning { return beginning{at: g.now(), steady: time.Now()} }

func (b beginning) took() time.Duration { return time.Since(b.steady) }

// decided tells the observer. A request that was never looked up has an error.
func (g *Gateway) decided(began beginning, r Request, res Result, err error) {
	text := res.Summary
	if err != nil {
		text = subject(r.Entity) + ": " + err.Error()
	}
	g.observe(Decided{
		Source: g.source.Name(), At: began.at, Took: began.took(), TLP: strictest(r.Entity.TLP), MaxTLP: g.policy.MaxTLP.String(),
		Request: r, Result: res, Fate: fateOf(res, err), Text: text,
	})
}

func strictest(markings []string) string {
	if len(markings) == 0 {
		return ""
	}
	var top stixconv.TLP
	for i, m := range markings {
		level, err := stixconv.ParseTLP(m)
		if err != nil {
			return m
		}
		if i == 0 || level > top {
			top = level
		}
	}
	return top.String()
}
