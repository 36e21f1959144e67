package opencti

import (
	"context"
	"flag"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/enrichgate/enrichgate/enrich"
	"github.com/enrichgate/enrichgate/stixconv"
)

var update = flag.Bool("update", false, "write the golden transcripts anew")

// stamps are what differs from run to run.
var stamps = regexp.MustCompile(`"execution_start":"[^"]+"|-\d{8}-\d{6}-\d+\.\d{6}\.json`)

func unstamped(s string) string {
	return stamps.ReplaceAllStringFunc(s, func(stamp string) string {
		if strings.HasPrefix(stamp, "-") {
			return "-<now>.json"
		}
		return `"execution_start":"<now>"`
	})
}

func fails(ctx context.Context, _ enrich.Message, to enrich.Reporter) error {
	if err := to.Received(ctx); err != nil {
		return err
	}
	return to.Processed(ctx, "quota exceeded", true)
}

// parksOnce parks a message when it comes, and delivers when it comes again.
func parksOnce(t *testing.T) func(context.Context, enrich.Message, enrich.Reporter) error {
	deliver, parked := delivers(t, "done"), false
	return func(ctx context.Context, m enrich.Message, to enrich.Reporter) error {
		if parked {
			return deliver(ctx, m, to)
		}
		parked = true
		if err := to.Received(ctx); err != nil {
			return err
		}
		return to.Park(ctx, time.Now().Add(time.Hour), "the quota is exhausted. It resumes in an hour")
	}
}

// resumes handles what is parked, as if its time had come.
func resumes(t *testing.T, c *Connector, s *transcript) {
	t.Helper()
	later := time.Now().Add(2 * time.Hour)
	due := func() []parked {
		found, err := c.lot.due(later, func(string) bool { return false })
		if err != nil {
			t.Fatal(err)
		}
		return found.ready
	}
	for _, m := range due() {
		s.lines = append(s.lines, "resume")
		c.resumeOne(t.Context(), m.message, s, func() {})
	}
	if n := len(due()); n > 0 {
		t.Errorf("%d messages stay parked", n)
	}
}

// posts brings a message as the worker does, with a token that the platform signed.
func posts(file string) func(*testing.T, *Connector, *transcript) {
	return func(t *testing.T, c *Connector, s *transcript) {
		t.Helper()
		var v struct {
			JWKS   string            `json:"jwks_field"`
			Accept map[string]string `json:"accept"`
		}
		vectorInto(t, "callback-jwt.json", &v)
		c.registration().JWKS = v.JWKS
		r := httptest.NewRequest(http.MethodPost, "/api/callback", strings.NewReader(string(vector(t, file))))
		r.Header.Set("Authorization", "Bearer "+v.Accept["valid"])
		w := httptest.NewRecorder()
		c.callback(t.Context(), make(chan struct{}, 1), w, r)
		s.lines = append(s.lines, fmt.Sprintf("answer %d %s", w.Code, strings.TrimSpace(w.Body.String())))
	}
}

