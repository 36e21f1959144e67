package opencti

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"
)

// almost is a paper platform behind a real connection. While it holds, it stops
// at all but the last byte of a step's answer, says so, and hangs up when told.
type almost struct {
	*paper
	hold          atomic.Bool
	there, hangUp chan struct{}
}

func (a *almost) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body := make([]byte, r.ContentLength-1)
	if _, err := io.ReadFull(r.Body, body); err != nil {
		panic(http.ErrAbortHandler)
	}
	if a.hold.Load() && bytes.Contains(body, []byte(opStep.name)) {
		close(a.there)
		<-a.hangUp
		panic(http.ErrAbortHandler)
	}
	r.Body = io.NopCloser(io.MultiReader(bytes.NewReader(body), r.Body))
	resp, err := a.RoundTrip(r)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	_, _ = io.Copy(w, resp.Body)
}

// steps is how many answers of a step arrived whole.
func (a *almost) steps() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.asked[opStep.name])
}

// playbooks is a connector of it, and a delivery of a step to answer.
func (a *almost) playbooks(t *testing.T, journal *Journal) (*Connector, func(context.Context, arrival) error) {
	t.Helper()
	s := httptest.NewServer(a)
	// Nothing of a request waits in a buffer for its end.
	transport := &http.Transport{WriteBufferSize: 1}
	t.Cleanup(func() { transport.CloseIdleConnections(); s.Close() })
	c := a.connector(t, func(c *Config) {
		c.Client = NewClient(ClientConfig{URL: s.URL, HTTP: &http.Client{Transport: transport}})
		c.Handle = delivers(t, "")
		if journal != nil {
			c.Journal = journal
		}
	})
	if err := c.register(t.Context()); err != nil {
		t.Fatal(err)
	}
	return c, func(ctx context.Context, how arrival) error {
		return c.consume(ctx, delivery{body: vector(t, "10-msg-playbook-7x.json"), how: how}, nil)
	}
}

func newAlmost() *almost {
	a := &almost{paper: newPaper(), there: make(chan struct{}), hangUp: make(chan struct{})}
	a.answers[opStep.name] = `{"playbookStepExecution":true}`
	return a
}

// A process that dies while the platform has all but the last byte of an answer
// leaves a step that its next life answers, once.
func TestKilledBeforeTheLastByte(t *testing.T) {
	a := newAlmost()
	c, deliver := a.playbooks(t, nil)
	a.hold.Store(true)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan error, 1)
	tx, err := c.journal.db.Begin(true) // until this one ends, no other is written
	if err != nil {
		t.Fatal(err)
	}
	go func() { ended <- deliver(ctx, delivered) }()
	<-a.there
	// What a process leaves that is killed now:
	dir := t.TempDir()
	for _, end := range []string{".db", ".left"} {
		from := filepath.Join(filepath.Dir(c.journal.db.Path()), "journal"+end)
		if err := os.WriteFile(filepath.Join(dir, "journal"+end), must(os.ReadFile(from)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cancel()
	close(a.hangUp)
	if err := tx.Rollback(); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err == nil || a.steps() > 0 {
		t.Errorf("%v, %d answers arrived", err, a.steps())
	}
	a.hold.Store(false)
	next, err := OpenJournal(filepath.Join(dir, "journal.db"), time.Now)
	if err != nil {
		t.Fatal(err)
	}
	_, deliver = a.playbooks(t, next)
	for range 2 {
		if err := deliver(t.Context(), redelivered); err != nil {
			t.Fatal(err)
		}
	}
	if err := next.Close(); err != nil || a.steps() != 1 {
		t.Errorf("%v, answered %d times", err, a.steps())
	}
}

// What cannot be written down does not leave, and is answered once it can.
func TestNothingLeavesUnwritten(t *testing.T) {
	a := newAlmost()
	c, deliver := a.playbooks(t, nil)
	good, closed := c.journal.left.file, must(os.Open(os.DevNull))
	if err := closed.Close(); err != nil {
		t.Fatal(err)
	}
	c.journal.left.file = closed
	if err := deliver(t.Context(), redelivered); err == nil || a.steps() > 0 {
		t.Errorf("%v, %d answers arrived", err, a.steps())
	}
	c.journal.left.file = good
	for range 2 {
		if err := deliver(t.Context(), redelivered); err != nil {
			t.Fatal(err)
		}
	}
	if n := a.steps(); n != 1 {
		t.Errorf("answered %d times", n)
	}
}
