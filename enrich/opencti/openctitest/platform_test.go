package openctitest_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/enrichgate/enrichgate/enrich/opencti/openctitest"
	"github.com/enrichgate/enrichgate/enrich/opencti/sandbox"
)

// connector is the smallest that speaks both sides of the protocol.
type connector struct {
	tb     testing.TB
	p      *sandbox.Platform
	id     string
	config struct {
		Connection struct {
			Host, Vhost, User, Pass string
			Port                    int
		}
		Listen       string
		Push         string
		PushExchange string `json:"push_exchange"`
		PushRouting  string `json:"push_routing"`
	}
	conn *amqp.Connection
	ch   *amqp.Channel
	jobs <-chan amqp.Delivery
}

func (c *connector) graphql(query string, variables map[string]any, into any) {
	c.tb.Helper()
	body, err := json.Marshal(map[string]any{"query": query, "variables": variables})
	if err != nil {
		c.tb.Fatal(err)
	}
	req, err := http.NewRequestWithContext(openctitest.Context(c.tb), http.MethodPost, c.p.URL()+"/graphql", bytes.NewReader(body))
	if err != nil {
		c.tb.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+c.p.Token())
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		c.tb.Fatal(err)
	}
	defer resp.Body.Close()
	var answer struct {
		Data   json.RawMessage
		Errors []any
	}
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil || len(answer.Errors) > 0 {
		c.tb.Fatalf("%s: %v %v", query, err, answer.Errors)
	}
	if into == nil {
		return
	}
	if err := json.Unmarshal(answer.Data, into); err != nil {
		c.tb.Fatal(err)
	}
}

func register(tb testing.TB, p *sandbox.Platform) *connector {
	tb.Helper()
	c := &connector{tb: tb, p: p, id: openctitest.NewConnectorID()}
	var answer struct {
		RegisterConnector struct{ Config json.RawMessage }
	}
	c.graphql(`mutation R($input: RegisterConnectorInput) { registerConnector(input: $input) { id
		config { connection { host vhost use_ssl port user pass } listen push push_exchange push_routing } } }`,
		map[string]any{"input": map[string]any{"id": c.id, "name": "Test", "type": "INTERNAL_ENRICHMENT", "scope": []string{"IPv4-Addr"}}}, &answer)
	if err := json.Unmarshal(answer.RegisterConnector.Config, &c.config); err != nil {
		tb.Fatal(err)
	}
	return c
}

func (c *connector) ping() {
	c.tb.Helper()
	c.graphql(`mutation P($id: ID!) { pingConnector(id: $id, state: "null") { id } }`, map[string]any{"id": c.id}, nil)
}

// connect starts to consume. It declares nothing.
func (c *connector) connect() {
	c.tb.Helper()
	m := c.config.Connection
	uri := amqp.URI{Scheme: "amqp", Host: m.Host, Port: m.Port, Username: m.User, Password: m.Pass, Vhost: m.Vhost}
	var err error
	if c.conn, err = amqp.Dial(uri.String()); err != nil {
		c.tb.Fatal(err)
	}
	c.tb.Cleanup(func() { _ = c.conn.Close() })
	if c.ch, err = c.conn.Channel(); err != nil {
		c.tb.Fatal(err)
	}
	if err := c.ch.Confirm(false); err != nil {
		c.tb.Fatal(err)
	}
	if c.jobs, err = c.ch.Consume(c.config.Listen, "", false, false, false, false, nil); err != nil {
		c.tb.Fatal(err)
	}
}

// next takes a job.
func (c *connector) next() (d amqp.Delivery, workID string) {
	c.tb.Helper()
	select {
	case d = <-c.jobs:
	case <-openctitest.Context(c.tb).Done():
		c.tb.Fatal("no job came")
	}
	var m struct {
		Internal struct {
			WorkID string `json:"work_id"`
		}
	}
	if err := json.Unmarshal(d.Body, &m); err != nil {
		c.tb.Fatalf("%v: %s", err, d.Body)
	}
	if d.DeliveryMode != amqp.Persistent {
		c.tb.Errorf("delivery mode is %d", d.DeliveryMode)
	}
	return d, m.Internal.WorkID
}

