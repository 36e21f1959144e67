package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/enrichgate/enrichgate/enrich/httpapi/clients"
)

// The same commands through a running daemon and without one.
func TestClientCommands(t *testing.T) {
	b := newBench(t)
	front, err := b.listen("", nil)
	if err != nil {
		t.Fatal(err)
	}
	var tokens []string
	commands := func(where string) {
		t.Helper()
		code, out, errs := said(t, b.environ, "client", "add", "soar", "--source", "proofpoint_et_intelligence",
			"--budget", "proofpoint_et_intelligence=10/day,100/month", "--max-tlp", "TLP:GREEN", "--expires", "2099-01-31")
		token := strings.TrimSpace(out)
		if code != 0 || !clients.LooksLikeToken(token) || !strings.Contains(errs, "not shown again") {
			t.Fatalf("%s: exit %d, %q, %s", where, code, out, errs)
		}
		tokens = append(tokens, token)
		if code, out, _ := said(t, b.environ, "-q", "client", "add", "script"); code != 0 || strings.Count(out, "\n") != 1 {
			t.Errorf("%s: exit %d, %q", where, code, out)
		}
		for _, c := range []struct {
			args string
			code int
			want string
		}{
			{"client add soar", exitUsage, "there is a client of that name"},
			{"client add Soar", exitUsage, "not a client's name"},
			{"client add x --source nobody", exitUsage, "not a source"},
			{"client add x --budget proofpoint_et_intelligence=10/fortnight", exitUsage, "fortnight"},
			{"client add x --max-tlp TLP:PINK", exitUsage, "TLP"},
			{"client add x --expires soon", exitUsage, "--expires"},
			{"client add x --expires 2020-01-01", exitUsage, "expired"},
			{"client revoke nobody", exitNotFound, "no such client"},
			{"client budget nobody proofpoint_et_intelligence 1/day", exitNotFound, "no such client"},
			{"client budget soar nobody 1/day", exitUsage, "not a source"},
			{"client budget soar proofpoint_et_intelligence check:1/day", exitUsage, "has no buckets"},
			{"client budget soar proofpoint_et_intelligence many", exitUsage, "not a limit"},
			{"client budget soar proofpoint_et_intelligence 20/day", 0, "may spend 20/day"},
			{"client budget script proofpoint_et_intelligence none", 0, "no budget of its own"},
		} {
			code, out, errs := said(t, b.environ, strings.Fields(c.args)...)
			if code != c.code || !strings.Contains(out+errs, c.want) || strings.Count(errs, "\n") > 1 {
				t.Errorf("%s: %s: exit %d, %s%s", where, c.args, code, out, errs)
			}
		}
		for file, args := range map[string][]string{
			"client-list.txt":       {"client", "list", "-o", "table"},
			"client-list-pipe.txt":  {"client", "list"},
			"client-list-json.txt":  {"client", "list", "--json", "name,sources,budgets,max_tlp,expires_at,last_used_at"},
			"client-list-names.txt": {"client", "list", "--jq", ".[].name"},
		} {
			code, out, errs := said(t, b.environ, args...)
			if code != 0 || errs != "" {
				t.Errorf("%s: %v: exit %d, %s", where, args, code, errs)
			}
			golden(t, file, out)
		}
		for _, name := range []string{"soar", "script"} {
			if code, _, errs := said(t, b.environ, "client", "revoke", name); code != 0 || !strings.Contains(errs, "was revoked") {
				t.Errorf("%s: exit %d, %s", where, code, errs)
			}
		}
		// Who may spend is a matter of the audit log.
		_, out, _ = said(t, b.environ, "ledger", "list", "-n", "6", "--source", "proofpoint_et_intelligence", "--kind", "note", "--template", "{{.reason}} by {{.by}}")
		for _, line := range []string{
			"client script was revoked by cli", "client soar was given a budget of 20/day by cli", "client script was given no budget of its own by cli",
			"client script was added by cli", "client soar was added by cli",
		} {
			if !strings.Contains(out, line+"\n") {
				t.Errorf("%s: the audit log does not say %q but\n%s", where, line, out)
			}
		}
	}
	commands("socket")
	if err := front.close(); err != nil {
		t.Fatal(err)
	}
	b.shut(t)
	commands("directory")
	file, err := os.ReadFile(filepath.Join(b.settings().DataDir, fileClients))
	if err != nil {
		t.Fatal(err)
	}
	for _, token := range tokens {
		if strings.Contains(string(file), token) {
			t.Error("a token is in the file")
		}
	}
}

func TestExpiry(t *testing.T) {
	now := time.Date(2026, 8, 1, 12, 0, 0, 0, time.UTC)
	for s, want := range map[string]time.Time{
		"90d": now.AddDate(0, 0, 90), "12h": now.Add(12 * time.Hour), "1.5d": now.Add(36 * time.Hour), "2027-01-31": time.Date(2027, 1, 31, 0, 0, 0, 0, time.UTC),
		"2027-01-31T10:00:00+02:00": time.Date(2027, 1, 31, 8, 0, 0, 0, time.UTC), "-1d": {}, "0h": {}, "soon": {}, "": {}, "d": {},
	} {
		if got, err := expiry(s, now); !got.Equal(want) || (err == nil) == want.IsZero() {
			t.Errorf("%q: %s, %v", s, got, err)
		}
	}
}
