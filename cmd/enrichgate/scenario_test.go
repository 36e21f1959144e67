package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/enrichgate/enrichgate/enrich/httpapi"
	"github.com/enrichgate/enrichgate/enrich/opencti/openctitest"
	"github.com/enrichgate/enrichgate/enrich/opencti/sandbox"
	provider "github.com/enrichgate/enrichgate/enrich/source/proofpoint/sandbox"
	"github.com/enrichgate/enrichgate/quota"
)

// books is the ledger as an operator reads it.
func (w *world) books(more ...string) quota.Usage {
	w.tb.Helper()
	var answer httpapi.QuotaAnswer
	if err := json.Unmarshal([]byte(w.quota(more...)), &answer); err != nil || len(answer.Sources) != 1 {
		w.tb.Fatalf("quota: %v, %+v", err, answer)
	}
	return answer.Sources[0]
}

// balance compares the ledger with the provider's bill, and says both.
func (w *world) balance(asked int, more ...string) {
	w.tb.Helper()
	u, bill := w.books(more...), w.provider.Bill()
	w.tb.Logf("asked %d lookups, the provider saw %d calls, the ledger says %d spent, %d uncertain, %d pending", asked, bill.Total, u.Spent, u.Uncertain, u.Pending)
	if u.Spent+u.Uncertain+u.Pending != int64(bill.Total) {
		w.tb.Errorf("ledger and bill differ")
	}
}

// ended waits until every work and playbook step has come to its end.
func (w *world) ended(works, steps []string) {
	w.tb.Helper()
	err := w.platform.Wait(openctitest.Context(w.tb), func() bool {
		for _, id := range works {
			if k := w.platform.Work(id); k.ProcessedCount == 0 || k.Status != "complete" {
				return false
			}
		}
		for _, id := range steps {
			if len(w.platform.Steps(id)) == 0 {
				return false
			}
		}
		return true
	})
	if err != nil {
		for _, id := range works {
			if k := w.platform.Work(id); k.ProcessedCount == 0 || k.Status != "complete" {
				w.tb.Logf("not ended: %+v", k)
			}
		}
		w.tb.Fatal(err)
	}
	for _, id := range steps {
		told := 0
		for _, s := range w.platform.Steps(id) {
			if !s.Lost { // one whose answer was lost is asked again: see DIVERGENCES.md
				told++
			}
		}
		if told > 1 {
			w.tb.Errorf("step %s was answered %d times", id, told)
		}
	}
}

// burst sends n messages, manual and playbook in turn, value by value.
func (w *world) burst(n int, entity func(i int) sandbox.Entity) (works, steps []string) {
	w.tb.Helper()
	for i := range n {
		e := entity(i)
		w.platform.AddEntity(e)
		if i%2 == 0 {
			id, err := w.platform.Enrich(openctitest.Context(w.tb), e.ID)
			if err != nil {
				w.tb.Fatal(err)
			}
			works = append(works, id)
			continue
		}
		id, err := w.platform.Playbook(openctitest.Context(w.tb), e.ID)
		if err != nil {
			w.tb.Fatal(err)
		}
		steps = append(steps, id)
	}
	return works, steps
}

func TestAThousandMessagesForOneValue(t *testing.T) {
	w := newWorld(t, openctitest.TestBroker(t))
	one := func(int) sandbox.Entity { return sandbox.NewEntity("IPv4-Addr", "198.51.100.7", "TLP:GREEN") }
	// The first call of each endpoint is held until all the messages are on their way.
	gate := make(chan struct{})
	w.provider.Handle(func(*http.Request, int) (provider.Reply, bool) {
		<-gate
		return provider.Reply{}, false
	})
	stop := w.start()
	works, steps := w.burst(1000, one)
	close(gate)
	w.ended(works, steps)
	for _, endpoint := range []string{"ip.reputation", "ip.domains", "ip.samples", "ip.geoloc", "ip.asn"} {
		if n := w.provider.Seen(endpoint, "198.51.100.7"); n != 1 {
			t.Errorf("%s was called %d times", endpoint, n)
		}
	}
	w.balance(5000)
	stop()
	stop = w.start()
	works, steps = w.burst(100, one)
	w.ended(works, steps)
	w.balance(500)
	if n := w.provider.Bill().Total; n != 5 {
		t.Errorf("after a restart the provider had seen %d calls", n)
	}
	stop()
	openctitest.NoProblems(t, w.platform)
}

