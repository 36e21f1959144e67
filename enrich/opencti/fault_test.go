package opencti

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/Shopify/toxiproxy/v2"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/rs/zerolog"

	"github.com/enrichgate/enrichgate/enrich"
	"github.com/enrichgate/enrichgate/enrich/opencti/openctitest"
	"github.com/enrichgate/enrichgate/enrich/opencti/sandbox"
	"github.com/enrichgate/enrichgate/stixconv"
)

// recovery is how long a connector may need to be itself again.
const recovery = 30 * time.Second

// recovers fails the test when f takes longer than that.
func recovers(tb testing.TB, f func()) {
	tb.Helper()
	began := time.Now()
	f()
	if took := time.Since(began); took > recovery {
		tb.Errorf("recovery took %v", took)
	}
}

// burst asks about n hosts, beginning with the host first.
func (w *world) burst(connector string, first, n int) (works []string) {
	w.tb.Helper()
	for i := range n {
		works = append(works, w.ask(connector, host(first+i)))
	}
	return works
}

// A broker that is killed comes back with its queues, and then without.
func TestTheBrokerIsKilled(t *testing.T) {
	broker := openctitest.NewBroker(t)
	w := newWorld(t, openctitest.StartPlatform(t, sandbox.Options{AMQPURL: broker.URL()}))
	c := w.config("connector")
	w.run(c)
	ctx := openctitest.Context(t)
	if err := broker.Sync(ctx); err != nil {
		t.Fatal(err)
	}
	works := w.burst(c.ID, 0, 20)
	restart := func(between func() error) {
		if err := errors.Join(broker.Kill(), between(), broker.Restart(ctx)); err != nil {
			t.Fatal(err)
		}
	}
	restart(func() error { return nil })
	recovers(t, func() { w.done(append(works, w.burst(c.ID, 20, 5)...)...) })
	restart(broker.Forget)
	recovers(t, func() { w.done(w.burst(c.ID, 25, 5)...) })
	w.paidOnce(30)
	// A message that the broker had confirmed to nobody may come twice.
	openctitest.NoProblems(t, w.platform, sandbox.ErrDuplicateMessage, sandbox.ErrOverProcessed)
}

// A connection that swallows everything in silence is given up by its
// heartbeat, and what was in hand is not paid for again.
func TestAHalfOpenConnection(t *testing.T) {
	t.Parallel()
	broker := openctitest.TestBroker(t)
	w := newWorld(t, openctitest.StartPlatform(t, sandbox.Options{AMQPURL: broker.URL()}))
	u, err := url.Parse(broker.URL())
	if err != nil {
		t.Fatal(err)
	}
	server := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(prometheus.NewRegistry()), zerolog.Nop())
	proxy := toxiproxy.NewProxy(server, "broker", "127.0.0.1:0", u.Host)
	if err := proxy.Start(); err != nil {
		t.Fatal(err)
	}
	defer proxy.Stop()
	c := w.config("connector")
	host, port, _ := net.SplitHostPort(proxy.Listen)
	c.Broker.Host = host
	c.Broker.Port, _ = strconv.Atoi(port)
	c.Broker.Heartbeat = time.Second
	g, _ := w.run(c)
	entered, gate := make(chan struct{}, 1), make(chan struct{})
	w.provider.gate = func(string) { entered <- struct{}{}; <-gate }
	work := w.burst(c.ID, 0, 1)
	<-entered
	for _, stream := range []string{"upstream", "downstream"} {
		toxic := fmt.Sprintf(`{"name":%q,"type":"timeout","stream":%q,"attributes":{"timeout":0}}`, stream, stream)
		if _, err := proxy.Toxics.AddToxicJson(strings.NewReader(toxic)); err != nil {
			t.Fatal(err)
		}
	}
	openctitest.Eventually(t, func() bool { return g.Healthy() != nil }, "the silence is noticed")
	close(gate)
	proxy.Toxics.ResetToxics(t.Context())
	w.provider.mu.Lock()
	w.provider.gate = nil
	w.provider.mu.Unlock()
	recovers(t, func() { w.done(append(work, w.burst(c.ID, 1, 3)...)...) })
	w.paidOnce(4)
	openctitest.NoProblems(t, w.platform, sandbox.ErrDuplicateMessage)
}

// Results that no queue takes, or that the broker refuses, are offered again;
// nothing is given back, nothing is published twice.
func TestResultsAreRefused(t *testing.T) {
	t.Parallel()
	broker := openctitest.OwnBroker(t)
	prefix := openctitest.Prefix()
	w := newWorld(t, openctitest.StartPlatform(t, sandbox.Options{AMQPURL: broker.URL(), QueuePrefix: prefix}))
	c := w.config("connector")
	g, _ := w.run(c)
	ctx := openctitest.Context(t)
	if err := w.platform.UnbindPush(ctx, c.ID); err != nil {
		t.Fatal(err)
	}
	recovers(t, func() { w.done(w.burst(c.ID, 0, 3)...) })
	policy := func(args ...string) {
		if _, err := broker.Control(ctx, args...); err != nil {
			t.Fatal(err)
		}
	}
	policy("set_policy", prefix, "^"+prefix+"_push_", `{"max-length":0,"overflow":"reject-publish"}`, "--apply-to", "queues")
	works := w.burst(c.ID, 3, 3)
	openctitest.Eventually(t, func() bool { return g.Healthy() != nil }, "held results show")
	policy("clear_policy", prefix)
	recovers(t, func() { w.done(works...) })
	w.paidOnce(6)
	openctitest.NoProblems(t, w.platform)
	metrics := g.Connectors()[0].metrics
	if n := testutil.ToFloat64(metrics.messages.WithLabelValues(messageReturned)); n != 0 {
		t.Errorf("%v messages were given back", n)
	}
}

