package enrich

import (
	"fmt"
	"strings"
	"time"
)

// Exhaustion is what a source does when a quota refuses for longer than a
// request waits for a rate limit. A new value needs: exhaustionNames.
type Exhaustion uint8

const (
	// ServeStale answers with what is kept, past its time and marked so, and
	// reports what is not even kept.
	ServeStale Exhaustion = iota
	// Skip reports the part as missing, whatever is kept.
	Skip
	// Wait waits for the window to open, for at most MaxWait, and then does as
	// ServeStale does.
	Wait
	// Defer parks the message of the platform durably until the window opens.
	// Who asks over HTTP cannot be parked and is served as by ServeStale.
	Defer
)

var exhaustionNames = [...]string{ServeStale: "stale", Skip: "skip", Wait: "wait", Defer: "defer"}

// String is the policy's name in the settings.
func (e Exhaustion) String() string { return exhaustionNames[e] }

// ParseExhaustion reads a policy's name.
func ParseExhaustion(s string) (Exhaustion, error) {
	for e, name := range exhaustionNames {
		if strings.EqualFold(strings.TrimSpace(s), name) {
			return Exhaustion(e), nil
		}
	}
	return 0, fmt.Errorf("%q is not a policy; use %s", s, strings.Join(exhaustionNames[:], ", "))
}

const (
	// DefaultPatience is how long a request waits for a rate limit.
	DefaultPatience = 4 * time.Minute
	// DefaultMaxWait is how long it waits for any quota under Wait. Together
	// with everything else it stays below the half hour after which RabbitMQ
	// takes a message back.
	DefaultMaxWait = 20 * time.Minute
)

// patience bounds the wait for a limit.
func (g *Gateway) patience(r Request) time.Duration {
	switch {
	case r.Patience > 0:
		return r.Patience
	case g.exhaustion == Wait:
		return g.maxWait
	default:
		return DefaultPatience
	}
}

// resumesAt is when a request whose quota is exhausted may go on, if it is to
// be parked until then: once everything that refused it has opened.
func (g *Gateway) resumesAt(res Result) (at time.Time, park bool) {
	if g.exhaustion != Defer {
		return at, false
	}
	for _, p := range res.Parts {
		d, refused := IsRefused(p.Err)
		if !refused || d.RetryAt.IsZero() {
			continue // answered, failed otherwise, or no time will help
		}
		if d.RetryAt.After(at) {
			at = d.RetryAt
		}
	}
	return at, !at.IsZero()
}
