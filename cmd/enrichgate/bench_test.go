package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"log/slog"
	"net/http"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/enrichgate/enrichgate/cmd/enrichgate/internal/settings"
	"github.com/enrichgate/enrichgate/enrich/opencti/openctitest"
	"github.com/enrichgate/enrichgate/enrich/opencti/sandbox"
	provider "github.com/enrichgate/enrichgate/enrich/source/proofpoint/sandbox"
)

var benchMessages = flag.Int("messages", 2000, "messages of BenchmarkFromCache")

// benchWarm messages pass before the clock starts.
const benchWarm = 200

// BenchmarkFromCache puts enrichments that are served from the cache, end to
// end over a real broker and GraphQL, beside a bare loop that consumes the same
// messages, publishes as many of the same size, waits for their confirms and
// acknowledges. Compare the two lines of one run. The platform is a process of
// its own, so that the profile of this one is the daemon's.
func BenchmarkFromCache(b *testing.B) {
	broker := openctitest.TestBroker(b)
	platform := startFarEnd(b, broker.URL())
	paid := provider.New(provider.Options{Key: apiKey})
	srv, err := paid.Serve("127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer srv.Close()
	id := openctitest.NewConnectorID()
	q := newBenchQueues(b, broker.URL(), id)
	dir := filepath.Join(b.TempDir(), "data")
	start := func() (stop func()) { return startBenchDaemon(b, platform, srv.URL(), id, dir) }
	q.fill(1, id, 0)
	stop := start()
	ended := 1
	waitFor(b, platform, ended)
	stop()
	results, size := q.drain()
	var daemon, bare float64
	b.Run("enrichgate", func(b *testing.B) {
		var before, after usage
		for b.Loop() {
			q.fill(*benchMessages+benchWarm, id, ended)
			stop := start()
			before.read(waitFor(b, platform, ended+benchWarm))
			ended += *benchMessages + benchWarm
			after.read(waitFor(b, platform, ended))
			stop()
			n := float64(*benchMessages)
			daemon = n / after.at.Sub(before.at).Seconds()
			b.ReportMetric(daemon, "messages/s")
			b.ReportMetric(float64(after.requests-before.requests)/n, "requests/message")
			b.ReportMetric(float64((after.cpu-before.cpu).Microseconds())/n, "cpu-us/message")
			b.ReportMetric(float64(after.memory.Mallocs-before.memory.Mallocs)/n, "allocs/message")
			b.ReportMetric(float64(before.memory.HeapInuse)/(1<<20), "MB-heap-before")
			b.ReportMetric(float64(after.memory.HeapInuse)/(1<<20), "MB-heap-after")
			q.purge()
		}
	})
	b.Run("bare", func(b *testing.B) {
		for b.Loop() {
			bare = float64(*benchMessages) / q.bare(*benchMessages, results, size).Seconds()
			b.ReportMetric(bare, "messages/s")
			if daemon > 0 {
				b.ReportMetric(daemon/bare, "enrichgate/bare")
			}
		}
	})
	if n := paid.Bill().Total; n != 1 {
		b.Errorf("%d calls", n)
	}
}

// usage is what this process and the platform have done so far.
type usage struct {
	at       time.Time
	requests int
	cpu      time.Duration
	memory   runtime.MemStats
}

func (u *usage) read(counts map[string]int) {
	u.at, u.requests = time.Now(), 0
	for _, n := range counts {
		u.requests += n
	}
	var r syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &r)
	u.cpu = time.Duration(r.Utime.Nano() + r.Stime.Nano())
	runtime.ReadMemStats(&u.memory)
}

// waitFor returns the platform's counts when n works have ended.
func waitFor(b *testing.B, platform string, n int) (counts map[string]int) {
	b.Helper()
	resp, err := http.Get(platform + "/wait?n=" + strconv.Itoa(n))
	if err != nil {
		b.Fatal(err)
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(&counts); err != nil {
		b.Fatal(err)
	}
	return counts
}

// startBenchDaemon runs the daemon in this process.
func startBenchDaemon(b *testing.B, platform, paid, id, dir string) (stop func()) {
	b.Helper()
	s, err := settings.Load(settings.Options{Sources: sourceSpecs(), Dir: b.TempDir(), Environ: []string{
		"OPENCTI_URL=" + platform, "OPENCTI_TOKEN=token-of-a-test", "CONNECTOR_ID=" + id, "CONNECTOR_LOG_LEVEL=error",
		"PROOFPOINT_ET_INTELLIGENCE_API_BASE_URL=" + paid, "PROOFPOINT_ET_INTELLIGENCE_API_KEY=" + apiKey, "PROOFPOINT_ET_INTELLIGENCE_QUOTA=none",
		"ENRICHGATE_DATA_DIR=" + dir, "ENRICHGATE_HTTP_LISTEN=off",
	}})
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- serving{settings: s, log: slog.New(slog.DiscardHandler), now: time.Now}.run(ctx) }()
	return func() {
		cancel()
		if err := <-done; err != nil {
			b.Error(err)
		}
	}
}

// benchQueues are the daemon's two queues, and a channel to work on them.
type benchQueues struct {
	b       *testing.B
	conn    *amqp.Connection
	channel *amqp.Channel
	in, out string
}

