package sandbox

import (
	"context"

	amqp "github.com/rabbitmq/amqp091-go"
)

// DeleteQueue plays a connector's listen queue being lost: it is gone until
// somebody registers or pings.
func (p *Platform) DeleteQueue(ctx context.Context, connectorID string) error {
	c, err := p.waitConnector(ctx, connectorID)
	if err != nil {
		return err
	}
	s, err := p.waitSession(ctx)
	if err != nil {
		return err
	}
	return s.withChannel(func(ch *amqp.Channel) error {
		_, err := ch.QueueDelete(c.names.listen, false, false, false)
		return err
	})
}

// UnbindPush plays a connector's push queue losing its binding: what it
// publishes has no way to go until somebody registers or pings.
func (p *Platform) UnbindPush(ctx context.Context, connectorID string) error {
	c, err := p.waitConnector(ctx, connectorID)
	if err != nil {
		return err
	}
	s, err := p.waitSession(ctx)
	if err != nil {
		return err
	}
	return s.withChannel(func(ch *amqp.Channel) error {
		return ch.QueueUnbind(c.names.push, c.names.pushRouting, c.names.pushExchange, nil)
	})
}
