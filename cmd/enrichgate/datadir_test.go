package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Whoever may write into the directory may change the ledger: everybody may not,
// whatever the sticky bit says of their files.
func TestDataDirectoryIsClosed(t *testing.T) {
	dir := t.TempDir()
	for mode, open := range map[os.FileMode]bool{0o777: true, 0o777 | os.ModeSticky: true, 0o702: true, 0o755: false, 0o775: false, 0o700: false} {
		if err := os.Chmod(dir, mode); err != nil {
			t.Fatal(err)
		}
		d, err := holdDataDir(dir, "test")
		if err == nil {
			err = d.release()
		}
		var coded *exitError
		if open != errors.As(err, &coded) || open && (coded.code != exitConfig || !strings.HasSuffix(err.Error(), "chmod 700 "+dir)) || !open && err != nil {
			t.Errorf("%s: %v", mode, err)
		}
	}
}

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
