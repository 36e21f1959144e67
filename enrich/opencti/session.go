package opencti

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

// sessions keeps connections to the broker until ctx ends. The library's own
// recovery is not used: its delivery tags start again at 1, and a late
// acknowledgement would take another message.
func (c *Connector) sessions(ctx context.Context) {
	for n := 0; ctx.Err() == nil; n++ {
		began := time.Now()
		err := c.session(ctx)
		c.setListening(false)
		if ctx.Err() != nil {
			return
		}
		if time.Since(began) > time.Minute {
			n = 0
		}
		if errors.Is(err, errChanged) {
			c.log.Info("RabbitMQ is connected to anew", "reason", err.Error())
			n = -1
			continue
		}
		c.log.Error("RabbitMQ connection lost, connecting again", "error", err)
		if sleep(ctx, pauseAfter(n)) != nil {
			return
		}
		c.followPlatform(ctx)
	}
}

// watchQueueEvery is how often RabbitMQ is asked how many messages wait.
const watchQueueEvery = 15 * time.Second

const (
	// reregisterPause keeps a broker that stays away from making us register all the time.
	reregisterPause = 10 * time.Second
	// reregisterPatience: the platform may be away as the broker is.
	reregisterPatience = 5 * time.Second
)

var (
	errChanged = errors.New("the registration names other queues or another broker")
	errRefused = errors.New("OpenCTI refuses the token")
)

// followPlatform registers again before the next connection: the queue may be
// gone, the password changed, the broker moved. While the token is refused there
// is nothing else to do, and no message is taken.
func (c *Connector) followPlatform(ctx context.Context) {
	if c.refused.Load() {
		_ = c.retryForever(ctx, "Connector could not be registered", func() error { return c.register(ctx) })
		return
	}
	if err := c.registerAgain(ctx, reregisterPause, reregisterPatience); err != nil && ctx.Err() == nil {
		c.log.Warn("Connector could not be registered again; what is known of RabbitMQ is tried", "error", err)
	}
}

// session consumes the listen queue until one of its connections ends. Messages
// arrive over one connection and results leave over another, because the broker
// stops reading from those who publish when it runs out of memory or disk, and
// would not see acknowledgements either.
func (c *Connector) session(ctx context.Context) error {
	reg, changed := c.registration(), c.changed()
	c.log.Info("ListenQueue connecting to RabbitMQ.", "host", reg.Broker.Host, "port", reg.Broker.Port, "queue", reg.Listen)
	// The handlers of this session end with it; what they paid for is in the
	// cache, and their messages come again.
	work, stopWork := context.WithCancel(context.WithoutCancel(ctx))
	taking, stopTaking := context.WithCancel(ctx)
	var handlers crew
	defer func() {
		stopTaking()
		stopWork()
		handlers.near.Wait()
	}()
	out, err := c.openOutlet(ctx, reg)
	if err != nil {
		return err
	}
	defer out.close()
	c.outlet.Store(out)
	defer c.outlet.Store(nil)
	conn, err := c.dial(ctx, reg, "listens")
	if err != nil {
		return err
	}
	var watching sync.WaitGroup
	defer watching.Wait()                                                  // it ends with the connection
	defer func() { _ = conn.CloseDeadline(time.Now().Add(dialTimeout)) }() // already closed when the broker went away
	closed := conn.NotifyClose(make(chan *amqp.Error, 1))
	in, err := conn.Channel()
	if err != nil {
		return fmt.Errorf("opening a channel: %w", err)
	}
	if err := in.Qos(c.cfg.Workers, 0, false); err != nil {
		return fmt.Errorf("setting the prefetch count: %w", err)
	}
	inClosed := in.NotifyClose(make(chan *amqp.Error, 1))
	cancelled := in.NotifyCancel(make(chan string, 1))
	tag := "enrichgate-" + c.cfg.ID
	deliveries, err := in.Consume(reg.Listen, tag, false, false, false, false, nil)
	if err != nil {
		return fmt.Errorf("consuming %s: %w", reg.Listen, err)
	}
	if c.setListening(true); c.listened.Swap(true) {
		c.metrics.reconnects.Inc()
	}
	watching.Go(func() { c.watchQueue(conn, reg.Listen) })
	handlers.Go(func(func()) { c.resume(taking, work, out) })
	giveUp := func() {
		stopWork()
		out.close() // a broker that is short of memory may hold up a writer
	}
	refusals := time.NewTicker(time.Second)
	defer refusals.Stop()
	for {
		// Nothing is begun, and so nothing spent, while results could not leave.
		next := deliveries
		if out.isBlocked() {
			next = nil
		}
		select {
		case d, ok := <-next:
			if !ok {
				deliveries = nil // one of the notices below says why
				continue
			}
			handlers.Go(func(leave func()) { c.handle(work, d, out, leave) })
		case <-out.blocking:
			c.noteBlocked(out)
		case err := <-closed:
			return reason(err, "the broker closed the connection")
		case err := <-out.closed:
			return reason(err, "the broker closed the publishing connection")
		case err := <-inClosed:
			return reason(err, "the broker closed the channel")
		case <-cancelled:
			return errors.New("the broker cancelled the consumer: the queue is gone")
		case <-refusals.C:
			if c.refused.Load() {
				stopTaking()
				c.drain(in, tag, deliveries, &handlers, giveUp)
				return errRefused
			}
		case <-changed:
			stopTaking()
			c.drain(in, tag, deliveries, &handlers, giveUp)
			return errChanged
		case <-ctx.Done():
			c.drain(in, tag, deliveries, &handlers, giveUp)
			return nil
		}
	}
}

