package source

import (
	"net/http"
	"path"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/enrichgate/enrichgate/enrich"
	"github.com/enrichgate/enrichgate/quota"
	"github.com/enrichgate/enrichgate/stixconv"
)

// A provider that counts two kinds of calls apart is called as often as each of
// them allows, and one that is used up does not stop the other.
func TestBuckets(t *testing.T) {
	fsys := skeleton(t, "example")
	edit(t, fsys, "example/source.yaml", "# What an answer means.", `  - id: history
    title: history
    bucket: search
    types: [IPv4-Addr]
    request: {path: "/history/{value}"}

# What an answer means.`)
	edit(t, fsys, "example/source.yaml", "  - id: ip\n", "  - id: ip\n    bucket: report\n")
	d := mustLoad(t, fsys)
	if got := d.Settings().Buckets; strings.Join(got, " ") != "report search" {
		t.Errorf("buckets are %q", got)
	}
	var searches, reports atomic.Int64
	s, _, _ := servingOne(t, d, Config{}, func(w http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.URL.Path, "history") {
			searches.Add(1)
		} else {
			reports.Add(1)
		}
		says(http.StatusOK, `{"ip": "`+path.Base(r.URL.Path)+`", "score": 7}`)(w, r)
	})
	limits, err := quota.ParseLimits("100/day,search:3/day,report:5/day")
	if err != nil {
		t.Fatal(err)
	}
	stores := openStores(t, d.Name())
	file := filepath.Join(t.TempDir(), "ledger.db")
	if stores.ledger, err = quota.Open(file, quota.Options{Accounts: map[string]quota.Account{d.Name(): {Limits: limits}}}); err != nil {
		t.Fatal(err)
	}
	g := stores.gateway(s)
	for i := range 8 {
		address := "198.51.100." + string(rune('1'+i))
		object := stixconv.Object{"type": "ipv4-addr", "id": "ipv4-addr--" + address, "value": address}
		if _, err := g.Enrich(t.Context(), enrich.Request{Entity: enrich.Entity{ID: "ipv4-addr--" + address, Type: "IPv4-Addr", Value: address, Object: object}}); err != nil {
			t.Fatal(err)
		}
	}
	if searches.Load() != 3 || reports.Load() != 5 {
		t.Errorf("the provider saw %d searches and %d reports", searches.Load(), reports.Load())
	}
	used := map[string]int64{}
	for _, w := range stores.ledger.Usage()[0].Windows {
		used[w.Window] = w.Used
	}
	if len(used) != 3 || used["day"] != 8 || used["search/day"] != 3 || used["report/day"] != 5 {
		t.Errorf("the ledger says %v", used)
	}
	if n, err := stores.ledger.Verify(); err != nil || n == 0 {
		t.Errorf("%d entries, %v", n, err)
	}
	if err := stores.ledger.Close(); err != nil {
		t.Fatal(err)
	}
	// The entries know their buckets, whatever the settings say later.
	fewer, err := quota.ParseLimits("100/day,search:4/day")
	if err != nil {
		t.Fatal(err)
	}
	again, err := quota.Open(file, quota.Options{Accounts: map[string]quota.Account{d.Name(): {Limits: fewer}}})
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	if w := again.Usage()[0].Windows; len(w) != 2 || w[0].Used != 8 || w[1].Used != 3 {
		t.Errorf("after a restart with other limits: %+v", w)
	}
}
