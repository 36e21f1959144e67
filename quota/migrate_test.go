package quota

import (
	"compress/gzip"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/enrichgate/enrichgate/cache/boltfile"
)

// format1 unpacks a ledger that the release before the present format wrote: 57
// calls, 91 units spent and 11 uncertain, and three calls that a crash left open.
func format1(t *testing.T) string {
	t.Helper()
	f, err := os.Open("testdata/ledger-format1.db.gz")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "ledger.db")
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// A ledger of the format before is brought up to this one with all that it
// knows, whose units are uncertain included.
func TestMigration(t *testing.T) {
	path := format1(t)
	wall := time.Date(2026, 11, 20, 16, 0, 0, 0, time.UTC)
	l := openAt(t, path, newTestClock(wall), Account{Limits: limits(t, "1000/day,10000/month")})
	u := usage(l)
	if u.Spent != 91 || u.Uncertain != 11+6 || u.Pending != 0 || u.Windows[0].Used != 108 || u.Windows[1].Used != 108 {
		t.Errorf("%+v", u)
	}
	var by int64
	for _, n := range u.Windows[0].ByTrigger {
		by += n
	}
	if by != 108 || u.Windows[0].Outside != 0 {
		t.Errorf("by trigger: %+v", u.Windows[0])
	}
	if n, err := l.Resolve(src, 0, Void, order); err != nil || n != 17 {
		t.Errorf("resolved %d, %v", n, err)
	}
	if used := usage(l).Windows[0].Used; used != 91 {
		t.Errorf("used %d after the doubts were resolved", used)
	}
	spenders, err := l.Spenders(src, wall.Add(-24*time.Hour), wall)
	if err != nil || len(spenders) != 2 {
		t.Errorf("%+v, %v", spenders, err)
	}
}

// A migration that fails leaves the old file whole.
func TestMigrationIsAtomic(t *testing.T) {
	path := format1(t)
	db, err := boltfile.Open(path, specV1)
	if err != nil {
		t.Fatal(err)
	}
	bad := []byte(`{"seq":7,"kind":"reserve","trigger":"nobody"}`)
	err = db.Update(func(tx *bolt.Tx) error {
		return tx.Bucket(bucketEntries).Put(seqKey(7), append(make([]byte, 32), bad...))
	})
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Open(path, Options{}); !errors.Is(err, ErrForeign) || !strings.Contains(err.Error(), "entry 7") {
		t.Errorf("opened: %v", err)
	}
	after, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(after) != string(before) {
		t.Error("the file was changed")
	}
}

// A file of a later format is refused in one line, and left alone.
func TestDowngradeIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ledger.db")
	later := spec
	later.Format = "enrichgate-ledger/3"
	db, err := boltfile.Open(path, later)
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	_, err = Open(path, Options{})
	if !errors.Is(err, ErrForeign) || strings.Contains(err.Error(), "\n") || !strings.Contains(err.Error(), "enrichgate-ledger/3") {
		t.Errorf("%v", err)
	}
	// And so does the release before refuse this one's.
	path = filepath.Join(t.TempDir(), "ledger.db")
	l := openLedger(t, path, "5/day", nil)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := boltfile.Open(path, specV1); !errors.Is(err, ErrForeign) || strings.Contains(err.Error(), "\n") {
		t.Errorf("the format before opened this one: %v", err)
	}
}
