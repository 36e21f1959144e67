package main

import (
	"strings"
	"testing"
)

// Orders and the audit log, through a running daemon and without one: the same
// commands, the same answers, the same books.
func TestOrdersOnTheSocketAndOnTheDirectory(t *testing.T) {
	b := newBench(t)
	front, err := b.listen("", nil)
	if err != nil {
		t.Fatal(err)
	}
	orders := func(where string) {
		t.Helper()
		for _, c := range []struct {
			args string
			code int
			want string
		}{
			{"quota set-used proofpoint_et_intelligence month 9300 --reason portal", 0, "9 300 units count as used"},
			{"quota set-limit proofpoint_et_intelligence month 9500 --reason contract", 0, "9 500 units"},
			{"quota set-floor proofpoint_et_intelligence month playbook 100 --reason incident", 0, "leaves 100 units"},
			{"quota --jq .[0]|.used,.limit,.left,.floors.playbook", 0, "9300\n9500\n200\n100\n"},
			{"source pause proofpoint_et_intelligence --for 10m --reason audit", 0, "is paused for 10m"},
			{"quota --jq .[0].paused.reason", 0, "audit\n"},
			{"lookup 198.51.100.77", exitUnavailable, "paused"},
			{"source resume proofpoint_et_intelligence --reason done", 0, "may spend again"},
			{"source resume proofpoint_et_intelligence --reason again", exitUsage, "not paused"},
			{"quota resolve proofpoint_et_intelligence spent --reason bill", 0, "0 units"},
			{"quota set-used proofpoint_et_intelligence year 1 --reason x", exitUsage, "there are: month"},
			{"quota set-used nobody month 1 --reason x", exitUsage, "nobody"},
			{"quota set-used proofpoint_et_intelligence month 1", exitUsage, "--reason"},
			{"quota set-used proofpoint_et_intelligence month -- -1", exitUsage, "--reason"},
			{"source pause proofpoint_et_intelligence --for -1s --reason x", exitUsage, "--for"},
			{"ledger list --kind set-used --limit 1 --jq .[]|.account,.used,.reason", 0, "proofpoint_et_intelligence\n9300\nportal\n"},
			{"ledger list --source proofpoint_et_intelligence --limit 1 --json kind", 0, `{"kind":"resume"}`},
			{"ledger list --since 1h --until 2000-01-01 --json kind", 0, "[\n]\n"},
			{"ledger list --since someday", exitUsage, "--since"},
			{"ledger list --kind nosuch", exitUsage, `"nosuch" is not a kind of entry; use reserve, spent`},
			{"ledger export --trigger nosuch", exitUsage, `"nosuch" is not a trigger; use manual, api`},
			{"ledger export --kind pause -o csv --json kind,reason", 0, "kind,reason\npause,audit\n"},
			{"ledger verify", 0, "the chain is unbroken"},
		} {
			code, out, errs := said(t, b.environ, strings.Fields(c.args)...)
			if code != c.code || !strings.Contains(out+errs, c.want) {
				t.Errorf("%s: %s: exit %d, %s%s", where, c.args, code, out, errs)
			}
		}
	}
	orders("socket")
	if err := front.close(); err != nil {
		t.Fatal(err)
	}
	b.shut(t)
	orders("directory")
	if n := b.provider.Bill().Total; n != 0 {
		t.Errorf("the paused provider was asked %d times", n)
	}
}

// Who holds the directory and does not answer is told apart from everything else.
func TestUnreachableDaemon(t *testing.T) {
	b := newBench(t) // holds the directory, without a socket
	code, _, errs := said(t, b.environ, "quota")
	if code != exitUnreachable || !strings.Contains(errs, "is held by") || strings.Count(errs, "\n") != 1 {
		t.Errorf("exit %d: %s", code, errs)
	}
	front, err := b.listen("", nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := front.close(); err != nil { // what a daemon that hangs looks like
		t.Fatal(err)
	}
	code, _, errs = said(t, b.environ, "quota", "--timeout", "5s")
	if code != exitUnreachable || !strings.Contains(errs, "asking the running enrichgate") || strings.Count(errs, "\n") != 1 {
		t.Errorf("exit %d: %s", code, errs)
	}
}

// An export is the same, byte by byte, by the command line and by the API.
func TestLedgerExportIsOne(t *testing.T) {
	b := newBench(t)
	front, err := b.listen("", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = front.close() }()
	for _, args := range []string{"lookup 198.51.100.1", "quota set-used proofpoint_et_intelligence month 9 --reason =portal"} {
		if code, _, errs := said(t, b.environ, strings.Fields(args)...); code != 0 {
			t.Fatalf("%s: exit %d, %s", args, code, errs)
		}
	}
	for form, accept := range map[string]string{"csv": "text/csv", "jsonl": "application/x-ndjson"} {
		status, api := b.get(t, "/api/v1/ledger", httpToken, accept)
		code, out, errs := said(t, b.environ, "ledger", "export", "-o", form)
		if status != 200 || code != 0 || out != api || strings.Count(out, "\n") < 11 {
			t.Errorf("%s: HTTP %d, exit %d, %s\n%s\n%s", form, status, code, errs, out, api)
		}
	}
	if _, out, _ := said(t, b.environ, "ledger", "export", "--kind", "set-used", "-o", "csv"); !strings.HasSuffix(out, ",'=portal\n") || strings.Count(out, "\n") != 2 {
		t.Errorf("filtered: %s", out)
	}
}

// A share of a window is kept for people: everybody else leaves it, and who may
// spend nothing still may not.
func TestQuotaReserve(t *testing.T) {
	b := newBench(t)
	b.shut(t)
	for share, want := range map[string]int{"much": exitUsage, "101%": exitUsage, "15%": 0} {
		if code, _, errs := said(t, b.environ, "quota", "reserve", "proofpoint_et_intelligence", "month", share, "--reason", "audit"); code != want {
			t.Errorf("%s: exit %d: %s", share, code, errs)
		}
	}
	if code, _, errs := said(t, b.environ, "quota", "reserve", "proofpoint_et_intelligence", "day", "15%", "--reason", "audit"); code != exitUsage || !strings.Contains(errs, "no window") {
		t.Errorf("exit %d: %s", code, errs)
	}
	if code, out, errs := said(t, b.environ, "quota", "--template", `{{.window}} {{.floors}}`); code != 0 || !strings.Contains(out, "month map[api:1500 auto:10000 ") || !strings.Contains(out, "playbook:1500 proxy:1500]") {
		t.Errorf("exit %d: %s%s", code, out, errs)
	}
}
