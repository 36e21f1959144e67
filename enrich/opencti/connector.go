package opencti

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
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
	// ID, Name and Scope as registered.
	ID, Name string
	Scope    []string
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

	// Workers is how many messages are handled at the same time.
	Workers int
	// ShutdownTimeout bounds how long messages in hand may take to end when we are stopped.
	ShutdownTimeout time.Duration

	Client  *Client
	Journal *Journal
	// Handle takes a message from arrival to fate: enrich.Gateway.Handle.
	Handle func(context.Context, enrich.Message, enrich.Reporter) error
	// State, if set, is what the ping stores on the platform: JSON.
	State      func() string
	Log        *slog.Logger
	Registerer prometheus.Registerer
}

// Connector is one registration with the platform.
type Connector struct {
	cfg     Config
	client  *Client
	journal *Journal
	lot     *lot
	now     func() time.Time
	log     *slog.Logger
	metrics *metrics

	reg atomic.Pointer[Registration]
	// renewed is closed and replaced when a registration brings other queues or credentials.
	mu      sync.Mutex
	renewed chan struct{}

	lastPing  atomic.Int64 // unix nanoseconds of the last good ping
	listening atomic.Bool
}

// Registration is what the platform answers to a registration.
type Registration struct {
	UserID string
	// State is what the platform stored for us, a JSON document.
	State string
	// JWKS are the keys of those who post messages to us.
	JWKS   string
	Listen string
	Push   Route
	Broker brokerAddress
}

// Route is where results are published.
type Route struct{ Exchange, Key string }

type brokerAddress struct {
	Host   string `json:"host"`
	Vhost  string `json:"vhost"`
	UseSSL bool   `json:"use_ssl"`
	Port   int    `json:"port"`
	User   string `json:"user"`
	Pass   string `json:"pass"`
}

// New builds a Connector. It talks to nobody yet.
func New(cfg Config) *Connector {
	c := &Connector{
		cfg: cfg, client: cfg.Client, journal: cfg.Journal, lot: newLot(cfg.Journal, cfg.ID), now: cfg.Journal.now,
		log: cfg.Log, renewed: make(chan struct{}),
	}
	c.metrics = newMetrics(cfg.Registerer, c)
	return c
}

// Run registers, pings and listens until ctx ends. It returns nil then.
func (c *Connector) Run(ctx context.Context) error {
	if err := c.retryForever(ctx, "Connector could not be registered", func() error { return c.register(ctx) }); err != nil {
		return nil
	}
	var pinging sync.WaitGroup
	// The ping goes on while messages in hand come to their end.
	pingCtx, stopPing := context.WithCancel(context.WithoutCancel(ctx))
	pinging.Go(func() { c.pings(pingCtx) })
	defer pinging.Wait()
	defer stopPing()
	if c.cfg.ListenProtocol == ProtocolAPI {
		return c.serveCallback(ctx)
	}
	c.sessions(ctx)
	return nil
}

// Healthy says what keeps the connector from its work, nil when nothing does.
func (c *Connector) Healthy() error {
	switch {
	case c.reg.Load() == nil:
		return errors.New("not registered with OpenCTI")
	case !c.listening.Load():
		return errors.New("not listening for messages")
	case time.Since(time.Unix(0, c.lastPing.Load())) > 3*pingEvery:
		return errors.New("OpenCTI does not answer pings")
	}
	return nil
}

func (c *Connector) registration() *Registration { return c.reg.Load() }

// register registers with the platform and takes over what it says.
func (c *Connector) register(ctx context.Context) error {
	var health struct {
		About struct {
			Version string `json:"version"`
		} `json:"about"`
	}
	if err := c.client.Do(ctx, opHealth, map[string]any{}, "", &health); err != nil {
		return err
	}
	v := parseVersion(health.About.Version)
	var out struct {
		RegisterConnector *struct {
			ConnectorState  string `json:"connector_state"`
			ConnectorUserID string `json:"connector_user_id"`
			JWKS            string `json:"jwks"`
			Config          *struct {
				Connection   brokerAddress `json:"connection"`
				Listen       string        `json:"listen"`
				PushRouting  string        `json:"push_routing"`
				PushExchange string        `json:"push_exchange"`
			} `json:"config"`
		} `json:"registerConnector"`
	}
	if err := c.client.Do(ctx, opRegister(v), map[string]any{"input": c.registerInput(v)}, "", &out); err != nil {
		return err
	}
	r := out.RegisterConnector
	if r == nil || r.Config == nil {
		return &APIError{Operation: "RegisterConnector", Code: "UNEXPECTED_ANSWER", Message: "the answer has no configuration"}
	}
	reg := &Registration{
		UserID: r.ConnectorUserID, State: r.ConnectorState, JWKS: r.JWKS, Listen: r.Config.Listen,
		Push: Route{Exchange: r.Config.PushExchange, Key: r.Config.PushRouting}, Broker: c.cfg.Broker.over(r.Config.Connection),
	}
	old := c.reg.Swap(reg)
	c.lastPing.Store(time.Now().UnixNano())
	if old != nil && (old.Listen != reg.Listen || old.Push != reg.Push || old.Broker != reg.Broker) {
		c.mu.Lock()
		close(c.renewed)
		c.renewed = make(chan struct{})
		c.mu.Unlock()
	}
	c.log.Info("Connector registered with ID", "id", c.cfg.ID, "platform", health.About.Version)
	return nil
}