// body is a message for the push queue.
func body(workID string, sequence int, objects ...string) []byte {
	list := make([]json.RawMessage, len(objects))
	for i := range objects {
		list[i] = json.RawMessage(objects[i])
	}
	bundle, _ := json.Marshal(map[string]any{"type": "bundle", "id": "bundle--11111111-1111-4111-8111-111111111111", "objects": list})
	b, _ := json.Marshal(map[string]any{
		"bundle_type": "QUEUE_BUNDLE", "applicant_id": "u", "action_sequence": sequence, "entities_types": []any{},
		"content": base64.StdEncoding.EncodeToString(bundle), "update": false, "draft_id": nil, "no_split": false, "work_id": workID,
	})
	return b
}

func (c *connector) publish(body []byte) {
	c.tb.Helper()
	confirm, err := c.ch.PublishWithDeferredConfirm(c.config.PushExchange, c.config.PushRouting, true, false,
		amqp.Publishing{DeliveryMode: amqp.Persistent, ContentEncoding: "utf-8", Body: body})
	if err != nil {
		c.tb.Fatal(err)
	}
	if ok, err := confirm.WaitContext(openctitest.Context(c.tb)); err != nil || !ok {
		c.tb.Fatal(ok, err)
	}
}

const (
	author = `{"type":"identity","id":"identity--ba48e2b8-94e6-5029-9d7e-9a834dda346d","name":"Example"}`
	system = `{"type":"autonomous-system","id":"autonomous-system--9ad79ee3-2fde-5015-b0cc-7a96404effca","number":64496,
		"x_opencti_created_by_ref":"identity--ba48e2b8-94e6-5029-9d7e-9a834dda346d"}`
)

func (c *connector) received(id string) {
	c.tb.Helper()
	c.graphql(`mutation W($id: ID!) { workEdit(id: $id) { toReceived(message: "ready") } }`, map[string]any{"id": id}, nil)
}

func (c *connector) expect(id string, n int) {
	c.tb.Helper()
	c.graphql(`mutation W($id: ID!, $n: Int) { workEdit(id: $id) { addExpectations(expectations: $n) } }`, map[string]any{"id": id, "n": n}, nil)
}

func (c *connector) processed(id string) {
	c.tb.Helper()
	c.graphql(`mutation W($id: ID!) { workEdit(id: $id) { toProcessed(message: "done", inError: false) } }`, map[string]any{"id": id}, nil)
}

// One enrichment from the button to the last import, with messages in an order
// that the worker has to put right.
func TestLifecycle(t *testing.T) {
	p := openctitest.StartPlatform(t, sandbox.Options{AMQPURL: openctitest.TestBroker(t).URL()})
	e := sandbox.NewEntity("IPv4-Addr", "198.51.100.7")
	p.AddEntity(e)
	early := make(chan error)
	go func() { // the button may be pressed before anyone has registered
		_, err := p.Enrich(openctitest.Context(t), e.ID)
		early <- err
	}()
	c := register(t, p)
	if err := <-early; err != nil {
		t.Fatal(err)
	}
	if listen, push, err := p.QueueDepth(t.Context()); err != nil || listen != 1 || push != 0 {
		t.Errorf("%d and %d messages wait, %v", listen, push, err)
	}
	c.connect()
	c.ping()
	d, id := c.next()
	c.received(id)
	c.expect(id, 2)
	c.publish(body(id, 2, system))
	c.publish(body(id, 1, author))
	c.processed(id)
	w, err := p.WaitWork(openctitest.Context(t), id)
	if err != nil || w.Processed != 2 || w.Sent != 1 || len(w.Errors) != 0 {
		t.Errorf("%v: %v", err, w)
	}
	if err := d.Ack(false); err != nil {
		t.Error(err)
	}
	got := p.PushMessages()
	if len(got) != 2 || got[0].ActionSequence != 1 || got[0].ConnectorID != c.id || len(p.Imported()) != 2 {
		t.Errorf("messages are %+v", got)
	}
	openctitest.NoProblems(t, p)
}

