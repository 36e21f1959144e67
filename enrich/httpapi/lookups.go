package httpapi

import (
	"cmp"
	"context"
	"encoding/json"
	"net/http"
	"sync"
	"time"

	"github.com/enrichgate/enrichgate/enrich"
)

// atOnce is how many values of one request are looked up at the same time.
const atOnce = 16

// batchItem is the answer to one value of a batch: Answer, or Problem.
type batchItem struct {
	// Index is the value's place in the request, from 0.
	Index int    `json:"index"`
	Value string `json:"value"`
	// Status is what GET /api/v1/lookup would have answered with.
	Status int `json:"status"`
	// Units that it spent; a failure may have cost some, too.
	Units   int64         `json:"units"`
	Answer  *LookupAnswer `json:"answer,omitempty"`
	Problem *Details      `json:"problem,omitempty"`
}

// batchTotal is what a whole batch came to.
type batchTotal struct {
	// Done is true, so that a stream that was cut off is told from one that ended.
	Done       bool  `json:"done"`
	Values     int   `json:"values"`
	Failed     int   `json:"failed"`
	Units      int64 `json:"units"`
	UnitsSaved int64 `json:"units_saved"`
}

// batchAnswer is the body of POST /api/v1/lookups in JSON.
type batchAnswer struct {
	batchTotal
	Answers []*batchItem `json:"answers"`
}

// lookups answers a list, as one JSON document in the list's order or, for
// "Accept: application/x-ndjson", line by line as the answers come.
func (a *API) lookups(w http.ResponseWriter, r *http.Request, who caller) {
	body, err := readBody(w, r)
	if err != nil {
		Problem(w, problemOf(err))
		return
	}
	b, err := readBatch(r, body)
	if err != nil {
		Problem(w, problemOf(err))
		return
	}
	s, refused := a.asking(w, r, who, b.Source)
	if refused != nil {
		Problem(w, *refused)
		return
	}
	a.once(w, r, s, body, func(w http.ResponseWriter, ctx context.Context, since time.Time) {
		now := a.cfg.Now()
		s.request.Cache = goingOn(s.request.Cache, since, now)
		h := w.Header()
		if b.Source != "" || len(a.cfg.Sources) == 1 {
			rateLimits(h, a.rooms(who, who.trigger, cmp.Or(b.Source, a.cfg.Sources[0].Name), now))
		}
		h.Set("Vary", "Accept")
		if accepts(r, "application/x-ndjson") {
			a.stream(ctx, w, s, b)
			return
		}
		answer := batchAnswer{Answers: make([]*batchItem, len(b.Values))}
		answer.batchTotal = a.runBatch(ctx, s, b, func(i *batchItem) { answer.Answers[i.Index] = i })
		if ctx.Err() != nil {
			return // nobody is left to answer
		}
		h.Set("X-Enrichgate-Units", formatUnits(answer.Units))
		write(w, http.StatusOK, "application/json", answer)
	})
}

// goingOn are the directives of a request that was begun at since and cut off:
// what was stored from then on is new enough for it. The zero time changes nothing.
func goingOn(d enrich.Directives, since, now time.Time) enrich.Directives {
	if since.IsZero() || !d.NoCache && d.MaxAge == 0 {
		return d
	}
	d.NoCache, d.MaxAge = false, max(d.MaxAge, now.Sub(since), time.Second)
	return d
}

// stream writes each answer as it comes, and what they came to at the end.
func (a *API) stream(ctx context.Context, w http.ResponseWriter, s asking, b batch) {
	w.Header().Set("Content-Type", "application/x-ndjson")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusOK)
	flush := http.NewResponseController(w)
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	total := a.runBatch(ctx, s, b, func(i *batchItem) {
		_ = enc.Encode(i) // the client may be gone
		_ = flush.Flush()
	})
	if ctx.Err() == nil {
		_ = enc.Encode(total)
	}
}

