package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"
)

// program is the real binary, as a user has it.
type program struct {
	tb   testing.TB
	path string
	data string // of the demo, for ENRICHGATE_DATA_DIR
}

func buildProgram(t *testing.T) *program {
	t.Helper()
	p := &program{tb: t, path: filepath.Join(t.TempDir(), "enrichgate")}
	cmd := exec.CommandContext(t.Context(), "go", "build", "-o", p.path, ".")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return p
}

func (p *program) command(args ...string) *exec.Cmd {
	cmd := exec.CommandContext(p.tb.Context(), p.path, args...)
	cmd.Env = append(os.Environ(), "ENRICHGATE_DATA_DIR="+p.data)
	return cmd
}

// run runs a command in another terminal.
func (p *program) run(args ...string) string {
	p.tb.Helper()
	out, err := p.command(args...).Output()
	if err != nil {
		p.tb.Fatalf("%s: %v\n%s", args, err, out)
	}
	return string(out)
}

// running is a demo at work.
type running struct {
	*program
	cmd   *exec.Cmd
	lines chan string
	said  strings.Builder
}

func (p *program) demo(dir string, args ...string) *running {
	p.tb.Helper()
	p.data = filepath.Join(dir, demoData)
	r := &running{program: p, cmd: p.command(append([]string{"demo", "--data", dir}, args...)...), lines: make(chan string, 10_000)}
	out, err := r.cmd.StdoutPipe()
	if err == nil {
		r.cmd.Stderr = os.Stderr
		err = r.cmd.Start()
	}
	if err != nil {
		p.tb.Fatal(err)
	}
	p.tb.Cleanup(func() { _ = r.cmd.Process.Kill() })
	go func() {
		defer close(r.lines)
		for s := bufio.NewScanner(out); s.Scan(); {
			r.lines <- s.Text()
		}
	}()
	return r
}

// until waits for a line and returns what the pattern caught of it.
func (r *running) until(pattern string) []string {
	r.tb.Helper()
	re, late := regexp.MustCompile(pattern), time.After(time.Minute)
	for {
		select {
		case line, ok := <-r.lines:
			r.said.WriteString(line + "\n")
			if !ok {
				r.tb.Fatalf("it never said %q:\n%s", pattern, r.said.String())
			}
			if found := re.FindStringSubmatch(line); found != nil {
				return found
			}
		case <-late:
			r.tb.Fatalf("it does not say %q:\n%s", pattern, r.said.String())
		}
	}
}

// end sends a signal and waits.
func (r *running) end(how os.Signal) error {
	if err := r.cmd.Process.Signal(how); err != nil {
		r.tb.Fatal(err)
	}
	for range r.lines { // to its end
	}
	return r.cmd.Wait()
}

// booked is what the ledger has, and billed what the provider saw in all runs.
func (p *program) booked() (units int64) {
	p.tb.Helper()
	var n struct{ Spent, Uncertain int64 }
	out := p.run("quota", "--jq", ".[-1] | {Spent: .spent_total, Uncertain: .uncertain_total}")
	if err := json.Unmarshal([]byte(out), &n); err != nil {
		p.tb.Fatal(err, out)
	}
	return n.Spent + n.Uncertain
}

func (p *program) billed() int64 {
	p.tb.Helper()
	b, err := os.ReadFile(filepath.Join(filepath.Dir(p.data), demoBill))
	if err != nil {
		p.tb.Fatal(err)
	}
	return int64(bytes.Count(b, []byte("\n")))
}

// page signs in and reads the overview.
func (p *program) page(address, token string) string {
	p.tb.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		p.tb.Fatal(err)
	}
	client := &http.Client{Jar: jar}
	resp, err := client.PostForm(address+"sign-in", url.Values{"token": {token}, "to": {"/"}})
	if err != nil {
		p.tb.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		p.tb.Fatalf("the page: %s, %v\n%.300s", resp.Status, err, b)
	}
	return string(b)
}

// What the README promises of the first ten minutes, done by the real program.
func TestPromisesOfTheDemo(t *testing.T) {
	p, dir := buildProgram(t), t.TempDir()
	const inPage = `page +(http://\S+/) +admin token: (\S+)`

	began := time.Now()
	first := p.demo(dir, "--rate", "2")
	page := first.until(inPage)
	if html := p.page(page[1], page[2]); !strings.Contains(html, "enrichgate") {
		t.Errorf("the page: %.200s", html)
	}
	t.Logf("the page is there after %s", time.Since(began).Round(time.Millisecond))

	// The same lookup twice: five units, then none.
	if n := p.run("lookup", "198.51.100.250", "198.51.100.250", "--jq", "map(.units) | add"); n != "5\n" {
		t.Errorf("twice the same costs %s", n)
	}
	if n := p.run("lookup", "198.51.100.250", "--jq", ".[0].units"); n != "0\n" {
		t.Errorf("once more costs %s", n)
	}

	// Ctrl-C, and again: the usage is still there.
	first.until(`ledger \d+ = provider's bill`)
	if err := first.end(os.Interrupt); err != nil {
		t.Fatalf("Ctrl-C: %v", err)
	}
	paid := p.billed()
	second := p.demo(dir, "--rate", "50")
	if kept := second.until(`kept; (\d+) units? paid`); paid == 0 || kept[1] != jsonNumber(paid) {
		t.Errorf("%s units are remembered, %d were paid", kept[1], paid)
	}

	// kill -9 in the middle of traffic: no call is forgotten, and none is counted
	// that was not under way.
	second.until(`ledger \d+`)
	_ = second.end(syscall.SIGKILL)
	third := p.demo(dir, "--rate", "0.1")
	third.until(`kept; \d+ units? paid`)
	const underWay = 2 * 5 // two messages at a time, five calls each
	if booked, billed := p.booked(), p.billed(); booked < billed || booked > billed+underWay {
		t.Errorf("after kill -9 the ledger has %d units, the bill %d", booked, billed)
	}
	if err := third.end(os.Interrupt); err != nil {
		t.Fatal(err)
	}

	// The month ends: it is foretold, answers past their time are served and
	// marked, the page says so, and the bill stands still.
	short := p.demo(t.TempDir(), "--month", "40s", "--quota", "60/month", "--rate", "20")
	page = short.until(inPage)
	short.until(`at this rate the month ends in`)
	short.until(`the month is exhausted, its reset is in`)
	short.until(`past their time`)
	if html := p.page(page[1], page[2]); !strings.Contains(html, "used up") {
		t.Errorf("the page does not say that the month is used up: %.2000s", html)
	}
	if n := p.billed(); n > 60 {
		t.Errorf("%d calls of 60", n)
	}
	if err := short.end(os.Interrupt); err != nil {
		t.Fatal(err)
	}

	// What monitoring needs comes out of the same program.
	var dashboard struct{ Panels []any }
	if err := json.Unmarshal([]byte(p.run("dashboard")), &dashboard); err != nil || len(dashboard.Panels) == 0 {
		t.Errorf("dashboard: %v", err)
	}
	var rules struct{ Groups []any }
	if err := yaml.Unmarshal([]byte(p.run("rules")), &rules); err != nil || len(rules.Groups) == 0 {
		t.Errorf("rules: %v", err)
	}
	t.Logf("all in %s", time.Since(began).Round(time.Millisecond))
}

func jsonNumber(n int64) string {
	b, _ := json.Marshal(n)
	return string(b)
}
