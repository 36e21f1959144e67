package sandbox

import (
	"cmp"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/google/uuid"
)

// Options say what kind of platform to play. The zero value is usable.
type Options struct {
	// Version is what about.version says; DefaultVersion when empty. Fields and
	// inputs that such a platform does not know are refused, and messages have its shape.
	Version string
	// Behaves, when set, is the version that is really played while Version is
	// only said: for a platform whose version a connector cannot read.
	Behaves string
	// Token is the connector's token; a random one when empty (see Platform.Token).
	Token string
	// Capabilities of the connector's user. Nil means those of OpenCTI's role
	// Connector. A missing one is answered by FORBIDDEN_ACCESS.
	Capabilities []string

	// AMQPURL is the broker. Empty means none: messages are held in memory and
	// posted to the connector's callback address.
	AMQPURL string
	// QueuePrefix is put before the names of queues and exchanges, with an underscore.
	QueuePrefix string

	// QueueType is "classic", the platform's default, or "quorum".
	QueueType string

	// Check, when set, judges every document; an error is answered by
	// GRAPHQL_VALIDATION_FAILED and recorded as a problem.
	Check func(query string, variables map[string]any) error

	// Listen is the address of the GraphQL server. Empty means a free port of the
	// loopback interface below the range from which systems take ports for
	// outgoing connections, so that nobody takes it during Stop.
	Listen string
	// Now replaces the clock for what the platform says about time; timeouts do not use it.
	Now func() time.Time

	// CallbackDelay is the wait before a refused callback is repeated; 200 ms when zero.
	CallbackDelay time.Duration
	// CallbackWorkers is how many callbacks are posted at a time; 3 when zero.
	CallbackWorkers int
	// ReferenceWait is how long an object waits for what it refers to; 2 s when zero.
	ReferenceWait time.Duration
}

// ErrClosed is returned by what waits when the platform is closed.
var ErrClosed = errors.New("sandbox: platform is closed")

// Platform is a running sandbox. Its methods may be called concurrently.
type Platform struct {
	opt     Options
	played  release
	missing []Gate
	userID  string

	ctx    context.Context // ends with Close
	cancel context.CancelFunc
	wg     sync.WaitGroup // all goroutines but the HTTP handlers
	client *http.Client   // posts callbacks

	serverMu sync.Mutex // serializes Stop, Resume and Close
	addr     string
	server   *http.Server // nil while stopped
	closed   bool

	mu      sync.Mutex
	changed chan struct{} // closed and replaced at every change
	session *session      // nil while the broker is away

	calls     []Call
	problems  []error
	intercept func(op string, variables map[string]any) Fault

	kid string
	key ed25519.PrivateKey

	entities   map[string]*Entity // by standard id and by internal id
	connectors map[string]*connector
	latest     *connector // the one that registered last
	registered []Registration
	pings      int
	drafts     map[string]bool // locked ones

	works      map[string]*work
	workOrder  []string
	executions map[string]*execution
	steps      map[string][]Step

	imported    map[string]json.RawMessage
	known       map[string]bool // ids that references may name
	seen        map[[32]byte]bool
	pushed      []PushMessage
	redelivered int
	callbacks   []Callback
	uploads     []Upload
	draftOrder  []string
}

// Start starts a platform. It does not wait for the broker.
func Start(opt Options) (*Platform, error) {
	opt.Version = cmp.Or(opt.Version, DefaultVersion)
	opt.Behaves = cmp.Or(opt.Behaves, opt.Version)
	opt.Token = cmp.Or(opt.Token, uuid.NewString())
	opt.CallbackDelay = cmp.Or(opt.CallbackDelay, 200*time.Millisecond)
	opt.CallbackWorkers = cmp.Or(opt.CallbackWorkers, 3)
	opt.ReferenceWait = cmp.Or(opt.ReferenceWait, 2*time.Second)
	if opt.Now == nil {
		opt.Now = time.Now
	}
	p := &Platform{
		opt:        opt,
		played:     parseRelease(opt.Behaves),
		missing:    Missing(opt.Behaves),
		userID:     uuid.NewString(),
		changed:    make(chan struct{}),
		client:     callbackClient(),
		entities:   map[string]*Entity{},
		connectors: map[string]*connector{},
		drafts:     map[string]bool{},
		works:      map[string]*work{},
		executions: map[string]*execution{},
		steps:      map[string][]Step{},
		imported:   map[string]json.RawMessage{},
		known:      knownFromStart(),
		seen:       map[[32]byte]bool{},
	}
	p.ctx, p.cancel = context.WithCancel(context.Background())
	if err := p.RotateKeys(); err != nil {
		return nil, err
	}
	ln, err := listen(opt.Listen)
	if err != nil {
		return nil, fmt.Errorf("sandbox: %w", err)
	}
	p.addr = ln.Addr().String()
	p.serve(ln)
	if opt.AMQPURL != "" {
		p.wg.Go(p.keepSession)
	}
	return p, nil
}

