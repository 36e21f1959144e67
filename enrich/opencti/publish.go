package opencti

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

const (
	// publishers is how many messages' bundles are on their way at the same
	// time; each has a channel of its own, so that its returns are its own.
	publishers = 8
	// publishWindow bounds the unconfirmed messages of a channel.
	publishWindow = 512
	// confirmTimeout bounds the wait for the broker, which may be blocked by
	// an alarm; the message then comes again.
	confirmTimeout = 60 * time.Second
)

// publisherPool publishes over one connection.
type publisherPool struct {
	route Route
	free  chan *confirmed
}

// confirmed is a channel in confirm mode, used by one caller at a time.
type confirmed struct {
	channel *amqp.Channel
	returns <-chan amqp.Return
}

func newPublisherPool(conn *amqp.Connection, route Route) (*publisherPool, error) {
	p := &publisherPool{route: route, free: make(chan *confirmed, publishers)}
	for range publishers {
		ch, err := conn.Channel()
		if err != nil {
			return nil, fmt.Errorf("opening a channel: %w", err)
		}
		if err := ch.Confirm(false); err != nil {
			return nil, fmt.Errorf("switching confirms on: %w", err)
		}
		// Room for every message in flight: the library's reader must never
		// wait for us, because the confirms come by it too.
		p.free <- &confirmed{ch, ch.NotifyReturn(make(chan amqp.Return, publishWindow))}
	}
	return p, nil
}

// Publish returns when the broker has every body for good, in order.
func (p *publisherPool) Publish(ctx context.Context, bodies [][]byte) error {
	select {
	case c := <-p.free:
		defer func() { p.free <- c }()
		for len(bodies) > 0 {
			n := min(len(bodies), publishWindow)
			if err := c.publish(ctx, p.route, bodies[:n]); err != nil {
				return err
			}
			bodies = bodies[n:]
		}
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (c *confirmed) publish(ctx context.Context, to Route, bodies [][]byte) error {
	ctx, cancel := context.WithTimeout(ctx, confirmTimeout)
	defer cancel()
	waits := make([]*amqp.DeferredConfirmation, 0, len(bodies))
	for i, body := range bodies {
		// Mandatory: a message that no queue takes is confirmed all the same,
		// and would be lost without a word.
		w, err := c.channel.PublishWithDeferredConfirmWithContext(ctx, to.Exchange, to.Key, true, false, amqp.Publishing{
			DeliveryMode: amqp.Persistent, ContentEncoding: "utf-8", MessageId: strconv.Itoa(i), Body: body,
		})
		if err != nil {
			return fmt.Errorf("publishing: %w", err)
		}
		waits = append(waits, w)
	}
	for _, w := range waits {
		ok, err := w.WaitContext(ctx)
		if err != nil {
			return fmt.Errorf("waiting for the broker's confirm: %w", err)
		}
		if !ok {
			return errors.New("the broker did not take a message")
		}
	}
	// The broker returns a message before it confirms it.
	select {
	case r, ok := <-c.returns:
		if ok {
			return fmt.Errorf("no queue takes messages for %s: %s", to.Key, r.ReplyText)
		}
	default:
	}
	return nil
}
