package sandbox

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"sync"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

const (
	minBackoff     = 20 * time.Millisecond
	maxBackoff     = 300 * time.Millisecond
	confirmTimeout = 5 * time.Second
	declareTimeout = 2 * time.Second
)

var errUnroutable = errors.New("no queue took the message")

// session is one connection to the broker. It is replaced, not repaired, when
// the connection is lost.
type session struct {
	p    *Platform
	conn *amqp.Connection
	wg   sync.WaitGroup // its consumers

	idle chan *publisher // channels ready to publish

	mu        sync.Mutex
	consuming map[string]bool // by queue
}

// publisher is a channel in confirm mode. One message at a time, so that a
// return belongs to the message before its confirmation.
type publisher struct {
	ch      *amqp.Channel
	returns chan amqp.Return
}

// keepSession connects to the broker again and again until Close.
func (p *Platform) keepSession() {
	backoff := minBackoff
	for p.ctx.Err() == nil {
		s, err := p.dial()
		if err == nil {
			backoff = minBackoff
			err = p.runSession(s)
		}
		if err != nil {
			select {
			case <-time.After(backoff):
			case <-p.ctx.Done():
			}
			backoff = min(2*backoff, maxBackoff)
		}
	}
}

func (p *Platform) dial() (*session, error) {
	dialer := net.Dialer{Timeout: time.Second}
	conn, err := amqp.DialConfig(p.opt.AMQPURL, amqp.Config{
		Heartbeat:  10 * time.Second,
		Properties: amqp.Table{"connection_name": "sandbox"},
		Dial: func(network, addr string) (net.Conn, error) {
			c, err := dialer.DialContext(p.ctx, network, addr)
			if err != nil {
				return nil, err
			}
			// The library lifts the deadline once the connection is open.
			return c, c.SetDeadline(time.Now().Add(5 * time.Second))
		},
	})
	if err != nil {
		return nil, err
	}
	return &session{p: p, conn: conn, idle: make(chan *publisher, 8), consuming: map[string]bool{}}, nil
}

// runSession restores queues and consumers and stays until the connection ends.
func (p *Platform) runSession(s *session) error {
	lost := s.conn.NotifyClose(make(chan *amqp.Error, 1))
	var connectors []*connector
	p.update(func() {
		// A connector that registers from now on finds the session itself.
		p.session = s
		connectors = slices.Collect(maps.Values(p.connectors))
	})
	var err error
	for _, c := range connectors {
		if err = errors.Join(s.declare(c), s.consume(c)); err != nil {
			break
		}
	}
	if err == nil {
		select {
		case <-lost:
		case <-p.ctx.Done():
		}
	}
	p.update(func() { p.session = nil })
	_ = s.conn.CloseDeadline(time.Now().Add(time.Second))
	s.wg.Wait()
	return err
}

func (p *Platform) currentSession() *session {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.session
}

// waitSession waits for a connection to the broker.
func (p *Platform) waitSession(ctx context.Context) (s *session, err error) {
	err = p.Wait(ctx, func() bool {
		s = p.currentSession()
		return s != nil
	})
	if err != nil {
		return nil, fmt.Errorf("sandbox: waiting for the broker: %w", err)
	}
	return s, nil
}

// declare makes the connector's queues, if there is a broker.
func (p *Platform) declare(c *connector) error {
	if p.opt.AMQPURL == "" {
		return nil
	}
	ctx, cancel := context.WithTimeout(p.ctx, declareTimeout)
	defer cancel()
	s, err := p.waitSession(ctx)
	if err != nil {
		return err
	}
	return s.declare(c)
}

// consume starts the worker for the connector, if there is a broker.
func (p *Platform) consume(c *connector) {
	if s := p.currentSession(); s != nil {
		_ = s.consume(c) // a broken session is replaced, and its consumers with it
	}
}

// withChannel runs fn on a channel of its own: a failure closes it.
func (s *session) withChannel(fn func(*amqp.Channel) error) error {
	ch, err := s.conn.Channel()
	if err != nil {
		return err
	}
	defer func() { _ = ch.Close() }()
	return fn(ch)
}

func (s *session) declare(c *connector) error {
	scope := make([]any, len(c.Scope))
	for i := range c.Scope {
		scope[i] = c.Scope[i]
	}
	args := amqp.Table{
		"name":         c.Name,
		"config":       amqp.Table{"id": c.ID, "type": c.Type, "scope": scope},
		"x-queue-type": cmp.Or(s.p.opt.QueueType, "classic"),
	}
	n := c.names
	return s.withChannel(func(ch *amqp.Channel) error {
		for _, d := range [][3]string{{n.listenExchange, n.listen, n.listenRouting}, {n.pushExchange, n.push, n.pushRouting}} {
			if err := ch.ExchangeDeclare(d[0], amqp.ExchangeDirect, true, false, false, false, nil); err != nil {
				return err
			}
			if _, err := ch.QueueDeclare(d[1], true, false, false, false, args); err != nil {
				return err
			}
			if err := ch.QueueBind(d[1], d[2], d[0], false, nil); err != nil {
				return err
			}
		}
		return nil
	})
}

// consume starts the worker on the push queue and, for a connector with a
// callback address, the poster on the listen queue.
func (s *session) consume(c *connector) error {
	p := s.p
	p.mu.Lock() // a registration that comes again replaces what is read here
	id, callback := c.ID, c.ListenCallbackURI
	p.mu.Unlock()
	if err := s.start(c.names.push, 64, func(d <-chan amqp.Delivery) { p.importDeliveries(id, d) }); err != nil {
		return err
	}
	if callback == "" {
		return nil
	}
	return s.start(c.names.listen, p.opt.CallbackWorkers, func(d <-chan amqp.Delivery) { p.postDeliveries(c, d) })
}

