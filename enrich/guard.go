package enrich

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/sony/gobreaker/v2"
)

// guard keeps calls away from a provider that does not want them: at once and
// for a while when it refuses our key, after a row of failures when it is down,
// and until the time that it named when it asked for patience. All of this is
// per source and shared by every request, and none of it costs a unit.
type guard struct {
	auth, outage *breaker

	mu    sync.Mutex
	until time.Time // no call before
	class Class     // of the answer that said so: RateLimited or QuotaExhausted
	// opened is when each breaker opened last, by its name.
	opened map[string]time.Time
}

type breaker = gobreaker.TwoStepCircuitBreaker[struct{}]

const (
	// authPause is how long a refused key is left alone. One probe follows.
	authPause = 5 * time.Minute
	// outagePause and outageRow: so many failures in a row, so long a pause.
	outagePause = 30 * time.Second
	outageRow   = 10
	// exhaustedPause is how long a used-up quota is left alone if nobody says
	// when it opens. One call a pause finds out.
	exhaustedPause = 5 * time.Minute
)

func newGuard() *guard {
	g := &guard{opened: map[string]time.Time{}}
	after := func(name string, pause time.Duration, row uint32) *breaker {
		return gobreaker.NewTwoStepCircuitBreaker[struct{}](gobreaker.Settings{
			Name: name, MaxRequests: 1, Timeout: pause,
			ReadyToTrip: func(c gobreaker.Counts) bool { return c.ConsecutiveFailures >= row },
			OnStateChange: func(name string, _, to gobreaker.State) {
				if to == gobreaker.StateOpen {
					g.mu.Lock()
					defer g.mu.Unlock()
					g.opened[name] = time.Now()
				}
			},
		})
	}
	g.auth, g.outage = after("auth", authPause, 1), after("outage", outagePause, outageRow)
	return g
}

var (
	errKeyRefused = errors.New("the provider refused the API key a moment ago; it is not asked again for now")
	errDown       = errors.New("the provider failed too often in a row; it is not asked again for now")
)

// check is the cheap look before units are reserved.
func (g *guard) check() error {
	if g.auth.State() == gobreaker.StateOpen {
		return g.refusedKey()
	}
	if g.outage.State() == gobreaker.StateOpen {
		return g.down()
	}
	return nil
}

func (g *guard) refusedKey() error {
	return &callError{Class: AuthFailed, Err: errKeyRefused, RetryAfter: g.opens("auth", authPause)}
}

func (g *guard) down() error {
	return &callError{Class: ServerError, Err: errDown, RetryAfter: g.opens("outage", outagePause)}
}

// opens is when a breaker that is open lets the next call try.
func (g *guard) opens(name string, pause time.Duration) time.Time {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.opened[name].Add(pause)
}

// state is that of both breakers together: a call goes only if both let it.
func (g *guard) state() gobreaker.State {
	auth, outage := g.auth.State(), g.outage.State()
	switch {
	case auth == gobreaker.StateOpen || outage == gobreaker.StateOpen:
		return gobreaker.StateOpen
	case auth == gobreaker.StateHalfOpen || outage == gobreaker.StateHalfOpen:
		return gobreaker.StateHalfOpen
	default:
		return gobreaker.StateClosed
	}
}

// admit claims the right to make one call; done must be told how it ended.
func (g *guard) admit() (done func(Class), err error) {
	authDone, err := g.auth.Allow()
	if err != nil {
		return nil, g.refusedKey()
	}
	outageDone, err := g.outage.Allow()
	if err != nil {
		authDone(nil)
		return nil, g.down()
	}
	return func(c Class) {
		var authErr, outageErr error
		switch c {
		case AuthFailed:
			authErr = errKeyRefused
		case ServerError, TimedOut, NetworkError:
			outageErr = errDown
		}
		authDone(authErr)
		outageDone(outageErr)
	}, nil
}

// hold keeps every call back until t, as an answer of that class asks for; an
// earlier time changes nothing.
func (g *guard) hold(t time.Time, class Class) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if t.After(g.until) {
		g.until, g.class = t, class
	}
}

// wait sleeps until calls may go again, or says at once that this takes longer
// than patience.
func (g *guard) wait(ctx context.Context, now func() time.Time, patience time.Duration) error {
	for {
		g.mu.Lock()
		until, class := g.until, g.class
		g.mu.Unlock()
		d := until.Sub(now())
		if d <= 0 {
			return nil
		}
		if d > patience {
			why := "wants no calls"
			if class == QuotaExhausted {
				why = "said that its quota is used up, and is not asked"
			}
			return &callError{Class: class, RetryAfter: until, Err: fmt.Errorf("the provider %s before %s", why, until.UTC().Format(time.RFC3339))}
		}
		timer := time.NewTimer(d)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		}
	}
}

// backoff is the pause after the nth refusal when the provider named none:
// 1, 2, 4 s, each up to a quarter longer so that callers do not return together.
func backoff(n int) time.Duration {
	d := time.Second << (n - 1)
	return d + rand.N(d/4)
}
