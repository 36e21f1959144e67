package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/enrichgate/enrichgate/enrich/httpapi/clients"
)

// Commands go to a daemon elsewhere by its API: no setting and no data directory
// of this host is touched, and the exit codes are the same.
func TestRemote(t *testing.T) {
	b := newBench(t, "ENRICHGATE_READ_TOKEN=token-of-who-may-look-0123456789")
	soar, err := b.clients.Add(clients.Client{Name: "soar", Sources: []string{"proofpoint_et_intelligence"}})
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	token := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	client, reader, admin := token("client", soar), token("reader", "token-of-who-may-look-0123456789"), token("admin", httpToken)
	run := func(args ...string) (code int, stdout, stderr string) {
		var out, errs bytes.Buffer
		env := environment{ctx: t.Context(), environ: []string{"HOME=/nowhere"}, stdout: &out, stderr: &errs}
		code = execute(env, append([]string{"--server", b.front.URL}, args...))
		return code, out.String(), errs.String()
	}
	for _, c := range []struct {
		name string
		args []string
		code int
		says string
	}{
		{"a lookup", []string{"--token-file", client, "lookup", "198.51.100.7", "--json", "value,units"}, 0, `"units":5`},
		{"again", []string{"--token-file", client, "lookup", "198.51.100.7", "--json", "value,units"}, 0, `"units":0`},
		{"a list", []string{"--token-file", client, "lookup", "198.51.100.7", "update.example.com", "--max-units", "10", "--json", "units"}, 0, `"units":3`},
		{"no spending for readers", []string{"--token-file", reader, "lookup", "198.51.100.9"}, exitAuth, "token"},
		{"quota", []string{"--token-file", reader, "quota", "--template", "{{.source}} {{.window}} {{.used}}"}, 0, "proofpoint_et_intelligence month 8\n"},
		{"the newest entries", []string{"--token-file", reader, "ledger", "list", "-n", "1", "--json", "kind,client"}, 0, `"client":"soar"`},
		{"the whole ledger", []string{"--token-file", reader, "ledger", "export"}, 0, `"kind":"reserve"`},
		{"cache", []string{"--token-file", reader, "cache", "stats", "--output", "yaml"}, 0, "source: proofpoint_et_intelligence\n"},
		{"status", []string{"--token-file", reader, "status", "--output", "jsonl"}, 0, b.front.URL},
		{"metrics", []string{"--token-file", reader, "metrics"}, 0, "enrichgate_source_circuit_open{"},
		{"clients", []string{"--token-file", admin, "client", "list", "--json", "name"}, 0, `"soar"`},
		{"what is done there", []string{"--token-file", admin, "ledger", "verify"}, exitUsage, "on the daemon's own host"},
		{"a wrong token", []string{"--token-file", token("wrong", "token-of-nobody-0123456789012345"), "quota"}, exitAuth, ""},
		{"no token", []string{"quota"}, exitUsage, "--token-file"},
		{"no token in the file", []string{"--token-file", token("empty", ""), "quota"}, exitUsage, "no token"},
	} {
		code, stdout, stderr := run(c.args...)
		if code != c.code || !strings.Contains(stdout+stderr, c.says) || c.code != 0 && strings.Count(stderr, "\n") != 1 {
			t.Errorf("%s: %d\n%s%s", c.name, code, stdout, stderr)
		}
	}
	for address, want := range map[string]int{"ftp://x": exitUsage, "enrichgate:8080": exitUsage, b.front.URL + "/api": exitUsage, "http://127.0.0.1:1": exitUnreachable} {
		var errs bytes.Buffer
		code := execute(environment{ctx: t.Context(), stdout: &errs, stderr: &errs}, []string{"--server", address, "--token-file", reader, "quota"})
		if code != want || strings.Count(errs.String(), "\n") != 1 || want == exitUnreachable && (!strings.Contains(errs.String(), address) || strings.Contains(errs.String(), "http://enrichgate")) {
			t.Errorf("%s: %d %s", address, code, errs.String())
		}
	}
	if n := b.provider.Bill().Total; n != 8 {
		t.Errorf("the provider saw %d calls", n)
	}
	_, stdout, _ := run("--token-file", reader, "ledger", "export")
	lines := strings.Split(strings.TrimSpace(stdout), "\n")
	var e struct{ Seq int }
	if err := json.Unmarshal([]byte(lines[0]), &e); err != nil || e.Seq != 1 || len(lines) != 16 {
		t.Errorf("%d lines, the first %s", len(lines), lines[0])
	}
	// Whoever tries too many tokens is told so, which is about no quota.
	wrong := token("guess", "token-of-nobody-0123456789012345")
	for range 12 {
		run("--token-file", wrong, "quota")
	}
	if code, _, errs := run("--token-file", wrong, "quota"); code != exitAuth || !strings.Contains(errs, "too many") {
		t.Errorf("exit %d: %s", code, errs)
	}
}
