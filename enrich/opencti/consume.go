package opencti

import (
	"context"
	"errors"
	"fmt"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/enrichgate/enrichgate/enrich"
)

const (
	// maxAttempts bounds how often a message may break off our work on it before
	// it is given up with a report: one that kills the process would do so for ever.
	maxAttempts = 10
	// maxDeliveries stays below the 20 deliveries after which a quorum queue
	// throws a message away.
	maxDeliveries = 15
	// returnPause keeps a message that could not be finished from coming back
	// at once, again and again; it doubles up to returnPauseMost.
	returnPause     = 2 * time.Second
	returnPauseMost = 2 * time.Minute
	// workPingEvery is how often a long work is told that it is still alive.
	workPingEvery = 5 * time.Minute
)

// arrival is how a message comes to us.
type arrival uint8

const (
	delivered   arrival = iota // by the broker, for the first time as far as it knows
	redelivered                // again, or perhaps again
	resumed                    // from where it was parked
)

// delivery is a message as it arrived.
type delivery struct {
	body []byte
	how  arrival
	// times is how often a quorum queue says that it was, 0 when nobody counts.
	times int64
	// leave, if set, is called when all that is left to do is to wait for the
	// platform's word on what the journal says already: see crew.
	leave func()
}

func deliveryOf(d amqp.Delivery) delivery {
	times, _ := d.Headers["x-delivery-count"].(int64)
	in := delivery{body: d.Body, times: times}
	if d.Redelivered {
		in.how = redelivered
	}
	return in
}

// handle consumes one delivery and settles it with the broker, last of all.
func (c *Connector) handle(ctx context.Context, d amqp.Delivery, p publisher, leave func()) {
	in := deliveryOf(d)
	in.leave = leave
	err := c.consumeSafely(ctx, in, p)
	if err == nil {
		c.log.Debug("Message ack", "tag", d.DeliveryTag)
		if err := d.Ack(false); err != nil {
			c.log.Warn("a message was done but its acknowledgement was lost; it will come again", "error", err)
		}
		return
	}
	c.metrics.message(messageReturned)
	c.log.Warn("a message is given back and will come again", "error", err)
	times := in.times
	var counted *countedError
	if errors.As(err, &counted) {
		times = max(times, int64(counted.attempts))
	}
	_ = sleep(ctx, min(c.cfg.returnPause<<min(times, 6), returnPauseMost))
	if err := d.Nack(false, true); err != nil && !errors.Is(err, amqp.ErrClosed) {
		c.log.Warn("a message could not be given back", "error", err)
	}
}

// consumeSafely keeps one message's panic from the others.
func (c *Connector) consumeSafely(ctx context.Context, in delivery, p publisher) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("handling the message panicked: %v", r)
		}
	}()
	return c.consume(ctx, in, p)
}

// consume handles one message. A nil error means that it is done with.
func (c *Connector) consume(ctx context.Context, in delivery, p publisher) error {
	if in.how != resumed {
		c.lastMessage.Store(time.Now().UnixNano())
	}
	m, problem := decodeMessage(in.body)
	key := m.key(c.cfg.ID)
	letGo, err := c.hands.take(ctx, key)
	if err != nil {
		return fmt.Errorf("waiting for the same message, which is in hand: %w", err)
	}
	defer letGo()
	t := &task{c: c, body: in.body, message: m, key: key, began: time.Now(), publish: p, leave: in.leave}
	defer t.end()
	if t.record, err = c.journal.get(key); err != nil {
		return err
	}
	first := t.record.At.IsZero()
	if t.record.Processed || m.Internal.Playbook != nil && t.record.Delivered {
		return nil // only its acknowledgement was lost
	}
	if key != "" && in.how != resumed {
		if _, found, err := c.lot.get(key); found || err != nil {
			return err // parked; only its acknowledgement was lost
		}
	}
	if problem == nil && in.how == redelivered {
		problem, err = t.countAttempt(in)
		if err != nil {
			return err
		}
	}
	if problem != nil && key == "" {
		// Nobody to tell but the operator.
		c.metrics.message(messageUnreadable)
		c.log.Error("Error in message processing, nothing to report it to", "error", problem, "bytes", len(in.body))
		return nil
	}
	if problem == nil && first && in.how != resumed && c.isLoop(m) {
		c.metrics.message(messageLooped)
		return c.answerLoop(ctx, t)
	}
	if id := m.Internal.WorkID; id != "" {
		defer c.pingWork(ctx, id)()
	}
	msg := enrich.Message{Problem: problem}
	msg.Request = c.bareRequest(m)
	if problem == nil {
		if msg.Request, msg.Problem, err = c.readable(ctx, t); err != nil {
			return t.notByUs(ctx, err)
		}
	}
	if msg.Problem != nil {
		c.log.Error("Error in message processing, reporting error to API", "error", msg.Problem, "work", m.Internal.WorkID)
	}
	if err := c.cfg.Handle(ctx, msg, t); err != nil {
		return t.notByUs(ctx, err)
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

// readable makes a request of the message. problem is the message's own fault;
// err is not.
func (c *Connector) readable(ctx context.Context, t *task) (r enrich.Request, problem, err error) {
	r, err = c.request(ctx, t)
	var input *enrich.InputError
	var api *APIError
	switch {
	case err == nil:
		return r, nil, nil
	case errors.As(err, &input):
		return r, input, nil
	case errors.As(err, &api) && !transient(err):
		// The platform will say the same again.
		return r, &enrich.InputError{Reason: "the entity could not be read: " + api.Message}, nil
	}
	return r, nil, err
}

// pingWork keeps a long work alive until the returned function is called.
func (c *Connector) pingWork(ctx context.Context, id string) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	timer := time.AfterFunc(c.cfg.workPingEvery, func() {
		for ctx.Err() == nil {
			if err := c.client.Do(ctx, opPingWork, map[string]any{"id": id}, "", nil); err != nil && ctx.Err() == nil {
				c.log.Warn("work could not be pinged", "work", id, "error", err)
			}
			if sleep(ctx, c.cfg.workPingEvery) != nil {
				return
			}
		}
	})
	return func() {
		timer.Stop()
		cancel()
	}
}
