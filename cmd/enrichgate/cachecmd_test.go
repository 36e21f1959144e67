package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The cache from the command line, through a daemon and on the directory: what
// is removed is paid for again, what is exported and read back is not.
func TestCacheCommands(t *testing.T) {
	for _, where := range []string{"socket", "directory"} {
		t.Run(where, func(t *testing.T) {
			b := newBench(t)
			if where == "socket" {
				front, err := b.listen("", nil)
				if err != nil {
					t.Fatal(err)
				}
				defer func() { _ = front.close() }()
			} else {
				b.shut(t)
			}
			export := filepath.Join(t.TempDir(), "answers.jsonl")
			bill := 0
			for _, c := range []struct {
				args  string
				code  int
				want  string
				units int
			}{
				{"cache warm 198.51.100.1 198.51.100.2", exitUsage, "cost up to 10 units", 0},
				{"cache warm 198.51.100.1 198.51.100.2 --yes", 0, "2 of 2 values: 10 units spent", 10},
				{"cache warm 198.51.100.1 nonsense", exitUsage, "nonsense", 0},
				{"lookup 198.51.100.1 --jq .[].units", 0, "0\n", 0},
				{"cache get 198.51.100[.]1 --jq length,.[0].state,(.[].body.success)", 0, "5\nfresh\ntrue\n", 0},
				{"cache get 198.51.100.99", exitNotFound, "nothing is kept of 198.51.100.99", 0},
				{"cache stats --jq .[]|select(.source==\"all\").entries", 0, "10\n", 0},
				{"cache export -f " + export, 0, "", 0},
				{"cache purge --reason test", exitUsage, "--all", 0},
				{"cache purge --source proofpoint_et_intelligence --all --reason test", exitUsage, "--all alone", 0},
				{"cache purge --value 198.51.100.1 --reason test", exitUsage, "--yes", 0},
				{"cache purge --value 198.51.100.1 --yes", exitUsage, "--reason", 0},
				{"cache purge --value 198.51.100.1 --endpoint ip.asn --yes --reason test", 0, "1 answers were removed", 0},
				{"lookup 198.51.100.1 --jq .[].units", 0, "1\n", 1},
				{"cache purge --before 1h --yes --reason old", 0, "0 answers", 0},
				{"cache purge --all --yes --reason incident", 0, "10 answers", 0},
				{"ledger list --kind note --jq .[0].reason", 0, "incident", 0},
				{"cache import " + export, 0, "10 answers stored", 0},
				{"cache import " + export, 0, "0 answers stored, 10 were there", 0},
				{"lookup 198.51.100.1 198.51.100.2 --jq map(.units)|add", 0, "0\n", 0},
				{"cache import " + filepath.Join(t.TempDir(), "nothing"), 1, "no such file", 0},
				{"cache compact", 0, "bytes before", 0},
				{"lookup 198.51.100.2 --jq .[].units", 0, "0\n", 0},
			} {
				code, out, errs := said(t, b.environ, strings.Fields(c.args)...)
				now := b.provider.Bill().Total
				if code != c.code || !strings.Contains(out+errs, c.want) || now-bill != c.units {
					t.Errorf("%s: exit %d, %d units, %s%s", c.args, code, now-bill, out, errs)
				}
				bill = now
			}
			// Lines that are none of ours cost themselves only.
			good, err := os.ReadFile(export)
			if err != nil {
				t.Fatal(err)
			}
			code, _, errs := typed(t, b.environ, "{}\n"+string(good)+"nonsense", "cache", "import", "-")
			if code != 1 || !strings.Contains(errs, "2 lines were not an answer's") || !strings.Contains(errs, "10 were there") {
				t.Errorf("exit %d: %s", code, errs)
			}
		})
	}
}
