package opencti_test

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/enrichgate/enrichgate/enrich"
	"github.com/enrichgate/enrichgate/enrich/opencti"
	"github.com/enrichgate/enrichgate/enrich/opencti/openctitest"
	"github.com/enrichgate/enrichgate/enrich/opencti/sandbox"
	"github.com/enrichgate/enrichgate/quota"
	"github.com/enrichgate/enrichgate/stixconv"
)

// parking is a connector over the API protocol whose messages are parked while
// the quota is exhausted, and ended when it is not.
type parking struct {
	t        *testing.T
	platform *sandbox.Platform
	journal  string
	id       string
	address  string
	// ahead moves the connector's clock.
	ahead atomic.Int64
	// until is when the quota opens; handled are the entities that were ended.
	until   time.Time
	mu      sync.Mutex
	handled []string
}

func (p *parking) now() time.Time { return time.Now().Add(time.Duration(p.ahead.Load())) }

func (p *parking) handle(ctx context.Context, m enrich.Message, to enrich.Reporter) error {
	if err := to.Received(ctx); err != nil {
		return err
	}
	if p.now().Before(p.until) {
		return to.Park(ctx, p.until, "the quota is exhausted. It resumes at "+p.until.Format(time.RFC3339))
	}
	if m.Trigger == quota.Playbook {
		if err := to.Deliver(ctx, enrichBundle(m)); err != nil {
			return err
		}
	}
	p.mu.Lock()
	p.handled = append(p.handled, m.Trigger.String()+" "+m.Entity.Value)
	p.mu.Unlock()
	return to.Processed(ctx, "done", false)
}

// start runs a connector until stop is called.
func (p *parking) start() (stop func()) {
	p.t.Helper()
	journal, err := opencti.OpenJournal(p.journal, p.now)
	if err != nil {
		p.t.Fatal(err)
	}
	c := opencti.New(opencti.Config{
		ID: p.id, Name: "parking", Scope: []string{"IPv4-Addr"}, EnrichmentResolution: "none",
		ListenProtocol: opencti.ProtocolAPI, QueueProtocol: opencti.ProtocolAPI,
		CallbackURI: "http://" + p.address + "/api/callback",
		Callback:    opencti.CallbackConfig{Listen: p.address, Path: "/api/callback", Token: p.platform.Token()},
		Workers:     1, ShutdownTimeout: time.Second,
		Client:  opencti.NewClient(opencti.ClientConfig{URL: p.platform.URL(), Token: p.platform.Token(), HTTP: http.DefaultClient}),
		Journal: journal, Handle: p.handle, Log: slog.New(slog.DiscardHandler), Registerer: prometheus.NewRegistry(),
	})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	pings := p.platform.Pings()
	go func() { done <- c.Run(ctx) }()
	openctitest.Eventually(p.t, func() bool { return p.platform.Pings() > pings }, "the connector pings")
	return func() {
		cancel()
		if err := <-done; err != nil {
			p.t.Error(err)
		}
		if err := journal.Close(); err != nil {
			p.t.Error(err)
		}
	}
}

// A parked message is acknowledged, its work says when it goes on, it survives
// a restart, and it is ended once, manual work before a playbook's: when its time
// comes, or before, if the quota opens sooner.
func TestParkedMessagesSurviveARestart(t *testing.T) {
	for name, open := range map[string]func(*parking){
		"its time comes":  func(p *parking) { p.ahead.Store(int64(73 * time.Hour)) },
		"quota is bought": func(p *parking) { p.until = time.Now().Add(-time.Second) },
	} {
		t.Run(name, func(t *testing.T) { parkedMessagesSurviveARestart(t, open) })
	}
}

func parkedMessagesSurviveARestart(t *testing.T, open func(*parking)) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := ln.Addr().String()
	if err := ln.Close(); err != nil {
		t.Fatal(err)
	}
	p := &parking{
		t: t, platform: openctitest.StartPlatform(t, sandbox.Options{CallbackDelay: time.Millisecond}), id: openctitest.NewConnectorID(),
		journal: filepath.Join(t.TempDir(), "journal.db"), address: address, until: time.Now().Add(72 * time.Hour),
	}
	stop := p.start()
	ctx := openctitest.Context(t)
	values := []string{"198.51.100.1", "198.51.100.2", "198.51.100.3"}
	var step string
	var works []string
	for i, v := range values {
		e := sandbox.NewEntity("IPv4-Addr", v)
		p.platform.AddEntity(e)
		if i == 0 {
			if step, err = p.platform.Playbook(ctx, e.ID); err != nil {
				t.Fatal(err)
			}
			continue
		}
		id, err := p.platform.Enrich(ctx, e.ID)
		if err != nil {
			t.Fatal(err)
		}
		works = append(works, id)
	}
	for _, id := range works {
		openctitest.Eventually(t, func() bool {
			return slices.ContainsFunc(p.platform.Work(id).Messages, func(m string) bool { return strings.Contains(m, "resumes at") })
		}, "the work says when it resumes")
	}
	acked := func() bool {
		n, _, err := p.platform.QueueDepth(ctx)
		return err == nil && n == 0
	}
	openctitest.Eventually(t, acked, "the messages are acknowledged")
	openctitest.Eventually(t, func() bool { return len(p.platform.Callbacks()) == 3 }, "each message was posted once")
	pings := p.platform.Pings()
	stop()
	if n := p.platform.Pings(); n != pings+1 { // pings are 40 s apart
		t.Errorf("%d pings said in which state it ends", n-pings)
	}
	stop = p.start()
	stop() // nothing has changed, and nobody is told
	open(p)
	stop = p.start()
	defer func() { stop() }()
	for _, id := range works {
		w, err := p.platform.WaitWork(ctx, id)
		if err != nil || w.ProcessedCount != 1 || len(w.Errors) != 0 {
			t.Errorf("work %+v, %v", w, err)
		}
	}
	if _, err := p.platform.WaitStep(ctx, step); err != nil {
		t.Fatal(err)
	}
	if n := len(p.platform.Steps(step)); n != 1 {
		t.Errorf("the step was answered %d times", n)
	}
	ended := func() []string {
		p.mu.Lock()
		defer p.mu.Unlock()
		return slices.Clone(p.handled)
	}
	openctitest.Eventually(t, func() bool { return len(ended()) == 3 }, "all are ended")
	if got := ended(); got[2] != "playbook "+values[0] {
		t.Errorf("ended in this order: %s", got)
	}
	openctitest.NoProblems(t, p.platform)
}

func enrichBundle(m enrich.Message) (b stixconv.Bundle) {
	b.ID = m.BundleID
	b.Objects = append(b.Objects, m.Entity.Object)
	b.Objects = append(b.Objects, m.Context...)
	return b
}
