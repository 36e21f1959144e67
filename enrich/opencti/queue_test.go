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
	m := g.Connectors()[0].metrics
	if testutil.ToFloat64(m.lastMessage) != 0 || testutil.ToFloat64(m.waiting) != 0 {
		t.Error("something came before the first message")
	}
	gate := make(chan struct{})
	w.provider.gate = func(string) { <-gate }
	works := w.burst(c.ID, 0, 4)
	openctitest.Eventually(t, func() bool { return testutil.ToFloat64(m.waiting) == 3 }, "three of four to wait")
	if at := testutil.ToFloat64(m.lastMessage); at < float64(time.Now().Add(-time.Minute).Unix()) {
		t.Errorf("the last message came at %f", at)
	}
	close(gate)
	w.done(works...)
	openctitest.Eventually(t, func() bool { return testutil.ToFloat64(m.waiting) == 0 }, "none to wait")
	if n := testutil.ToFloat64(m.reconnects); n != 0 {
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
