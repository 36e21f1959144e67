package enrich

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/enrichgate/enrichgate/quota"
)

// What an answer's headers say of the provider's count lowers what remains, and
// never raises it.
func TestTheProvidersCountIsBelieved(t *testing.T) {
	b := newBench(t, "100/day", nil)
	used := int64(40) // somebody else uses the key too
	b.source.answer = func(l Lookup) Answer {
		return Answer{Class: Found, Status: 200, Sent: true, Usage: []Usage{
			{Window: "day", Limit: -1, Used: used},
			{Window: "month", Limit: 5, Used: 5}, // we have no such limit
			{Window: "day", Limit: 100, Used: -1},
		}}
	}
	b.enrich(t, request(t, "192.0.2.1", quota.Manual))
	if w := b.books().Windows[0]; w.Used != 40 || w.Remaining != 60 {
		t.Errorf("%+v", w)
	}
	used = 3
	b.enrich(t, request(t, "192.0.2.2", quota.Manual))
	if w := b.books().Windows[0]; w.Used != 41 {
		t.Errorf("a lower count raised what remains: %+v", w)
	}
}

// counting is a source whose provider can be asked for its count.
type counting struct {
	*fake
	asked atomic.Int64
	used  atomic.Int64
}

func (c *counting) Usage(context.Context) ([]Usage, error) {
	if c.asked.Add(1) == 2 {
		return nil, errors.New("not now")
	}
	return []Usage{{Window: "day", Limit: 100, Used: c.used.Load()}}, nil
}

func TestWatchUsage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source := &counting{fake: newFake()}
		source.used.Store(10)
		b := newBench(t, "100/day", func(c *Config) { c.Source = source })
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { b.WatchUsage(ctx); close(done) }()
		for i, used := range []int64{10, 25, 25} { // the second time it cannot be asked
			synctest.Wait()
			if w := b.books().Windows[0]; source.asked.Load() != int64(i+1) || i != 1 && w.Used != used {
				t.Errorf("asked %d times, %d used", source.asked.Load(), w.Used)
			}
			source.used.Store(25)
			<-time.After(reportEvery)
		}
		cancel()
		<-done
	})
}
