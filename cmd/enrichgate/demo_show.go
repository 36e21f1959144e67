package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/enrichgate/enrichgate/cmd/enrichgate/internal/settings"
	"github.com/enrichgate/enrichgate/enrich/httpapi"
)

// demoShow says what comes of the traffic.
type demoShow struct {
	*paper
	books *demoBooks
	began time.Time
	lines lineBudget
}

func (d *demoShow) header(c demoCmd, s settings.Settings, st *demoStage) {
	folder := "removed at the end (--keep keeps it)"
	if st.keep {
		folder = fmt.Sprintf("kept; %s paid so far", units(d.books.start.ledger()))
	}
	d.printf("%s", d.ink(bold, "enrichgate demo: the real connector between two sandboxes. Nothing leaves this machine."))
	pace, clock := "", ""
	if c.Month > 0 {
		clock = fmt.Sprintf("\nTimes in orders, --for and --since, run on the books' clock: 24h are over in %s.\n", span(c.Month/30))
		pace = fmt.Sprintf("; a month of the books takes %s, a day %s", span(c.Month), span(c.Month/30))
	}
	d.printf(`
  provider   invents answers in the manner of ET Intelligence, and keeps its own bill
  platform   speaks OpenCTI's connector protocol, %s
  connector  enrichgate %s, the code of 'enrichgate run'
  page       http://%s/   admin token: %s
  metrics    http://%[3]s/metrics
  quota      %[5]s%[6]s; playbooks leave the last tenth to people; a unit costs %[11]s EUR
  data       %[7]s, %[8]s

An address costs 5 units, a domain 3, a file 1. In another terminal, try:

  export ENRICHGATE_DATA_DIR=%[7]s
  %[9]s lookup 198.51.100.250 --why    # 5 units; once more, and it is 0
  %[9]s quota --watch
  %[9]s source pause proofpoint_et_intelligence --for 24h --reason 'to see what is kept'
  %[9]s ledger list
  curl -H 'Authorization: Bearer %[4]s' 'http://%[3]s/api/v1/lookup?value=198.51.100.250'
%[10]s
Ctrl-C ends it and sums up. The totals count every message; not each one gets a line.
`, st.platform.URL(), version(), s.HTTPListen, s.AdminToken.Reveal(), c.Quota, pace, st.data(), folder, ourselves(), clock, demoPrice)
}

// ourselves is how this program was called.
func ourselves() string {
	path, err := os.Executable()
	switch {
	case err != nil, strings.Contains(path, "go-build"):
		return "go run ./cmd/enrichgate"
	case !strings.ContainsRune(os.Args[0], filepath.Separator):
		return os.Args[0] // found on the PATH
	default:
		return path
	}
}

// lineBudget keeps the lines to what people can read.
type lineBudget struct {
	left float64
	last time.Time
}

// linesASecond is what people can read.
const linesASecond = 3

// take says whether there is room for a line; one that matters more may run into debt.
func (b *lineBudget) take(now time.Time, matters bool) bool {
	b.left = min(linesASecond, b.left+linesASecond*now.Sub(b.last).Seconds())
	b.last = now
	if b.left < 1 && (!matters || b.left < 1-linesASecond) {
		return false
	}
	b.left--
	return true
}

// line shows one event: when, who, what for, its price, and what happened.
func (d *demoShow) line(who, value, times string, price int, what string) {
	now := time.Now()
	if !d.lines.take(now, price > 0) {
		return
	}
	colour := green
	if price > 0 {
		colour = yellow
	}
	const used = 10 + 10 + 24 + 4 + 9
	d.printf("%s  %-8s  %-22s  %-2s  %s  %s", d.ink(dim, now.Format("15:04:05")), who, shortened(value, 22), times,
		d.ink(colour, fmt.Sprintf("%-7s", units(price))), d.cut(what, used))
}

// waits says that a message takes its time, and what is left.
func (d *demoShow) waits(value string, b balance) {
	d.printf("%s", d.ink(dim, fmt.Sprintf("          %s waits for its answer; %s", value, b.left())))
}

func units(n int) string { return count(n, "unit") }

func shortened(s string, n int) string {
	if r := []rune(s); len(r) > n {
		return string(r[:n-1]) + "…"
	}
	return s
}

// totals are a running line.
func (d *demoShow) totals(t tally, b balance) {
	colour := cyan
	if !b.sound() {
		colour = red
	}
	parts := []string{
		fmt.Sprintf("%d messages, %s hits", t.messages, t.hits()),
		fmt.Sprintf("%s spent, %d saved", units(b.ledger()-d.books.start.ledger()), t.saved), b.left(), b.String(),
	}
	if outlook := d.books.stage.state.Clock.outlook(b.usage); outlook != "" {
		parts = append(parts, outlook)
	}
	d.printf("%s", d.ink(colour, d.join("  ── ", parts...)))
}

// summary holds the books against each other: the daemon's counts until it
// stopped, the ledger as it lies on the disk, and the provider's bill.
func (d *demoShow) summary(t tally, answer httpapi.QuotaAnswer, st *demoStage) error {
	b, err := d.books.of(answer)
	if err != nil {
		return err
	}
	spent, billed := b.ledger()-d.books.start.ledger(), b.bill-d.books.start.bill
	colour, runs := green, ""
	if !b.sound() {
		colour = red
	}
	if st.keep {
		runs = ", in all runs on this data"
	}
	d.printf("\n%s", d.ink(bold, fmt.Sprintf("The demo ran for %s.", time.Since(d.began).Round(100*time.Millisecond))))
	d.printf(`
  messages           %5d   %d by playbooks, %d by hand; %d refused for TLP, %d out of scope
  lookups asked for  %5d   %d calls, %d shared with a call under way, %d from the cache%s
  calls made         %5d   by the provider's own bill
  units spent        %5d   %s
  units saved        %5d   %s of the lookups cost nothing
  without enrichgate %5d   units for the same answers%s
  quota              %s
  data               %s
`, t.messages, t.playbook, t.manual, t.tlp, t.scope, t.lookups(), t.asked, t.shared, t.cached, others(t), billed,
		spent, d.ink(colour, b.String()+runs), t.saved, t.hits(), spent+t.saved, factor(spent, t.saved), b.left(), fateOfData(st))
	if !b.sound() {
		return fmt.Errorf("the books do not agree: %s", b)
	}
	return nil
}

// others are lookups that ended in a less usual way.
func others(t tally) (s string) {
	if t.stale > 0 {
		s += fmt.Sprintf(", %d past their time", t.stale)
	}
	if t.none > 0 {
		s += fmt.Sprintf(", %d without an answer", t.none)
	}
	return s
}

func factor(spent, saved int) string {
	if spent == 0 || saved == 0 {
		return ""
	}
	return fmt.Sprintf(", %.1f times as many", float64(spent+saved)/float64(spent))
}

func fateOfData(st *demoStage) string {
	if st.keep {
		return "kept in " + st.dir + "; the same again, and nothing fresh is paid for twice"
	}
	return "removed; with --keep the next run would pay for nothing of this again"
}