// What the worker cannot read, or was not told of, is a problem and not the end.
func TestWorkerProblems(t *testing.T) {
	p := openctitest.StartPlatform(t, sandbox.Options{AMQPURL: openctitest.TestBroker(t).URL(), ReferenceWait: 50 * time.Millisecond})
	e := sandbox.NewEntity("IPv4-Addr", "198.51.100.7")
	p.AddEntity(e)
	c := register(t, p)
	c.connect()
	if _, err := p.Enrich(t.Context(), e.ID); err != nil {
		t.Fatal(err)
	}
	_, id := c.next()
	c.received(id)
	c.expect(id, 1)
	for _, step := range []struct {
		body []byte
		kind error
	}{
		{[]byte("not JSON"), sandbox.ErrMessage},
		{body("work_x", 1, author), sandbox.ErrUnknownWork},
		{body(id, 1, `{"type":"note","id":"note--x","object_refs":["ipv4-addr--y"]}`), sandbox.ErrReference},
		{body(id, 2, author), sandbox.ErrOverProcessed},
		{body(id, 2, author), sandbox.ErrDuplicateMessage},
	} {
		before := len(p.Problems())
		c.publish(step.body)
		if err := p.Wait(openctitest.Context(t), func() bool { return len(p.Problems()) > before }); err != nil {
			t.Fatalf("%s: %v", step.body, err)
		}
		if rest := sandbox.Except(p.Problems()[before:], step.kind, sandbox.ErrOverProcessed); len(rest) > 0 {
			t.Errorf("%s: %v", step.body, rest)
		}
	}
}

// The sandbox, its worker and what is queued survive the broker's death.
func TestOutage(t *testing.T) {
	const count = 10
	start := time.Now()
	lap := func(what string) {
		t.Logf("%s: %v", what, time.Since(start).Round(time.Millisecond))
		start = time.Now()
	}
	b := openctitest.NewBroker(t)
	lap("cold start")
	p := openctitest.StartPlatform(t, sandbox.Options{AMQPURL: b.URL()})
	e := sandbox.NewEntity("IPv4-Addr", "198.51.100.7")
	p.AddEntity(e)
	c := register(t, p)
	for range count {
		if _, err := p.Enrich(t.Context(), e.ID); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.Sync(openctitest.Context(t)); err != nil {
		t.Fatal(err)
	}
	lap("filled and synced")
	if err := b.Kill(); err != nil {
		t.Fatal(err)
	}
	lap("killed")
	if _, err := amqp.Dial(b.URL()); err == nil {
		t.Error("a killed broker answers")
	}
	during := make(chan error)
	go func() { // waits for the broker
		_, err := p.Enrich(t.Context(), e.ID)
		during <- err
	}()
	short, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if err := p.Publish(short, []byte("{}")); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("publishing to a dead broker: %v", err)
	}
	start = time.Now()
	if err := b.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	lap("restart")
	if err := <-during; err != nil {
		t.Fatal(err)
	}
	lap("message taken after the restart")
	c.connect()
	seen := map[string]bool{}
	for len(seen) < count+1 {
		d, id := c.next()
		if seen[id] {
			continue // a publication that was not confirmed was repeated
		}
		seen[id] = true
		c.received(id)
		c.expect(id, 1)
		c.publish(body(id, len(seen), fmt.Sprintf(`{"type":"label","id":"label--%d"}`, len(seen))))
		c.processed(id)
		if w, err := p.WaitWork(openctitest.Context(t), id); err != nil {
			t.Errorf("%v: %v", err, w)
		}
		if err := d.Ack(false); err != nil {
			t.Error(err)
		}
	}
	openctitest.NoProblems(t, p)
}
