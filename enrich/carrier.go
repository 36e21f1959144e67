package enrich

import (
	"context"
	"fmt"
	"strings"
	"sync"
)

// Batch is a source's word on which lookups may share one request.
type Batch struct {
	// Key is what they have in common.
	Key string
	// Most is how many of them a request takes; below two, none are shared.
	Most int
	// Again says that a value may have to be asked about alone as well, which
	// costs its price once more.
	Again bool
}

// BatchFetcher is a source whose provider takes several values in one request.
type BatchFetcher interface {
	// Batch says whom a lookup may travel with.
	Batch(Lookup) Batch
	// FetchMany makes one request for all of the lookups, which have their Batch
	// in common, and gives an answer to each, in their order.
	FetchMany(context.Context, []Lookup) []Answer
}

// apart is what a batch's entries are marked with, as a parameter of their
// content type: their bodies are taken out of an answer about many values, and
// are not what the provider would have said of this one alone.
const apart = `; enrichgate="apart"`

// isApart says that a body is not the provider's, byte by byte.
func isApart(contentType string) bool { return strings.HasSuffix(contentType, apart) }

// carrier takes lookups to the provider, several in one request where it takes
// them so. Each has its own reservation already. While a request is on its way
// the others gather, and what has gathered leaves as soon as it is back; a lone
// one waits for nobody. Safe for concurrent use.
type carrier struct {
	source Source
	// send makes one request, for one lookup or for many.
	send func(context.Context, []Lookup) []Answer

	mu sync.Mutex
	// stops are where lookups gather while a request is on its way, by Batch.Key.
	stops map[string]*stop
}

type stop struct{ waiting []*passenger }

// passenger is a lookup that waits for the next request.
type passenger struct {
	lookup Lookup
	// lead is given those that travel with it when it is to make the request.
	lead   chan []*passenger
	answer chan Answer
}

func newCarrier(s Source, send func(context.Context, []Lookup) []Answer) *carrier {
	return &carrier{source: s, send: send, stops: map[string]*stop{}}
}

// fetch brings one answer. alone: not with others.
func (c *carrier) fetch(ctx context.Context, l Lookup, alone bool) Answer {
	var b Batch
	if f, can := c.source.(BatchFetcher); can && !alone {
		b = f.Batch(l)
	}
	if b.Most < 2 {
		return c.send(ctx, []Lookup{l})[0]
	}
	p := &passenger{lookup: l, lead: make(chan []*passenger, 1), answer: make(chan Answer, 1)}
	c.mu.Lock()
	s := c.stops[b.Key]
	if s == nil {
		c.stops[b.Key] = &stop{}
		c.mu.Unlock()
		return c.drive(ctx, b, []*passenger{p})
	}
	s.waiting = append(s.waiting, p)
	c.mu.Unlock()
	select {
	case a := <-p.answer:
		return a
	case others := <-p.lead:
		return c.drive(ctx, b, others)
	case <-ctx.Done():
	}
	if c.leave(b.Key, p) {
		return Answer{Class: TimedOut, Err: fmt.Errorf("no call was made: %w", context.Cause(ctx))}
	}
	select { // somebody has taken it along, or it drives
	case a := <-p.answer:
		return a
	case others := <-p.lead:
		return c.drive(ctx, b, others)
	}
}

// leave takes a passenger off its stop; false: it is on its way.
func (c *carrier) leave(key string, p *passenger) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if s := c.stops[key]; s != nil {
		for i, w := range s.waiting {
			if w == p {
				s.waiting = append(s.waiting[:i], s.waiting[i+1:]...)
				return true
			}
		}
	}
	return false
}

// drive makes the request of those who travel, of whom the first is the caller,
// and has the next leave.
func (c *carrier) drive(ctx context.Context, b Batch, all []*passenger) Answer {
	lookups := make([]Lookup, len(all))
	for i, p := range all {
		lookups[i] = p.lookup
	}
	answers := c.send(ctx, lookups)
	c.mu.Lock()
	if s := c.stops[b.Key]; len(s.waiting) == 0 {
		delete(c.stops, b.Key)
	} else {
		n := min(len(s.waiting), b.Most)
		next := s.waiting[:n:n]
		s.waiting = s.waiting[n:]
		next[0].lead <- next
	}
	c.mu.Unlock()
	for i, p := range all[1:] {
		p.answer <- answers[i+1]
	}
	return answers[0]
}
