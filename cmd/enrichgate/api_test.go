package main

import (
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/enrichgate/enrichgate/cmd/enrichgate/internal/settings"
	"github.com/enrichgate/enrichgate/enrich/httpapi/clients"
	provider "github.com/enrichgate/enrichgate/enrich/source/proofpoint/sandbox"
)

const httpToken = "token-of-the-http-api-0123456789"

// bench is the daemon's HTTP side on a data directory, without a platform.
type bench struct {
	*app
	provider *provider.Provider
	front    *httptest.Server
	environ  []string
}

func newBench(t *testing.T, more ...string) *bench {
	t.Helper()
	return newBenchAt(t, time.Now, more...)
}

// newBenchAt is newBench by another clock.
func newBenchAt(t *testing.T, now func() time.Time, more ...string) *bench {
	t.Helper()
	b := &bench{provider: provider.New(provider.Options{Key: apiKey})}
	srv, err := b.provider.Serve("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = srv.Close() })
	b.environ = append([]string{
		"OPENCTI_URL=http://localhost", "OPENCTI_TOKEN=token-of-opencti-0123456789", "CONNECTOR_ID=b5d1e2f0-6c1a-4a0b-9d3e-7f2a1c0e9b11",
		"PROOFPOINT_ET_INTELLIGENCE_API_BASE_URL=" + srv.URL(), "PROOFPOINT_ET_INTELLIGENCE_API_KEY=" + apiKey,
		"PROOFPOINT_ET_INTELLIGENCE_QUOTA=10000/month", "ENRICHGATE_DATA_DIR=" + filepath.Join(t.TempDir(), "data"),
		"ENRICHGATE_HTTP_TOKEN=" + httpToken,
	}, more...)
	s, err := settings.Load(settings.Options{Environ: b.environ, Sources: sourceSpecs(), Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	if b.app, err = openAppAt(s, slog.New(slog.DiscardHandler), "run", nil, now); err != nil {
		t.Fatal(err)
	}
	page := b.page(nil)
	t.Cleanup(page.Close)
	b.front = httptest.NewServer(site(page, b.handler(false, nil)))
	t.Cleanup(func() {
		b.front.Close()
		if err := b.close(); err != nil {
			t.Error(err)
		}
	})
	return b
}

// shut leaves the data directory to the command line.
func (b *bench) shut(t *testing.T) {
	t.Helper()
	b.front.Close()
	if err := b.close(); err != nil {
		t.Fatal(err)
	}
	b.app.cache, b.app.ledger, b.app.dir, b.app.sources = nil, nil, nil, nil // closed above
}

func (b *bench) get(t *testing.T, path, token, accept string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, b.front.URL+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	req.Header.Set("Accept", accept)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

func TestHTTP(t *testing.T) {
	b := newBench(t)
	for path, want := range map[string]int{"/livez": 200, "/healthz": 200, "/readyz": 200, "/metrics": 401, "/api/v1/quota": 401, "/api/v1/lookup?value=198.51.100.7": 401} {
		if status, body := b.get(t, path, "", ""); status != want {
			t.Errorf("%s: %d %s", path, status, body)
		}
	}
	if status, _ := b.get(t, "/api/v1/quota", "wrong", ""); status != 401 {
		t.Errorf("a wrong token: %d", status)
	}
	for i, want := range []string{`"cached":false`, `"cached":true`} {
		status, body := b.get(t, "/api/v1/lookup?type=ipv4-addr&value=198.51.100.7", httpToken, "")
		if status != 200 || !strings.Contains(body, want) {
			t.Errorf("lookup %d: %d %s", i, status, body)
		}
	}
	if n := b.provider.Bill().Total; n != 5 {
		t.Errorf("%d calls", n)
	}
	status, body := b.get(t, "/api/v1/lookup?type=IPv4-Addr&value=198.51.100[.]7", httpToken, "application/stix+json")
	var bundle struct{ Type string }
	if err := json.Unmarshal([]byte(body), &bundle); err != nil || status != 200 || bundle.Type != "bundle" {
		t.Errorf("STIX: %d %s", status, body)
	}
	for query, want := range map[string]int{"value=": 400, "type=ipv4-addr&value=999.1.1.1": 400, "type=url&value=x": 400, "value=198.51.100.8&tlp=TLP:RED": 403} {
		if status, body := b.get(t, "/api/v1/lookup?"+query, httpToken, ""); status != want || !strings.Contains(body, `"title"`) {
			t.Errorf("%s: %d %s", query, status, body)
		}
	}
	if n := b.provider.Bill().Total; n != 5 {
		t.Errorf("%d calls after refusals", n)
	}
	_, body = b.get(t, "/api/v1/quota", httpToken, "")
	var answer struct {
		Sources []struct {
			Source  string `json:"source"`
			Windows []struct {
				Window                          string
				Limit, Used, Pending, Remaining int64
				ResetsAt                        string `json:"resets_at"`
			} `json:"windows"`
			Spent     *int64 `json:"spent_total"`
			Uncertain *int64 `json:"uncertain_total"`
		} `json:"sources"`
	}
	if err := json.Unmarshal([]byte(body), &answer); err != nil || len(answer.Sources) != 1 || len(answer.Sources[0].Windows) != 1 {
		t.Fatalf("quota: %v %s", err, body)
	}
	s, w := answer.Sources[0], answer.Sources[0].Windows[0]
	if s.Source != "proofpoint_et_intelligence" || w.Window != "month" || w.Limit != 10000 || w.Used != 5 || w.Pending != 0 || w.Remaining != 9995 || w.ResetsAt == "" || s.Spent == nil || *s.Spent != 5 || s.Uncertain == nil || *s.Uncertain != 0 {
		t.Errorf("quota: %s", body)
	}
	// No secret in anything that is answered or kept.
	_, metrics := b.get(t, "/metrics", httpToken, "")
	files, err := os.ReadDir(b.settings().DataDir)
	if err != nil {
		t.Fatal(err)
	}
	all := metrics + body
	for _, f := range files {
		if content, err := os.ReadFile(filepath.Join(b.settings().DataDir, f.Name())); err == nil {
			all += string(content)
		}
	}
	for _, secret := range []string{apiKey, httpToken, "token-of-opencti"} {
		if strings.Contains(all, secret) {
			t.Errorf("%q is told", secret)
		}
	}
}

// Metrics name clients and playbooks: they are for whoever may read the rest.
func TestWhoMayScrape(t *testing.T) {
	const readToken = "token-of-who-may-look-0123456789"
	closed, open := newBench(t, "ENRICHGATE_READ_TOKEN="+readToken), newBench(t, "ENRICHGATE_HTTP_TOKEN=")
	soar, err := closed.clients.Add(clients.Client{Name: "soar"})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, host, token string
		bench             *bench
		want              int
	}{
		{"the read token", "", readToken, closed, 200},
		{"the admin token", "enrichgate.example.com", httpToken, closed, 200},
		{"no token", "", "", closed, 401},
		{"a wrong token", "", "wrong", closed, 401},
		{"a client, who sees nobody else", "", soar, closed, 403},
		{"no token at all, on this host", "", "", open, 200},
		{"no token at all, by a name that was rebound", "evil.example.com", "", open, 403},
	} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, c.bench.front.URL+"/metrics", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Host = c.host
		if c.token != "" {
			req.Header.Set("Authorization", "Bearer "+c.token)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || resp.StatusCode != c.want || strings.Contains(string(body), "enrichgate_build_info") != (c.want == 200) {
			t.Errorf("%s: HTTP %d, %v: %.200s", c.name, resp.StatusCode, err, body)
		}
	}
}

// The command line says the same with the directory to itself.
func TestLookupAndQuotaOnTheDirectory(t *testing.T) {
	b := newBench(t)
	b.shut(t)
	run := func(args ...string) (int, string) {
		var out, errs strings.Builder
		code := execute(environment{ctx: t.Context(), environ: b.environ, stdout: &out, stderr: &errs}, args)
		return code, out.String() + errs.String()
	}
	for i, units := range []string{`"units":5`, `"units":0`} {
		if code, said := run("lookup", "198.51.100.7", "-o", "json"); code != 0 || !strings.Contains(said, units) {
			t.Errorf("lookup %d: exit %d: %s", i, code, said)
		}
	}
	if code, said := run("quota", "-o", "json"); code != 0 || !strings.Contains(said, `"used":5`) {
		t.Errorf("quota: exit %d: %s", code, said)
	}
	if code, said := run("lookup", "not a value"); code != exitUsage || strings.Count(said, "\n") != 1 {
		t.Errorf("exit %d: %s", code, said)
	}
	if code, said := run("lookup", "198.51.100.9", "--tlp", "TLP:RED"); code != exitDenied {
		t.Errorf("exit %d: %s", code, said)
	}
}

func TestConfigurationProblemsComeAllAtOnce(t *testing.T) {
	var out, errs strings.Builder
	code := execute(environment{ctx: t.Context(), stdout: &out, stderr: &errs, environ: []string{
		"PROOFPOINT_ET_INTELLIGENCE_QUOTA=5/fortnight", "PROOFPOINT_ET_INTELLIGENCE_QUOTE=1/day", "ENRICHGATE_HTTP_LISTEN=0.0.0.0:80", "CONNECTOR_ID=17",
	}}, []string{"run"})
	for _, want := range []string{"OPENCTI_URL", "OPENCTI_TOKEN", "CONNECTOR_ID", "PROOFPOINT_ET_INTELLIGENCE_API_KEY", "fortnight", "did you mean PROOFPOINT_ET_INTELLIGENCE_QUOTA?", "ENRICHGATE_ADMIN_TOKEN"} {
		if !strings.Contains(errs.String(), want) {
			t.Errorf("no word of %s in %s", want, errs.String())
		}
	}
	if code != exitConfig {
		t.Errorf("exit %d", code)
	}
}
