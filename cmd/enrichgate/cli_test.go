package main

import (
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"
)

// said runs one command line and gives its exit code and both outputs.
func said(t *testing.T, environ []string, args ...string) (code int, out, errs string) {
	t.Helper()
	var o, e strings.Builder
	code = execute(environment{ctx: t.Context(), environ: environ, stdout: &o, stderr: &e}, args)
	return code, o.String(), e.String()
}

func TestCompletion(t *testing.T) {
	for _, c := range []struct {
		words  string // the last one is to be completed
		want   []string
		hidden []string
	}{
		{"", []string{"run", "lookup", "quota", "completion"}, []string{"__complete"}},
		{"comp", []string{"completion"}, []string{"run"}},
		{"completion ", []string{"bash", "zsh", "fish", "powershell"}, nil},
		{"quota --o", []string{"--output"}, []string{"--quiet"}},
		{"quota --output ", []string{"table", "jsonl"}, []string{"auto"}},
		{"quota -o cs", []string{"csv"}, []string{"json"}},
		{"quota --watch ", []string{"proofpoint_et_intelligence"}, nil},
		{"lookup --source proof", []string{"proofpoint_et_intelligence"}, nil},
		{"--timeout 3s quo", []string{"quota"}, nil},
	} {
		args := append([]string{"__complete", "--"}, strings.Split(c.words, " ")...)
		code, out, errs := said(t, nil, args...)
		var got []string
		for line := range strings.Lines(out) {
			word, _, _ := strings.Cut(strings.TrimSpace(line), "\t")
			got = append(got, word)
		}
		if code != 0 || errs != "" {
			t.Errorf("%q: exit %d, %s", c.words, code, errs)
		}
		for _, w := range c.want {
			if !slices.Contains(got, w) {
				t.Errorf("%q does not become %q, but %q", c.words, w, got)
			}
		}
		for _, w := range c.hidden {
			if slices.Contains(got, w) {
				t.Errorf("%q becomes %q", c.words, w)
			}
		}
	}
}

// Each script, in its shell, asks with the words as typed and offers what it is
// told.
func TestCompletionScripts(t *testing.T) {
	for shell, c := range map[string]struct{ before, after, want string }{
		"bash": {
			`enrichgate() { local IFS=' '; printf '%s\thelp\n' "$*" "two words"; }`,
			"COMP_WORDS=(enrichgate quota --out \"\") COMP_CWORD=3\n_enrichgate\nprintf '[%s]' \"${COMPREPLY[@]}\"",
			"[__complete -- quota --out ][two words]",
		},
		"zsh": {
			`enrichgate() { printf '%s\thelp\n' "$*" "a:b"; }; compdef() { :; }; _describe() { printf '[%s]' "${(P@)2}"; }`,
			`words=(enrichgate quota --out ""); CURRENT=4; _enrichgate`,
			`[__complete -- quota --out :help][a\:b:help]`,
		},
		"fish": {
			"function enrichgate; printf '%s\\thelp\\n' \"$argv\"; end",
			`complete -C "enrichgate __c"`,
			"__complete -- __c\thelp\n",
		},
		"pwsh": {
			"function enrichgate { $args -join ' ' }",
			"(TabExpansion2 'enrichgate quota --out' 22).CompletionMatches.CompletionText",
			"__complete -- quota --out",
		},
	} {
		name := strings.Replace(shell, "pwsh", "powershell", 1) // the program's name on Linux
		_, script, _ := said(t, nil, "completion", name)
		if _, err := exec.LookPath(shell); err != nil {
			if os.Getenv("CI") == "true" && shell != "pwsh" { // Debian has none
				t.Errorf("%s is not on this machine", shell)
			}
			t.Logf("SKIPPED: %s is not on this machine", shell)
			continue
		}
		out, err := exec.CommandContext(t.Context(), shell, "-c", c.before+"\n"+script+c.after).CombinedOutput()
		if err != nil || !strings.Contains(string(out), c.want) {
			t.Errorf("%s: %v, %q, want %q", shell, err, out, c.want)
		}
	}
}

