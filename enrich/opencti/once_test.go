package opencti

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/enrichgate/enrichgate/enrich"
	"github.com/enrichgate/enrichgate/enrich/opencti/openctitest"
	"github.com/enrichgate/enrichgate/enrich/opencti/sandbox"
	"github.com/enrichgate/enrichgate/stixconv"
)

// What the platform's answers mean for the next attempt.
func TestWhatAnAnswerMeans(t *testing.T) {
	for _, c := range []struct {
		status int
		body   string
		want   string // ok, away (it did not answer), late, again (it answers, and may answer otherwise), never
	}{
		{200, `{"data":{"playbookStepExecution":true}}`, "ok"},
		{200, `{"data":{"workEdit":null}}`, "ok"},
		{200, `{"data":null}`, "away"},
		{200, `{"data":{}}`, "ok"}, // nothing was to be read
		{200, `{}`, "away"},
		{200, `<html>`, "away"},
		{502, `<html>`, "away"},
		{503, `{"errors":[{"message":"Service Unavailable"}]}`, "away"},
		{429, `{"errors":[{"message":"slow down"}],"data":null}`, "away"},
		{504, `<html>`, "late"},
		{500, `{"errors":[{"message":"boom"}],"data":null}`, "again"},
		{200, `{"errors":[{"message":"x","extensions":{"code":"UNKNOWN_ERROR"}}]}`, "again"},
		{200, `{"errors":[{"message":"x","extensions":{"code":"DATABASE_ERROR","data":{"genre":"TECHNICAL"}}}]}`, "again"},
		{200, `{"errors":[{"message":"x","extensions":{"code":"LOCK_ERROR","data":{"genre":"BUSINESS"}}}]}`, "again"},
		{200, `{"errors":[{"message":"x","extensions":{"code":"AUTH_REQUIRED","data":{"genre":"BUSINESS"}}}]}`, "again"},
		{200, `{"errors":[{"message":"x","extensions":{"code":"FUNCTIONAL_ERROR","data":{"genre":"BUSINESS"}}}]}`, "never"},
		{200, `{"errors":[{"message":"x","extensions":{"code":"SOMETHING_NEW","data":{"genre":"BUSINESS"}}}]}`, "never"},
		{400, `{"errors":[{"message":"x","extensions":{"code":"GRAPHQL_VALIDATION_FAILED"}}]}`, "never"},
		{200, `{"errors":[{"message":"x","name":"MISSING_REFERENCE_ERROR"}]}`, "never"},
		{413, `<html>`, "never"},
	} {
		err := decodeAnswer("op", c.status, []byte(c.body), nil)
		var down *unavailableError
		got := "never"
		switch {
		case err == nil:
			got = "ok"
		case errors.As(err, &down) && down.late:
			got = "late"
		case errors.As(err, &down):
			got = "away"
		case transient(err):
			got = "again"
		}
		if got != c.want {
			t.Errorf("%d %s: %s, not %s (%v)", c.status, c.body, got, c.want, err)
		}
	}
}

// The same message twice at a time is worked on once, however it came twice.
func TestTheSameMessageTwiceAtATime(t *testing.T) {
	p := newPaper()
	p.answers[opStep.name] = `{"playbookStepExecution":true}`
	entered, gate := make(chan struct{}, 9), make(chan struct{})
	c := p.connector(t, func(c *Config) {
		c.Handle = func(ctx context.Context, _ enrich.Message, to enrich.Reporter) error {
			entered <- struct{}{}
			<-gate
			return to.Deliver(ctx, stixconv.Bundle{}) // as it came
		}
	})
	if err := c.register(t.Context()); err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for _, how := range []arrival{delivered, redelivered, redelivered} {
		all.Go(func() {
			if err := c.consume(t.Context(), delivery{body: vector(t, "10-msg-playbook-7x.json"), how: how}, nil); err != nil {
				t.Error(err)
			}
		})
	}
	<-entered
	// One that gives up waiting gives its message back.
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if err := c.consume(gone, delivery{body: vector(t, "10-msg-playbook-7x.json"), how: redelivered}, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	close(gate)
	all.Wait()
	if n := p.count(opStep.name); n != 1 || len(entered) != 0 {
		t.Errorf("answered %d times, worked on %d times more", n, len(entered))
	}
}

// stepFault has a platform do something to each answer of a playbook step, and
// counts them.
func stepFault(w *world, fault sandbox.Fault) *atomic.Int32 {
	var n atomic.Int32
	w.platform.Intercept(func(op string, _ map[string]any) sandbox.Fault {
		if op != sandbox.OpStep {
			return sandbox.Fault{}
		}
		n.Add(1)
		return fault
	})
	return &n
}

// A step that the platform has, and of which it says nothing for good, is
// answered once if it is at work on it, and a few times if it may be down.
func TestAStepWhoseAnswerIsLost(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		fault sandbox.Fault
		asked int32
	}{
		"504": {sandbox.Fault{After: true, Status: http.StatusGatewayTimeout, Body: "<html>"}, 1},
		"cut": {sandbox.Fault{After: true, Drop: true}, 1 + lostMost},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, openctitest.StartPlatform(t, sandbox.Options{AMQPURL: openctitest.TestBroker(t).URL()}))
			asked := stepFault(w, c.fault)
			config := w.config("connector")
			w.run(config)
			w.platform.AddEntity(host(1))
			if _, err := w.platform.Playbook(openctitest.Context(t), host(1).ID); err != nil {
				t.Fatal(err)
			}
			openctitest.Eventually(t, func() bool {
				n, _, err := w.platform.QueueDepth(context.Background())
				return err == nil && n == 0 && asked.Load() >= c.asked
			}, "the message is done with")
			w.done(w.ask(config.ID, host(2)))
			if n := asked.Load(); n != c.asked {
				t.Errorf("asked %d times, not %d", n, c.asked)
			}
		})
	}
}

