package openctitest_test

import (
	"errors"
	"os"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/enrichgate/enrichgate/enrich/opencti/openctitest"
)

func TestMain(m *testing.M) { os.Exit(openctitest.Main(m)) }

// A queue's messages survive the broker's death: the same ports, the same data.
func TestKillAndRestart(t *testing.T) {
	start := time.Now()
	b := openctitest.NewBroker(t)
	t.Logf("cold start: %v", time.Since(start).Round(10*time.Millisecond))
	const queue, count = "kept", 20
	conn, ch := dial(t, b)
	if _, err := ch.QueueDeclare(queue, true, false, false, false, nil); err != nil {
		t.Fatal(err)
	}
	if err := ch.Confirm(false); err != nil {
		t.Fatal(err)
	}
	for range count {
		c, err := ch.PublishWithDeferredConfirm("", queue, true, false, amqp.Publishing{DeliveryMode: amqp.Persistent, Body: []byte("x")})
		if err != nil {
			t.Fatal(err)
		}
		if ok, err := c.WaitContext(openctitest.Context(t)); err != nil || !ok {
			t.Fatal(ok, err)
		}
	}
	if err := b.Sync(openctitest.Context(t)); err != nil {
		t.Fatal(err)
	}
	lost := conn.NotifyClose(make(chan *amqp.Error, 1))
	start = time.Now()
	if err := b.Kill(); err != nil {
		t.Fatal(err)
	}
	select {
	case <-lost:
	case <-time.After(5 * time.Second):
		t.Error("the connection outlived the broker")
	}
	t.Logf("kill: %v", time.Since(start).Round(time.Millisecond))
	if _, err := amqp.Dial(b.URL()); err == nil {
		t.Error("a killed broker answers")
	}
	start = time.Now()
	if err := b.Restart(openctitest.Context(t)); err != nil {
		t.Fatal(err)
	}
	t.Logf("restart: %v", time.Since(start).Round(10*time.Millisecond))
	_, ch = dial(t, b)
	q, err := ch.QueueDeclarePassive(queue, true, false, false, false, nil)
	if err != nil || q.Messages != count {
		t.Errorf("after the restart: %d messages, %v; want %d", q.Messages, err, count)
	}
	start = time.Now()
	if err := b.Stop(); err != nil {
		t.Fatal(err)
	}
	t.Logf("stop: %v", time.Since(start).Round(10*time.Millisecond))
}

func dial(tb testing.TB, b *openctitest.Broker) (*amqp.Connection, *amqp.Channel) {
	tb.Helper()
	conn, err := amqp.Dial(b.URL())
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = conn.Close() })
	ch, err := conn.Channel()
	if err != nil {
		tb.Fatal(err)
	}
	return conn, ch
}

func TestBrokerFromEnvironment(t *testing.T) {
	if testing.Short() {
		t.Skip("TestBroker skips with -short")
	}
	t.Setenv("AMQP_URL", "amqp://guest:guest@127.0.0.1:1/")
	b := openctitest.TestBroker(t)
	if b.URL() != "amqp://guest:guest@127.0.0.1:1/" {
		t.Errorf("URL is %q", b.URL())
	}
	if err := b.Kill(); !errors.Is(err, openctitest.ErrNotOurs) {
		t.Errorf("Kill = %v", err)
	}
}

func TestEventually(t *testing.T) {
	n := 0
	openctitest.Eventually(t, func() bool { n++; return n == 3 }, "three looks")
}
