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

// Who may post to the callback: the keys and tokens are an invented platform's.
func TestCallbackTokens(t *testing.T) {
	const jwks = `{"keys":[{"kid":"0011223344556677","use":"sig","alg":"EdDSA","crv":"Ed25519","kty":"OKP","x":"A6EHv_POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg"}]}`
	const valid = "eyJraWQiOiIwMDExMjIzMzQ0NTU2Njc3IiwiYWxnIjoiRWREU0EiLCJ0eXAiOiJKV1QifQ.eyJpc3MiOiJvcGVuY3RpIiwic3ViIjoiY29ubmVjdG9yIiwiaWF0IjoxNzAwMDAwMDAwLCJleHAiOjQxMDI0NDQ4MDB9.61efFWd4Iars9ydZjDX4HcIjQepzvB4ask2Bp7oNS3NRSMhhjUICTomJuWUh31yyW7BMev7PxhrH3DRS656MBA"
	if err := checkJWT(valid, jwks); err != nil {
		t.Errorf("valid: %v", err)
	}
	for name, token := range map[string]string{
		"expired":       "eyJraWQiOiIwMDExMjIzMzQ0NTU2Njc3IiwiYWxnIjoiRWREU0EiLCJ0eXAiOiJKV1QifQ.eyJpc3MiOiJvcGVuY3RpIiwic3ViIjoiY29ubmVjdG9yIiwiaWF0IjoxNzAwMDAwMDAwLCJleHAiOjE3MDAwMDM2MDB9.JdSDrmZAoDzuF2GJymq03x7mvbOToUAZcwWKB6fe8i4x8IfvJTQWBHsDooblITBCMC5OROeeZ0pXI0XhxDNhDg",
		"wrong issuer":  "eyJraWQiOiIwMDExMjIzMzQ0NTU2Njc3IiwiYWxnIjoiRWREU0EiLCJ0eXAiOiJKV1QifQ.eyJpc3MiOiJvdGhlciIsInN1YiI6ImNvbm5lY3RvciIsImlhdCI6MTcwMDAwMDAwMCwiZXhwIjo0MTAyNDQ0ODAwfQ.K4N5TrhduvUJM1yaQJIUUDQxLZfWqGj8lC1ycl1ihJgA9gvVw_j-Bf6r35be0IFtz-xmuDJJV_o_sjZvwStZDg",
		"wrong subject": "eyJraWQiOiIwMDExMjIzMzQ0NTU2Njc3IiwiYWxnIjoiRWREU0EiLCJ0eXAiOiJKV1QifQ.eyJpc3MiOiJvcGVuY3RpIiwic3ViIjoidXNlciIsImlhdCI6MTcwMDAwMDAwMCwiZXhwIjo0MTAyNDQ0ODAwfQ.Qgkqfu1vxfFERZLgV6dwEPFOoqHOnwjaR2qgrO0Ur07oEX1Dc1XPHzQhDtEian6Y8ZSyscg9fpQ7HKwGs4S5DA",
		"no algorithm":  "eyJraWQiOiIwMDExMjIzMzQ0NTU2Njc3IiwiYWxnIjoibm9uZSIsInR5cCI6IkpXVCJ9.eyJpc3MiOiJvcGVuY3RpIiwic3ViIjoiY29ubmVjdG9yIiwiaWF0IjoxNzAwMDAwMDAwLCJleHAiOjQxMDI0NDQ4MDB9.",
		"bad signature": valid[:len(valid)-6] + "AAAAAA",
	} {
		if checkJWT(token, jwks) == nil {
			t.Errorf("%s is let in", name)
		}
	}
}