// listen takes addr, or a free port of our own choice.
func listen(addr string) (net.Listener, error) {
	if addr != "" {
		return net.Listen("tcp", addr)
	}
	for range 64 {
		ln, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", 20000+mathrand.IntN(12000)))
		if err == nil {
			return ln, nil
		}
	}
	return net.Listen("tcp", "127.0.0.1:0")
}

// RotateKeys makes a new key for callback tokens, as a changed encryption key
// does on a real platform. Connectors learn the new one by registering again.
func (p *Platform) RotateKeys() error {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return err
	}
	p.update(func() {
		p.key = key
		p.kid = fmt.Sprintf("%016x", mathrand.Uint64())
	})
	return nil
}

// URL is the platform's address, without /graphql.
func (p *Platform) URL() string { return "http://" + p.addr }

// Token is the token that the connector must send.
func (p *Platform) Token() string { return p.opt.Token }

// Stop plays an outage of the platform: nobody listens, open connections are
// cut. The worker goes on with what is queued.
func (p *Platform) Stop() {
	p.serverMu.Lock()
	defer p.serverMu.Unlock()
	p.stopServer()
}

func (p *Platform) stopServer() {
	if p.server != nil {
		_ = p.server.Close()
		p.server = nil
	}
}

// Resume ends the outage at the same address.
func (p *Platform) Resume() error {
	p.serverMu.Lock()
	defer p.serverMu.Unlock()
	if p.closed {
		return ErrClosed
	}
	if p.server != nil {
		return nil
	}
	ln, err := net.Listen("tcp", p.addr)
	for i := 0; err != nil && i < 100; i++ { // someone may hold the port for a moment
		time.Sleep(20 * time.Millisecond)
		ln, err = net.Listen("tcp", p.addr)
	}
	if err != nil {
		return fmt.Errorf("sandbox: resume: %w", err)
	}
	p.serve(ln)
	return nil
}

// serve starts the server; it is called by Start or under serverMu.
func (p *Platform) serve(ln net.Listener) {
	srv := &http.Server{
		Handler:           p.handler(),
		ReadHeaderTimeout: 10 * time.Second,
		BaseContext:       func(net.Listener) context.Context { return p.ctx },
	}
	p.server = srv
	p.wg.Go(func() { _ = srv.Serve(ln) })
}

// Close ends the platform and waits for its goroutines. Queues stay on the
// broker; DeleteQueues removes them.
func (p *Platform) Close() error {
	p.serverMu.Lock()
	p.closed = true
	p.cancel()
	p.stopServer()
	p.serverMu.Unlock()
	p.update(func() {})
	p.wg.Wait()
	p.client.CloseIdleConnections()
	return nil
}

// update runs fn under the lock and wakes everyone who waits for a change.
func (p *Platform) update(fn func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	fn()
	p.wakeLocked()
}

func (p *Platform) wakeLocked() {
	close(p.changed)
	p.changed = make(chan struct{})
}

func (p *Platform) nextChange() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.changed
}

// Wait returns when cond holds. It looks again whenever something changes in the
// platform, so cond should depend on the platform alone. It fails when ctx ends
// or the platform is closed.
func (p *Platform) Wait(ctx context.Context, cond func() bool) error {
	for {
		change := p.nextChange()
		if cond() {
			return nil
		}
		select {
		case <-change:
		case <-ctx.Done():
			return ctx.Err()
		case <-p.ctx.Done():
			return ErrClosed
		}
	}
}

// stamp writes a time as the platform does.
func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }
