package source

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
)

var update = flag.Bool("update", false, "rewrite the golden bundles and the generated table")

// tried are the definitions that ship, loaded and tried once for all tests:
// nothing changes a definition.
var tried = sync.OnceValues(func() ([]*Definition, []Problem) { return Load(CatalogueFS()) })

// catalogue gives the definitions that ship.
func catalogue(t testing.TB) []*Definition {
	t.Helper()
	all, problems := tried()
	for _, p := range problems {
		t.Error(p)
	}
	if len(all) == 0 {
		t.Fatal("no source")
	}
	return slices.Clone(all)
}

// Every source that ships passes its own trials, and makes of each answer that
// is found the bundle that somebody has looked at.
func TestCatalogue(t *testing.T) {
	for _, d := range catalogue(t) {
		t.Run(d.Name(), func(t *testing.T) {
			outcomes, err := d.Outcomes()
			if err != nil {
				t.Fatal(err)
			}
			golden := map[string]bool{}
			for _, o := range outcomes {
				if o.STIX == nil {
					continue
				}
				golden[o.Fixture+".json"] = true
				compareGolden(t, filepath.Join("catalogue", d.Name(), "golden", o.Fixture+".json"), o.STIX)
			}
			files, err := os.ReadDir(filepath.Join("catalogue", d.Name(), "golden"))
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range files {
				if !golden[f.Name()] {
					t.Errorf("golden/%s is of no fixture", f.Name())
				}
			}
		})
	}
}

func compareGolden(t *testing.T, path string, stix []byte) {
	t.Helper()
	var pretty bytes.Buffer
	if err := json.Indent(&pretty, stix, "", "  "); err != nil {
		t.Fatal(err)
	}
	pretty.WriteByte('\n')
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, pretty.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(pretty.Bytes(), want) {
		t.Errorf("differs from %s (-update, then look at it); got\n%s", path, pretty.Bytes())
	}
}
