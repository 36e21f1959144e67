package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/enrichgate/enrichgate/enrich/opencti/openctitest"
	"github.com/enrichgate/enrichgate/enrich/opencti/sandbox"
)

// Two registrations in one process: each has its queue, its scope and its
// highest marking, and what one paid for the other has for nothing.
func TestTwoConnectorsShareOneLedger(t *testing.T) {
	w := newWorld(t, openctitest.TestBroker(t))
	wide, narrow := openctitest.NewConnectorID(), openctitest.NewConnectorID()
	config := filepath.Join(t.TempDir(), "config.yml")
	if err := os.WriteFile(config, fmt.Appendf(nil, `
connectors:
  - {id: %s, name: Wide, source: proofpoint_et_intelligence}
  - {id: %s, name: Narrow, source: proofpoint_et_intelligence, scope: [IPv4-Addr], max_tlp: TLP:GREEN}
`, wide, narrow), 0o600); err != nil {
		t.Fatal(err)
	}
	more := []string{"CONNECTOR_ID=", "ENRICHGATE_CONFIG=" + config}
	w.start(more...)

	green := sandbox.NewEntity("IPv4-Addr", "198.51.100.7", "TLP:GREEN")
	amber := sandbox.NewEntity("IPv4-Addr", "198.51.100.9", "TLP:AMBER")
	w.platform.AddEntity(green)
	w.platform.AddEntity(amber)
	ask := func(connector, entity string) sandbox.Work {
		t.Helper()
		id, err := w.platform.Ask(t.Context(), sandbox.Ask{ConnectorID: connector, EntityID: entity})
		if err != nil {
			t.Fatal(err)
		}
		work, err := w.platform.WaitWork(openctitest.Context(t), id)
		if err != nil {
			t.Fatal(err)
		}
		return work
	}
	for _, connector := range []string{narrow, wide} {
		if work := ask(connector, green.ID); len(work.Errors) > 0 || work.Expected == 0 {
			t.Errorf("connector %s: %+v", connector, work)
		}
	}
	if bill := w.provider.Bill(); bill.Total != 5 {
		t.Errorf("two connectors asked for one address: %d calls", bill.Total)
	}
	if work := ask(narrow, amber.ID); !strings.Contains(fmt.Sprint(work.Messages), "this connector's maximum is TLP:GREEN") {
		t.Errorf("got %+v", work)
	}
	if bill := w.provider.Bill(); bill.Total != 5 {
		t.Errorf("a refused entity was looked up: %d calls", bill.Total)
	}
	if work := ask(wide, amber.ID); len(work.Errors) > 0 {
		t.Errorf("got %+v", work)
	}
	if bill := w.provider.Bill(); bill.Total != 10 {
		t.Errorf("%d calls", bill.Total)
	}
	if code := execute(environment{ctx: t.Context(), environ: w.env(more...), stdout: io.Discard, stderr: testWriter{t}}, []string{"healthcheck"}); code != 0 {
		t.Errorf("healthcheck: exit %d", code)
	}
	openctitest.NoProblems(t, w.platform)
}

// A connector that cannot listen leaves the other alone, and readiness names it.
func TestOneConnectorsTroubleIsItsOwn(t *testing.T) {
	w := newWorld(t, openctitest.TestBroker(t))
	good, bad := openctitest.NewConnectorID(), openctitest.NewConnectorID()
	w.platform.Intercept(func(op string, variables map[string]any) sandbox.Fault {
		if strings.Contains(fmt.Sprint(variables), bad) {
			return sandbox.Fault{Status: 503}
		}
		return sandbox.Fault{}
	})
	config := filepath.Join(t.TempDir(), "config.yml")
	if err := os.WriteFile(config, fmt.Appendf(nil, "connectors:\n  - {id: %s, name: Good}\n  - {id: %s, name: Bad}\n", good, bad), 0o600); err != nil {
		t.Fatal(err)
	}
	more := []string{"CONNECTOR_ID=", "ENRICHGATE_CONFIG=" + config}
	w.start(more...)
	e := sandbox.NewEntity("IPv4-Addr", "198.51.100.7", "TLP:GREEN")
	w.platform.AddEntity(e)
	id, err := w.platform.Ask(t.Context(), sandbox.Ask{ConnectorID: good, EntityID: e.ID})
	if err != nil {
		t.Fatal(err)
	}
	if work, err := w.platform.WaitWork(openctitest.Context(t), id); err != nil || len(work.Errors) > 0 {
		t.Errorf("%+v, %v", work, err)
	}
	by, err := readHolder(w.dir)
	if err != nil {
		t.Fatal(err)
	}
	d, err := daemonOf(&heldError{dir: w.dir, by: by})
	if err != nil {
		t.Fatal(err)
	}
	body, err := d.client.Get("http://enrichgate/readyz")
	if err != nil {
		t.Fatal(err)
	}
	defer body.Body.Close()
	said, err := io.ReadAll(body.Body)
	if err != nil || body.StatusCode != 503 || !strings.Contains(string(said), `"connector Bad":"not registered with OpenCTI"`) || !strings.Contains(string(said), `"connector Good":"ok"`) {
		t.Errorf("HTTP %d %s %v", body.StatusCode, said, err)
	}
}
