package opencti

import (
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/enrichgate/enrichgate/enrich/opencti/openctitest"
	"github.com/enrichgate/enrichgate/enrich/opencti/sandbox"
)

// The metrics say how many messages wait in the queue, when the last one came,
// and that requests to the platform were timed.
func TestTheQueueIsWatched(t *testing.T) {
	t.Parallel()
	w := newWorld(t, openctitest.StartPlatform(t, sandbox.Options{AMQPURL: openctitest.TestBroker(t).URL(), QueuePrefix: openctitest.Prefix()}))
	c := w.config("connector")
	c.Workers, c.watchQueueEvery = 1, time.Millisecond
	g, _ := w.run(c)
	connector := g.Connectors()[0]
	if s := connector.State(); !s.LastMessage.IsZero() || s.LastPing.IsZero() || s.Waiting != 0 {
		t.Errorf("before the first message: %+v", s)
	}
	gate := make(chan struct{})
	w.provider.gate = func(string) { <-gate }
	works := w.burst(c.ID, 0, 4)
	openctitest.Eventually(t, func() bool { return connector.State().Waiting == 3 }, "three of four to wait")
	if s := connector.State(); time.Since(s.LastMessage) > time.Minute || s.Messages != nil || s.Platform != nil {
		t.Errorf("at work: %+v", s)
	}
	close(gate)
	w.done(works...)
	openctitest.Eventually(t, func() bool { return connector.State().Waiting == 0 }, "none to wait")
	if n := testutil.ToFloat64(connector.metrics.reconnects); n != 0 {
		t.Errorf("%f reconnections", n)
	}
}

// Every operation has a purpose of the closed set, and those that are not about
// a work are named.
func TestPurposes(t *testing.T) {
	for operation, want := range map[string]string{
		opHealth.name: purposeRegister, nameRegister: purposeRegister, namePing: purposePing, nameRead: purposeRead,
		opReceived.name: purposeWork, opBegin.name: purposeWork, opExpect.name: purposeWork, opReport.name: purposeWork, opProcessed.name: purposeWork,
		opPingWork.name: purposeWork, opTracking.name: purposeWork, opDraftContext.name: purposeWork,
		opStep.name: purposeResult, opUpload.name: purposeResult, opDraft.name: purposeResult, nameBundle: purposeResult,
		opPerson.name: purposeName, opPlaybook.name: purposeName,
	} {
		if got := purposeOf(operation); got != want {
			t.Errorf("%s is for %s, want %s", operation, got, want)
		}
	}
}
