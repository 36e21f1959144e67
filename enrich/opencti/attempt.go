package opencti

import (
	"context"
	"errors"
	"io/fs"
	"time"

	"github.com/enrichgate/enrichgate/enrich"
)

// countAttempt counts that our work on the message may have been broken off,
// and says when that happened too often. What is given back because a platform
// or a broker is away is not counted (notByUs): that is nobody's fault.
func (t *task) countAttempt(in delivery) (problem, err error) {
	if in.times >= maxDeliveries {
		return &enrich.InputError{Reason: "given up: the broker would throw the message away if it came back again"}, nil
	}
	if t.key == "" {
		return nil, nil
	}
	t.record.Attempts++
	if err := t.c.journal.put(t.key, t.record); err != nil {
		return nil, err
	}
	if t.record.Attempts > maxAttempts {
		return &enrich.InputError{Reason: "given up: the message came back too often without coming to an end"}, nil
	}
	return nil, nil
}

// notByUs takes back what countAttempt counted, and returns err. It stays counted
// where neither platform nor broker is away: what the platform answers to this
// message and to no other, or what our own disk says, it may say for ever.
func (t *task) notByUs(ctx context.Context, err error) error {
	var api *APIError
	var disk *fs.PathError
	its := errors.As(err, &api) && t.c.answersPings() || errors.As(err, &disk)
	switch {
	case t.record.Attempts == 0 || t.key == "":
		return err
	case its && ctx.Err() == nil:
		return &countedError{err, t.record.Attempts}
	}
	t.record.Attempts--
	return errors.Join(err, t.c.journal.put(t.key, t.record))
}

// countedError is why a message comes again, and how often it did.
type countedError struct {
	error
	attempts int
}

func (e *countedError) Unwrap() error { return e.error }

// answersPings says that the platform answered the last ping, and lets us in.
func (c *Connector) answersPings() bool {
	return !c.refused.Load() && time.Since(at(c.lastPing.Load())) < 2*c.cfg.pingEvery
}