// A slip is helped with, by what is near it only; --json may stand alone.
func TestArguments(t *testing.T) {
	for args, want := range map[string]string{
		"--x":           "enrichgate: unknown flag --x (see enrichgate --help)\n",
		"quota --ouput": "enrichgate: unknown flag --ouput, did you mean \"--output\"? (see enrichgate --help)\n",
		"lokup":         "enrichgate: unexpected argument lokup, did you mean \"lookup\"? (see enrichgate --help)\n",
	} {
		if code, _, errs := said(t, nil, strings.Fields(args)...); code != exitUsage || errs != want {
			t.Errorf("%s: exit %d: %s", args, code, errs)
		}
	}
	if code, out, errs := said(t, nil, "version", "--json"); code != 0 || !strings.Contains(out, `"version":`) {
		t.Errorf("exit %d: %s%s", code, out, errs)
	}
	for args, want := range map[string]string{"a --json": "a --output=json", "a --json b": "a --json b", "--json -q": "--output=json -q", "-- --json": "-- --json"} {
		if got := strings.Join(bareJSON(strings.Fields(args)), " "); got != want {
			t.Errorf("%s became %s", args, got)
		}
	}
}

func TestManualPage(t *testing.T) {
	code, page, _ := said(t, nil, "man")
	if code != 0 || !strings.HasPrefix(page, ".TH ENRICHGATE 1") {
		t.Fatalf("exit %d: %.100s", code, page)
	}
	for _, want := range []string{"lookup", "quota", "EXIT STATUS", "6 quota exhausted", "78 configuration"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page does not have %q", want)
		}
	}
}

// The help of a command that has commands tells of what it does without one.
func TestHelp(t *testing.T) {
	for args, want := range map[string]string{
		"quota --help": "[SOURCE] [--watch]", "quota show --help": "--watch", "lookup --help": "e-mail addresses, AS numbers, CVE ids", "demo --help": "--month",
	} {
		if code, out, _ := said(t, nil, strings.Fields(args)...); code != 0 || !strings.Contains(strings.Join(strings.Fields(out), " "), want) {
			t.Errorf("%s: exit %d: %s", args, code, out)
		}
	}
}

// The README tells the exit codes as they are.
func TestExitCodesDocumented(t *testing.T) {
	text := strings.Join(strings.Fields(readme(t)), " ")
	if want := "Exit codes: " + exitCodes() + "."; !strings.Contains(text, want) {
		t.Errorf("not in the README: %s", want)
	}
}

// Every command is in the README's table.
func TestCommandsDocumented(t *testing.T) {
	_, out, _ := said(t, nil, "__complete", "--", "")
	for line := range strings.Lines(out) {
		command, _, _ := strings.Cut(strings.TrimSpace(line), "\t")
		if !strings.Contains(readme(t), "| `enrichgate "+command) {
			t.Errorf("the README's table of commands does not have %s", command)
		}
	}
}

func TestSpan(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0s", -time.Hour: "0s", 59 * time.Second: "59s", 500 * time.Second: "8m 20s", time.Hour: "1h",
		50*time.Hour + time.Minute: "2d 2h", 24*time.Hour + time.Minute: "1d",
	} {
		if got := span(d); got != want {
			t.Errorf("%d: %q, want %q", d, got, want)
		}
	}
}

// A quota is told the same way in every form, by whoever has the books.
func TestQuotaForms(t *testing.T) {
	b := newBench(t)
	if status, _ := b.get(t, "/api/v1/lookup?value=198.51.100.7", httpToken, ""); status != 200 {
		t.Fatal(status)
	}
	b.shut(t)
	for _, c := range []struct{ args, want string }{
		{"quota --json source,window,left", `{"source":"proofpoint_et_intelligence","window":"month","left":9995}`},
		{"quota proofpoint_et_intelligence --jq .[0].used", "5\n"},
		{"quota -o csv --json window,used,left", "window,used,left\nmonth,5,9995\never,5,\n"},
		{"quota", "proofpoint_et_intelligence\tmonth\t10000\t5\t0\t9995\t"},
		{"quota -o table", "10 000     5        0  9 995"},
	} {
		code, out, errs := said(t, b.environ, strings.Fields(c.args)...)
		if code != 0 || errs != "" || !strings.Contains(out, c.want) {
			t.Errorf("%s: exit %d, %s%s", c.args, code, out, errs)
		}
	}
	for args, want := range map[string]int{"quota nobody": exitUsage, "quota --jq .[": exitUsage, "quota --json no": exitUsage, "quota --watch --every 1ms": exitUsage} {
		if code, _, errs := said(t, b.environ, strings.Fields(args)...); code != want || strings.Count(errs, "\n") != 1 {
			t.Errorf("%s: exit %d, %s", args, code, errs)
		}
	}
}
