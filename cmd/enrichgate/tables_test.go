package main

import (
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/enrichgate/enrichgate/enrich/opencti"
)

// scrub takes out of a table what differs from machine to machine: what the
// pairs of pattern and replacement say.
func scrub(text string, pairs ...string) string {
	for i := 0; i < len(pairs); i += 2 {
		text = regexp.MustCompile(pairs[i]).ReplaceAllString(text, pairs[i+1])
	}
	return text
}

// What people see of a daemon, by a clock that stands still between the steps.
func TestTables(t *testing.T) {
	var clock atomic.Pointer[time.Time]
	at := time.Date(2026, 8, 13, 12, 0, 0, 0, time.UTC)
	clock.Store(&at)
	b := newBenchAt(t, func() time.Time { return *clock.Load() }, "PROOFPOINT_ET_INTELLIGENCE_QUOTA=20/day,10000/month")
	broken := errors.New("no answer from the broker")
	front, err := b.listen("", func() []opencti.State { return []opencti.State{{Name: "demo"}, {Name: "other", Messages: broken}} })
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = front.close() }()
	const file = "0123456789abcdef0123456789abcdef"
	said(t, b.environ, "lookup", file)
	later := at.Add(90 * time.Minute)
	clock.Store(&later)
	for _, c := range []struct {
		golden string
		args   string
		code   int
		pairs  []string
	}{
		{"ledger-list.txt", "ledger list -o table", 0, nil},
		{"", "quota set-used proofpoint_et_intelligence month 9300 --reason portal", 0, nil},
		{"lookup.txt", "lookup -o table " + file + " 10.0.0.1", exitDenied, nil},
		{"lookup-paid.txt", "lookup -o table 198.51.100.7", 0, nil}, // alone: what is left depends on who was first
		{"lookup-why.txt", "lookup -o table --why " + file + " 198.51.100.7", 0, nil},
		{"lookup-max-units.txt", "lookup -o table --max-units 4 198.51.100.8 " + file, exitQuota, nil},
		{"quota.txt", "quota -o table", 0, nil},
		{"ledger-list-set-used.txt", "ledger list -o table --kind set-used", 0, []string{"by [^ :]+:", "by WHO:"}},
		{"cache-stats.txt", "cache stats -o table --json source,entries,expired,evicted,purged,encrypted", 0, nil},
		{"cache-get.txt", "cache get -o table " + file, 0, nil},
		{"", "source pause proofpoint_et_intelligence --for 10m --reason audit", 0, nil},
		{"quota-paused.txt", "quota -o table", 0, []string{"by [^ :]+:", "by WHO:", " {2,}", "  "}}, // the name has a width
		{"status.txt", "status -o table", 1, []string{`process \d+ on \S+ for .*`, "process PID on HOST for TIME", "by [^ :]+:", "by WHO:"}},
	} {
		code, out, errs := said(t, b.environ, strings.Fields(c.args)...)
		if code != c.code {
			t.Errorf("%s: exit %d: %s", c.args, code, errs)
		}
		if c.golden != "" {
			// Times are shown in the machine's zone.
			golden(t, c.golden, scrub(scrub(out, `\d{4}-\d\d-\d\d \d\d:\d\d:\d\d`, "YYYY-MM-DD HH:MM:SS", `[A-Z][a-z]{2} \d\d Aug \d\d:\d\d`, "Day DD Mon HH:MM"), c.pairs...))
		}
	}
}

func TestDoctorsTable(t *testing.T) {
	environ := patient(t, func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, `{"data":{"me":{"name":"connector"},"about":{"version":"7.1.0"}}}`)
	})
	code, out, errs := said(t, environ, "doctor", "-o", "table")
	if code != 0 || errs != "" {
		t.Errorf("exit %d: %s", code, errs)
	}
	// The disk and its kind are the machine's, and widths follow from what they say.
	golden(t, "doctor.txt", scrub(out, `(?m)^(disk|volume) .*\n`, "", ` {2,}`, "  ", `/\S+/data`, "DIR", `127.0.0.1:\d+`, "127.0.0.1:PORT", `\d+(ms|s)\b`, "TIME", `\d+ settings`, "N settings"))
}

func TestConfigPrint(t *testing.T) {
	environ := []string{"OPENCTI_URL=https://opencti.example.com", "OPENCTI_TOKEN=token-of-opencti-0123456789"}
	for args, want := range map[string]string{
		"config print":             "OPENCTI_URL\thttps://opencti.example.com\tenvironment\n",
		"config print --no-origin": "OPENCTI_URL\thttps://opencti.example.com\n",
		"config print -o csv":      "OPENCTI_URL,https://opencti.example.com,environment\n",
		`config print --jq .[]|select(.name=="OPENCTI_URL").origin`: "environment\n",
	} {
		code, out, errs := said(t, environ, strings.Fields(args)...)
		if code != 0 || !strings.Contains(out, want) || strings.Contains(out, "token-of") {
			t.Errorf("%s: exit %d: %s%s", args, code, out, errs)
		}
	}
}
