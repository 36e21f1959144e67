package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// demo runs one, and fails the test if it fails.
func demo(t *testing.T, args ...string) string {
	t.Helper()
	var out, errs strings.Builder
	code := execute(environment{ctx: t.Context(), stdout: &out, stderr: &errs}, append([]string{"demo"}, args...))
	t.Logf("exit %d\n%s%s", code, out.String(), errs.String())
	if code != 0 {
		t.Fatal("the demo failed")
	}
	return out.String()
}

// figure is a number of the summary, by its name.
func figure(t *testing.T, out, name string) int {
	t.Helper()
	m := regexp.MustCompile(`(?m)^  ` + name + ` +(\d+)  `).FindStringSubmatch(out)
	if m == nil {
		t.Fatalf("no figure %q", name)
	}
	n, err := strconv.Atoi(m[1])
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// The ledger says what the provider's bill says, and a second run on the same
// data pays for nothing that the first one paid for.
func TestDemo(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "demo")
	first := demo(t, "--data", dir, "--for", "3s", "--rate", "50", "--month", "0", "--quota", "none")
	calls := figure(t, first, "calls made")
	if calls == 0 || figure(t, first, "units spent") != calls {
		t.Errorf("%d calls", calls)
	}
	if strings.Contains(first, "the books' clock") {
		t.Error("a real month has no clock of its own")
	}
	books := fmt.Sprintf("ledger %d = provider's bill %[1]d", calls)
	if !strings.Contains(first, books) {
		t.Errorf("not said: %s", books)
	}
	saved := figure(t, first, "units saved")
	if saved == 0 {
		t.Error("nothing was saved")
	}
	if all := figure(t, first, "without enrichgate"); all != calls+saved {
		t.Errorf("without enrichgate: %d, want %d + %d", all, calls, saved)
	}
	// The beginning of the same traffic, on the same data.
	second := demo(t, "--data", dir, "--for", "1s", "--rate", "10", "--month", "0", "--quota", "none")
	if n := figure(t, second, "calls made"); n != 0 {
		t.Errorf("%d calls were paid for again", n)
	}
	if figure(t, second, "units saved") == 0 || !strings.Contains(second, books) {
		t.Error("the second run does not go on where the first ended")
	}
}

// onSight does something when a text is first written.
type onSight struct {
	strings.Builder
	text string
	do   func(so string)
}

func (w *onSight) Write(b []byte) (int, error) {
	n, err := w.Builder.Write(b)
	if w.text != "" && strings.Contains(w.String(), w.text) {
		w.text = ""
		w.do(w.String())
	}
	return n, err
}

