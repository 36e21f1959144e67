package opencti

import (
	"context"
	"errors"
	"net"
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/enrichgate/enrichgate/enrich/opencti/openctitest"
	"github.com/enrichgate/enrichgate/enrich/opencti/sandbox"
)

// What the platform keeps for a connector, such as the ledger's totals, is taken
// over before any message can come: until then nobody connects to the broker,
func TestStateComesBeforeTheBroker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		taken := make(chan struct{})
		var dials atomic.Int32
		c := newPaper().connector(t, func(c *Config) {
			c.OnState = func(string) { <-taken }
			c.dialer = func(context.Context, string, string) (net.Conn, error) {
				dials.Add(1)
				return nil, errors.New("not today")
			}
		})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- c.Run(ctx) }()
		<-time.After(time.Hour)
		if n := dials.Load(); n > 0 || c.Healthy() == nil {
			t.Errorf("%d connections before the state is known", n)
		}
		close(taken)
		<-time.After(time.Second)
		if dials.Load() == 0 {
			t.Error("nobody connects afterwards")
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// and nobody listens for what is posted.
func TestStateComesBeforeTheCallback(t *testing.T) {
	address := freeAddress(t)
	asked, taken := make(chan struct{}), make(chan struct{})
	c := newPaper().connector(t, func(c *Config) {
		c.ListenProtocol, c.QueueProtocol, c.Callback = ProtocolAPI, ProtocolAPI, CallbackConfig{Listen: address, Path: "/"}
		c.OnState = func(string) {
			select {
			case asked <- struct{}{}:
				<-taken
			case <-taken: // each time but the first
			}
		}
	})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- c.Run(ctx) }()
	listens := func() bool {
		conn, err := net.Dial("tcp", address)
		if err == nil {
			_ = conn.Close()
		}
		return err == nil
	}
	<-asked
	if listens() || c.Healthy() == nil {
		t.Error("it listens before the state is known")
	}
	close(taken)
	openctitest.Eventually(t, listens, "it listens afterwards")
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// Connectors that were stopped leave nothing running, however they listened.
// Not in parallel with others, whose goroutines would count.
func TestNothingIsLeftRunning(t *testing.T) {
	w := newWorld(t, openctitest.StartPlatform(t, sandbox.Options{AMQPURL: openctitest.TestBroker(t).URL(), CallbackDelay: time.Millisecond}))
	transport := http.DefaultTransport.(*http.Transport).Clone()
	client := NewClient(ClientConfig{URL: w.platform.URL(), Token: w.platform.Token(), HTTP: &http.Client{Transport: transport}})
	fromBroker, posted := w.config("from the broker"), w.config("posted")
	address := freeAddress(t)
	posted.ListenProtocol, posted.CallbackURI = ProtocolAPI, "http://"+address+"/api/callback"
	posted.Callback = CallbackConfig{Listen: address, Path: "/api/callback"}
	fromBroker.Client, posted.Client = client, client
	var before goleak.Option
	for n := range 2 {
		fromBroker.Registerer, posted.Registerer = freshRegistry(), freshRegistry()
		_, stop := w.run(fromBroker, posted)
		w.done(w.ask(fromBroker.ID, host(2*n)), w.ask(posted.ID, host(2*n+1)))
		stop()
		transport.CloseIdleConnections()
		if n == 0 {
			before = goleak.IgnoreCurrent() // the platform serves a connector from its first registration on
		}
	}
	goleak.VerifyNone(t, before)
}

// A platform is told no more about us than its version understands.
func TestRegistrationByVersion(t *testing.T) {
	for _, tt := range []struct {
		version string
		keys    int
	}{{"6.3.0", 7}, {"6.5.7", 8}, {"6.8.9", 10}, {"7.260817.0", 10}, {"7.261007.0", 10}, {"7.261008.0", 12}} {
		c := newPaper().connector(t, func(c *Config) { c.Version = "1.2.3" })
		in := c.registerInput(parseVersion(tt.version))
		if len(in) != tt.keys || (tt.keys == 12) != (in["version"] == "1.2.3" && in["slug"] == Slug) {
			t.Errorf("%s is told %v", tt.version, in)
		}
		p, err := sandbox.Start(sandbox.Options{Version: tt.version})
		if err != nil {
			t.Fatal(err)
		}
		client := NewClient(ClientConfig{URL: p.URL(), Token: p.Token()})
		if err := client.Do(t.Context(), opRegister(parseVersion(tt.version), false), map[string]any{"input": in}, "", nil); err != nil {
			t.Errorf("%s: %v", tt.version, err)
		}
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	}
}
