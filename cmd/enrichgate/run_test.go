package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/enrichgate/enrichgate/cmd/enrichgate/internal/settings"
	"github.com/enrichgate/enrichgate/enrich"
	"github.com/enrichgate/enrichgate/enrich/opencti/openctitest"
	"github.com/enrichgate/enrichgate/enrich/opencti/sandbox"
	provider "github.com/enrichgate/enrichgate/enrich/source/proofpoint/sandbox"
)

func TestMain(m *testing.M) {
	if kill, ok := os.LookupEnv(childKill); ok {
		os.Exit(child(kill))
	}
	if broker, ok := os.LookupEnv(childFar); ok {
		os.Exit(runFarEnd(broker))
	}
	os.Exit(openctitest.Main(m))
}

// world is both far ends of a daemon: a platform on a real broker, and a
// provider that keeps its own bill.
type world struct {
	tb       testing.TB
	platform *sandbox.Platform
	provider *provider.Provider
	url      string // of the provider
	dir      string
	id       string
}

const apiKey = "sandbox-key-0123456789"

func newWorld(tb testing.TB, broker *openctitest.Broker) *world {
	tb.Helper()
	w := &world{tb: tb, provider: provider.New(provider.Options{Key: apiKey}), dir: filepath.Join(tb.TempDir(), "data"), id: openctitest.NewConnectorID()}
	srv, err := w.provider.Serve("127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = srv.Close() })
	w.url = srv.URL()
	w.platform = openctitest.StartPlatform(tb, sandbox.Options{AMQPURL: broker.URL(), QueuePrefix: openctitest.Prefix()})
	return w
}

// env is the environment of a daemon in this world.
func (w *world) env(more ...string) []string {
	return append([]string{
		"OPENCTI_URL=" + w.platform.URL(), "OPENCTI_TOKEN=" + w.platform.Token(), "CONNECTOR_ID=" + w.id, "CONNECTOR_LOG_LEVEL=info",
		"PROOFPOINT_ET_INTELLIGENCE_API_BASE_URL=" + w.url, "PROOFPOINT_ET_INTELLIGENCE_API_KEY=" + apiKey,
		"PROOFPOINT_ET_INTELLIGENCE_QUOTA=none",
		"ENRICHGATE_DATA_DIR=" + w.dir, "ENRICHGATE_HTTP_LISTEN=off",
	}, more...)
}

// start runs a daemon in this process until stop is called.
func (w *world) start(more ...string) (stop func()) {
	return w.startTraced(nil, more...)
}

func (w *world) startTraced(trace func(enrich.Step), more ...string) (stop func()) {
	w.tb.Helper()
	s, err := settings.Load(settings.Options{Environ: w.env(more...), Dir: w.tb.TempDir(), Sources: sourceSpecs()})
	if err != nil {
		w.tb.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	log := newLog(testWriter{w.tb}, s, s.LogLevel)
	done := make(chan error, 1)
	registered := w.platform.Pings()
	go func() { done <- serving{settings: s, log: log, trace: trace, now: time.Now}.run(ctx) }()
	openctitest.Eventually(w.tb, func() bool { return w.platform.Pings() > registered }, "the daemon pings")
	var once sync.Once
	stop = func() {
		once.Do(func() {
			cancel()
			if err := <-done; err != nil {
				w.tb.Errorf("daemon: %v", err)
			}
		})
	}
	w.tb.Cleanup(stop)
	return stop
}

// testWriter sends the daemon's log to the test's.
type testWriter struct{ tb testing.TB }

func (t testWriter) Write(b []byte) (int, error) {
	t.tb.Logf("%s", strings.TrimRight(string(b), "\n"))
	return len(b), nil
}

// quota reads the ledger as an operator does.
func (w *world) quota(more ...string) string {
	w.tb.Helper()
	way, err := (&cli{}).access(&environment{ctx: w.tb.Context(), environ: w.env(more...), stderr: io.Discard}, settings.NeedData, "quota")
	if err != nil {
		w.tb.Fatal(err)
	}
	var answer json.RawMessage
	err = way.call(w.tb.Context(), request{method: http.MethodGet, path: "/api/v1/quota"}, &answer)
	if err := errors.Join(err, way.close()); err != nil {
		w.tb.Fatal(err)
	}
	return string(answer)
}

func TestManualEnrichmentEndToEnd(t *testing.T) {
	w := newWorld(t, openctitest.TestBroker(t))
	stop := w.start()
	e := sandbox.NewEntity("IPv4-Addr", "198.51.100.7", "TLP:GREEN")
	w.platform.AddEntity(e)
	for round := range 2 {
		id, err := w.platform.Enrich(t.Context(), e.ID)
		if err != nil {
			t.Fatal(err)
		}
		work, err := w.platform.WaitWork(openctitest.Context(t), id)
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("round %d: %+v", round, work)
		if len(work.Errors) > 0 || work.Expected == 0 || work.Processed != work.Expected {
			t.Errorf("work: %+v", work)
		}
	}
	if bill := w.provider.Bill(); bill.Total != 5 {
		t.Errorf("the provider saw %d calls: %v", bill.Total, bill.Counts)
	}
	if q := w.quota(); !strings.Contains(q, `"spent_total":5`) {
		t.Error(q)
	}
	stop()
	if q := w.quota(); !strings.Contains(q, `"spent_total":5`) {
		t.Error(q)
	}
	openctitest.NoProblems(t, w.platform)
}