func (s *session) start(queue string, prefetch int, run func(<-chan amqp.Delivery)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.consuming[queue] {
		return nil
	}
	ch, err := s.conn.Channel()
	if err != nil {
		return err
	}
	if err := ch.Qos(prefetch, 0, false); err != nil {
		return err
	}
	deliveries, err := ch.Consume(queue, "", false, false, false, false, nil)
	if err != nil {
		return err
	}
	s.consuming[queue] = true
	s.wg.Go(func() {
		run(deliveries)
		_ = ch.Close()
		s.mu.Lock()
		defer s.mu.Unlock()
		s.consuming[queue] = false // the queue was deleted; the next ping starts over
	})
	return nil
}

// publish sends to the listen queue until the broker has confirmed or ctx ends.
func (p *Platform) publish(ctx context.Context, c *connector, body []byte, counted func()) error {
	for {
		s, err := p.waitSession(ctx)
		if err != nil {
			return err
		}
		p.update(counted)
		err = s.publish(ctx, c.names.listenExchange, c.names.listenRouting, body)
		if err == nil {
			return nil
		}
		if errors.Is(err, errUnroutable) {
			_ = s.declare(c)
		}
		select {
		case <-time.After(minBackoff):
		case <-ctx.Done():
			return fmt.Errorf("sandbox: publish: %w (last: %w)", ctx.Err(), err)
		case <-p.ctx.Done():
			return ErrClosed
		}
	}
}

func (s *session) publish(ctx context.Context, exchange, key string, body []byte) error {
	pub, err := s.publisher()
	if err != nil {
		return err
	}
	if err := pub.publish(ctx, exchange, key, body); err != nil {
		_ = pub.ch.Close()
		return err
	}
	select {
	case s.idle <- pub:
	default:
		_ = pub.ch.Close()
	}
	return nil
}

func (s *session) publisher() (*publisher, error) {
	select {
	case pub := <-s.idle:
		return pub, nil
	default:
	}
	ch, err := s.conn.Channel()
	if err != nil {
		return nil, err
	}
	if err := ch.Confirm(false); err != nil {
		return nil, err
	}
	return &publisher{ch, ch.NotifyReturn(make(chan amqp.Return, 1))}, nil
}

func (pub *publisher) publish(ctx context.Context, exchange, key string, body []byte) error {
	ctx, cancel := context.WithTimeout(ctx, confirmTimeout)
	defer cancel()
	confirm, err := pub.ch.PublishWithDeferredConfirmWithContext(ctx, exchange, key, true, false,
		amqp.Publishing{DeliveryMode: amqp.Persistent, Body: body})
	if err != nil {
		return err
	}
	ack, err := confirm.WaitContext(ctx)
	switch {
	case err != nil:
		return err
	case !ack:
		return errors.New("the broker refused the message")
	}
	select {
	case _, open := <-pub.returns:
		if open {
			return errUnroutable
		}
	default:
	}
	return nil
}

func (s *session) purge(queues ...string) error {
	return s.withChannel(func(ch *amqp.Channel) error {
		for _, q := range queues {
			if _, err := ch.QueuePurge(q, false); err != nil {
				return err
			}
		}
		return nil
	})
}

// QueueDepth is the number of messages that wait, not counting those that were
// delivered and not yet acked, on both queues of the connector that registered
// last. Without a broker the push queue is always empty.
func (p *Platform) QueueDepth(ctx context.Context) (listen, push int, err error) {
	c, err := p.waitConnector(ctx, "")
	if err != nil {
		return 0, 0, err
	}
	if p.opt.AMQPURL == "" {
		p.mu.Lock()
		defer p.mu.Unlock()
		return len(c.queue), 0, nil
	}
	s, err := p.waitSession(ctx)
	if err != nil {
		return 0, 0, err
	}
	err = s.withChannel(func(ch *amqp.Channel) error {
		for queue, n := range map[string]*int{c.names.listen: &listen, c.names.push: &push} {
			q, err := ch.QueueDeclarePassive(queue, true, false, false, false, nil)
			if err != nil {
				return err
			}
			*n = q.Messages
		}
		return nil
	})
	return listen, push, err
}

// DeleteQueues removes the queues of all connectors from the broker, and with a
// QueuePrefix the exchanges too. Call it last; a ping declares them again.
func (p *Platform) DeleteQueues(ctx context.Context) error {
	if p.opt.AMQPURL == "" {
		return nil
	}
	s, err := p.waitSession(ctx)
	if err != nil {
		return err
	}
	p.mu.Lock()
	var all []names
	for _, c := range p.connectors {
		all = append(all, c.names)
	}
	p.mu.Unlock()
	return s.withChannel(func(ch *amqp.Channel) error {
		for _, n := range all {
			for _, q := range []string{n.listen, n.push} {
				if _, err := ch.QueueDelete(q, false, false, false); err != nil {
					return err
				}
			}
		}
		if p.opt.QueuePrefix == "" {
			return nil // other connectors may use the exchanges
		}
		n := p.namesOf("")
		return errors.Join(ch.ExchangeDelete(n.listenExchange, false, false), ch.ExchangeDelete(n.pushExchange, false, false))
	})
}
