package opencti

import (
	"context"
	"errors"
	"time"

	"github.com/enrichgate/enrichgate/enrich"
)

// maxAttempts bounds how often a message may come again before it is given up
// with a report: one that kills the process would do so for ever.
const maxAttempts = 10

// workPingEvery is how often a long work is told that it is still alive.
const workPingEvery = 5 * time.Minute

// arrival is how a message comes to us.
type arrival uint8

const (
	delivered   arrival = iota // by the broker, for the first time as far as it knows
	redelivered                // again, or perhaps again
	resumed                    // from where it was parked
)

// consume handles one message. A nil error means that it is done with.
func (c *Connector) consume(ctx context.Context, body []byte, how arrival, p publisher) error {
	c.metrics.inFlight.Inc()
	defer c.metrics.inFlight.Dec()
	m, problem := decodeMessage(body)
	key := m.key()
	t := &task{c: c, body: body, message: m, key: key, began: time.Now(), publish: p}
	var err error
	if t.record, err = c.journal.get(key); err != nil {
		return err
	}
	if t.record.Processed || m.Internal.Playbook != nil && t.record.Delivered {
		return nil // only its acknowledgement was lost
	}
	if key != "" && how != resumed {
		if _, found, err := c.lot.get(key); found || err != nil {
			return err // parked; only its acknowledgement was lost
		}
	}
	if how == redelivered && key != "" {
		t.record.Attempts++
		if err := c.journal.put(key, t.record); err != nil {
			return err
		}
		if t.record.Attempts > maxAttempts && problem == nil {
			problem = &enrich.InputError{Reason: "given up: the message came back too often without coming to an end"}
		}
	}
	if problem != nil && key == "" {
		// Nobody to tell but the operator.
		c.metrics.message(messageUnreadable)
		c.log.Error("Error in message processing, nothing to report it to", "error", problem, "bytes", len(body))
		return nil
	}
	if id := m.Internal.WorkID; id != "" {
		defer c.pingWork(ctx, id)()
	}
	msg := enrich.Message{Problem: problem}
	msg.Request = enrich.Request{Trigger: m.trigger(), Work: m.Internal.WorkID}
	if problem == nil {
		msg.Request, err = c.request(ctx, m)
		var input *enrich.InputError
		if api := (*APIError)(nil); errors.As(err, &api) && !transient(err) {
			// The platform will say the same again.
			input = &enrich.InputError{Reason: "the entity could not be read: " + api.Message}
		} else if err != nil && !errors.As(err, &input) {
			return err
		}
		if input != nil {
			msg.Problem = input
		}
	}
	if msg.Problem != nil {
		c.log.Error("Error in message processing, reporting error to API", "error", msg.Problem, "work", m.Internal.WorkID)
	}
	if err := c.cfg.Handle(ctx, msg, t); err != nil {
		return err
	}
	switch {
	case t.parked: // counted as it was parked
	case msg.Problem != nil:
		c.metrics.message(messageRefused)
	default:
		c.metrics.message(messageDone)
	}
	return nil
}

// pingWork keeps a long work alive until the returned function is called.
func (c *Connector) pingWork(ctx context.Context, id string) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	timer := time.AfterFunc(workPingEvery, func() {
		for ctx.Err() == nil {
			if err := c.client.Do(ctx, opPingWork, map[string]any{"id": id}, "", nil); err != nil && ctx.Err() == nil {
				c.log.Warn("work could not be pinged", "work", id, "error", err)
			}
			if sleep(ctx, workPingEvery) != nil {
				return
			}
		}
	})
	return func() {
		timer.Stop()
		cancel()
	}
}