// What the daemon says in every flow is written down; a change shows in review.
// Those that policy decides go through the gateway.
func TestTranscripts(t *testing.T) {
	const manual, playbook = "05-msg-manual-7x.json", "10-msg-playbook-7x.json"
	deliver := delivers(t, "Sending 5 stix bundle(s) for worker import")
	gateway := newWorld(t, nil).gateway
	domains := gateway.Under(enrich.Policy{MaxTLP: stixconv.Red, Scope: []string{"Domain-Name"}})
	validate := func(c *Config) { c.Output.ValidateBeforeImport = true }
	byAPI := func(c *Config) { c.QueueProtocol = ProtocolAPI }
	dir, s3 := t.TempDir(), newStore(t)
	for name, f := range map[string]flow{
		"register-and-ping": {},
		"manual":            {file: manual, handle: deliver},
		"manual-6.3":        {file: "09-msg-manual-6.3.json", version: "6.3.0", handle: deliver},
		"automatic-create":  {file: "06-msg-auto-create-7x.json", handle: deliver},
		"automatic-draft":   {file: "07-msg-auto-update-in-draft-7x.json", handle: deliver},
		"automatic-update":  {arrive: updates, handle: deliver},
		"playbook":          {file: playbook, handle: deliver},
		"playbook-6.9":      {file: "11-msg-playbook-6x.json", version: "6.9.28", handle: deliver},
		"security-coverage": {file: "12-msg-manual-stix-bundle-security-coverage.json", read: coverage, handle: gateway.Handle},
		"failed":            {file: manual, handle: fails},
		"denied":            {file: manual, read: "TLP:GREEN => TLP:RED", handle: gateway.Handle},
		"denied-playbook":   {file: playbook, read: "TLP:GREEN => TLP:RED", handle: gateway.Handle},
		"no-scope":          {file: manual, handle: domains.Handle},
		"no-scope-playbook": {file: playbook, handle: domains.Handle},
		"parked":            {file: manual, handle: parksOnce(t), after: resumes},
		"parked-playbook":   {file: playbook, handle: parksOnce(t), after: resumes},
		"api":               {file: manual, change: byAPI, handle: deliver},
		"callback": {arrive: posts(manual), handle: deliver, change: func(c *Config) {
			byAPI(c)
			c.ListenProtocol, c.CallbackURI = ProtocolAPI, "https://enrichgate.example.com/api/callback"
		}},
		"no-queue":            {file: manual, change: func(c *Config) { c.Output.NoQueue = true }, handle: deliver},
		"validated-draft":     {file: manual, change: validate, handle: deliver},
		"validated-workbench": {file: manual, version: "7.260701.0", change: validate, handle: deliver},
		"validated-6.9":       {file: manual, version: "6.9.28", change: validate, handle: deliver},
		"directory":           {file: manual, change: func(c *Config) { c.Output.Directory = dir }, handle: deliver, after: files(dir)},
		"s3":                  {file: manual, change: s3.config, handle: deliver, after: s3.transcribe},
	} {
		t.Run(name, func(t *testing.T) {
			s, _ := f.talk(t)
			got := unstamped(strings.Join(s.lines, "\n") + "\n")
			file := filepath.Join("testdata", "transcript-"+name+".golden")
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("it says\n%s\nnot\n%s", got, want)
			}
		})
	}
}

// coverage is what the platform says of a security coverage.
const coverage = `{"stixCoreObject":{"standard_id":"security-coverage--6f2a4f6e-3c0e-5d6b-9b58-2f9a0f4c7b11","entity_type":"Security-Coverage"}}`

// updates brings what an update of an entity sets off by itself.
func updates(t *testing.T, c *Connector, s *transcript) {
	t.Helper()
	body := strings.Replace(string(vector(t, "06-msg-auto-create-7x.json")), `"trigger": "create"`, `"trigger": "update"`, 1)
	if err := c.consume(t.Context(), delivery{body: []byte(body)}, s); err != nil {
		t.Fatal(err)
	}
}

// files transcribes what is in a directory.
func files(dir string) func(*testing.T, *Connector, *transcript) {
	return func(t *testing.T, _ *Connector, s *transcript) {
		t.Helper()
		names, err := filepath.Glob(filepath.Join(dir, "*"))
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			content, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			s.lines = append(s.lines, "file "+filepath.Base(name)+" "+string(content))
		}
	}
}

// config has a connector use the store.
func (s *store) config(c *Config) {
	host, port, _ := strings.Cut(strings.TrimPrefix(s.URL, "http://"), ":")
	no := false
	c.Output.S3 = &S3Config{Endpoint: host, Bucket: "results", Region: "us-east-1", AccessKey: "sandbox", SecretKey: "sandbox", UseSSL: &no}
	_, _ = fmt.Sscan(port, &c.Output.S3.Port)
}

// transcribe adds what the store holds.
func (s *store) transcribe(_ *testing.T, _ *Connector, to *transcript) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for key, content := range s.objects {
		to.lines = append(to.lines, "object "+key+" "+string(content))
	}
}
