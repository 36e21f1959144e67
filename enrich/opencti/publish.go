package opencti

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

const (
	// publishWindow bounds the unconfirmed messages of a channel.
	publishWindow = 512
	// confirmTimeout bounds the wait for a broker that is not short of anything
	// and still does not answer.
	confirmTimeout = 30 * time.Second
)

// confirmed is a channel in confirm mode, used by one caller at a time.
type confirmed struct {
	channel *amqp.Channel
	returns <-chan amqp.Return
	closed  <-chan *amqp.Error
	// spoiled: answers may still come that belong to nobody.
	spoiled bool
}

func newConfirmed(conn *amqp.Connection) (*confirmed, error) {
	ch, err := conn.Channel()
	if err != nil {
		return nil, fmt.Errorf("opening a channel: %w", err)
	}
	if err := ch.Confirm(false); err != nil {
		return nil, fmt.Errorf("switching confirms on: %w", err)
	}
	return &confirmed{
		channel: ch,
		// Room for every message in flight: the library's reader must never wait
		// for us, because the confirms come by it too.
		returns: ch.NotifyReturn(make(chan amqp.Return, publishWindow)),
		closed:  ch.NotifyClose(make(chan *amqp.Error, 1)),
	}, nil
}

var (
	errNotTaken = errors.New("the broker did not take a message")
	errClosed   = errors.New("the broker closed the channel")
)

// publish offers the bodies a window at a time and returns those that the
// broker did not take.
func (p *confirmed) publish(ctx context.Context, o *outlet, bodies [][]byte) (left [][]byte, err error) {
	for len(bodies) > 0 {
		n := min(len(bodies), publishWindow)
		refused, err := p.window(ctx, o, bodies[:n])
		bodies = bodies[n:]
		if err != nil {
			return append(refused, bodies...), err
		}
	}
	return nil, nil
}

// window publishes and waits for every answer, so that none is left over for
// the next caller; a channel whose answers did not come is closed.
func (p *confirmed) window(ctx context.Context, o *outlet, bodies [][]byte) (refused [][]byte, err error) {
	waits := make([]*amqp.DeferredConfirmation, 0, len(bodies))
	for i, body := range bodies {
		// Mandatory: a message that no queue takes is confirmed all the same,
		// and would be lost without a word.
		w, err := p.channel.PublishWithDeferredConfirmWithContext(ctx, o.route.Exchange, o.route.Key, true, false, amqp.Publishing{
			DeliveryMode: amqp.Persistent, ContentEncoding: "utf-8", MessageId: strconv.Itoa(i), Body: body,
		})
		if err != nil {
			break // the channel is closed; what was sent before is settled by that too
		}
		waits = append(waits, w)
	}
	taken := make([]bool, len(bodies))
	for i, w := range waits {
		if taken[i], err = p.wait(ctx, o, w); err != nil {
			p.spoil()
			break
		}
	}
	why := errNotTaken
	for _, r := range p.returned() {
		// The broker returns a message before it confirms it.
		if i, err := strconv.Atoi(r.MessageId); err == nil && i < len(taken) {
			taken[i] = false
		}
		why = fmt.Errorf("no queue takes messages for %s: %s", o.route.Key, r.ReplyText)
	}
	for i, ok := range taken {
		if !ok {
			refused = append(refused, bodies[i])
		}
	}
	if len(refused) == 0 {
		return nil, nil
	}
	if err != nil {
		return refused, err
	}
	if p.channel.IsClosed() {
		why = p.closeReason()
	}
	return refused, why
}

// spoil gives the channel up: late answers must not meet the next caller. The
// broker's word is not waited for; it may not be reading.
func (p *confirmed) spoil() {
	p.spoiled = true
	go func() { _ = p.channel.Close() }() // ends with the connection at the latest
}

// wait is patient with a broker that says that it is short of something, and
// not for ever with one that says nothing.
func (p *confirmed) wait(ctx context.Context, o *outlet, w *amqp.DeferredConfirmation) (taken bool, err error) {
	for {
		timeout, cancel := context.WithTimeout(ctx, confirmTimeout)
		taken, err = w.WaitContext(timeout)
		cancel()
		if err == nil || ctx.Err() != nil || !o.isBlocked() {
			break
		}
	}
	if err != nil {
		return false, fmt.Errorf("waiting for the broker's confirm: %w", err)
	}
	return taken, nil
}

func (p *confirmed) returned() (all []amqp.Return) {
	for {
		select {
		case r, ok := <-p.returns:
			if !ok {
				return all
			}
			all = append(all, r)
		default:
			return all
		}
	}
}

// tooLargeError is the broker's refusal of a message for its size.
type tooLargeError struct{ limit int64 }

func (e *tooLargeError) Error() string {
	return fmt.Sprintf("the broker takes no messages of more than %d bytes", e.limit)
}

// sizeRefusal is how RabbitMQ words it, as the reason of a closed channel.
var sizeRefusal = regexp.MustCompile(`message size \d+ (?:is )?larger than (?:configured )?max size (\d+)`)

// closeReason says why the broker closed the channel.
func (p *confirmed) closeReason() error {
	select {
	case err := <-p.closed:
		if err == nil {
			return errClosed
		}
		if m := sizeRefusal.FindStringSubmatch(err.Reason); m != nil {
			limit, _ := strconv.ParseInt(m[1], 10, 64) // digits
			return &tooLargeError{limit}
		}
		return err
	default:
		return errClosed
	}
}
