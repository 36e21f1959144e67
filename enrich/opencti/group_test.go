package opencti

import (
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/enrichgate/enrichgate/enrich/opencti/openctitest"
	"github.com/enrichgate/enrichgate/enrich/opencti/sandbox"
)

// One connector's token is revoked, another's queue is deleted, and the third
// does not notice; when the trouble ends, so does theirs.
func TestOneConnectorsTroubleIsNotTheOthers(t *testing.T) {
	t.Parallel()
	broker := openctitest.TestBroker(t)
	w := newWorld(t, openctitest.StartPlatform(t, sandbox.Options{AMQPURL: broker.URL()}))
	other := openctitest.StartPlatform(t, sandbox.Options{AMQPURL: broker.URL()})
	well, revoked, noQueue := w.config("well"), w.config("revoked"), w.config("no queue")
	var isRevoked atomic.Bool
	other.Intercept(func(string, map[string]any) sandbox.Fault {
		if isRevoked.Load() {
			return sandbox.Fault{Body: `{"errors":[{"message":"You must be logged in to do this.","extensions":{"code":"AUTH_REQUIRED"},"name":"AUTH_REQUIRED"}],"data":null}`}
		}
		return sandbox.Fault{}
	})
	revoked.Client = NewClient(ClientConfig{URL: other.URL(), Token: other.Token()})
	g, _ := w.run(well, revoked, noQueue)
	if err := w.platform.DeleteQueue(openctitest.Context(t), noQueue.ID); err != nil {
		t.Fatal(err)
	}
	isRevoked.Store(true)
	openctitest.Eventually(t, func() bool {
		err := g.States()[1].Err() // of the revoked one
		return err != nil && strings.Contains(err.Error(), "token")
	}, "the refused token shows")
	if err := g.Healthy(); err != nil {
		t.Errorf("the group is not healthy: %v", err)
	}
	other.AddEntity(host(7))
	waiting, err := other.Enrich(t.Context(), host(7).ID)
	if err != nil {
		t.Fatal(err)
	}
	w.done(w.ask(well.ID, host(1)), w.ask(noQueue.ID, host(2)))
	if n := other.Work(waiting).ReceivedCount; n != 0 {
		t.Error("a connector without a token took a message")
	}
	isRevoked.Store(false)
	if k, err := other.WaitWork(openctitest.Context(t), waiting); err != nil || len(k.Errors) > 0 {
		t.Errorf("%v, %v", k, err)
	}
	w.paidOnce(3)
	openctitest.NoProblems(t, w.platform)
	openctitest.NoProblems(t, other)
	for _, m := range w.platform.PushMessages() {
		if m.DeliveryMode != 2 || m.ContentEncoding != "utf-8" {
			t.Errorf("delivery mode %d, content encoding %q", m.DeliveryMode, m.ContentEncoding)
		}
	}
	if n, err := testutil.GatherAndCount(w.registry, "enrichgate_broker_connected"); err != nil || n != 3 {
		t.Errorf("%d series of three connectors, %v", n, err)
	}
}

// Doubles are refused when the group is built.
func TestGroupRefusesDoubles(t *testing.T) {
	a := Config{ID: "1", Name: "a", ListenProtocol: ProtocolAPI, Callback: CallbackConfig{Listen: "127.0.0.1:7070", Path: "/a"}}
	for says, b := range map[string]Config{
		"the id 1":   {ID: "1", Name: "b"},
		"the name a": {ID: "2", Name: "a"},
		"the address 127.0.0.1:7070/a": {ID: "2", Name: "b", ListenProtocol: ProtocolAPI,
			Callback: CallbackConfig{Listen: "127.0.0.1:7070", Path: "/a"}},
	} {
		if _, err := NewGroup(slog.New(slog.DiscardHandler), a, b); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%q is not refused: %v", says, err)
		}
	}
}
