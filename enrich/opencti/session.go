package opencti

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"sync"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

// BrokerConfig overrides what the registration says about RabbitMQ: the
// platform often knows it by a name that only its own network resolves.
type BrokerConfig struct {
	Host, Vhost, User, Pass string
	Port                    int
	UseSSL                  *bool
	// CA, Cert and Key are paths or PEM text.
	CA, Cert, Key string
	// Insecure skips the check of the broker's certificate.
	Insecure bool
}

// over lays the overrides over the platform's word.
func (b BrokerConfig) over(a brokerAddress) brokerAddress {
	if b.Host != "" {
		a.Host = b.Host
	}
	if b.Vhost != "" {
		a.Vhost = b.Vhost
	}
	if b.User != "" {
		a.User = b.User
	}
	if b.Pass != "" {
		a.Pass = b.Pass
	}
	if b.Port != 0 {
		a.Port = b.Port
	}
	if b.UseSSL != nil {
		a.UseSSL = *b.UseSSL
	}
	return a
}

// tlsConfig is nil for a plain connection.
func (b BrokerConfig) tlsConfig(a brokerAddress) (*tls.Config, error) {
	if !a.UseSSL {
		return nil, nil
	}
	cfg := &tls.Config{ServerName: a.Host, MinVersion: tls.VersionTLS12, InsecureSkipVerify: b.Insecure} //nolint:gosec // the operator's explicit choice
	if b.CA != "" {
		pem, err := pemOf(b.CA)
		if err != nil {
			return nil, fmt.Errorf("MQ_USE_SSL_CA: %w", err)
		}
		cfg.RootCAs = x509.NewCertPool()
		if !cfg.RootCAs.AppendCertsFromPEM(pem) {
			return nil, errors.New("MQ_USE_SSL_CA holds no certificate")
		}
	}
	if b.Cert != "" {
		cert, err := pemOf(b.Cert)
		if err != nil {
			return nil, fmt.Errorf("MQ_USE_SSL_CERT: %w", err)
		}
		key, err := pemOf(b.Key)
		if err != nil {
			return nil, fmt.Errorf("MQ_USE_SSL_KEY: %w", err)
		}
		pair, err := tls.X509KeyPair(cert, key)
		if err != nil {
			return nil, fmt.Errorf("MQ_USE_SSL_CERT and MQ_USE_SSL_KEY: %w", err)
		}
		cfg.Certificates = []tls.Certificate{pair}
	}
	return cfg, nil
}

func pemOf(pathOrPEM string) ([]byte, error) {
	if strings.HasPrefix(strings.TrimSpace(pathOrPEM), "-----BEGIN") {
		return []byte(pathOrPEM), nil
	}
	return os.ReadFile(pathOrPEM)
}

const (
	heartbeat   = 10 * time.Second
	dialTimeout = 5 * time.Second
	// returnPause keeps a message that could not be finished from coming back
	// at once, again and again.
	returnPause = 2 * time.Second
)

// sessions keeps a connection to the broker until ctx ends. The library's own
// recovery is not used: its delivery tags start again at 1, and a late
// acknowledgement would take another message.
func (c *Connector) sessions(ctx context.Context) {
	for n := 0; ctx.Err() == nil; n++ {
		began := time.Now()
		err := c.session(ctx)
		c.listening.Store(false)
		if ctx.Err() != nil {
			return
		}
		if time.Since(began) > time.Minute {
			n = 0
		}
		c.log.Error("RabbitMQ connection lost, connecting again", "error", err)
		if sleep(ctx, pauseAfter(n)) != nil {
			return
		}
	}
}

