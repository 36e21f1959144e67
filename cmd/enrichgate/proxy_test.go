package main

import (
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// public asks as the public ET Intelligence connector does, of any base URL.
func (b *bench) public(t *testing.T, base, key, path string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, base+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", key)
	resp, err := b.front.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(body)
}

// The daemon's proxy at the operator's prices, with clients from the command
// line: the same budgets after a restart, and no secret in anything that the
// whole daemon answers or keeps.
func TestProxyOfTheDaemon(t *testing.T) {
	b := newBench(t, "PROOFPOINT_ET_INTELLIGENCE_COST_IP_ASN=2", "PROOFPOINT_ET_INTELLIGENCE_ENDPOINTS=ip.asn,ip.reputation")
	front, err := b.listen("", nil)
	if err != nil {
		t.Fatal(err)
	}
	var tokens []string
	for _, name := range []string{"first", "second"} {
		code, out, errs := said(t, b.environ, "client", "add", name, "--budget", "proofpoint_et_intelligence=10/month")
		if code != 0 {
			t.Fatal(errs)
		}
		tokens = append(tokens, strings.TrimSpace(out))
	}
	base := b.front.URL + "/proxy/proofpoint_et_intelligence/v1/"
	if resp, body := b.public(t, base+"/", tokens[0], "ips/198.51.100.1/asn"); resp.StatusCode != 200 || resp.Header.Get("X-Enrichgate-Units") != "2" {
		t.Errorf("%d %s %v", resp.StatusCode, body, resp.Header)
	}
	if resp, _ := b.public(t, base, tokens[0], "ips/198.51.100.1/geoloc"); resp.StatusCode != 403 {
		t.Errorf("a call that is switched off: %d", resp.StatusCode)
	}
	var good [2]atomic.Int64
	var all sync.WaitGroup
	for i := range 60 {
		all.Go(func() {
			if resp, body := b.public(t, base, tokens[i%2], fmt.Sprintf("ips/198.51.100.%d/reputation", i+10)); resp.StatusCode == 200 {
				good[i%2].Add(1)
			} else if resp.StatusCode != 429 {
				t.Errorf("%d %s", resp.StatusCode, body)
			}
		})
	}
	all.Wait()
	if good[0].Load() != 8 || good[1].Load() != 10 || b.provider.Bill().Total != 19 {
		t.Errorf("%d and %d answers, %d calls", good[0].Load(), good[1].Load(), b.provider.Bill().Total)
	}
	told := ""
	for _, path := range []string{"/metrics", "/api/v1/ledger?limit=1000", "/api/v1/clients", "/api/v1/enrichments", "/api/v1/quota", "/", "/clients", "/ledger"} {
		_, body := b.get(t, path, httpToken, "")
		told += body
	}
	if err := front.close(); err != nil {
		t.Fatal(err)
	}
	b.shut(t)
	// Straight on the directory now: what was spent still counts.
	if code, out, errs := said(t, b.environ, "quota", "--jq", ".[0].used"); code != 0 || out != "20\n" {
		t.Errorf("exit %d: %s%s", code, out, errs)
	}
	again, err := openApp(*b.settings(), slog.New(slog.DiscardHandler), "run", nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, u := range again.ledger.Usage() {
		for _, c := range u.Clients {
			if c.Windows[0].Used != 10 || c.Windows[0].Remaining != 0 {
				t.Errorf("after a restart: %+v", c)
			}
		}
		if len(u.Clients) != 2 {
			t.Errorf("%d budgets after a restart", len(u.Clients))
		}
	}
	if err := again.close(); err != nil {
		t.Fatal(err)
	}
	files, err := os.ReadDir(b.settings().DataDir)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if content, err := os.ReadFile(filepath.Join(b.settings().DataDir, f.Name())); err == nil {
			told += string(content)
		}
	}
	for _, secret := range append(tokens, apiKey, httpToken) {
		if strings.Contains(told, secret) {
			t.Errorf("%.10s… is told or kept", secret)
		}
	}
}
