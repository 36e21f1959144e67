package main

import (
	"archive/tar"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/enrichgate/enrichgate/enrich/opencti"
)

// unpacked is a bundle's files by name.
func unpacked(t *testing.T, path string) map[string]string {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	zip, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	for pack := tar.NewReader(zip); ; {
		h, err := pack.Next()
		if errors.Is(err, io.EOF) {
			return all
		}
		b, rerr := io.ReadAll(pack)
		if err := errors.Join(err, rerr); err != nil {
			t.Fatal(err)
		}
		all[strings.TrimPrefix(h.Name, "enrichgate-support/")] = string(b)
	}
}

// A bundle has what helps, none of the secrets, and of what was asked for only
// what was agreed to.
func TestSupportBundle(t *testing.T) {
	b := newBench(t)
	front, err := b.listen("", func() []opencti.State { return []opencti.State{{Name: "demo", Platform: errors.New("away")}} })
	if err != nil {
		t.Fatal(err)
	}
	if code, _, errs := said(t, b.environ, "lookup", "198.51.100.7"); code != 0 {
		t.Fatal(errs)
	}
	bundle := func(name string, more ...string) map[string]string {
		t.Helper()
		path := filepath.Join(t.TempDir(), name)
		if code, _, errs := said(t, b.environ, append([]string{"support-bundle", "-f", path}, more...)...); code != 0 {
			t.Fatalf("exit %d: %s", code, errs)
		}
		if code, _, _ := said(t, b.environ, "support-bundle", "-f", path); code == 0 {
			t.Error("a file that is there is overwritten")
		}
		return unpacked(t, path)
	}
	plain, whole := bundle("plain.tar.gz"), bundle("whole.tar.gz", "--ledger")
	for file, want := range map[string]string{
		"settings.txt": "ENRICHGATE_DATA_DIR", "metrics.txt": "enrichgate_build_info", "quota.json": `"used":5`, "cache.json": `"entries":5`, "ready.json": "away", "version.txt": "enrichgate",
	} {
		if !strings.Contains(plain[file], want) {
			t.Errorf("%s does not have %s: %.300s", file, want, plain[file])
		}
	}
	if !strings.Contains(whole["ledger.jsonl"], "198.51.100.7") {
		t.Error("--ledger gives no ledger")
	}
	for file, content := range plain {
		if strings.Contains(content, "198.51.100.7") {
			t.Errorf("%s tells what was asked for", file)
		}
	}
	for file, content := range whole {
		for _, secret := range []string{apiKey, httpToken, "token-of-opencti"} {
			if strings.Contains(content, secret) {
				t.Errorf("%s has a secret", file)
			}
		}
	}
	if err := front.close(); err != nil {
		t.Fatal(err)
	}
}
