package opencti

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/enrichgate/enrichgate/enrich"
	"github.com/enrichgate/enrichgate/enrich/opencti/openctitest"
	"github.com/enrichgate/enrichgate/enrich/opencti/sandbox"
	"github.com/enrichgate/enrichgate/quota"
)

// The files of testdata are messages, calls and answers of OpenCTI's protocol,
// as its own client and platform write them.

func vector(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// vectorInto reads a vector.
func vectorInto(t testing.TB, name string, into any) {
	t.Helper()
	if err := json.Unmarshal(vector(t, name), into); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
}

// Every shape of a message is read alike on whatever platform: the entity, why
// we are asked, by whom, and what came along.
func TestEveryShapeOfAMessage(t *testing.T) {
	var read struct {
		Response struct{ Data json.RawMessage }
	}
	vectorInto(t, "13-read-entity.json", &read)
	const work = "work_b5d1e2f0-6c1a-4a0b-9d3e-7f2a1c0e9b11_2026-08-22T10:00:00.123Z"
	const playbook = "4b6f0e2d-1a2b-4c3d-8e4f-5a6b7c8d9e0f"
	for _, c := range []struct {
		file, with   string // a change of the file, "old => new"
		trigger      quota.Trigger
		change, work string
		entity, asks string
		check        func(*testing.T, enrich.Message)
	}{
		{file: "05-msg-manual-7x.json", trigger: quota.Manual, work: work},
		{file: "05-msg-manual-7x.json", with: `"stix_objects": null => "stix_objects": "[]"`, trigger: quota.Manual, work: work},
		{file: "05-msg-manual-7x.json", with: `{
  "internal" => {"configuration": "{\"depth\": 2}",
  "internal"`, trigger: quota.Manual, work: work, check: func(t *testing.T, m enrich.Message) {
			if m.Configuration != `{"depth": 2}` {
				t.Errorf("configuration %q", m.Configuration)
			}
		}},
		{file: "06-msg-auto-create-7x.json", trigger: quota.Auto, change: "create", work: work},
		{file: "07-msg-auto-update-in-draft-7x.json", trigger: quota.Auto, change: "update", work: work},
		{file: "08-msg-manual-6.8.8.json", trigger: quota.Manual, work: work},
		{file: "09-msg-manual-6.3.json", trigger: quota.Manual, work: work},
		{file: "10-msg-playbook-7x.json", trigger: quota.Playbook, check: inBundle},
		{file: "11-msg-playbook-6x.json", trigger: quota.Playbook, check: inBundle},
		{file: "12-msg-manual-stix-bundle-security-coverage.json", trigger: quota.Manual, work: work, entity: coverage, check: func(t *testing.T, m enrich.Message) {
			if m.Entity.Type != "Security-Coverage" || m.Entity.Object["name"] != "Coverage of Example Report" || len(m.Context) != 0 {
				t.Errorf("entity %+v", m.Entity)
			}
		}},
	} {
		t.Run(c.file+c.with, func(t *testing.T) {
			p := newPaper()
			p.answers["ReadForEnrichment"] = string(read.Response.Data)
			if c.entity != "" {
				p.answers["ReadForEnrichment"] = c.entity
			}
			var seen recorder
			connector := p.connector(t, func(c *Config) { c.Handle = seen.handle })
			if err := connector.register(t.Context()); err != nil {
				t.Fatal(err)
			}
			body := string(vector(t, c.file))
			if was, is, ok := strings.Cut(c.with, " => "); ok {
				if !strings.Contains(body, was) {
					t.Fatalf("%q is not in the file", was)
				}
				body = strings.Replace(body, was, is, 1)
			}
			if err := connector.consume(t.Context(), delivery{body: []byte(body)}, nil); err != nil {
				t.Fatal(err)
			}
			m := seen.all()[0]
			if m.Problem != nil || m.Trigger != c.trigger || m.Change != c.change || m.Work != c.work {
				t.Errorf("%v: %s %q of %q", m.Problem, m.Trigger, m.Change, m.Work)
			}
			if c.trigger == quota.Playbook && m.Playbook != playbook {
				t.Errorf("playbook %q", m.Playbook)
			}
			if c.entity == "" && (m.Entity.Type != "IPv4-Addr" || m.Entity.Value != "198.51.100.7" || len(m.Entity.TLP) == 0 || m.Entity.TLP[0] != "TLP:GREEN") {
				t.Errorf("entity %+v", m.Entity)
			}
			if c.check != nil {
				c.check(t, m)
			}
		})
	}
}

func inBundle(t *testing.T, m enrich.Message) {
	if m.BundleID != "2f1e0d9c-8b7a-4695-8473-62510f4e3d2c" || m.Work != "" {
		t.Errorf("bundle %q, work %q", m.BundleID, m.Work)
	}
}

// Types of a scope are named as the platform names them.
func TestScope(t *testing.T) {
	got := platformScope([]string{" ipv4-addr", "file", "StixFile", "Url", "Vulnerability", "threat-actor", "location", ""})
	want := "ipv4-addr StixFile Url Vulnerability Threat-Actor-Group Threat-Actor-Individual Country City Region Administrative-Area Position"
	if strings.Join(got, " ") != want {
		t.Errorf("%s", strings.Join(got, " "))
	}
}

// A scope of STIX names takes what the platform names otherwise, end to end.
func TestScopeByBothNames(t *testing.T) {
	t.Parallel()
	w := newWorld(t, openctitest.StartPlatform(t, sandbox.Options{AMQPURL: openctitest.TestBroker(t).URL()}))
	c := w.config("scoped")
	c.Scope = []string{"file", "ipv4-addr"}
	w.run(c)
	for _, e := range []sandbox.Entity{sandbox.NewEntity("StixFile", strings.Repeat("ab", 16)), sandbox.NewEntity("IPv4-Addr", "198.51.100.7")} {
		w.platform.AddEntity(e)
		work, err := w.platform.Auto(openctitest.Context(t), e.ID, "create")
		if err != nil {
			t.Fatal(err)
		}
		w.done(work)
	}
}

// Who asked comes with the entity; what the platform does not show is asked for
// once, and costs no message.
func TestWhoAsked(t *testing.T) {
	t.Parallel()
	all := []string{"CONNECTORAPI", "KNOWLEDGE", "MODULES", "AUTOMATION"}
	for name, c := range map[string]struct {
		options          sandbox.Options
		person, playbook string
		reads            int
	}{
		"the role of connectors": {sandbox.Options{}, "[C] sandbox", "", 4},
		"playbooks too":          {sandbox.Options{Capabilities: all}, "[C] sandbox", sandbox.PlaybookName, 4},
		"nothing":                {sandbox.Options{Capabilities: []string{"CONNECTORAPI", "KNOWLEDGE"}}, "", "", 4},
		"an old platform":        {sandbox.Options{Version: "6.3.0", Capabilities: all}, "[C] sandbox", sandbox.PlaybookName, 4},
	} {
		t.Run(name, func(t *testing.T) {
			options := c.options
			options.AMQPURL = openctitest.TestBroker(t).URL()
			w := newWorld(t, openctitest.StartPlatform(t, options))
			var seen recorder
			config := w.config("asked")
			config.Handle = seen.handle
			g, _ := w.run(config)
			w.platform.AddEntity(host(0))
			for range 2 {
				w.ended(w.ask(config.ID, host(0)))
			}
			for range 2 {
				if _, err := w.platform.Playbook(openctitest.Context(t), host(0).ID); err != nil {
					t.Fatal(err)
				}
			}
			openctitest.Eventually(t, func() bool { return len(seen.all()) == 4 }, "all are handled")
			for _, m := range seen.all() {
				if m.Trigger == quota.Manual && m.Person != c.person || m.Trigger == quota.Playbook && m.PlaybookName != c.playbook {
					t.Errorf("%s of %q by %q", m.Trigger, m.PlaybookName, m.Person)
				}
			}
			if n := w.platform.Count(sandbox.OpRead); n != c.reads {
				t.Errorf("%d reads", n)
			}
			// The page asks later, from memory or afresh.
			who, work := g.Connectors()[0].Who(), w.platform.Works()[0].ID
			before := w.platform.Count(sandbox.OpWork)
			if person, err := who.Person(t.Context(), work); err != nil || person != c.person {
				t.Errorf("%q, %v", person, err)
			}
			if n := w.platform.Count(sandbox.OpWork); n != before {
				t.Error("what is known, or refused, was asked for again")
			}
			if err := sandbox.Except(w.platform.Problems(), sandbox.ErrOrder); len(err) > 0 {
				t.Error(err)
			}
		})
	}
}

func TestNamesAreBounded(t *testing.T) {
	var n names
	for i := range 5 * whoKeeps {
		n.put(strings.Repeat("x", i%97)+string(rune(i)), "name")
	}
	if len(n.recent)+len(n.older) > whoKeeps {
		t.Errorf("%d are kept", len(n.recent)+len(n.older))
	}
}

// Tokens of the callback, as a platform signs them and as others might.
func TestCallbackTokens(t *testing.T) {
	var v struct {
		JWKS   string            `json:"jwks_field"`
		Accept map[string]string `json:"accept"`
		Reject map[string]string `json:"reject"`
	}
	vectorInto(t, "callback-jwt.json", &v)
	if len(v.Accept) < 1 || len(v.Reject) < 6 {
		t.Fatalf("%d and %d tokens", len(v.Accept), len(v.Reject))
	}
	for name, token := range v.Accept {
		if err := checkJWT(token, v.JWKS); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, token := range v.Reject {
		if checkJWT(token, v.JWKS) == nil {
			t.Errorf("%s is let in", name)
		}
	}
}