// The quota runs out in the middle of a burst: exactly as many calls as it has,
// and everybody else is told until when.
func TestQuotaRunsOutInABurst(t *testing.T) {
	w := newWorld(t, openctitest.TestBroker(t))
	const burst, quota = 500, 200
	limit := fmt.Sprintf("PROOFPOINT_ET_INTELLIGENCE_QUOTA=%d/day", quota)
	stop := w.start(limit)
	var works []string
	for i := range burst {
		e := sandbox.NewEntity("StixFile", fmt.Sprintf("%032x", i+1))
		w.platform.AddEntity(e)
		id, err := w.platform.Enrich(t.Context(), e.ID)
		if err != nil {
			t.Fatal(err)
		}
		works = append(works, id)
	}
	w.ended(works, nil)
	failed := 0
	for _, id := range works {
		if k := w.platform.Work(id); len(k.Errors) > 0 {
			failed++
			if !strings.Contains(strings.Join(k.Errors, " "), "exhausted") {
				t.Errorf("work says %q", k.Errors)
			}
		}
	}
	if n := w.provider.Bill().Total; n != quota || failed != burst-quota {
		t.Errorf("%d calls, %d works failed", n, failed)
	}
	w.balance(burst, limit)
	stop()
	// A restart does not open the window.
	stop = w.start(limit)
	e := sandbox.NewEntity("StixFile", fmt.Sprintf("%032x", burst+1))
	w.platform.AddEntity(e)
	id, err := w.platform.Enrich(t.Context(), e.ID)
	if err != nil {
		t.Fatal(err)
	}
	w.ended([]string{id}, nil)
	if n := w.provider.Bill().Total; n != quota {
		t.Errorf("%d calls after a restart", n)
	}
	stop()
}

// Policy: nothing that is refused reaches the provider, and everybody is told.
func TestPolicy(t *testing.T) {
	w := newWorld(t, openctitest.TestBroker(t))
	w.start()
	for _, c := range []struct {
		name    string
		entity  sandbox.Entity
		says    string
		inError bool
	}{
		{"above the maximum", sandbox.NewEntity("IPv4-Addr", "198.51.100.1", "TLP:RED"), "maximum is TLP:AMBER+STRICT", false},
		{"the strictest counts", sandbox.NewEntity("IPv4-Addr", "198.51.100.2", "TLP:RED", "TLP:GREEN"), "marked TLP:RED", false},
		{"unknown marking", sandbox.NewEntity("IPv4-Addr", "198.51.100.3", "TLP:PURPLE"), "no TLP level", false},
		{"out of scope", sandbox.NewEntity("Url", "https://www.example.com/"), "outside of this connector's scope", true},
		{"not an address", sandbox.NewEntity("IPv4-Addr", "198.51.100.999"), "is not an IPv4 address", true},
		{"private address", sandbox.NewEntity("IPv4-Addr", "10.1.2.3"), "private", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			w.platform.AddEntity(c.entity)
			id, err := w.platform.Enrich(t.Context(), c.entity.ID)
			if err != nil {
				t.Fatal(err)
			}
			step, err := w.platform.Playbook(t.Context(), c.entity.ID)
			if err != nil {
				t.Fatal(err)
			}
			w.ended([]string{id}, []string{step})
			k := w.platform.Work(id)
			said := strings.Join(k.Messages, "\n")
			if c.inError {
				said = strings.Join(k.Errors, "\n")
			} else if len(k.Errors) > 0 {
				t.Errorf("errors: %q", k.Errors)
			}
			if !strings.Contains(said, c.says) {
				t.Errorf("the work says %q, not %q", said, c.says)
			}
			answer := w.platform.Steps(step)[0]
			if !strings.Contains(string(answer.Bundle), c.entity.ID) || strings.Contains(string(answer.Bundle), "relationship") {
				t.Errorf("the playbook got %s", answer.Bundle)
			}
		})
	}
	if n := w.provider.Bill().Total; n != 0 {
		t.Errorf("%d calls", n)
	}
}