// While it runs, others ask it; Ctrl-C ends it with a summary, and nothing
// stays behind.
func TestDemoEndsWithCtrlC(t *testing.T) {
	temp := t.TempDir()
	t.Setenv("TMPDIR", temp)
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	out := &onSight{text: "ledger", do: func(so string) {
		_, data, _ := strings.Cut(so, "ENRICHGATE_DATA_DIR=")
		data, _, _ = strings.Cut(data, "\n")
		other := environment{ctx: t.Context(), environ: []string{"ENRICHGATE_DATA_DIR=" + data}, stdout: io.Discard, stderr: os.Stderr}
		for _, args := range [][]string{{"quota"}, {"lookup", "198.51.100.250"}} {
			if code := execute(other, args); code != 0 {
				t.Errorf("%s: exit %d", args, code)
			}
		}
		interrupt()
	}}
	var errs strings.Builder
	code := execute(environment{ctx: ctx, stdout: out, stderr: &errs}, []string{"demo", "--rate", "100", "--month", "0", "--quota", "none"})
	t.Logf("%s%s", out, errs.String())
	if code != 0 || errs.Len() > 0 {
		t.Errorf("exit %d: %s", code, errs.String())
	}
	if figure(t, out.String(), "calls made") != figure(t, out.String(), "units spent") || !strings.Contains(out.String(), "removed") {
		t.Error("the summary is not right")
	}
	if left, err := os.ReadDir(temp); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestDemoErrors(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	port := taken.Addr().(*net.TCPAddr).Port
	running, strange := t.TempDir(), t.TempDir()
	for path, content := range map[string]string{
		filepath.Join(running, demoState): fmt.Sprintf(`{"connector_id":"6b5b6d0e-0a3a-4d3c-8f0e-3b1b6c3b7c11","provider_port":%d}`, port),
		filepath.Join(strange, "thesis"):  "of years",
	} {
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		args string
		code int
		says string
	}{
		{"--rate 0", exitUsage, "--rate"},
		{"--for -1s", exitUsage, "--for"},
		{"--quota lots", exitUsage, "--quota"},
		{"--month 1s", exitUsage, "--month"},
		{"--month 30m --quota 200/minute", exitUsage, "--month 0"},
		{"--data " + running, 1, strconv.Itoa(port)},
		{"--data " + strange, 1, "not a demo's"},
	} {
		var errs strings.Builder
		code := execute(environment{ctx: t.Context(), stdout: io.Discard, stderr: &errs}, append([]string{"demo"}, strings.Fields(c.args)...))
		if code != c.code || !strings.Contains(errs.String(), c.says) || strings.Count(errs.String(), "\n") != 1 {
			t.Errorf("%s: exit %d, %q", c.args, code, errs.String())
		}
	}
	if left, err := os.ReadDir(strange); err != nil || len(left) != 1 {
		t.Errorf("%v, %v", left, err)
	}
}

// The same seed is the same traffic, with all that the demo is to show.
func TestDemoScript(t *testing.T) {
	play := func(seed uint64) (all []scene) {
		s := newScript(seed)
		for range 400 {
			all = append(all, s.next())
		}
		return all
	}
	one := play(1)
	if !reflect.DeepEqual(one, play(1)) {
		t.Error("two plays of one seed differ")
	}
	if reflect.DeepEqual(one, play(2)) {
		t.Error("two seeds are one")
	}
	has, values := map[string]int{}, map[string]bool{}
	for _, sc := range one {
		has[sc.entity.Type]++
		has[sc.entity.TLP[0]]++
		has[fmt.Sprint("manual ", sc.manual)]++
		has[fmt.Sprint("times ", sc.times)]++
		values[sc.asked] = true
	}
	for _, what := range []string{"IPv4-Addr", "Domain-Name", "StixFile", "Url", "TLP:RED", "manual true", "manual false", "times 2"} {
		if has[what] < 5 {
			t.Errorf("%s: %d of 400", what, has[what])
		}
	}
	if n := len(values); n < 40 || n > 150 {
		t.Errorf("%d different values in 400 scenes", n)
	}
}

func TestDemoWords(t *testing.T) {
	const refusal = "192.0.2.1: ET could not be asked. 5 lookups. Missing: Reputation, Domains (the quota of 60/day is exhausted; it opens at 2026-11-25T00:00:00Z)"
	for _, c := range []struct {
		did     tally
		answers []demoAnswer
		want    string
	}{
		{tally{asked: 5}, []demoAnswer{{objects: 12}}, "5 calls; +12 objects"},
		{tally{asked: 1, unknown: 1}, []demoAnswer{{}}, "1 call; no record, and that is kept too"},
		{tally{cached: 5, unknown: 5}, []demoAnswer{{}}, "5 from the cache; no record"},
		{tally{cached: 5}, []demoAnswer{{}}, "5 from the cache; nothing new"},
		{tally{asked: 3, shared: 3}, []demoAnswer{{objects: 1}, {}}, "3 calls, 3 shared; +1 object"},
		{tally{asked: 2, none: 3, failed: 1}, []demoAnswer{{}}, "2 calls, 3 without an answer"},
		{tally{tlp: 1, playbook: 1}, []demoAnswer{{}}, "refused for its TLP: nothing leaves the platform; the playbook goes on with its bundle"},
		{tally{scope: 1, manual: 1}, []demoAnswer{{}}, "out of the connector's scope"},
		{tally{refused: 2, cached: 3, failed: 1}, []demoAnswer{{words: refusal}}, "refused: the quota of 60/day is exhausted; 3 from the cache"},
		{tally{refused: 5, failed: 1}, []demoAnswer{{}}, "refused: the quota"},
		{tally{asked: 5}, nil, "5 calls"}, // from another terminal
	} {
		if got := happened(c.did, c.answers); got != c.want {
			t.Errorf("%+v: %q, want %q", c.did, got, c.want)
		}
	}
}

func TestDemoBooks(t *testing.T) {
	f := parseFigures([]byte(`# HELP enrichgate_x_total Things.
enrichgate_x_total{kind="a",result="hit"} 3
enrichgate_x_total{kind="b",result="hit"} 4
enrichgate_x_total{kind="b",result="miss"} 10
enrichgate_x_total_more{kind="b",result="hit"} 100
go_info{version="go1.26"} 1
`))
	if got := f.sum("enrichgate_x_total", `result="hit"`); got != 7 {
		t.Errorf("sum: %d", got)
	}
	for _, c := range []struct {
		spent, uncertain, pending int64
		bill                      int
		want                      string
		sound                     bool
	}{
		{45, 0, 0, 45, "ledger 45 = provider's bill 45", true},
		{44, 2, 0, 45, "ledger 46 > provider's bill 45: 2 units are uncertain since a crash", true},
		{44, 0, 3, 45, "ledger 44 + 3 under way, provider's bill 45", true},
		{44, 0, 0, 45, "ledger 44 < provider's bill 45: a call was forgotten", false},
	} {
		b := balance{bill: c.bill}
		b.usage.Spent, b.usage.Uncertain, b.usage.Pending = c.spent, c.uncertain, c.pending
		if b.String() != c.want || b.sound() != c.sound {
			t.Errorf("%q, %v; want %q, %v", b, b.sound(), c.want, c.sound)
		}
	}
}

func TestDemoPaper(t *testing.T) {
	p := &paper{width: 20, colour: true}
	if got := p.join("  ", "one", "twelve", "fourteen"); got != "  one · twelve\n  fourteen" {
		t.Errorf("%q", got)
	}
	if got := p.cut("as long as a sentence", 8); got != "as long as …" {
		t.Errorf("%q", got)
	}
	if got := p.ink(red, "x"); got != "\x1b[31mx\x1b[0m" {
		t.Errorf("%q", got)
	}
	plain := newPaper(&environment{stdout: io.Discard})
	if got := plain.ink(red, plain.cut(plain.join("", "a", "b"), 400)); got != "a · b" {
		t.Errorf("%q", got)
	}
}

// The demo's clock is the daemon's, faster: it goes on over a restart, and from
// what it showed when its pace is changed.
func TestDemoClock(t *testing.T) {
	began := time.Date(2026, 4, 17, 12, 0, 0, 0, time.UTC)
	c := newDemoClock(30*time.Minute, began)
	first := time.Date(2026, 4, 1, 0, 0, 0, 0, time.UTC)
	for real, shown := range map[time.Duration]time.Time{
		0: first, time.Minute: first.AddDate(0, 0, 1), 30 * time.Minute: first.AddDate(0, 0, 30), 500 * time.Millisecond: first.Add(12 * time.Minute),
		366 * 24 * time.Hour: first.AddDate(0, 0, 366*1440), // more than a Duration holds
	} {
		if got := c.of(began.Add(real)); !got.Equal(shown) {
			t.Errorf("%s: %s, want %s", real, got, shown)
		}
	}
	slower := c.at(time.Hour, began.Add(time.Minute))
	if got, want := slower.of(began.Add(3*time.Minute)), first.AddDate(0, 0, 2); !got.Equal(want) {
		t.Errorf("after a change of pace: %s, want %s", got, want)
	}
	if got := c.real(24 * time.Hour); got != time.Minute {
		t.Errorf("a day takes %s", got)
	}
	if _, err := (demoCmd{}).clock(c, true); err == nil {
		t.Error("books of another clock go on by the real one")
	}
}
