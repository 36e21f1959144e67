//go:build mutants

package main

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Each mistake of the list is made in a copy of the sources, and its test must
// fail there.
func TestMutants(t *testing.T) {
	sources := trackedFiles(t)
	for _, m := range mutants() {
		t.Run(m.name, func(t *testing.T) {
			dir := t.TempDir()
			for _, name := range sources {
				copyFile(t, filepath.Join(root, name), filepath.Join(dir, name))
			}
			path := filepath.Join(dir, m.file)
			b, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, bytes.Replace(b, []byte(m.was), []byte(m.is), 1), 0o600); err != nil {
				t.Fatal(err)
			}
			if out, err := inDir(dir, "go", "vet", m.in); err != nil {
				t.Fatalf("the mutant does not compile: %s", out)
			}
			// Some are found by chance, such as by a kill at the right instant.
			var out string
			for range 3 {
				if out, err = inDir(dir, "go", "test", "-count=1", "-run", m.test, m.in); err != nil {
					break
				}
			}
			if strings.Contains(out, "no tests to run") {
				t.Errorf("there is no %s", m.test)
			} else if err == nil {
				t.Errorf("%s passes with it", m.test)
			} else if !strings.Contains(out, "--- FAIL: ") {
				t.Errorf("%s does not fail but breaks: %s", m.test, out)
			}
		})
	}
}

// trackedFiles are the files that git knows, in the working tree's state.
func trackedFiles(t *testing.T) []string {
	t.Helper()
	out, err := inDir(root, "git", "ls-files")
	if err != nil {
		t.Fatal(out)
	}
	return strings.Fields(out)
}

func inDir(dir, name string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	b, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(to, b, 0o600); err != nil {
		t.Fatal(err)
	}
}