// A step that the platform is long at keeps nobody else waiting: not the next
// session, nor who stops us. It is answered once all the same.
func TestASlowStepOutlivesItsSession(t *testing.T) {
	t.Parallel()
	broker := openctitest.NewBroker(t)
	w := newWorld(t, openctitest.StartPlatform(t, sandbox.Options{AMQPURL: broker.URL()}))
	slow := make(chan struct{})
	asked := stepFault(w, sandbox.Fault{After: true, Hang: slow})
	c := w.config("connector")
	c.ShutdownTimeout = time.Second
	_, stop := w.run(c)
	ctx := openctitest.Context(t)
	w.platform.AddEntity(host(1))
	step, err := w.platform.Playbook(ctx, host(1).ID)
	if err != nil {
		t.Fatal(err)
	}
	openctitest.Eventually(t, func() bool { return asked.Load() == 1 }, "the step is answered")
	if err := errors.Join(broker.Sync(ctx), broker.Kill(), broker.Restart(ctx)); err != nil {
		t.Fatal(err)
	}
	recovers(t, func() { w.done(w.ask(c.ID, host(2))) })
	recovers(t, stop)
	c.Registerer = freshRegistry()
	w.run(c)
	w.done(w.ask(c.ID, host(3)))
	close(slow)
	openctitest.Eventually(t, func() bool {
		n, _, err := w.platform.QueueDepth(context.Background())
		return err == nil && n == 0
	}, "all is done with")
	if n := len(w.platform.Steps(step)); n != 1 || asked.Load() != 1 {
		t.Errorf("the step was answered %d times, asked %d times", n, asked.Load())
	}
}

// The same where messages are posted: who stops us does not wait for the step.
func TestASlowStepOutlivesItsListener(t *testing.T) {
	t.Parallel()
	w := newWorld(t, openctitest.StartPlatform(t, sandbox.Options{CallbackDelay: 10 * time.Millisecond}))
	slow := make(chan struct{})
	defer close(slow)
	asked := stepFault(w, sandbox.Fault{After: true, Hang: slow})
	c := w.config("connector")
	address := freeAddress(t)
	c.ListenProtocol, c.QueueProtocol, c.CallbackURI = ProtocolAPI, ProtocolAPI, "http://"+address+"/api/callback"
	c.Callback = CallbackConfig{Listen: address, Path: "/api/callback"}
	c.ShutdownTimeout = time.Second
	_, stop := w.run(c)
	w.platform.AddEntity(host(1))
	if _, err := w.platform.Playbook(openctitest.Context(t), host(1).ID); err != nil {
		t.Fatal(err)
	}
	openctitest.Eventually(t, func() bool { return asked.Load() == 1 }, "the step is answered")
	recovers(t, stop)
}

// What is posted while results could not leave is not begun, and so not paid for.
func TestNothingIsBegunWithoutRabbitMQ(t *testing.T) {
	p := newPaper()
	c := p.connector(t, func(c *Config) {
		c.ListenProtocol, c.Callback = ProtocolAPI, CallbackConfig{Token: "worker"}
		c.Handle = func(context.Context, enrich.Message, enrich.Reporter) error {
			t.Error("it was begun")
			return nil
		}
	})
	if err := c.register(t.Context()); err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest(http.MethodPost, "/api/callback", bytes.NewReader(vector(t, "05-msg-manual-7x.json")))
	r.Header.Set("Authorization", "Bearer worker")
	answer := httptest.NewRecorder()
	c.callback(t.Context(), make(chan struct{}, 1), answer, r)
	if answer.Code != http.StatusServiceUnavailable {
		t.Errorf("HTTP %d: %s", answer.Code, answer.Body)
	}
}

// What the platform says to one message for ever is given up in the end; that it
// is away is not counted.
func TestAMessageThatAlwaysFails(t *testing.T) {
	for name, c := range map[string]struct {
		err     error
		refused bool // the platform's token
		givenUp bool
	}{
		"an error of the platform":              {&APIError{Code: "DATABASE_ERROR"}, false, true},
		"the output directory":                  {&fs.PathError{Op: "open", Path: "/output", Err: fs.ErrNotExist}, false, true},
		"the platform is away":                  {&unavailableError{operation: "x", err: errors.New("no route")}, false, false},
		"an error while the token is refused":   {&APIError{Code: "FORBIDDEN_ACCESS"}, true, false},
		"RabbitMQ took none of it, it was lost": {errors.New("the connection is closed"), false, false},
	} {
		t.Run(name, func(t *testing.T) {
			problems := 0
			connector := newPaper().connector(t, func(config *Config) {
				config.Handle = func(_ context.Context, m enrich.Message, _ enrich.Reporter) error {
					if m.Problem != nil {
						problems++
						return nil
					}
					return c.err
				}
			})
			if err := connector.register(t.Context()); err != nil {
				t.Fatal(err)
			}
			connector.lastPing.Store(time.Now().UnixNano())
			connector.refused.Store(c.refused)
			var counted *countedError
			for range maxAttempts + 1 {
				err := connector.consume(t.Context(), delivery{body: vector(t, "05-msg-manual-7x.json"), how: redelivered}, nil)
				if err != nil && errors.As(err, &counted) != c.givenUp {
					t.Errorf("%v", err)
				}
			}
			if (problems == 1) != c.givenUp || problems > 1 || c.givenUp && counted.attempts != maxAttempts {
				t.Errorf("given up %d times, counted %+v", problems, counted)
			}
		})
	}
}
