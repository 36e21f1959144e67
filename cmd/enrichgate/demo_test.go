package main

import (
	"regexp"
	"strings"
	"testing"
)

func runDemo(t *testing.T, args ...string) string {
	t.Helper()
	var out, errs strings.Builder
	if code := execute(environment{ctx: t.Context(), stdout: &out, stderr: &errs}, append([]string{"demo"}, args...)); code != 0 {
		t.Fatalf("exit %d: %s%s", code, out.String(), errs.String())
	}
	t.Log(out.String())
	return out.String()
}

func figure(t *testing.T, out, name string) string {
	t.Helper()
	m := regexp.MustCompile(`(?m)^  ` + name + ` +(\d+)`).FindStringSubmatch(out)
	if m == nil {
		t.Fatalf("no figure %q", name)
	}
	return m[1]
}

// The ledger says what the provider's bill says, and a second run on the same
// data pays for nothing that the first one paid for.
func TestDemo(t *testing.T) {
	dir := t.TempDir()
	args := []string{"--data", dir, "--for", "3s", "--rate", "50", "--quota", "none"}
	first := runDemo(t, args...)
	if calls, ledger := figure(t, first, "calls"), figure(t, first, "ledger"); calls != ledger || calls == "0" {
		t.Errorf("the provider saw %s calls, the ledger says %s", calls, ledger)
	}
	if figure(t, first, "saved") == "0" {
		t.Error("nothing was saved")
	}
	// A slower second run sees the beginning of the same traffic.
	second := runDemo(t, "--data", dir, "--for", "1s", "--rate", "5", "--quota", "none")
	if calls := figure(t, second, "calls"); calls != "0" {
		t.Errorf("the second run paid %s calls again", calls)
	}
	if a, b := figure(t, first, "ledger"), figure(t, second, "ledger"); a != b {
		t.Errorf("the ledger went from %s to %s", a, b)
	}
}
