package opencti

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"
)

const (
	// retryFirst and retryMost frame the pauses between attempts.
	retryFirst = 250 * time.Millisecond
	retryMost  = 15 * time.Second
	// retryPatience bounds how long one operation of one message is tried. With
	// everything else that a message may wait for it stays below the 30 minutes
	// after which RabbitMQ takes a message back.
	retryPatience = 15 * time.Minute
	// refusalPatience bounds it where the platform does answer, though not what was
	// asked: others wait for the hands that this message is in.
	refusalPatience = 2 * time.Minute
)

// retry repeats f while the platform does not answer. A refusal of our token is
// not waited for here: the session ends, and others may take the message.
func (c *Connector) retry(ctx context.Context, f func() error) error {
	began := time.Now()
	for n := 0; ; n++ {
		err := f()
		if err == nil || !transient(err) {
			return err
		}
		patience := retryPatience
		var api *APIError
		if errors.As(err, &api) {
			patience = refusalPatience
		}
		if time.Since(began) > patience {
			return err
		}
		if n == 0 {
			c.log.Warn("OpenCTI is asked again", "error", err, "for_at_most", patience.String())
		}
		if refusesUs(err) {
			c.askPing()
			if c.refused.Load() {
				return err
			}
		}
		c.metrics.retries.Inc()
		if sleep(ctx, pauseAfter(n)) != nil {
			return err
		}
	}
}

// retryForever repeats f until it succeeds or ctx ends, whose error it returns.
func (c *Connector) retryForever(ctx context.Context, what string, f func() error) error {
	for n := 0; ; n++ {
		err := f()
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		c.log.Error(what, "error", err)
		if err := sleep(ctx, pauseAfter(n)); err != nil {
			return err
		}
	}
}

// pauseAfter doubles from retryFirst to retryMost, half of it by chance, so
// that many who failed together do not come back together.
func pauseAfter(n int) time.Duration {
	d := retryMost
	if n < 6 {
		d = retryFirst << n
	}
	return d/2 + rand.N(d/2)
}

// insist performs an operation that may be repeated, until the platform answers.
func (c *Connector) insist(ctx context.Context, op operation, variables map[string]any, draft string, out any) error {
	return c.retry(ctx, func() error { return c.once(ctx, op, variables, draft, out) })
}

// once performs an operation to its end: a request that left is not torn off by
// the end of a session, because then nobody would know whether it was performed.
func (c *Connector) once(ctx context.Context, op operation, variables map[string]any, draft string, out any) error {
	ctx, err := whole(ctx, op)
	if err != nil {
		return err
	}
	return c.client.Do(ctx, op, variables, draft, out)
}

// onceHeld is once for what the journal must know of before it leaves.
func (c *Connector) onceHeld(ctx context.Context, op operation, variables map[string]any, release func() error) (released bool, err error) {
	ctx, err = whole(ctx, op)
	if err != nil {
		return false, err
	}
	return c.client.DoHeld(ctx, op, variables, release)
}

// whole is a context that lets one request come to its end.
func whole(ctx context.Context, op operation) (context.Context, error) {
	if err := ctx.Err(); err != nil {
		// Said like this, so that the journal does not take it for performed.
		return nil, &unavailableError{operation: op.name, err: err}
	}
	return context.WithoutCancel(ctx), nil
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