// A broker short of memory takes no results: nothing more is spent until it does.
func TestTheBrokerIsShortOfMemory(t *testing.T) {
	broker := openctitest.OwnBroker(t)
	w := newWorld(t, openctitest.StartPlatform(t, sandbox.Options{AMQPURL: broker.URL()}))
	c := w.config("connector")
	c.Workers = 2
	g, _ := w.run(c)
	ctx := openctitest.Context(t)
	alarm := func(watermark string) {
		if _, err := broker.Control(ctx, "set_vm_memory_high_watermark", watermark); err != nil {
			t.Fatal(err)
		}
	}
	w.done(w.burst(c.ID, 0, 1)...)
	// Held at the provider, so that all are queued before the broker is short.
	gate := make(chan struct{})
	w.provider.gate = func(string) { <-gate }
	works := w.burst(c.ID, 1, 10)
	alarm("0.000001")
	defer alarm("0.4")
	close(gate)
	blocked := g.Connectors()[0].metrics.blocked
	openctitest.Eventually(t, func() bool { return testutil.ToFloat64(blocked) == 1 }, "the broker says that it is short")
	before, _ := w.provider.bill()
	for range 20 { // what would be wrong needs a little time to happen
		<-time.After(50 * time.Millisecond)
	}
	if after, _ := w.provider.bill(); after > before || after > 1+2*2 {
		t.Errorf("%d calls when results could not leave, %d before", after, before)
	}
	alarm("0.4")
	recovers(t, func() { w.done(works...) })
	w.paidOnce(11)
	openctitest.NoProblems(t, w.platform)
}

// A message held longer than the broker allows comes again and costs nothing.
func TestTheBrokerTakesAMessageBack(t *testing.T) {
	broker := openctitest.OwnBroker(t)
	ctx := openctitest.Context(t)
	set := func(timeout, tick string) {
		_, err := broker.Control(ctx, "eval", "application:set_env(rabbit, consumer_timeout, "+timeout+"), application:set_env(rabbit, channel_tick_interval, "+tick+").")
		if err != nil {
			t.Fatal(err)
		}
	}
	set("1000", "500")
	defer set("1800000", "60000")
	w := newWorld(t, openctitest.StartPlatform(t, sandbox.Options{AMQPURL: broker.URL()}))
	c := w.config("connector")
	g, _ := w.run(c)
	gate := make(chan struct{})
	w.provider.gate = func(string) { <-gate }
	works := w.burst(c.ID, 0, 1)
	openctitest.Eventually(t, func() bool { n, _ := w.provider.bill(); return n == 1 }, "the call is made")
	reconnects := g.Connectors()[0].metrics.reconnects
	had := testutil.ToFloat64(reconnects)
	openctitest.Eventually(t, func() bool { return testutil.ToFloat64(reconnects) > had }, "the channel was closed")
	close(gate)
	recovers(t, func() { w.done(works...) })
	w.paidOnce(1)
	openctitest.NoProblems(t, w.platform)
}

// A quorum queue throws a message away that comes back too often; before that
// it is reported.
func TestAMessageThatNeverEnds(t *testing.T) {
	t.Parallel()
	broker := openctitest.TestBroker(t)
	w := newWorld(t, openctitest.StartPlatform(t, sandbox.Options{AMQPURL: broker.URL(), QueueType: "quorum"}))
	c := w.config("connector")
	c.returnPause = time.Millisecond
	var tries atomic.Int32
	c.Handle = func(ctx context.Context, m enrich.Message, to enrich.Reporter) error {
		if m.Problem == nil {
			tries.Add(1)
			return errors.New("not today")
		}
		return w.gateway.Handle(ctx, m, to)
	}
	w.run(c)
	work := w.ask(c.ID, host(0))
	k := w.ended(work)
	if len(k.Errors) != 1 || !strings.Contains(k.Errors[0], "given up") || tries.Load() != maxDeliveries {
		t.Errorf("after %d tries the work says %v", tries.Load(), k)
	}
}

