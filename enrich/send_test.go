package enrich

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/sony/gobreaker/v2"
)

// Of many calls at once only so many are under way; when their callers give up,
// not one of the others leaves, and none of those counts as the provider's outage.
func TestWhoWaitsDoesNotLeave(t *testing.T) {
	registry := prometheus.NewRegistry()
	b := newBench(t, "none", func(c *Config) { c.Registerer = registry })
	var seen atomic.Int32
	full, gate := make(chan struct{}), make(chan struct{})
	b.source.answer = func(Lookup) Answer {
		if seen.Add(1) == maxCalls {
			close(full)
		}
		<-gate
		return Answer{Class: Found, Status: 200, Sent: true}
	}
	ctx, giveUp := context.WithCancel(t.Context())
	var all sync.WaitGroup
	var left, stayed atomic.Int32
	waited := make(chan struct{}, 3*maxCalls)
	for range 3 * maxCalls {
		all.Go(func() {
			a := b.send(ctx, []Lookup{{Endpoint: "ip", Value: "198.51.100.7", Units: 1}})[0]
			switch {
			case a.Sent:
				left.Add(1)
			case a.Class == NetworkError && a.Err != nil:
				stayed.Add(1)
				waited <- struct{}{}
			default:
				t.Errorf("%+v", a)
			}
		})
	}
	<-full
	giveUp()
	for range 2 * maxCalls {
		<-waited
	}
	close(gate)
	all.Wait()
	if left.Load() != maxCalls || stayed.Load() != 2*maxCalls || seen.Load() != maxCalls {
		t.Errorf("%d left and %d stayed; the provider saw %d, want %d", left.Load(), stayed.Load(), seen.Load(), maxCalls)
	}
	if b.guard.state() != gobreaker.StateClosed {
		t.Error("those who waited in vain count as the provider's failures")
	}
	if got := counted(t, registry, "upstream_requests_total"); got["2xx ip"] != maxCalls || len(got) != 1 {
		t.Errorf("calls: %v", got)
	}
}

// Once it is stopped, a turn that comes free lets nobody leave, though nobody has
// given up yet.
func TestStop(t *testing.T) {
	b := newBench(t, "none", nil)
	var seen atomic.Int32
	full, gate := make(chan struct{}), make(chan struct{})
	b.source.answer = func(Lookup) Answer {
		if seen.Add(1) == maxCalls {
			close(full)
		}
		<-gate
		return Answer{Class: Found, Status: 200, Sent: true}
	}
	same := b.Under(Policy{})
	var all sync.WaitGroup
	for i := range 2 * maxCalls {
		g := []*Gateway{b.Gateway, same}[i%2]
		all.Go(func() { g.send(t.Context(), []Lookup{{Endpoint: "ip", Value: "198.51.100.7", Units: 1}}) })
	}
	<-full
	b.Stop()
	close(gate)
	all.Wait()
	if n := seen.Load(); n != maxCalls {
		t.Errorf("%d calls, want %d", n, maxCalls)
	}
}
