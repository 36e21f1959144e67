package opencti

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// Connector is one registration with the platform.
type Connector struct {
	cfg     Config
	client  *Client
	journal *Journal
	lot     *lot
	now     func() time.Time
	log     *slog.Logger
	metrics *metrics
	loops   *loopGuard
	hands   hands
	who     *Who
	reader  *reader
	// hub shares the callback listeners of several connectors.
	hub *callbackHub

	reg atomic.Pointer[Registration]
	// mu guards renewed, which is closed and replaced when a registration brings
	// other queues or credentials, and registering.
	mu      sync.Mutex
	renewed chan struct{}
	// registering serializes registrations; it holds the time of the last.
	registering chan time.Time

	// pingSoon asks for a ping before its time.
	pingSoon chan struct{}
	// lastPing and lastMessage are unix nanoseconds: of the last good ping, and of
	// the last message.
	lastPing, lastMessage atomic.Int64
	// waiting messages are in the queue.
	waiting   atomic.Int64
	listening atomic.Bool
	// listened: it has listened to a queue before.
	listened atomic.Bool
	// refused: the platform does not let us in.
	refused atomic.Bool
	// holding counts messages whose results cannot be handed over just now.
	holding atomic.Int64
	// maxMessage is the broker's limit, as far as we know it.
	maxMessage atomic.Int64
	// proven is the largest message that it has taken.
	proven atomic.Int64
	// outlet is where results are published, nil while there is no connection.
	outlet atomic.Pointer[outlet]

	stateMu sync.Mutex
	// stored is the state that the platform has, sent back when Config.State is nil.
	stored string
}

// New builds a Connector. It talks to nobody yet.
func New(cfg Config) *Connector {
	cfg.pingEvery = cmp.Or(cfg.pingEvery, pingEvery)
	cfg.watchQueueEvery = cmp.Or(cfg.watchQueueEvery, watchQueueEvery)
	cfg.workPingEvery = cmp.Or(cfg.workPingEvery, workPingEvery)
	cfg.receivedAfter = cmp.Or(cfg.receivedAfter, receivedAfter)
	cfg.returnPause = cmp.Or(cfg.returnPause, returnPause)
	if cfg.dialer == nil {
		cfg.dialer = (&net.Dialer{Timeout: dialTimeout}).DialContext
	}
	c := &Connector{
		cfg: cfg, client: cfg.Client, journal: cfg.Journal, lot: newLot(cfg.Journal, cfg.ID), now: cfg.Journal.now, log: cfg.Log,
		renewed: make(chan struct{}), registering: make(chan time.Time, 1), pingSoon: make(chan struct{}, 1),
		hub: newCallbackHub(),
	}
	c.registering <- time.Time{}
	c.metrics = newMetrics(cfg.Registerer, c)
	c.loops = newLoopGuard(cfg.LoopLimit, cfg.LoopWindow)
	c.who = newWho(cfg.Client)
	c.reader = &reader{ask: c.once}
	c.maxMessage.Store(MaxMessage)
	c.proven.Store(provenMessage)
	return c
}

// ID and Name of the registration.
func (c *Connector) ID() string { return c.cfg.ID }

// Name is the connector's name, as registered.
func (c *Connector) Name() string { return c.cfg.Name }

// Who finds out who asked, for those who show it later.
func (c *Connector) Who() *Who { return c.who }

// Run registers, pings and listens until ctx ends. It returns nil then; an
// error means that it cannot listen for messages on the address that it was given.
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
	defer c.sayLast(pingCtx)
	if c.cfg.ListenProtocol == ProtocolAPI {
		return c.serveCallback(ctx)
	}
	c.sessions(ctx)
	return nil
}

// lastPatience bounds how long a platform that is away keeps us from ending.
const lastPatience = 2 * time.Second

// sayLast tells the platform the state in which we end: it is what is known of
// the quota should our disk be lost.
func (c *Connector) sayLast(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, lastPatience)
	defer cancel()
	if err := c.ping(ctx); err != nil {
		c.log.Warn("OpenCTI was not told the state in which the connector ends", "error", err)
	}
}

// Healthy says what keeps the connector from its work, nil when nothing does.
func (c *Connector) Healthy() error {
	return c.State().Err()
}

// State is how a connector is, for those who show it.
type State struct {
	Name string
	// Platform is why OpenCTI cannot be worked with, Messages why none are taken
	// or their results do not leave; nil when all is well.
	Platform, Messages error
	// LastPing is when OpenCTI last answered one, LastMessage when the last
	// message came; zero before the first.
	LastPing, LastMessage time.Time
	// Waiting messages are in the queue, as RabbitMQ last said; Parked ones wait
	// on disk for their quota.
	Waiting, Parked int
}

// Err is what keeps it from its work; nil when nothing does.
func (s State) Err() error { return cmp.Or(s.Platform, s.Messages) }

// State is how it is now.
func (c *Connector) State() State {
	s := State{
		Name: c.Name(), LastPing: at(c.lastPing.Load()), LastMessage: at(c.lastMessage.Load()),
		Waiting: int(c.waiting.Load()), Parked: c.lot.size(),
	}
	switch {
	case c.reg.Load() == nil:
		s.Platform = errors.New("not registered with OpenCTI")
	case c.refused.Load():
		s.Platform = errors.New("OpenCTI refuses the token")
	case time.Since(s.LastPing) > 3*c.cfg.pingEvery:
		s.Platform = errors.New("OpenCTI does not answer pings")
	}
	switch {
	case !c.listening.Load():
		s.Messages = errors.New("not listening for messages")
	case c.blocked():
		s.Messages = errors.New("RabbitMQ takes no results: it is short of memory or disk")
	case c.holding.Load() > 0:
		s.Messages = errors.New("results cannot be handed over")
	}
	return s
}

// blocked says that results cannot leave, and so nothing is begun.
func (c *Connector) blocked() bool {
	out := c.outlet.Load()
	return out != nil && out.isBlocked()
}

// at is the time of so many nanoseconds since 1970; zero of none.
func at(nanos int64) time.Time {
	if nanos == 0 {
		return time.Time{}
	}
	return time.Unix(0, nanos)
}

func (c *Connector) registration() *Registration { return c.reg.Load() }

func (c *Connector) setListening(yes bool) {
	c.listening.Store(yes)
	c.metrics.connected.set(yes)
}

// hold notes that results cannot be handed over, until the returned function is called.
func (c *Connector) hold() (done func()) {
	c.holding.Add(1)
	return func() { c.holding.Add(-1) }
}