// watchQueue asks how many messages wait, over a channel of its own: one on
// which something is refused is closed. It ends with the connection.
func (c *Connector) watchQueue(conn *amqp.Connection, queue string) {
	closed := conn.NotifyClose(make(chan *amqp.Error, 1))
	tick := time.NewTicker(c.cfg.watchQueueEvery)
	defer tick.Stop()
	var ch *amqp.Channel
	for {
		var err error
		if ch == nil {
			ch, err = conn.Channel()
		}
		if err == nil {
			var q amqp.Queue
			if q, err = ch.QueueDeclarePassive(queue, true, false, false, false, nil); err == nil {
				c.waiting.Store(int64(q.Messages))
			}
		}
		if err != nil {
			ch = nil // the queue's node may be away for a moment: another time
			c.log.Debug("RabbitMQ does not say how many messages wait", "error", err)
		}
		select {
		case <-tick.C:
		case <-closed:
			return
		}
	}
}

func (c *Connector) noteBlocked(out *outlet) {
	if out.isBlocked() {
		c.log.Error("RabbitMQ takes no messages for now: it is short of memory or disk; none are begun until it does", "reason", out.blockedBy())
		return
	}
	c.log.Info("RabbitMQ takes messages again")
}

// drain stops taking messages, lets those in hand end, and gives back the rest.
func (c *Connector) drain(in *amqp.Channel, tag string, deliveries <-chan amqp.Delivery, handlers *crew, giveUp func()) {
	c.setListening(false)
	if err := in.Cancel(tag, false); err == nil && deliveries != nil {
		for d := range deliveries { // closed by Cancel
			if err := d.Nack(false, true); err != nil {
				break
			}
		}
	}
	done := make(chan struct{})
	go func() {
		handlers.all.Wait()
		close(done)
	}()
	timer := time.NewTimer(c.cfg.ShutdownTimeout)
	defer timer.Stop()
	select {
	case <-done:
	case <-timer.C:
		c.log.Warn("messages in hand did not end in time and are given back", "timeout", c.cfg.ShutdownTimeout.String())
		giveUp()
		handlers.near.Wait()
	}
}

func reason(err *amqp.Error, otherwise string) error {
	if err == nil {
		return errors.New(otherwise)
	}
	return err
}
