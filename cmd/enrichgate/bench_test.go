package main

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/enrichgate/enrichgate/enrich/opencti/openctitest"
	"github.com/enrichgate/enrichgate/enrich/opencti/sandbox"
)

// BenchmarkFromCache puts enrichments that are served from the cache, end to
// end over a real broker and GraphQL, beside a bare loop that consumes,
// publishes as many messages of the same size, waits for their confirms and
// acknowledges. Compare the two lines of one run. The platform and its worker
// are sandboxes in this process and share its processors, so that the first
// line holds their work too.
func BenchmarkFromCache(b *testing.B) {
	const messages = 500
	broker := openctitest.TestBroker(b)
	w := newWorld(b, broker)
	w.start("CONNECTOR_LOG_LEVEL=error")
	e := sandbox.NewEntity("StixFile", strings.Repeat("a1", 16), "TLP:GREEN")
	w.platform.AddEntity(e)
	warm, err := w.platform.Enrich(b.Context(), e.ID)
	if err != nil {
		b.Fatal(err)
	}
	w.ended([]string{warm}, nil)
	pushed := w.platform.PushMessages()
	size := 0
	for _, m := range pushed {
		size += len(m.Body)
	}
	size /= len(pushed)
	b.Run("enrichgate", func(b *testing.B) {
		for b.Loop() {
			works := make([]string, messages)
			began := time.Now()
			for i := range works {
				if works[i], err = w.platform.Enrich(b.Context(), e.ID); err != nil {
					b.Fatal(err)
				}
			}
			w.ended(works, nil)
			b.ReportMetric(messages/time.Since(began).Seconds(), "messages/s")
		}
	})
	b.Run("bare", func(b *testing.B) {
		for b.Loop() {
			b.ReportMetric(messages/bareLoop(b, broker.URL(), messages, len(pushed), size).Seconds(), "messages/s")
		}
	})
	if n := w.provider.Bill().Total; n != 1 {
		b.Errorf("%d calls", n)
	}
}

// bareLoop does what the protocol's AMQP half does, and nothing else.
func bareLoop(b *testing.B, url string, messages, results, size int) time.Duration {
	b.Helper()
	must := func(err error) {
		if err != nil {
			b.Fatal(err)
		}
	}
	conn, err := amqp.Dial(url)
	must(err)
	defer conn.Close()
	in, err := conn.Channel()
	must(err)
	from, err := in.QueueDeclare(fmt.Sprint("bare-in-", openctitest.Prefix()), true, false, false, false, nil)
	must(err)
	to, err := in.QueueDeclare(fmt.Sprint("bare-out-", openctitest.Prefix()), true, false, false, false, nil)
	must(err)
	defer openctitest.DeleteQueues(b, url, from.Name, to.Name)
	out := make(chan *amqp.Channel, publishersOfBareLoop)
	for range publishersOfBareLoop {
		ch, err := conn.Channel()
		must(err)
		must(ch.Confirm(false))
		out <- ch
	}
	began := time.Now()
	body := []byte(strings.Repeat("x", size))
	feed := <-out
	for range messages {
		c, err := feed.PublishWithDeferredConfirm("", from.Name, true, false, amqp.Publishing{DeliveryMode: amqp.Persistent, Body: body})
		must(err)
		c.Wait()
	}
	out <- feed
	must(in.Qos(64, 0, false))
	deliveries, err := in.Consume(from.Name, "", false, false, false, false, nil)
	must(err)
	var all sync.WaitGroup
	for range messages {
		d := <-deliveries
		all.Go(func() {
			ch := <-out
			var waits []*amqp.DeferredConfirmation
			for range results {
				c, err := ch.PublishWithDeferredConfirm("", to.Name, true, false, amqp.Publishing{DeliveryMode: amqp.Persistent, Body: body})
				if err != nil {
					b.Error(err)
					return
				}
				waits = append(waits, c)
			}
			for _, c := range waits {
				c.Wait()
			}
			out <- ch
			if err := d.Ack(false); err != nil {
				b.Error(err)
			}
		})
	}
	all.Wait()
	return time.Since(began)
}

const publishersOfBareLoop = 8