// The platform fails at each step of the protocol, before the step has its
// effect and after it.
func TestThePlatformFailsAtEachStep(t *testing.T) {
	t.Parallel()
	for _, op := range []string{sandbox.OpRead, sandbox.OpBegin, sandbox.OpToProcessed, sandbox.OpToReceived, sandbox.OpStep, sandbox.OpPing, sandbox.OpRegister, sandbox.OpAbout} {
		for name, fault := range map[string]sandbox.Fault{
			"cut off before": {Drop: true}, "cut off after": {Drop: true, After: true}, "502": {Status: 502, Body: "<html>Bad gateway</html>"},
		} {
			t.Run(op+" "+name, func(t *testing.T) {
				t.Parallel()
				w := newWorld(t, openctitest.StartPlatform(t, sandbox.Options{AMQPURL: openctitest.TestBroker(t).URL()}))
				c := w.config("connector")
				if op == sandbox.OpToReceived {
					c.receivedAfter = time.Nanosecond
				}
				var left atomic.Int32
				left.Store(2)
				if fault.After || op == sandbox.OpToReceived {
					left.Store(1)
				}
				w.platform.Intercept(func(got string, _ map[string]any) sandbox.Fault {
					if got == op && left.Add(-1) >= 0 {
						return fault
					}
					return sandbox.Fault{}
				})
				w.run(c)
				w.platform.AddEntity(host(1))
				step, err := w.platform.Playbook(openctitest.Context(t), host(1).ID)
				if err != nil {
					t.Fatal(err)
				}
				recovers(t, func() {
					w.done(w.ask(c.ID, host(0)))
					if _, err := w.platform.WaitStep(openctitest.Context(t), step); err != nil {
						t.Error(err)
					}
				})
				w.paidOnce(2)
				openctitest.Eventually(t, func() bool { return left.Load() <= 0 }, op+" is called")
				openctitest.NoProblems(t, w.platform)
			})
		}
	}
}

// Stopped with 64 messages in hand, a connector gives back what does not end in
// time; the next one pays for none of it again.
func TestStoppedInTheMiddle(t *testing.T) {
	t.Parallel()
	w := newWorld(t, openctitest.StartPlatform(t, sandbox.Options{AMQPURL: openctitest.TestBroker(t).URL()}))
	c := w.config("connector")
	c.Workers, c.ShutdownTimeout = 64, 300*time.Millisecond
	gate := make(chan struct{})
	w.provider.gate = func(string) { <-gate }
	_, stop := w.run(c)
	works := w.burst(c.ID, 0, 64)
	openctitest.Eventually(t, func() bool { n, _ := w.provider.bill(); return n == 32 }, "as many calls as a source has at a time are under way")
	began := time.Now()
	stop()
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("stopping took %v", took)
	}
	close(gate)
	c.Registerer = prometheus.NewRegistry()
	w.run(c)
	recovers(t, func() { w.done(works...) })
	w.paidOnce(64)
	openctitest.NoProblems(t, w.platform)
}

// A result that is too large for the broker costs itself alone, whether we know
// the limit or learn it.
func TestAResultIsTooLarge(t *testing.T) {
	broker := openctitest.OwnBroker(t)
	ctx := openctitest.Context(t)
	limit := func(bytes string) {
		_, err := broker.Control(ctx, "eval", "application:set_env(rabbit, max_message_size, "+bytes+"), persistent_term:put(max_message_size, "+bytes+").")
		if err != nil {
			t.Fatal(err)
		}
	}
	limit("1048576")
	defer limit("134217728")
	for name, size := range map[string]int{"more than any broker takes": 13 << 20, "more than this broker takes": 2 << 20} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, openctitest.StartPlatform(t, sandbox.Options{AMQPURL: broker.URL()}))
			w.provider.facts = func(string) stixconv.Facts {
				score := 70
				return stixconv.Facts{Score: &score, Note: strings.Repeat("x", size), Related: []stixconv.Related{
					{Relationship: "resolves-to", Thing: stixconv.Thing{Type: "ipv4-addr", Value: "198.51.100.7"}}}}
			}
			c := w.config("connector")
			g, _ := w.run(c)
			reconnects := g.Connectors()[0].metrics.reconnects
			had := testutil.ToFloat64(reconnects)
			k := w.ended(w.ask(c.ID, host(0)))
			said := strings.Join(k.Errors, " ")
			if !strings.Contains(said, "note--") || !strings.Contains(said, "left out") || len(said) > 400 {
				t.Errorf("the work says %q", said)
			}
			if k.Expected != k.Processed || k.Expected < 3 {
				t.Errorf("%v", k)
			}
			if now := testutil.ToFloat64(reconnects); now != had {
				t.Errorf("%v connections were lost over it", now-had)
			}
			w.paidOnce(1)
			openctitest.NoProblems(t, w.platform)
		})
	}
}

// recorder keeps what a handler is given.
type recorder struct {
	mu  sync.Mutex
	got []enrich.Message
}

func (r *recorder) handle(ctx context.Context, m enrich.Message, to enrich.Reporter) error {
	r.mu.Lock()
	r.got = append(r.got, m)
	r.mu.Unlock()
	return errors.Join(to.Received(ctx), to.Processed(ctx, "done", m.Problem != nil))
}

func (r *recorder) all() []enrich.Message {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]enrich.Message(nil), r.got...)
}
