package opencti

import (
	"context"
	"log/slog"
	"net"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/enrichgate/enrichgate/enrich"
)

// Protocols of listening and of handing results over.
const (
	ProtocolAMQP = "amqp"
	ProtocolAPI  = "api"
)

// Config of a Connector.
type Config struct {
	// ID, Name and Scope as registered. Of several connectors of one process
	// each has an ID and a Name of its own; the name is a metric label.
	ID, Name string
	Scope    []string
	// Version is ours, which the platform shows; empty is not said.
	Version string
	// Auto asks the platform to send entities by itself, AutoUpdate also on change.
	Auto, AutoUpdate, OnlyContextual bool
	// EnrichmentResolution is "none" or "stix_bundle".
	EnrichmentResolution string

	// ListenProtocol is ProtocolAMQP, or ProtocolAPI to have the worker post
	// messages to us; then CallbackURI is the address as the worker sees it.
	ListenProtocol string
	CallbackURI    string
	Callback       CallbackConfig
	// QueueProtocol is ProtocolAMQP, or ProtocolAPI to hand results over by GraphQL.
	QueueProtocol string
	// Broker overrides what the registration says about RabbitMQ.
	Broker BrokerConfig
	// Output says where else results go; the zero value means to the worker alone.
	Output OutputConfig

	// Workers is how many messages are handled at the same time.
	Workers int
	// ShutdownTimeout bounds how long messages in hand may take to end when we are stopped.
	ShutdownTimeout time.Duration
	// LoopLimit is how often an entity may be sent to us automatically within
	// LoopWindow; what comes beyond is answered without work. Zero means
	// DefaultLoopLimit and DefaultLoopWindow, a negative limit none.
	LoopLimit  int
	LoopWindow time.Duration

	Client  *Client
	Journal *Journal
	// Handle takes a message from arrival to fate: enrich.Gateway.Handle.
	Handle func(context.Context, enrich.Message, enrich.Reporter) error
	// State, if set, is what the ping stores on the platform: a JSON document.
	// Without it the platform keeps what it has.
	State func() string
	// OnState, if set, is told what the platform has stored for us: at each
	// registration, before any message is taken, and when a ping finds that
	// somebody changed it. Empty means that nothing is known, not that nothing
	// was spent.
	// It is called once at a time.
	OnState    func(string)
	Log        *slog.Logger
	Registerer prometheus.Registerer

	// These replace the constants in tests.
	pingEvery, workPingEvery, watchQueueEvery, receivedAfter, returnPause time.Duration
	// dialer replaces the network's in tests.
	dialer func(ctx context.Context, network, address string) (net.Conn, error)
}
