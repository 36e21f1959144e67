package enrich

import "time"

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
	// Fate in one word, and Text in a line for people.
	Fate Fate
	Text string
}

// decided tells the observer. A request that was never looked up has an error.
func (g *Gateway) decided(began time.Time, r Request, res Result, err error) {
	text := res.Summary
	if err != nil {
		text = subject(r.Entity) + ": " + err.Error()
	}
	g.observe(Decided{
		Source: g.source.Name(), At: began, Took: g.now().Sub(began),
		Request: r, Result: res, Fate: fateOf(res, err), Text: text,
	})
}
