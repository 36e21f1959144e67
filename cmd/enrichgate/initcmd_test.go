package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// What init writes is what the daemon reads, with the secrets apart; nothing is
// written when anything is wrong.
func TestInit(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new")
	args := []string{"init", "--dir", dir, "--opencti-url", "https://opencti.example.com", "--opencti-token", "token$with`things`#0123456789", "--key", "key-of-the-provider", "--quota", "200/minute,10000/month"}
	for what, c := range map[string][]string{
		"no token":        {"init", "--dir", dir, "--opencti-url", "https://opencti.example.com"},
		"no such source":  append(args[:len(args):len(args)], "--source", "nobody"),
		"too many keys":   append(args[:len(args):len(args)], "--key", "another"),
		"a quote":         append(args[:len(args):len(args)], "--opencti-token", "it's"),
		"a wrong address": append(args[:len(args):len(args)], "--opencti-url", "nonsense"),
	} {
		code, _, errs := said(t, nil, c...)
		if code == 0 || errs == "" {
			t.Errorf("%s: exit %d", what, code)
		}
		if _, err := os.Stat(dir); err == nil {
			t.Fatalf("%s: something was written", what)
		}
	}
	if code, _, errs := said(t, nil, args...); code != 0 || !strings.Contains(errs, "enrichgate doctor") {
		t.Fatalf("exit %d: %s", code, errs)
	}
	info, err := os.Stat(filepath.Join(dir, initSecrets))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the secrets: %v, %v", info.Mode(), err)
	}
	config, err := os.ReadFile(filepath.Join(dir, initConfig))
	if err != nil || strings.Contains(string(config), "key-of") || strings.Contains(string(config), "token$with") {
		t.Errorf("%v: %s", err, config)
	}
	var compose struct {
		Services map[string]struct {
			Image       string
			Volumes     []string
			Environment map[string]string
			Ports       []string
		}
	}
	b, err := os.ReadFile(filepath.Join(dir, initCompose))
	if err == nil {
		err = yaml.Unmarshal(b, &compose)
	}
	if err != nil || len(compose.Services["connector-enrichgate"].Volumes) != 2 || !strings.HasSuffix(compose.Services["connector-enrichgate"].Image, ":devel") || !strings.Contains(string(b), "# build: ") {
		t.Errorf("%v: %s", err, b)
	}
	// What the container listens on wants the token, and only this host gets there.
	s := compose.Services["connector-enrichgate"]
	if s.Environment["ENRICHGATE_HTTP_LISTEN"] != "0.0.0.0:8080" || len(s.Ports) != 1 || s.Ports[0] != "127.0.0.1:8080:8080" {
		t.Errorf("%+v", s)
	}
	env, err := os.ReadFile(filepath.Join(dir, initSecrets))
	if err != nil || !regexp.MustCompile(`(?m)^ENRICHGATE_ADMIN_TOKEN='[0-9a-f]{64}'$`).Match(env) {
		t.Errorf("%v: no admin token", err)
	}
	if _, _, errs := said(t, nil, append(args[:len(args):len(args)], "--force", "--quota", "much")...); !strings.Contains(errs, "("+filepath.Join(dir, initConfig)+":") {
		t.Errorf("the file that is wrong: %s", errs)
	}
	// A shell reads the secrets back as they were.
	out, err := exec.CommandContext(t.Context(), "sh", "-c", `. "$0"; printf '%s|%s' "$OPENCTI_TOKEN" "$PROOFPOINT_ET_INTELLIGENCE_API_KEY"`, filepath.Join(dir, initSecrets)).Output()
	token, key, _ := strings.Cut(string(out), "|")
	if err != nil || token != "token$with`things`#0123456789" || key != "key-of-the-provider" {
		t.Fatalf("%v: %s", err, out)
	}
	code, said1, errs := said(t, []string{"OPENCTI_TOKEN=" + token, "PROOFPOINT_ET_INTELLIGENCE_API_KEY=" + key}, "--config", filepath.Join(dir, initConfig), "config", "check")
	if code != 0 || !strings.Contains(said1, "good") {
		t.Errorf("exit %d: %s%s", code, said1, errs)
	}
	// Secrets need not stand on the command line, where everybody sees them.
	file := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(file, []byte("from-the-file-0123456789\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	base := []string{"init", "--force", "--dir", dir, "--opencti-url", "https://opencti.example.com"}
	for what, c := range map[string]struct {
		environ     []string
		stdin, args string
		token, key  string // empty: refused
		warnings    int
	}{
		"command line":  {nil, "", "--opencti-token typed-0123456789 --key typed-key", "typed-0123456789", "typed-key", 2},
		"files":         {nil, "", "--opencti-token-file " + file + " --key-file " + file, "from-the-file-0123456789", "from-the-file-0123456789", 0},
		"input":         {nil, "first-0123456789\nsecond", "--opencti-token - --key -", "first-0123456789", "second", 0},
		"environment":   {[]string{"OPENCTI_TOKEN=env-0123456789", "PROOFPOINT_ET_INTELLIGENCE_API_KEY=env-key"}, "", "", "env-0123456789", "env-key", 0},
		"a flag wins":   {[]string{"OPENCTI_TOKEN=env-0123456789", "PROOFPOINT_ET_INTELLIGENCE_API_KEY=env-key"}, "", "--key-file " + file, "env-0123456789", "from-the-file-0123456789", 0},
		"no such file":  {nil, "", "--opencti-token-file " + file + "x --key-file " + file, "", "", 0},
		"an empty line": {nil, "\n", "--opencti-token - --key-file " + file, "", "", 0},
		"too few lines": {nil, "first-0123456789\n", "--opencti-token - --key -", "", "", 0},
		"both":          {nil, "", "--opencti-token - --opencti-token-file " + file + " --key-file " + file, "", "", 0},
	} {
		code, _, errs := typed(t, c.environ, c.stdin, append(base[:len(base):len(base)], strings.Fields(c.args)...)...)
		if (code == 0) == (c.token == "") || strings.Count(errs, "warning: ") != c.warnings || code != 0 && strings.Count(errs, "\n") != 1 {
			t.Errorf("%s: exit %d: %s", what, code, errs)
		}
		b, err := os.ReadFile(filepath.Join(dir, initSecrets))
		if want := "OPENCTI_TOKEN='" + c.token + "'\nPROOFPOINT_ET_INTELLIGENCE_API_KEY='" + c.key + "'\n"; c.token != "" && (err != nil || !strings.HasPrefix(string(b), want+adminToken+"='")) {
			t.Errorf("%s: %v, %s", what, err, b)
		}
	}
	if code, _, errs := said(t, nil, args...); code != exitUsage || !strings.Contains(errs, "--force") {
		t.Errorf("again: exit %d: %s", code, errs)
	}
	if code, _, errs := said(t, nil, append(args, "--force")...); code != 0 {
		t.Errorf("--force: exit %d: %s", code, errs)
	}
}