func newBenchQueues(b *testing.B, url, id string) *benchQueues {
	b.Helper()
	conn, err := amqp.Dial(url)
	if err != nil {
		b.Fatal(err)
	}
	q := &benchQueues{b: b, conn: conn, in: "bench-in-" + id, out: "bench-out-" + id}
	openctitest.DeleteQueues(b, url, q.in, q.out, q.in+"-bare")
	b.Cleanup(func() { _ = conn.Close() })
	q.channel, err = conn.Channel()
	q.must(err)
	q.must(q.channel.Confirm(false))
	for _, name := range []string{q.in, q.out, q.in + "-bare"} {
		_, err := q.channel.QueueDeclare(name, true, false, false, false, nil)
		q.must(err)
	}
	return q
}

func (q *benchQueues) must(err error) {
	q.b.Helper()
	if err != nil {
		q.b.Fatal(err)
	}
}

// message asks for the entity, as a platform of version 7 does.
func (q *benchQueues) message(id string, n int) []byte {
	e := benchEntity()
	return fmt.Appendf(nil, `{"internal":{"work_id":"work_%s_%d","applicant_id":null,"draft_id":null,"mode":"manual","trigger":"update"},"event":{"event_type":"INTERNAL_ENRICHMENT","entity_id":%q,"entity_type":%q,"stix_entity":%s,"stix_objects":null}}`,
		id, n, e.ID, e.Type, strconv.Quote(string(e.STIX)))
}

// fill puts n messages on the daemon's queue.
func (q *benchQueues) fill(n int, id string, from int) {
	q.put(q.in, n, func(i int) []byte { return q.message(id, from+i) })
}

func (q *benchQueues) put(queue string, n int, body func(int) []byte) {
	q.b.Helper()
	var waits []*amqp.DeferredConfirmation
	for i := range n {
		w, err := q.channel.PublishWithDeferredConfirm("", queue, true, false, amqp.Publishing{DeliveryMode: amqp.Persistent, Body: body(i)})
		q.must(err)
		waits = append(waits, w)
	}
	for _, w := range waits {
		w.Wait()
	}
}

// drain takes what the daemon published for one message.
func (q *benchQueues) drain() (results, size int) {
	q.b.Helper()
	for {
		d, ok, err := q.channel.Get(q.out, true)
		q.must(err)
		if !ok {
			return results, size / max(results, 1)
		}
		results++
		size += len(d.Body)
	}
}

func (q *benchQueues) purge() {
	q.b.Helper()
	_, err := q.channel.QueuePurge(q.out, false)
	q.must(err)
}

// bareWorkers and barePublishers are the daemon's own.
const (
	bareWorkers    = 64
	barePublishers = 32
)

// bare does what the protocol's AMQP half does, and nothing else.
func (q *benchQueues) bare(messages, results, size int) time.Duration {
	q.b.Helper()
	q.put(q.in+"-bare", messages+benchWarm, func(i int) []byte { return q.message("00000000-0000-4000-8000-000000000000", i) })
	out := make(chan *amqp.Channel, barePublishers)
	for range barePublishers {
		ch, err := q.conn.Channel()
		q.must(err)
		q.must(ch.Confirm(false))
		out <- ch
	}
	in, err := q.conn.Channel()
	q.must(err)
	defer in.Close()
	q.must(in.Qos(bareWorkers, 0, false))
	body := []byte(strings.Repeat("x", size))
	deliveries, err := in.Consume(q.in+"-bare", "", false, false, false, false, nil)
	q.must(err)
	var all sync.WaitGroup
	var began time.Time
	for i := range messages + benchWarm {
		if i == benchWarm {
			began = time.Now()
		}
		d := <-deliveries
		all.Go(func() {
			ch := <-out
			var waits []*amqp.DeferredConfirmation
			for range results {
				c, err := ch.PublishWithDeferredConfirm("", q.out, true, false, amqp.Publishing{DeliveryMode: amqp.Persistent, Body: body})
				if err != nil {
					q.b.Error(err)
					return
				}
				waits = append(waits, c)
			}
			for _, c := range waits {
				c.Wait()
			}
			out <- ch
			if err := d.Ack(false); err != nil {
				q.b.Error(err)
			}
		})
	}
	all.Wait()
	took := time.Since(began)
	q.purge()
	return took
}

// The protocol's round trips of a message that is served from the cache: who
// and what, begun, ended. One that adds nothing takes as many.
func TestRequestsOfAHit(t *testing.T) {
	w := newWorld(t, openctitest.TestBroker(t))
	w.start()
	e := sandbox.NewEntity("IPv4-Addr", "198.51.100.7", "TLP:GREEN")
	one := func(int) sandbox.Entity { return e }
	works, _ := w.burst(1, one)
	w.ended(works, nil)
	before := len(w.platform.Calls())
	pings := w.platform.Pings()
	works, _ = w.burst(1, one)
	w.ended(works, nil)
	if n := len(w.platform.Calls()) - before - (w.platform.Pings() - pings); n != 3 {
		t.Errorf("%d requests", n)
	}
}
