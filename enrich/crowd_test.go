package enrich

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/enrichgate/enrichgate/quota"
)

// An analyst who asks for what a playbook already waits for does not wait
// behind the playbook's floor: both get the answer of one call, at once.
func TestAnalystIsNotHeldUpByAPlaybooksFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, "10/minute", func(c *Config) { c.Now = time.Now })
		// Nine units are spent; the tenth is kept for analysts.
		for _, v := range []string{"1", "2", "3", "4", "5", "6", "7", "8", "9"} {
			b.enrich(t, request(t, "192.0.2."+v, quota.Manual))
		}
		playbook := request(t, "192.0.2.10", quota.Playbook)
		playbook.Playbook, playbook.Patience = "p1", time.Hour
		done := make(chan Part, 2)
		go func() { done <- b.enrich(t, playbook) }()
		synctest.Wait()
		if len(done) != 0 {
			t.Fatal("the playbook did not have to wait")
		}
		began := time.Now()
		analyst := request(t, "192.0.2.10", quota.Manual)
		go func() { done <- b.enrich(t, analyst) }()
		for range 2 {
			if p := <-done; p.Err != nil {
				t.Error(p.Err)
			}
		}
		if waited := time.Since(began); waited > time.Second {
			t.Errorf("waited %s", waited)
		}
		if n := b.source.calls(); n != 10 {
			t.Errorf("%d calls", n)
		}
		var last quota.Entry
		if err := b.ledger.Entries(quota.Filter{}, func(e quota.Entry) error {
			if e.Kind == "reserve" {
				last = e
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		if last.Trigger != "manual" || last.Playbook != "" {
			t.Errorf("the unit was booked on %+v", last)
		}
	})
}

// A refusal that a playbook runs into does not reach the analyst who waits with it.
func TestARefusalOfSomebodyElseIsNotMine(t *testing.T) {
	b := newBench(t, "10/day", nil)
	for _, v := range []string{"1", "2", "3", "4", "5", "6", "7", "8", "9"} {
		b.enrich(t, request(t, "192.0.2."+v, quota.Manual))
	}
	const value = "192.0.2.10"
	if p := b.enrich(t, request(t, value, quota.Playbook)); p.Err == nil {
		t.Fatal("the playbook's floor does not hold")
	}
	if p := b.enrich(t, request(t, value, quota.Manual)); p.Err != nil {
		t.Error(p.Err)
	}
	if n := b.source.calls(); n != 10 {
		t.Errorf("%d calls", n)
	}
}
