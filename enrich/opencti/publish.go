package opencti

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

const (
	// provenMessage is a size that every broker takes.
	provenMessage = 512 << 10
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

// publish offers, a window at a time, what was not taken yet. A message larger
// than any that the broker has taken has a window of its own: if it is refused,
// the channel is closed, and nobody would know of the others.
func (p *confirmed) publish(ctx context.Context, o *outlet, messages []*outgoing) error {
	var window []*outgoing
	flush := func() error {
		defer func() { window = window[:0] }()
		return p.window(ctx, o, window)
	}
	for _, m := range messages {
		if m.taken {
			continue
		}
		size := int64(len(m.body))
		unproven := size > o.c.proven.Load()
		if len(window) == publishWindow || unproven && len(window) > 0 {
			if err := flush(); err != nil {
				return err
			}
		}
		window = append(window, m)
		if unproven {
			if err := flush(); err != nil {
				return err
			}
			o.c.proven.Store(size)
		}
	}
	return flush()
}

// window publishes and waits for every answer, so that none is left over for
// the next caller; a channel whose answers did not come is closed.
func (p *confirmed) window(ctx context.Context, o *outlet, messages []*outgoing) (err error) {
	waits := make([]*amqp.DeferredConfirmation, 0, len(messages))
	for i, m := range messages {
		// Mandatory: a message that no queue takes is confirmed all the same,
		// and would be lost without a word.
		w, err := p.channel.PublishWithDeferredConfirmWithContext(ctx, o.route.Exchange, o.route.Key, true, false, amqp.Publishing{
			DeliveryMode: amqp.Persistent, ContentEncoding: "utf-8", MessageId: strconv.Itoa(i), Body: m.body,
		})
		if err != nil {
			break // the channel is closed; what was sent before is settled by that too
		}
		waits = append(waits, w)
	}
	for i, w := range waits {
		if messages[i].taken, err = p.wait(ctx, o, w); err != nil {
			p.spoil()
			break
		}
	}
	why := errNotTaken
	for _, r := range p.returned() {
		// The broker returns a message before it confirms it.
		if i, err := strconv.Atoi(r.MessageId); err == nil && i < len(messages) {
			messages[i].taken = false
		}
		why = fmt.Errorf("no queue takes messages for %s: %s", o.route.Key, r.ReplyText)
	}
	switch {
	case !slices.ContainsFunc(messages, func(m *outgoing) bool { return !m.taken }):
		return nil
	case err != nil:
		return err
	case p.channel.IsClosed():
		return p.closeReason()
	}
	return why
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
