package opencti

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/enrichgate/enrichgate/enrich"
	"github.com/enrichgate/enrichgate/quota"
)

func TestDecodeMessage(t *testing.T) {
	for _, c := range []struct {
		name, body, problem string
		trigger             quota.Trigger
		key, draft          string
	}{
		{"manual 7.x", `{"internal":{"work_id":"work_1","applicant_id":null,"draft_id":null,"mode":"manual","trigger":"update"},"event":{"event_type":"INTERNAL_ENRICHMENT","entity_id":"ipv4-addr--1","entity_type":"IPv4-Addr","stix_objects":null}}`, "", quota.Manual, "work/c/work_1", ""},
		{"manual 6.3", `{"internal":{"work_id":"work_1","applicant_id":null},"event":{"event_type":"INTERNAL_ENRICHMENT","entity_id":"ipv4-addr--1"}}`, "", quota.Manual, "work/c/work_1", ""},
		{"automatic in a draft", `{"internal":{"work_id":"work_1","draft_id":"d1","mode":"auto","trigger":"create"},"event":{"entity_id":"ipv4-addr--1"}}`, "", quota.Auto, "work/c/work_1", "d1"},
		{"playbook", `{"internal":{"work_id":null,"mode":"auto","playbook":{"execution_id":"e","step_id":"s","event_id":"v","data_instance_id":"i"}},"event":{"entity_id":"ipv4-addr--1","bundle":{"objects":[]}}}`, "", quota.Playbook, "step/c/e/s/v/i", ""},
		{"playbook without a bundle", `{"internal":{"playbook":{"execution_id":"e"}},"event":{"entity_id":"x"}}`, "has no bundle", quota.Playbook, "step/c/e///", ""},
		{"wrong type, work known", `{"internal":{"work_id":"work_1"},"event":{"entity_id":[]}}`, "event.entity_id is a array", quota.Manual, "work/c/work_1", ""},
		{"no entity", `{"internal":{"work_id":"work_1"}}`, "names no entity", quota.Manual, "work/c/work_1", ""},
		{"not JSON", `nope`, "not JSON", quota.Manual, "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			m, err := decodeMessage([]byte(c.body))
			if (err == nil) != (c.problem == "") || err != nil && !strings.Contains(err.Error(), c.problem) {
				t.Errorf("problem %v, want %q", err, c.problem)
			}
			if m.trigger() != c.trigger || m.key("c") != c.key || m.draft() != c.draft {
				t.Errorf("%s %q %q", m.trigger(), m.key("c"), m.draft())
			}
		})
	}
}

func FuzzDecodeMessage(f *testing.F) {
	f.Add([]byte(`{"internal":{"work_id":"w","draft_id":"d","mode":"auto"},"event":{"entity_id":"x"}}`))
	f.Add([]byte(`{"internal":{"playbook":{"event_id":"1"}},"event":{"entity_id":"x","bundle":{"objects":[{}]}}}`))
	f.Add([]byte(`[]`))
	f.Fuzz(func(t *testing.T, body []byte) {
		m, err := decodeMessage(body)
		_, _, _ = m.trigger(), m.key("c"), m.draft()
		var input *enrich.InputError
		if err != nil && !errors.As(err, &input) {
			t.Errorf("%T", err)
		}
		if err == nil && (m.Event.EntityID == "" || !json.Valid(body)) {
			t.Errorf("accepted %q", body)
		}
	})
}
