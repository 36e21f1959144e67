package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A command that only reads does not take a mistyped directory for an empty
// ledger, and leaves nothing there.
func TestReadingWantsALedger(t *testing.T) {
	home := t.TempDir()
	empty, file := filepath.Join(home, "empty"), filepath.Join(home, "file")
	if err := os.Mkdir(empty, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{filepath.Join(home, "none"), empty, file} {
		for _, args := range []string{
			"quota", "quota --watch", "ledger list", "ledger export", "ledger verify", "cache stats", "cache get 198.51.100.1", "cache export",
			"cache compact", "cache purge --all --yes --reason x", "status", "support-bundle -f " + filepath.Join(home, "bundle"),
		} {
			code, out, errs := said(t, []string{"ENRICHGATE_DATA_DIR=" + dir}, strings.Fields(args)...)
			if code != exitConfig || out != "" || strings.Count(errs, "\n") != 1 || !strings.Contains(errs, dir+":") || !strings.Contains(errs, "ENRICHGATE_DATA_DIR") {
				t.Errorf("%s in %s: exit %d: %s%s", args, dir, code, out, errs)
			}
		}
	}
	made, err := filepath.Glob(filepath.Join(home, "*", "*"))
	here, err2 := os.ReadDir(home)
	if err != nil || err2 != nil || len(made) > 0 || len(here) != 2 {
		t.Errorf("%v, %v: %v and %v are there", err, err2, here, made)
	}
}
