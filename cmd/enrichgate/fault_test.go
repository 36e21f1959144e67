package main

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/enrichgate/enrichgate/enrich/opencti/openctitest"
	"github.com/enrichgate/enrichgate/enrich/opencti/sandbox"
)

var kills = flag.Int("kills", 8, "kills of the random-kill test")

// someDomain spreads a burst over a few values, each asked for several times.
func someDomain(i int) sandbox.Entity {
	return sandbox.NewEntity("Domain-Name", fmt.Sprintf("host%d.example.com", i%20), "TLP:GREEN")
}

// A broker that is killed and comes back loses nothing and costs nothing.
func TestTheBrokerIsKilledInABurst(t *testing.T) {
	broker := openctitest.NewBroker(t)
	w := newWorld(t, broker)
	w.start()
	if err := broker.Sync(openctitest.Context(t)); err != nil {
		t.Fatal(err)
	}
	works, steps := w.burst(60, someDomain)
	if err := broker.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := broker.Restart(openctitest.Context(t)); err != nil {
		t.Fatal(err)
	}
	more, moreSteps := w.burst(20, someDomain)
	w.ended(append(works, more...), append(steps, moreSteps...))
	if n := w.provider.Bill().Total; n != 60 {
		t.Errorf("20 domains cost %d calls", n)
	}
	w.balance(80 * 3)
}

// A platform that is away in the middle of a burst is waited for.
func TestThePlatformIsAwayInABurst(t *testing.T) {
	w := newWorld(t, openctitest.TestBroker(t))
	w.start()
	works, steps := w.burst(60, someDomain)
	w.platform.Stop()
	away := 20 * time.Second
	if testing.Short() {
		away = 2 * time.Second
	}
	<-time.After(away) // what is tested is the length of the outage
	if err := w.platform.Resume(); err != nil {
		t.Fatal(err)
	}
	more, moreSteps := w.burst(20, someDomain)
	w.ended(append(works, more...), append(steps, moreSteps...))
	if n := w.provider.Bill().Total; n != 60 {
		t.Errorf("20 domains cost %d calls", n)
	}
	w.balance(80 * 3)
}

// Daemons are killed at random moments of mixed traffic; what the last one
// leaves must add up.
func TestRandomKills(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	w := newWorld(t, openctitest.TestBroker(t))
	var works, steps []string
	for range *kills {
		cmd := w.spawn("never:0")
		more, moreSteps := w.burst(20, func(int) sandbox.Entity { return someDomain(rng.IntN(1000)) })
		works, steps = append(works, more...), append(steps, moreSteps...)
		<-time.After(time.Duration(rng.Int64N(int64(150 * time.Millisecond)))) // the moment is the point
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = cmd.Wait()
		u, seen := w.books(), int64(w.provider.Bill().Total)
		if u.Spent+u.Uncertain < seen {
			t.Errorf("after a kill the ledger says %+v, the provider saw %d calls", u, seen)
		}
	}
	answered := 0
	for _, id := range steps {
		answered += len(w.platform.Steps(id))
	}
	stop := w.start()
	err := w.platform.Wait(openctitest.Context(t), func() bool {
		for _, id := range works {
			if w.platform.Work(id).Status != "complete" {
				return false
			}
		}
		return true
	})
	if err != nil {
		t.Fatal(err)
	}
	openctitest.Eventually(t, func() bool {
		listen, _, err := w.platform.QueueDepth(context.Background())
		return err == nil && listen == 0
	}, "the queue is empty")
	stop()
	unanswered := 0
	for _, id := range steps {
		switch n := len(w.platform.Steps(id)); n {
		case 0:
			unanswered++ // killed between two system calls
		case 1:
		default:
			t.Errorf("step %s was answered %d times", id, n)
		}
	}
	if unanswered > 1 { // that many may be a coincidence
		t.Errorf("%d of %d steps without an answer", unanswered, len(steps))
	}
	u, bill := w.books(), w.provider.Bill().Total
	t.Logf("%d kills, %d messages: the provider saw %d calls, the ledger says %d spent and %d uncertain; the killed answered %d of %d steps, %d are unanswered",
		*kills, len(works)+len(steps), bill, u.Spent, u.Uncertain, answered, len(steps), unanswered)
	if over := u.Spent + u.Uncertain - int64(bill); over < 0 || over > int64(*kills)*64*3 {
		t.Errorf("ledger and bill are %d apart", over)
	}
}
