package opencti

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

// BrokerConfig overrides what the registration says about RabbitMQ: the
// platform often knows it by a name that only its own network resolves.
type BrokerConfig struct {
	Host, Vhost, User, Pass string
	Port                    int
	UseSSL                  *bool
	// CA, Cert and Key are paths or PEM text. Passphrase opens an encrypted Key.
	CA, Cert, Key, Passphrase string
	// Insecure skips the check of the broker's certificate.
	Insecure bool
	// Heartbeat is how often both sides say that they are there; a connection
	// that is silent for twice as long is given up. Zero means 10 s.
	Heartbeat time.Duration
}

// over lays the overrides over the platform's word.
func (b BrokerConfig) over(a brokerAddress) brokerAddress {
	for _, o := range []struct {
		field *string
		value string
	}{{&a.Host, b.Host}, {&a.Vhost, b.Vhost}, {&a.User, b.User}, {&a.Pass, b.Pass}} {
		if o.value != "" {
			*o.field = o.value
		}
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
	var err error
	if b.CA != "" {
		if cfg.RootCAs, err = certPool(b.CA); err != nil {
			return nil, fmt.Errorf("MQ_USE_SSL_CA: %w", err)
		}
	}
	if b.Cert != "" {
		pair, err := keyPair(b.Cert, b.Key, b.Passphrase)
		if err != nil {
			return nil, fmt.Errorf("MQ_USE_SSL_CERT and MQ_USE_SSL_KEY: %w", err)
		}
		cfg.Certificates = []tls.Certificate{pair}
	}
	return cfg, nil
}

const (
	heartbeat   = 10 * time.Second
	dialTimeout = 5 * time.Second
)

// dial connects to the broker that the registration names. purpose is shown in
// the broker's list of connections.
func (c *Connector) dial(ctx context.Context, reg *Registration, purpose string) (*amqp.Connection, error) {
	tlsConfig, err := c.cfg.Broker.tlsConfig(reg.Broker)
	if err != nil {
		return nil, err
	}
	beat := c.cfg.Broker.Heartbeat
	if beat == 0 {
		beat = heartbeat
	}
	c.metrics.attempts.Inc()
	var wire *heard
	conn, err := amqp.DialConfig(reg.Broker.uri(), amqp.Config{
		Vhost: reg.Broker.Vhost, Heartbeat: beat,
		SASL:       []amqp.Authentication{&amqp.PlainAuth{Username: reg.Broker.User, Password: reg.Broker.Pass}},
		Properties: amqp.Table{"connection_name": "enrichgate " + c.cfg.Name + " " + purpose, "product": "enrichgate"},
		Dial: func(network, addr string) (net.Conn, error) {
			var err error
			wire, err = c.open(ctx, network, addr, tlsConfig)
			return wire, err
		},
	})
	if err != nil {
		return nil, fmt.Errorf("connecting to %s:%d: %w", reg.Broker.Host, reg.Broker.Port, wire.explain(err, tlsConfig))
	}
	return conn, nil
}

// open connects, over TLS if so configured.
func (c *Connector) open(ctx context.Context, network, addr string, tlsConfig *tls.Config) (*heard, error) {
	conn, err := c.cfg.dialer(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	err = conn.SetDeadline(time.Now().Add(2 * dialTimeout)) // of the handshake; the library lifts it
	if tlsConfig != nil && err == nil {
		client := tls.Client(conn, tlsConfig)
		err, conn = client.HandshakeContext(ctx), client
	}
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return &heard{Conn: conn}, nil
}

// uri has no scheme for TLS: that is done when it is dialled.
func (a brokerAddress) uri() string {
	return "amqp://" + net.JoinHostPort(a.Host, fmt.Sprint(a.Port))
}