// session consumes the listen queue over one connection, and ends with it.
func (c *Connector) session(ctx context.Context) error {
	reg, changed := c.registration(), c.changed()
	tlsConfig, err := c.cfg.Broker.tlsConfig(reg.Broker)
	if err != nil {
		return err
	}
	c.log.Info("ListenQueue connecting to RabbitMQ.", "host", reg.Broker.Host, "port", reg.Broker.Port, "queue", reg.Listen)
	conn, err := amqp.DialConfig(reg.Broker.uri(), amqp.Config{
		Vhost: reg.Broker.Vhost, Heartbeat: heartbeat, TLSClientConfig: tlsConfig,
		SASL:       []amqp.Authentication{&amqp.PlainAuth{Username: reg.Broker.User, Password: reg.Broker.Pass}},
		Properties: amqp.Table{"connection_name": "enrichgate " + c.cfg.Name, "product": "enrichgate"},
		Dial: func(network, addr string) (net.Conn, error) {
			d := net.Dialer{Timeout: dialTimeout}
			conn, err := d.DialContext(ctx, network, addr)
			if err == nil {
				err = conn.SetDeadline(time.Now().Add(2 * dialTimeout)) // of the handshake; the library lifts it
			}
			return conn, err
		},
	})
	if err != nil {
		return fmt.Errorf("connecting to %s:%d: %w", reg.Broker.Host, reg.Broker.Port, err)
	}
	c.metrics.reconnects.Inc()
	// The handlers of this session end with it; what they paid for is in the
	// cache, and their messages come again.
	work, stopWork := context.WithCancel(context.WithoutCancel(ctx))
	taking, stopTaking := context.WithCancel(ctx)
	var handlers sync.WaitGroup
	defer func() {
		stopTaking()
		stopWork()
		handlers.Wait()
		_ = conn.Close() // already closed when the broker went away
	}()
	closed := conn.NotifyClose(make(chan *amqp.Error, 1))
	in, err := conn.Channel()
	if err != nil {
		return fmt.Errorf("opening a channel: %w", err)
	}
	out, err := newPublisherPool(conn, reg.Push)
	if err != nil {
		return err
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
	c.listening.Store(true)
	handlers.Go(func() { c.resume(taking, work, out) })
	for {
		select {
		case d, ok := <-deliveries:
			if !ok {
				deliveries = nil // one of the notices below says why
				continue
			}
			handlers.Go(func() { c.handle(work, d, out) })
		case err := <-closed:
			return reason(err, "the broker closed the connection")
		case err := <-inClosed:
			return reason(err, "the broker closed the channel")
		case <-cancelled:
			return errors.New("the broker cancelled the consumer: the queue is gone")
		case <-changed:
			stopTaking()
			c.drain(in, tag, deliveries, &handlers, stopWork)
			return errors.New("the registration names other queues or another broker")
		case <-ctx.Done():
			c.drain(in, tag, deliveries, &handlers, stopWork)
			return nil
		}
	}
}

// drain stops taking messages, lets those in hand end, and gives back the rest.
func (c *Connector) drain(in *amqp.Channel, tag string, deliveries <-chan amqp.Delivery, handlers *sync.WaitGroup, stopWork func()) {
	c.listening.Store(false)
	if err := in.Cancel(tag, false); err == nil {
		for d := range deliveries { // closed by Cancel
			if err := d.Nack(false, true); err != nil {
				break
			}
		}
	}
	done := make(chan struct{})
	go func() {
		handlers.Wait()
		close(done)
	}()
	timer := time.NewTimer(c.cfg.ShutdownTimeout)
	defer timer.Stop()
	select {
	case <-done:
	case <-timer.C:
		c.log.Warn("messages in hand did not end in time and are given back", "timeout", c.cfg.ShutdownTimeout.String())
		stopWork()
		<-done
	}
}

// handle consumes one delivery and settles it with the broker, last of all.
func (c *Connector) handle(ctx context.Context, d amqp.Delivery, p publisher) {
	how := delivered
	if d.Redelivered {
		how = redelivered
	}
	err := c.consumeSafely(ctx, d.Body, how, p)
	if err == nil {
		c.log.Debug("Message ack", "tag", d.DeliveryTag)
		if err := d.Ack(false); err != nil {
			c.log.Warn("a message was done but its acknowledgement was lost; it will come again", "error", err)
		}
		return
	}
	c.metrics.message(messageReturned)
	c.log.Warn("a message is given back and will come again", "error", err)
	_ = sleep(ctx, returnPause)
	if err := d.Nack(false, true); err != nil && !errors.Is(err, amqp.ErrClosed) {
		c.log.Warn("a message could not be given back", "error", err)
	}
}

// consumeSafely keeps one message's panic from the others.
func (c *Connector) consumeSafely(ctx context.Context, body []byte, how arrival, p publisher) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("handling the message panicked: %v", r)
		}
	}()
	return c.consume(ctx, body, how, p)
}

func (a brokerAddress) uri() string {
	scheme := "amqp"
	if a.UseSSL {
		scheme = "amqps"
	}
	return fmt.Sprintf("%s://%s", scheme, net.JoinHostPort(a.Host, fmt.Sprint(a.Port)))
}

func reason(err *amqp.Error, otherwise string) error {
	if err == nil {
		return errors.New(otherwise)
	}
	return err
}
