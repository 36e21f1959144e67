package openctitest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"sync"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/google/uuid"

	"github.com/enrichgate/enrichgate/enrich/opencti/sandbox"
)

// shared is the node of this test binary.
var shared struct {
	mu     sync.Mutex
	asked  bool
	broker *Broker
	err    error
	dir    string // to remove
}

// Main runs the tests and stops the node that TestBroker may have started. Call
// it from TestMain.
func Main(m *testing.M) int {
	code := m.Run()
	shared.mu.Lock()
	defer shared.mu.Unlock()
	if shared.dir == "" {
		return code
	}
	var err error
	if shared.broker != nil {
		err = shared.broker.Stop()
	}
	if err := errors.Join(err, os.RemoveAll(shared.dir)); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return max(code, 1)
	}
	return code
}

// TestBroker returns the broker that all tests of the binary share: the one of
// AMQP_URL, or a private node. It skips the test with -short and when there is no
// broker, but fails it then if CI=true.
func TestBroker(tb testing.TB) *Broker {
	tb.Helper()
	b := external(tb)
	if b != nil {
		return b
	}
	shared.mu.Lock()
	defer shared.mu.Unlock()
	if !shared.asked {
		shared.asked = true
		shared.broker, shared.err = startShared()
	}
	if shared.err != nil {
		unavailable(tb, shared.err)
	}
	return shared.broker
}

// OwnBroker is TestBroker for tests that control the node. It skips where
// AMQP_URL names the broker.
func OwnBroker(tb testing.TB) *Broker {
	tb.Helper()
	b := TestBroker(tb)
	if b.dir == "" {
		tb.Skip("SKIPPED, NOT TESTED: the broker of AMQP_URL is not ours to control")
	}
	return b
}

func startShared() (*Broker, error) {
	if _, err := serverScript(); err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "openctitest-")
	if err != nil {
		return nil, err
	}
	shared.dir = dir
	return StartBroker(dir)
}

// NewBroker starts a private node for one test, which may kill it. It skips like
// TestBroker, and also when AMQP_URL is set but RabbitMQ is not installed.
func NewBroker(tb testing.TB) *Broker {
	tb.Helper()
	skipShort(tb)
	// Not tb.TempDir: it would fail the test on a file that the dying node still writes.
	dir, err := os.MkdirTemp("", "openctitest-")
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = os.RemoveAll(dir) })
	b, err := StartBroker(dir)
	if err != nil {
		unavailable(tb, err)
	}
	tb.Cleanup(func() {
		if err := b.Kill(); err != nil {
			tb.Error(err)
		}
		if err := b.Stop(); err != nil {
			tb.Error(err)
		}
	})
	return b
}

func skipShort(tb testing.TB) {
	tb.Helper()
	if testing.Short() {
		tb.Skip("openctitest: -short leaves out tests that need a broker")
	}
}

func external(tb testing.TB) *Broker {
	tb.Helper()
	skipShort(tb)
	if url := os.Getenv("AMQP_URL"); url != "" {
		return &Broker{url: url}
	}
	return nil
}

// unavailable ends the test: as skipped when there simply is no broker on this
// machine, as failed otherwise.
func unavailable(tb testing.TB, err error) {
	tb.Helper()
	if errors.Is(err, ErrNoBroker) && os.Getenv("CI") != "true" {
		tb.Skipf("SKIPPED, NOT TESTED: %v; or set AMQP_URL", err)
	}
	tb.Fatalf("a broker is needed: %v", err)
}

// NewConnectorID returns an id that no other connector has, and so no other queue.
func NewConnectorID() string { return uuid.NewString() }

// Prefix returns a queue prefix of the test's own.
func Prefix() string { return fmt.Sprintf("t%08x", rand.Uint32()) }

// DeleteQueues removes queues when the test ends.
func DeleteQueues(tb testing.TB, url string, queues ...string) {
	tb.Helper()
	tb.Cleanup(func() {
		conn, err := amqp.Dial(url)
		if err != nil {
			tb.Logf("openctitest: queues %v stay: %v", queues, err)
			return
		}
		defer conn.Close()
		ch, err := conn.Channel()
		if err != nil {
			tb.Logf("openctitest: queues %v stay: %v", queues, err)
			return
		}
		for _, q := range queues {
			if _, err := ch.QueueDelete(q, false, false, false); err != nil {
				tb.Logf("openctitest: queue %s stays: %v", q, err)
			}
		}
	})
}

// StartPlatform starts a sandbox for the test and closes it at the end. It checks
// documents against the schema of the version, unless opt.Check is set, and with
// a broker uses a prefix of its own and removes the queues at the end.
func StartPlatform(tb testing.TB, opt sandbox.Options) *sandbox.Platform {
	tb.Helper()
	if opt.Check == nil {
		version := opt.Behaves
		if version == "" {
			version = opt.Version
		}
		if version == "" {
			version = sandbox.DefaultVersion
		}
		opt.Check = SchemaFor(tb, version)
	}
	if opt.AMQPURL != "" && opt.QueuePrefix == "" {
		opt.QueuePrefix = Prefix()
	}
	p, err := sandbox.Start(opt)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		defer cancel()
		if err := p.DeleteQueues(ctx); err != nil {
			tb.Logf("openctitest: queues stay: %v", err)
		}
		if err := p.Close(); err != nil {
			tb.Error(err)
		}
	})
	return p
}

// NoProblems fails the test for each protocol violation that the platform saw,
// but for those of the kinds that are excepted.
func NoProblems(tb testing.TB, p *sandbox.Platform, except ...error) {
	tb.Helper()
	for _, err := range sandbox.Except(p.Problems(), except...) {
		tb.Errorf("protocol violation: %v", err)
	}
}

// patience is how long Eventually waits.
const patience = 90 * time.Second

// Eventually waits until cond holds, and fails the test when it does not within
// 30 seconds; what says what was waited for.
func Eventually(tb testing.TB, cond func() bool, what string) {
	tb.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	end := time.After(patience)
	for !cond() {
		select {
		case <-tick.C:
		case <-end:
			tb.Fatalf("after %v still not: %s", patience, what)
		}
	}
}

// Context returns a context that ends with the test, and after Eventually's patience.
func Context(tb testing.TB) context.Context {
	tb.Helper()
	ctx, cancel := context.WithTimeout(tb.Context(), patience)
	tb.Cleanup(cancel)
	return ctx
}
