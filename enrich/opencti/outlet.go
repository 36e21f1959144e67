package opencti

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

// publishers is how many messages' bundles are on their way at the same time;
// each has a channel of its own, so that its returns are its own.
const publishers = 32

// outlet is a connection that results leave by. A nil outlet, of a connector
// that hands over by the API, is never blocked and publishes nothing.
type outlet struct {
	c     *Connector
	conn  *amqp.Connection
	route Route
	free  chan *confirmed

	closed <-chan *amqp.Error
	// blocking ticks when the broker stops or starts to take messages.
	blocking chan struct{}
	blocked  atomic.Bool
	mu       sync.Mutex
	why      string // guarded by mu
}

// openOutlet connects. Without results for the broker it connects to nothing.
func (c *Connector) openOutlet(ctx context.Context, reg *Registration) (*outlet, error) {
	if !c.publishes() {
		return &outlet{c: c}, nil
	}
	conn, err := c.dial(ctx, reg, "publishes")
	if err != nil {
		return nil, err
	}
	o := &outlet{c: c, conn: conn, route: reg.Push, free: make(chan *confirmed, publishers), blocking: make(chan struct{}, 1)}
	o.closed = conn.NotifyClose(make(chan *amqp.Error, 1))
	go o.watch(conn.NotifyBlocked(make(chan amqp.Blocking, 1)))
	for range publishers {
		ch, err := newConfirmed(conn)
		if err != nil {
			o.close()
			return nil, err
		}
		o.free <- ch
	}
	return o, nil
}

// publishes says that results go through the broker.
func (c *Connector) publishes() bool {
	return c.cfg.QueueProtocol != ProtocolAPI && !c.cfg.Output.NoQueue
}

// watch notes when the broker stops taking messages. The library closes the
// channel with the connection.
func (o *outlet) watch(notices <-chan amqp.Blocking) {
	for b := range notices {
		o.mu.Lock()
		o.why = b.Reason
		o.mu.Unlock()
		o.blocked.Store(b.Active)
		o.c.metrics.blocked.set(b.Active)
		select {
		case o.blocking <- struct{}{}:
		default:
		}
	}
	o.c.metrics.blocked.set(false)
}

func (o *outlet) isBlocked() bool { return o.blocked.Load() }

func (o *outlet) blockedBy() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.why
}

func (o *outlet) close() {
	if o.conn != nil {
		_ = o.conn.CloseDeadline(time.Now().Add(dialTimeout)) // already closed when the broker went away
	}
}

// Publish returns when the broker has every message for good. What it does not
// take for now is offered again while the connection lasts, so that a message is
// not given back, and its delivery counted, for the broker's own trouble.
func (o *outlet) Publish(ctx context.Context, messages []*outgoing) error {
	if o.conn == nil {
		return errors.New("there is no connection to publish by")
	}
	ctx, cancel := context.WithTimeout(ctx, retryPatience)
	defer cancel()
	var release func()
	for n := 0; ; n++ {
		err := o.publishOnce(ctx, messages)
		var tooLarge *tooLargeError
		if err == nil || o.conn.IsClosed() || ctx.Err() != nil || errors.As(err, &tooLarge) {
			return err
		}
		if release == nil {
			release = o.c.hold()
			defer release()
		}
		o.c.metrics.retries.Inc()
		o.c.log.Warn("RabbitMQ does not take a result, it is offered again", "error", err)
		o.c.askPing() // it declares and binds the queues anew
		if sleep(ctx, pauseAfter(n)) != nil {
			return err
		}
	}
}

// publishOnce offers what was not taken yet.
func (o *outlet) publishOnce(ctx context.Context, messages []*outgoing) error {
	var ch *confirmed
	select {
	case ch = <-o.free:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { o.free <- ch }()
	if ch.spoiled || ch.channel.IsClosed() {
		fresh, err := newConfirmed(o.conn)
		if err != nil {
			return err
		}
		ch = fresh
	}
	return ch.publish(ctx, o, messages)
}