// runBatch looks every value up. It calls emit once for each, one at a time.
func (a *API) runBatch(ctx context.Context, s asking, b batch, emit func(*batchItem)) batchTotal {
	total := batchTotal{Done: true, Values: len(b.Values)}
	money := newPurse(b.MaxUnits)
	next := make(chan pricedItem)
	var mu sync.Mutex
	var all sync.WaitGroup
	for range min(atOnce, len(b.Values)) {
		all.Go(func() {
			for v := range next {
				item := a.one(ctx, s, money, v, b.Bundles == nil || *b.Bundles)
				item.Index = v.index
				mu.Lock()
				total.Units += item.Units
				if item.Answer != nil {
					total.UnitsSaved += item.Answer.UnitsSaved
				} else {
					total.Failed++
				}
				emit(&item)
				mu.Unlock()
			}
		})
	}
	for i := range b.Values {
		if ctx.Err() != nil {
			break
		}
		v := pricedItem{index: i, question: b.Values[i]}
		if v.entity, v.source, v.err = s.pick(v.question); v.err == nil {
			v.held, v.broke = money.hold(func() (enrich.Estimate, error) { return v.source.Gateway.Estimate(v.entity, s.request.Cache) })
		}
		next <- v
	}
	close(next)
	all.Wait()
	return total
}

// pricedItem is a value for which the purse holds its price, or has broken. They
// are priced in the list's order, so that the money goes to the first of it.
type pricedItem struct {
	index    int
	question question
	entity   enrich.Entity
	source   Source
	err      error
	held     int64
	broke    bool
}

// one looks one value up, as far as the purse allows.
func (a *API) one(ctx context.Context, s asking, money *purse, v pricedItem, bundle bool) batchItem {
	item := batchItem{Value: v.question.Value, Status: http.StatusOK}
	fail := func(d Details) batchItem {
		d.Type, d.Units = urn(d.Type), item.Units
		item.Status, item.Problem = d.Status, &d
		return item
	}
	if v.err != nil {
		return fail(problemOf(v.err))
	}
	s.request.Cache.OnlyIfCached = s.request.Cache.OnlyIfCached || v.broke
	res, err := s.ask(ctx, v.source, v.entity)
	item.Units = res.Units()
	money.pay(v.held, item.Units)
	if err != nil {
		return fail(problemOf(err))
	}
	now := a.cfg.Now()
	answer := NewLookupAnswer(v.entity, res, now)
	switch {
	case answers(res, s.request.Cache):
	case v.broke:
		return fail(Details{Status: http.StatusTooManyRequests, Type: typeMaxUnits, Source: v.source.Name,
			Title: "not looked up: it might cost more than is left of the request's max_units"})
	default:
		return fail(unanswered(v.source.Name, res, s.request.Cache, now))
	}
	if !bundle {
		answer.Bundle = nil
	}
	item.Answer = &answer
	return item
}

// purse holds a request to its max_units.
type purse struct {
	max *int64 // nil: no bound; 0: nothing may be spent

	mu         sync.Mutex
	settled    sync.Cond // held has become less
	held, paid int64
	empty      bool // a value did not fit; what comes after it gets nothing either
}

func newPurse(units *int64) *purse {
	p := &purse{max: units}
	p.settled.L = &p.mu
	return p
}

// hold sets the price of the list's next value aside, or says that there is not
// enough. Prices are upper bounds: before it says so, it waits for what the
// values before this one really cost.
func (p *purse) hold(price func() (enrich.Estimate, error)) (units int64, broke bool) {
	if p.max == nil {
		return 0, false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for {
		est, err := price()
		switch {
		case err != nil || est.Units == 0:
			return 0, false // it will cost nothing
		case !p.empty && p.paid+p.held+est.Units <= *p.max:
			p.held += est.Units
			return est.Units, false
		case p.empty || p.paid+est.Units > *p.max:
			p.empty = true
			return 0, true
		}
		p.settled.Wait()
	}
}

// pay books what a value did cost.
func (p *purse) pay(held, paid int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.held -= held
	p.paid += paid
	p.settled.Broadcast()
}