func TestVersionsOfThePlatform(t *testing.T) {
	for _, version := range []string{"7.260817.0", "6.9.28", "6.8.8", "6.3.0"} {
		t.Run(version, func(t *testing.T) {
			w := newWorld(t, openctitest.TestBroker(t))
			w.platform = openctitest.StartPlatform(t, sandbox.Options{AMQPURL: openctitest.TestBroker(t).URL(), Version: version})
			w.start()
			works, steps := w.burst(4, func(i int) sandbox.Entity {
				return sandbox.NewEntity("Domain-Name", fmt.Sprintf("host%d.example.com", i), "TLP:AMBER+STRICT")
			})
			w.ended(works, steps)
			w.balance(12)
			openctitest.NoProblems(t, w.platform)
		})
	}
}

// A failing endpoint costs its own part only, and the work says which; the
// ledger counts every attempt.
func TestAFailureKeepsTheOthers(t *testing.T) {
	w := newWorld(t, openctitest.TestBroker(t))
	w.provider.Handle(func(r *http.Request, _ int) (provider.Reply, bool) {
		switch {
		case strings.HasSuffix(r.URL.Path, "/samples"):
			return provider.Reply{Status: 500, Body: []byte(`{"success":false,"message":"Internal error","response":{}}`)}, true
		case strings.HasSuffix(r.URL.Path, "/asn"):
			return provider.Reply{Status: 404, Body: []byte(`{"success":false,"message":"Not found","response":{}}`)}, true
		}
		return provider.Reply{}, false
	})
	w.start()
	e := sandbox.NewEntity("IPv4-Addr", "198.51.100.7")
	w.platform.AddEntity(e)
	id, err := w.platform.Enrich(t.Context(), e.ID)
	if err != nil {
		t.Fatal(err)
	}
	w.ended([]string{id}, nil)
	k := w.platform.Work(id)
	if said := strings.Join(k.Errors, " "); !strings.Contains(said, "Missing: samples") || strings.Contains(said, "autonomous system") {
		t.Errorf("the work says %q", said)
	}
	if k.Expected < 5 {
		t.Errorf("only %d objects were delivered", k.Expected)
	}
	w.balance(5)
	w.provider.Handle(nil)
	if id, err = w.platform.Enrich(t.Context(), e.ID); err != nil {
		t.Fatal(err)
	}
	w.ended([]string{id}, nil)
	if n := w.provider.Seen("ip.samples", "198.51.100.7"); n != 3 { // two attempts that failed, one that did not
		t.Errorf("samples were asked for %d times", n)
	}
	if n := w.provider.Seen("ip.asn", "198.51.100.7"); n != 1 {
		t.Errorf("the kept 'no record' was asked for %d times", n)
	}
}

func TestARefusedKeyIsLeftAlone(t *testing.T) {
	w := newWorld(t, openctitest.TestBroker(t))
	w.provider.Handle(func(*http.Request, int) (provider.Reply, bool) {
		return provider.Reply{Status: 401, Body: []byte(`{"success":false,"message":"Unauthorized","response":{}}`)}, true
	})
	w.start()
	works, steps := w.burst(10, func(i int) sandbox.Entity { return sandbox.NewEntity("StixFile", fmt.Sprintf("%032x", i+1)) })
	w.ended(works, steps)
	first := w.provider.Bill().Total
	more, _ := w.burst(1, func(int) sandbox.Entity { return sandbox.NewEntity("StixFile", fmt.Sprintf("%032x", 77)) })
	w.ended(more, nil)
	if n := w.provider.Bill().Total; n != first || first > 10 {
		t.Errorf("%d calls with a refused key, then %d", first, n)
	}
	if k := w.platform.Work(more[0]); len(k.Errors) == 0 || !strings.Contains(k.Errors[0], "key") {
		t.Errorf("the work says %+v", k)
	}
	w.balance(11)
}

func TestPatienceIsObeyed(t *testing.T) {
	w := newWorld(t, openctitest.TestBroker(t))
	w.provider.Handle(func(_ *http.Request, n int) (provider.Reply, bool) {
		r := provider.Reply{Status: 429, Body: []byte(`{"success":false,"message":"Rate limit exceeded","response":{}}`), Header: http.Header{}}
		switch n {
		case 1:
			r.Header.Set("Retry-After", "1")
		case 2:
			r.Header.Set("Retry-After", time.Now().Add(2*time.Second).UTC().Format(http.TimeFormat))
		default:
			return provider.Reply{}, false
		}
		return r, true
	})
	w.start()
	began := time.Now()
	works, _ := w.burst(1, func(int) sandbox.Entity { return sandbox.NewEntity("StixFile", fmt.Sprintf("%032x", 1)) })
	w.ended(works, nil)
	if n := w.provider.Bill().Total; n != 3 || len(w.platform.Work(works[0]).Errors) > 0 {
		t.Errorf("%d calls, %+v", n, w.platform.Work(works[0]))
	}
	if time.Since(began) < time.Second {
		t.Error("it did not wait")
	}
	w.balance(1)
}

