package opencti

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/enrichgate/enrichgate/enrich/opencti/openctitest"
	"github.com/enrichgate/enrichgate/enrich/opencti/sandbox"
	"github.com/enrichgate/enrichgate/stixconv"
)

// indicator is one that the platform has, with a pattern.
func indicator(pattern string, tlp ...string) sandbox.Entity {
	id := stixconv.IndicatorID(pattern)
	stix, _ := json.Marshal(map[string]any{
		"id": id, "type": "indicator", "spec_version": "2.1", "pattern": pattern, "pattern_type": "stix", "name": "example",
		"created": "2026-08-22T09:00:00.000Z", "modified": "2026-08-22T09:00:00.000Z", "valid_from": "2026-08-22T09:00:00.000Z",
	})
	return sandbox.Entity{ID: id, Type: "Indicator", STIX: stix, TLP: tlp}
}

// An indicator is looked up by what its pattern names, and tied to it.
func TestIndicators(t *testing.T) {
	t.Parallel()
	w := newWorld(t, openctitest.StartPlatform(t, sandbox.Options{AMQPURL: openctitest.TestBroker(t).URL()}))
	c := w.config("indicators")
	c.Scope = []string{"Indicator"}
	w.run(c)
	const address = "ipv4-addr--12592121-be4c-5a93-a813-5a5af16e50db"
	two := indicator(`[ipv4-addr:value = '198.51.100.7' OR domain-name:value = 'www.example.com']`, "TLP:GREEN")
	w.done(w.ask(c.ID, two))
	w.paidOnce(2)
	imported := w.platform.Imported()
	based := stixconv.RelationshipID("based-on", two.ID, address, "", "")
	if imported[address] == nil || imported[based] == nil || !strings.Contains(string(imported[address]), "scanner") {
		t.Errorf("the address became %s, the relationship %s", imported[address], imported[based])
	}
	if imported[two.ID] != nil {
		t.Error("the indicator was sent again")
	}
	// A playbook gets its bundle back, and more; a hit costs nothing.
	step, err := w.platform.Playbook(openctitest.Context(t), two.ID)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := w.platform.WaitStep(openctitest.Context(t), step)
	if err != nil || !strings.Contains(string(answer.Bundle), based) || !strings.Contains(string(answer.Bundle), two.ID) {
		t.Errorf("%v in %s", err, answer.Bundle)
	}
	w.paidOnce(2)
	// The observable's own marking counts.
	secret := sandbox.NewEntity("IPv4-Addr", "198.51.100.9", "TLP:RED")
	w.platform.AddEntity(secret)
	k := w.ended(w.ask(c.ID, indicator(`[ipv4-addr:value = '198.51.100.9']`, "TLP:GREEN")))
	if said := fmt.Sprint(k.Messages); !strings.Contains(said, "TLP:RED") {
		t.Errorf("the work says %q", said)
	}
	for pattern, says := range map[string]string{
		`[ipv4-addr:value LIKE '198.51.%']`: "LIKE names no single value",
		`[process:name = 'x']`:              "names no observable",
		`[domain-name:value IN ('a.example.com','b.example.com','c.example.com','d.example.com','e.example.com','f.example.com','g.example.com','h.example.com','i.example.com','j.example.com','k.example.com')]`: "names 11 observables",
	} {
		if k := w.ended(w.ask(c.ID, indicator(pattern))); !strings.Contains(strings.Join(k.Errors, " "), says) {
			t.Errorf("%s: %v", pattern, k)
		}
	}
	w.paidOnce(2)
	openctitest.NoProblems(t, w.platform)
}
