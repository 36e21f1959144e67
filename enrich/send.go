package enrich

import (
	"context"
	"fmt"
	"time"
)

// send makes one request for one lookup or for many, if the provider is not to
// be left alone.
func (g *Gateway) send(ctx context.Context, ls []Lookup) []Answer {
	done, err := g.guard.admit()
	if err != nil {
		return each(len(ls), Answer{Class: classOf(err), Err: err})
	}
	began := time.Now()
	g.metrics.calling.Inc()
	answers := g.fetch(ctx, ls)
	g.metrics.calling.Dec()
	class := answers[0].Class
	for i := range answers {
		a := &answers[i]
		if a.Err == nil && !a.Class.Keep() {
			a.Err = fmt.Errorf("the provider answered with %s", a.Class)
		}
		if a.Class.Keep() {
			class = a.Class // one value that could not be read is not the provider's outage
		}
	}
	done(class)
	g.metrics.called(ls[0].Endpoint, answers[0].Status, class, time.Since(began))
	return answers
}

// fetch survives a source that panics.
func (g *Gateway) fetch(ctx context.Context, ls []Lookup) (answers []Answer) {
	defer func() {
		if p := recover(); p != nil {
			answers = each(len(ls), Answer{Class: ServerError, Sent: true, Err: fmt.Errorf("reading the answer panicked: %v", p)})
		}
	}()
	if len(ls) == 1 {
		return []Answer{g.source.Fetch(ctx, ls[0])}
	}
	return g.source.(BatchFetcher).FetchMany(ctx, ls)
}

func each(n int, a Answer) []Answer {
	all := make([]Answer, n)
	for i := range all {
		all[i] = a
	}
	return all
}