// Bad input is told to the work if there is one, acknowledged and counted, and
// the next message is served.
func TestBadInput(t *testing.T) {
	w := newWorld(t, openctitest.TestBroker(t))
	w.start("ENRICHGATE_HTTP_LISTEN=127.0.0.1:0")
	work := func(name string) string { return "work_" + w.id + "_" + name }
	bad := map[string]string{
		"not JSON":       `this is not JSON`,
		"a list":         `[]`,
		"nothing":        `{}`,
		"wrong types":    `{"internal":{"work_id":"` + work("types") + `"},"event":{"event_type":"INTERNAL_ENRICHMENT","entity_id":17}}`,
		"no entity":      `{"internal":{"work_id":"` + work("none") + `"},"event":{"event_type":"INTERNAL_ENRICHMENT"}}`,
		"unknown entity": `{"internal":{"work_id":"` + work("unknown") + `"},"event":{"event_type":"INTERNAL_ENRICHMENT","entity_id":"ipv4-addr--00000000-0000-4000-8000-000000000000","entity_type":"IPv4-Addr"}}`,
		"20 MB":          `{"internal":{"work_id":"` + work("large") + `"},"event":{"event_type":"INTERNAL_ENRICHMENT","entity_id":"x","stix_entity":"` + strings.Repeat("x", 20_000_000) + `"}}`,
		"an empty body":  ``,
	}
	for name, body := range bad {
		if err := w.platform.Publish(openctitest.Context(t), []byte(body)); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
	works, _ := w.burst(1, func(int) sandbox.Entity { return sandbox.NewEntity("IPv4-Addr", "198.51.100.7") })
	w.ended(works, nil)
	ends := func() map[string]string {
		m := map[string]string{}
		for _, c := range w.platform.Calls() {
			if id, _ := c.Variables["id"].(string); c.Operation == "toProcessed" || strings.Contains(c.Query, "toProcessed") {
				text, _ := c.Variables["message"].(string)
				failed, _ := c.Variables["inError"].(bool)
				m[id] = fmt.Sprint(failed, " ", text)
			}
		}
		return m
	}
	for name, says := range map[string]string{"types": "entity_id is a number", "none": "names no entity", "unknown": "Unable to read/access the entity", "large": "too large"} {
		openctitest.Eventually(t, func() bool { return strings.Contains(ends()[work(name)], says) }, name+" is told")
	}
	openctitest.Eventually(t, func() bool {
		listen, _, err := w.platform.QueueDepth(openctitest.Context(t))
		return err == nil && listen == 0
	}, "the queue is empty")
}

func TestASecondProcessIsRefused(t *testing.T) {
	w := newWorld(t, openctitest.TestBroker(t))
	w.start()
	_, err := holdDataDir(w.dir, "run")
	if err == nil || !strings.Contains(err.Error(), fmt.Sprintf("process %d", os.Getpid())) {
		t.Errorf("%v", err)
	}
}

func TestForeignFilesAreRefused(t *testing.T) {
	for _, file := range []string{fileLedger, fileCache, "holiday.jpg"} {
		t.Run(file, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "data")
			if err := os.MkdirAll(dir, 0o700); err != nil {
				t.Fatal(err)
			}
			content := strings.Repeat("somebody else's\n", 500)
			if err := os.WriteFile(filepath.Join(dir, file), []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
			var out, errs strings.Builder
			code := execute(environment{ctx: t.Context(), environ: []string{"ENRICHGATE_DATA_DIR=" + dir}, stdout: &out, stderr: &errs}, []string{"lookup", "198.51.100.7"})
			if said := errs.String(); code != 1 || strings.Count(said, "\n") != 1 {
				t.Errorf("exit %d: %q", code, said)
			}
			if got, _ := os.ReadFile(filepath.Join(dir, file)); string(got) != content {
				t.Error("the file was changed")
			}
		})
	}
}
