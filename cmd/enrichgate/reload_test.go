package main

import (
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/enrichgate/enrichgate/cmd/enrichgate/internal/settings"
	"github.com/enrichgate/enrichgate/enrich"
	"github.com/enrichgate/enrichgate/enrich/opencti/openctitest"
)

// A running daemon takes up what its file says now, at SIGHUP and when it is
// asked; a file with a mistake changes nothing, and both can be seen from
// outside.
func TestReload(t *testing.T) {
	w := newWorld(t, openctitest.TestBroker(t))
	port, err := freePort(0)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "config.yml")
	write := func(lines ...string) {
		t.Helper()
		text := strings.Join(append([]string{"proofpoint_et_intelligence:"}, lines...), "\n  ") + "\n"
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	const listen = "127.0.0.1:"
	env := []string{"ENRICHGATE_CONFIG=" + file, "ENRICHGATE_HTTP_LISTEN=" + listen + strconv.Itoa(port), "PROOFPOINT_ET_INTELLIGENCE_QUOTA=100/day"}
	series := func(name string) (value string) {
		for line := range strings.Lines(string(scrape(t, listen+strconv.Itoa(port), ""))) {
			if rest, found := strings.CutPrefix(line, name+" "); found {
				value = strings.TrimSpace(rest)
			}
		}
		return value
	}
	const floor, ok = `enrichgate_quota_reserve_floor{source="proofpoint_et_intelligence",window="day"}`, "enrichgate_config_last_reload_successful"
	write("quota_reserve_playbook: 10")
	cmd := w.spawn(asMain, env...)
	if series(floor) != "10" || series(ok) != "1" {
		t.Fatalf("at the start: floor %s, reload %s", series(floor), series(ok))
	}
	hangup := func(want func() bool, what string) {
		t.Helper()
		if err := cmd.Process.Signal(syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
		openctitest.Eventually(t, want, what)
	}
	write("quota_reserve_playbook: 20")
	hangup(func() bool { return series(floor) == "20" }, "the new floor to hold")

	write("quota_reserve_playbook: 30", "cache_ttl: soon")
	hangup(func() bool { return series(ok) == "0" }, "the mistake to be refused")
	if series(floor) != "20" {
		t.Errorf("a file with a mistake changed the floor to %s", series(floor))
	}

	write("quota_reserve_playbook: 40", "timeout: PT9S")
	environ := w.env(env...)
	code, out, errs := said(t, environ, "config", "reload")
	if want := "taken: PROOFPOINT_ET_INTELLIGENCE_QUOTA_RESERVE_PLAYBOOK\nneeds a restart: PROOFPOINT_ET_INTELLIGENCE_TIMEOUT\n"; code != 0 || out != want {
		t.Errorf("exit %d: %s%s", code, out, errs)
	}
	if series(floor) != "40" || series(ok) != "1" {
		t.Errorf("floor %s, reload %s", series(floor), series(ok))
	}
	// The audit log has both, with who it was.
	_, out, _ = said(t, environ, "ledger", "list", "--kind", "note", "--jq", "[.[].by] | unique | length")
	if out != "2\n" {
		t.Errorf("notes by %s", out)
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
	// Nobody runs now.
	if code, _, errs := said(t, environ, "config", "reload"); code != exitUnreachable || !strings.Contains(errs, "no enrichgate runs") {
		t.Errorf("exit %d: %s", code, errs)
	}
}

// A reload changes how long the answers of a declared source are kept as a
// restart would, be it set, changed or taken back.
func TestReloadOfDeclaredTTLs(t *testing.T) {
	entity, err := enrich.NewEntity("IPv4-Addr", "198.51.100.7")
	if err != nil {
		t.Fatal(err)
	}
	plan := func(s tunedSource) enrich.TTL {
		t.Helper()
		lookups, err := s.Plan(entity)
		if err != nil {
			t.Fatal(err)
		}
		return lookups[0].TTL
	}
	with := func(ttl string) settings.Settings {
		t.Helper()
		environ := []string{"OPENCTI_URL=http://localhost", "OPENCTI_TOKEN=token-0123456789", "CONNECTOR_ID=b5d1e2f0-6c1a-4a0b-9d3e-7f2a1c0e9b11",
			"VIRUSTOTAL_TOKEN=key-of-a-test-0123456789", "ENRICHGATE_DATA_DIR=" + filepath.Join(t.TempDir(), "data")}
		if ttl != "" {
			environ = append(environ, "VIRUSTOTAL_CACHE_TTL="+ttl)
		}
		s, err := settings.Load(settings.Options{Environ: environ, Sources: sourceSpecs(), Dir: t.TempDir()})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	opened := func(s settings.Settings) *app {
		t.Helper()
		a, err := openApp(s, slog.New(slog.DiscardHandler), "test", nil)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := a.close(); err != nil {
				t.Error(err)
			}
		})
		return a
	}
	a := opened(with("PT1H"))
	for _, ttl := range []string{"", "P30D", "PT2H"} {
		fresh := with(ttl)
		a.reload.read = func() (settings.Settings, error) { return fresh, nil }
		if _, err := a.reload.run("test"); err != nil {
			t.Fatal(err)
		}
		if got, want := plan(a.sources[0]), plan(opened(fresh).sources[0]); got != want {
			t.Errorf("CACHE_TTL=%q: a reload gives %+v, a restart %+v", ttl, got, want)
		}
	}
}
