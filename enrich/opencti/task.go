package opencti

import (
	"context"
	"errors"
	"sync"
	"time"
)

// task is one message on its way; it tells the platform what becomes of it
// (enrich.Reporter).
type task struct {
	c       *Connector
	body    []byte
	message message
	key     string
	record  record
	// began is the playbook step's execution_start.
	began   time.Time
	publish publisher
	// tracked is what the work expected when the entity was read; nil when the
	// platform does not say.
	tracked *int
	// leave, if set, says that only the platform's word is waited for any more.
	leave func()
	// parked says that the message was parked, which is its fate for now.
	parked bool

	// mu guards received, which the timer may set.
	mu       sync.Mutex
	received bool
	// stop ends the timer and waits for what it began.
	stop func()
}

// publisher hands messages to the broker and returns when all are confirmed.
// Those that were are marked, whatever became of the others. An outlet is one.
type publisher interface {
	Publish(ctx context.Context, messages []*outgoing) error
}

// outgoing is one message for the worker.
type outgoing struct {
	// object is the id of the object that it brings.
	object string
	body   []byte
	// taken: the broker has it for good.
	taken bool
}

// receivedAfter is how long the first report may wait for company. What is
// answered from the cache ends sooner and says "received" together with what it
// expects, in one request.
const receivedAfter = 200 * time.Millisecond

// receivedText is what the Python client says.
const receivedText = "Connector ready to process the operation"

// work is the message's work, "" when there is none to be told: a playbook step
// has none, and a connector that sends nothing to the queue reports nothing.
func (t *task) work() string {
	if t.c.cfg.Output.NoQueue {
		return ""
	}
	return t.message.Internal.WorkID
}

// Received has the work told that it is being worked on: soon, or with the next
// report if that is sooner.
func (t *task) Received(ctx context.Context) error {
	if t.work() == "" {
		return nil
	}
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	timer := time.AfterFunc(t.c.cfg.receivedAfter, func() {
		defer close(done)
		t.mu.Lock()
		defer t.mu.Unlock()
		if !t.received && t.c.client.Do(ctx, opReceived, t.receivedVariables(), "", nil) == nil {
			t.received = true // if not, the next report says it, and insists
		}
	})
	t.stop = func() {
		if timer.Stop() {
			close(done)
		}
		cancel()
		<-done
	}
	return nil
}

// end stops what Received began.
func (t *task) end() {
	if t.stop != nil {
		t.stop()
	}
}

func (t *task) receivedVariables() map[string]any {
	return map[string]any{"id": t.work(), "message": receivedText}
}

// Processed ends the work.
func (t *task) Processed(ctx context.Context, text string, failed bool) error {
	id := t.work()
	if id == "" {
		return nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.received {
		// Not in one request with the end: both change the status, in any order.
		if err := t.lenient(t.c.insist(ctx, opReceived, t.receivedVariables(), "", nil)); err != nil {
			return err
		}
		t.received = true
	}
	err := t.lenient(t.c.insist(ctx, opProcessed, map[string]any{"id": id, "message": text, "inError": failed}, "", nil))
	if err != nil {
		return err
	}
	t.record.Processed = true
	// Losing this costs a second report of the same words, so nobody waits for the disk.
	t.c.journal.putSoon(t.key, t.record)
	return nil
}

// lenient takes a work that the platform no longer knows for told: the analyst
// deleted it, and no repetition brings it back.
func (t *task) lenient(err error) error {
	var api *APIError
	if errors.As(err, &api) && !transient(err) {
		t.c.log.Warn("Work no longer exists", "work", t.message.Internal.WorkID, "reason", api.Error())
		return nil
	}
	return err
}