// changed is closed when a later registration says something else.
func (c *Connector) changed() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.renewed
}

// registerInput has only the keys that the version knows.
func (c *Connector) registerInput(v version) map[string]any {
	in := map[string]any{
		"id": c.cfg.ID, "name": c.cfg.Name, "type": "INTERNAL_ENRICHMENT", "scope": c.cfg.Scope,
		"auto": c.cfg.Auto, "only_contextual": c.cfg.OnlyContextual, "playbook_compatible": true,
	}
	if v.atLeast(6, 8, 9) {
		in["auto_update"] = c.cfg.AutoUpdate
		in["enrichment_resolution"] = c.cfg.EnrichmentResolution
	}
	if v.atLeast(6, 5, 7) {
		in["listen_callback_uri"] = nil
		if c.cfg.ListenProtocol == ProtocolAPI {
			in["listen_callback_uri"] = c.cfg.CallbackURI
		}
	}
	return in
}

// pingEvery is pycti's interval; the platform takes a connector for dead after
// five minutes without.
const pingEvery = 40 * time.Second

// pings keeps the platform's picture of us fresh.
func (c *Connector) pings(ctx context.Context) {
	failing := false
	for {
		err := c.ping(ctx)
		var api *APIError
		switch {
		case ctx.Err() != nil:
			return
		case errors.As(err, &api) && api.Code == "FUNCTIONAL_ERROR":
			// The platform does not know us any more: it was reset or restored.
			c.log.Warn("Connector is unknown to OpenCTI, registering again", "reason", api.Message)
			err = c.register(ctx)
		}
		if err != nil {
			failing = true
			c.metrics.pingErrors.Inc()
			c.log.Error("Error pinging the API", "error", err)
		} else {
			c.metrics.pings.Inc()
			c.lastPing.Store(time.Now().UnixNano())
			if failing {
				c.log.Info("API Ping back to normal")
			}
			failing = false
		}
		if sleep(ctx, pingEvery) != nil {
			return
		}
	}
}

func (c *Connector) ping(ctx context.Context) error {
	state := "null"
	if c.cfg.State != nil {
		state = c.cfg.State()
	}
	info := map[string]any{
		"run_and_terminate": false, "buffering": false, "queue_threshold": 500.0, "queue_messages_size": 0.0,
		"next_run_datetime": nil, "last_run_datetime": nil,
	}
	var out struct {
		PingConnector *struct {
			ConnectorState string `json:"connector_state"`
		} `json:"pingConnector"`
	}
	if err := c.client.Do(ctx, opPing, map[string]any{"id": c.cfg.ID, "state": state, "connectorInfo": info}, "", &out); err != nil {
		return err
	}
	if out.PingConnector == nil {
		return &APIError{Operation: opPing.name, Code: "FUNCTIONAL_ERROR", Message: "the platform knows no such connector"}
	}
	return nil
}

const (
	// retryFirst and retryMost frame the pauses between attempts.
	retryFirst = 250 * time.Millisecond
	retryMost  = 15 * time.Second
	// retryPatience bounds how long one operation of one message is tried. With
	// everything else that a message may wait for it stays below the 30 minutes
	// after which RabbitMQ takes a message back.
	retryPatience = 15 * time.Minute
)

// retry repeats f while the platform does not answer.
func (c *Connector) retry(ctx context.Context, f func() error) error {
	deadline := time.Now().Add(retryPatience)
	for n := 0; ; n++ {
		err := f()
		if err == nil || !transient(err) || time.Now().After(deadline) {
			return err
		}
		c.metrics.retries.Inc()
		if sleep(ctx, pauseAfter(n)) != nil {
			return err
		}
	}
}

// retryForever repeats f until it succeeds or ctx ends, whose error it returns.
func (c *Connector) retryForever(ctx context.Context, what string, f func() error) error {
	for n := 0; ; n++ {
		err := f()
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		c.log.Error(what, "error", err)
		if err := sleep(ctx, pauseAfter(n)); err != nil {
			return err
		}
	}
}

// pauseAfter doubles from retryFirst to retryMost, half of it by chance, so
// that many who failed together do not come back together.
func pauseAfter(n int) time.Duration {
	d := retryMost
	if n < 6 {
		d = retryFirst << n
	}
	return d/2 + rand.N(d/2)
}

// insist performs an operation that may be repeated, until the platform answers.
func (c *Connector) insist(ctx context.Context, op operation, variables map[string]any, draft string, out any) error {
	return c.retry(ctx, func() error { return c.once(ctx, op, variables, draft, out) })
}

// once performs an operation to its end: a request that left is not torn off by
// the end of a session, because then nobody would know whether it was performed.
func (c *Connector) once(ctx context.Context, op operation, variables map[string]any, draft string, out any) error {
	if err := ctx.Err(); err != nil {
		// Said like this, so that the journal does not take it for performed.
		return &unavailableError{operation: op.name, err: err}
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), requestTimeout)
	defer cancel()
	return c.client.Do(ctx, op, variables, draft, out)
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
