package enrich

import (
	"context"
	"errors"
	"fmt"
	"time"
)

var errStopped = errors.New("the gateway has stopped")

// Stop lets no more calls leave. It comes before those under way are broken off:
// each of them gives its turn to one that waits, which may not have heard yet
// that it is broken off too.
func (g *Gateway) Stop() { g.stopped.Store(true) }

const (
	// maxCalls are under way at once, of one source. A limit of the transport's
	// would not do: a call that waits in there while its caller gives up may still
	// leave on a connection that comes free.
	maxCalls = 32
	// turnPatience bounds the wait for one's turn among them.
	turnPatience = time.Minute
)

// send makes one request for one lookup or for many, once it is its turn and if
// the provider is not to be left alone. What waited in vain did not leave, and is
// none of the provider's failures.
func (g *Gateway) send(ctx context.Context, ls []Lookup) []Answer {
	waiting, stop := WithPatience(ctx, turnPatience)
	err := g.turns.Acquire(waiting, 1)
	stop()
	if err == nil {
		defer g.turns.Release(1)
		err = ctx.Err() // a turn that comes as its caller gives up
	}
	if err == nil && g.stopped.Load() {
		err = errStopped
	}
	if err != nil {
		return each(len(ls), Answer{Class: NetworkError, Err: fmt.Errorf("nothing was sent: it waited for its turn among %d calls: %w", maxCalls, err)})
	}
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
