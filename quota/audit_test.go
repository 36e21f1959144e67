package quota

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"
)

func read(t *testing.T, l *Ledger, f Filter) (seqs []uint64) {
	t.Helper()
	if err := l.Entries(f, func(e Entry) error { seqs = append(seqs, e.Seq); return nil }); err != nil {
		t.Fatal(err)
	}
	return seqs
}

func TestFilter(t *testing.T) {
	clock := newTestClock(noon)
	l := openAt(t, filepath.Join(t.TempDir(), "ledger.db"), clock, Account{Limits: limits(t, "10000/day")})
	playbook := ask(Playbook)
	playbook.Playbook, playbook.Work, playbook.Subject = "pb-1", "work_1", "192.0.2.1"
	for range 1500 { // more than a view
		spend(t, l, 1, ask(Manual))
		spend(t, l, 1, playbook)
		clock.add(time.Second)
	}
	all := read(t, l, Filter{})
	if len(all) != 6000 || !slices.IsSorted(all) {
		t.Fatalf("%d entries", len(all))
	}
	newest := read(t, l, Filter{Newest: true})
	slices.Reverse(newest)
	if !slices.Equal(all, newest) {
		t.Error("backwards is not the same")
	}
	since, until := noon.Add(100*time.Second), noon.Add(110*time.Second)
	for what, c := range map[string]struct {
		f           Filter
		n           int
		first, last uint64
	}{
		"a time":                {Filter{Since: since, Until: until}, 40, 401, 440},
		"a time, newest first":  {Filter{Since: since, Until: until, Newest: true}, 40, 440, 401},
		"before all":            {Filter{Until: noon}, 0, 0, 0},
		"after all":             {Filter{Since: noon.Add(time.Hour)}, 0, 0, 0},
		"until after all":       {Filter{Until: noon.Add(time.Hour), Newest: true, Limit: 1}, 1, 6000, 6000},
		"a limit":               {Filter{Limit: 7, After: 10}, 7, 11, 17},
		"a limit, newest first": {Filter{Limit: 7, After: 10, Newest: true}, 7, 9, 3},
		"a playbook's":          {Filter{Playbook: "pb-1"}, 3000, 3, 6000},
		"a work's":              {Filter{Work: "work_1", Kind: KindReserve, Trigger: "playbook"}, 1500, 3, 5999},
		"a value's":             {Filter{Subject: "192.0.2.1"}, 1500, 3, 5999},
		"nobody's":              {Filter{Source: "nobody"}, 0, 0, 0},
	} {
		got := read(t, l, c.f)
		if len(got) != c.n || c.n > 0 && (got[0] != c.first || got[c.n-1] != c.last) {
			t.Errorf("%s: %d entries %v", what, len(got), got[:min(3, len(got))])
		}
	}
	stop := errors.New("enough")
	if err := l.Entries(Filter{}, func(Entry) error { return stop }); err != stop {
		t.Errorf("%v", err)
	}
}

func TestValues(t *testing.T) {
	for values, want := range map[Values]string{ValuesPlain: "198.51.100.7", ValuesHashed: "hmac:", ValuesNone: ""} {
		o := Options{Accounts: map[string]Account{src: {}}, Values: values}
		l := openWith(t, filepath.Join(t.TempDir(), "ledger.db"), o)
		spend(t, l, 1, ask(Manual))
		found := len(read(t, l, Filter{Subject: "198.51.100.7"}))
		_ = l.Entries(Filter{Limit: 1}, func(e Entry) error {
			if !strings.HasPrefix(e.Subject, want) || want == "" && e.Subject != "" {
				t.Errorf("%s: %q", values, e.Subject)
			}
			return nil
		})
		raw := new(bytes.Buffer)
		if err := l.ExportJSONL(raw, Filter{}); err != nil {
			t.Fatal(err)
		}
		if plain := strings.Contains(raw.String(), "198.51.100.7"); plain != (values == ValuesPlain) {
			t.Errorf("%s: %s", values, raw)
		}
		if wantFound := map[Values]int{ValuesPlain: 1, ValuesHashed: 1, ValuesNone: 2}[values]; found != wantFound {
			t.Errorf("%s: found %d", values, found)
		}
	}
	if _, err := Open(filepath.Join(t.TempDir(), "x.db"), Options{Values: "rot13"}); err == nil {
		t.Error("rot13 was accepted")
	}
}

func TestExport(t *testing.T) {
	l := openAt(t, filepath.Join(t.TempDir(), "ledger.db"), newTestClock(noon), Account{Limits: limits(t, "100/day")})
	evil := ask(API)
	evil.Subject, evil.Client, evil.Person, evil.Work = "=cmd|' /C calc'!A0", "@SUM(1)", "+1,\"2\"\r\n", "-1"
	spend(t, l, 1, evil)
	if err := errors.Join(l.SetUsed(src, "day", 0, Order{By: "\tx", Reason: "=1+1"}), l.Pause(src, noon.Add(time.Hour), order)); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := l.ExportCSV(&out, Filter{}); err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(&out).ReadAll()
	if err != nil || len(rows) != 5 {
		t.Fatalf("%d rows, %v", len(rows), err)
	}
	for _, row := range rows {
		for i, cell := range row {
			if cell != "" && strings.ContainsAny(cell[:1], "=+-@\t\r") {
				t.Errorf("%s: %q", rows[0][i], cell)
			}
		}
	}
	line, err := json.Marshal(Entry{
		Ref: 1, Endpoint: "x", Bucket: "x", Subject: "x", Trigger: "x", Work: "x", Playbook: "x", PlaybookName: "x", Client: "x", Person: "x", Status: 1,
		Reason: "x", By: "x", Outcome: "x", Window: "x", Until: new(time.Time), Used: new(int64), Limit: 1, Drift: 1,
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range rows[0] {
		if !strings.Contains(string(line), `"`+name+`":`) {
			t.Errorf("JSON has no %s", name)
		}
	}
	if used := slices.Index(rows[0], "used"); rows[3][used] != "0" {
		t.Errorf("set-used to nothing: %q", rows[3])
	}
	out.Reset()
	if err := l.ExportJSONL(&out, Filter{Kind: KindReserve}); err != nil {
		t.Fatal(err)
	}
	var e Entry
	if err := json.Unmarshal(out.Bytes(), &e); err != nil || e.Subject != evil.Subject || e.Person != evil.Person || strings.Count(out.String(), "\n") != 1 {
		t.Errorf("%s: %+v, %v", out.String(), e, err)
	}
}

// Whatever is changed in the file behind the ledger's back, Verify says so.
func TestVerifyNoticesTampering(t *testing.T) {
	path, clock := filepath.Join(t.TempDir(), "ledger.db"), newTestClock(noon)
	l := openAt(t, path, clock, Account{Limits: limits(t, "100/day")})
	spend(t, l, 5, ask(Manual))
	if err := l.Settle(mustReserve(t, l, ask(Manual)), Uncertain, 0); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(l.SetUsed(src, "day", 50, order), l.Pause(src, time.Time{}, order)); err != nil {
		t.Fatal(err)
	}
	clock.add(time.Minute)
	key := []byte(src)
	for what, change := range map[string]func(tx *bolt.Tx) error{
		"an entry": func(tx *bolt.Tx) error {
			b := tx.Bucket(bucketEntries)
			raw := bytes.Clone(b.Get(seqKey(3)))
			return b.Put(seqKey(3), bytes.Replace(raw, []byte("198.51.100.7"), []byte("198.51.100.8"), 1))
		},
		"a missing entry": func(tx *bolt.Tx) error { return tx.Bucket(bucketEntries).Delete(seqKey(4)) },
		"the totals": func(tx *bolt.Tx) error {
			return putRecord(tx.Bucket(bucketTotals), key, totals{Spent: 4, Uncertain: 1})
		},
		"a doubt": func(tx *bolt.Tx) error { return tx.Bucket(bucketDoubts).Delete(seqKey(11)) },
		"an open one": func(tx *bolt.Tx) error {
			return putRecord(tx.Bucket(bucketOpen), seqKey(99), reservation{Account: src, Units: 1})
		},
		"a minute": func(tx *bolt.Tx) error { return tx.Bucket(bucketMinutes).Delete(minuteKey(series(src), noon)) },
		"a correction": func(tx *bolt.Tx) error {
			return putRecord(tx.Bucket(bucketNotes), noteKey(src, "day"), note{Seq: 13, Used: 1})
		},
		"a pause": func(tx *bolt.Tx) error { return tx.Bucket(bucketPauses).Delete(key) },
	} {
		tx, err := l.db.Begin(true)
		if err != nil {
			t.Fatal(err)
		}
		if err := change(tx); err != nil {
			t.Fatal(err)
		}
		if _, err := verify(tx); err == nil {
			t.Errorf("%s was changed, and nothing noticed", what)
		}
		if err := tx.Rollback(); err != nil {
			t.Fatal(err)
		}
	}
}

// Entries past their retention give way to a summary, a few at a time, and the
// books still add up.
func TestRetention(t *testing.T) {
	path, clock := filepath.Join(t.TempDir(), "ledger.db"), newTestClock(noon)
	o := Options{Accounts: map[string]Account{src: {Limits: limits(t, "100000/month")}}, Now: clock.now, Retention: MinRetention}
	l := openWith(t, path, o)
	r := ask(API)
	r.Client = "soar"
	for range 40 {
		spend(t, l, 30, r)
		if err := l.Settle(mustReserve(t, l, r), Uncertain, 0); err != nil {
			t.Fatal(err)
		}
		clock.add(24 * time.Hour)
	}
	if err := l.SetUsed(src, "month", 7, order); err != nil {
		t.Fatal(err)
	}
	for range 20 { // the writer takes a part of them in each of its turns
		clock.add(time.Second)
		spend(t, l, 1, r)
	}
	first, count := uint64(0), 0
	_ = l.Entries(Filter{}, func(e Entry) error {
		if count++; first == 0 {
			first = e.Seq
			if age := clock.now().Sub(e.Time); age > MinRetention {
				t.Errorf("the oldest entry is %s old", age)
			}
		}
		return nil
	})
	if first < 300 || uint64(count)+first-1 != l.Stats().Entries {
		t.Errorf("%d entries from %d of %d", count, first, l.Stats().Entries)
	}
	u := usage(l)
	if u.Spent != 40*30+20 || u.Uncertain != 40 || u.Windows[0].Used != 27 {
		t.Errorf("%+v", u)
	}
	if _, err := l.Resolve(src, 0, Void, order); err != nil { // those of pruned entries, too
		t.Error(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	l = openWith(t, path, o)
	if n, err := l.Verify(); err != nil || n == 0 {
		t.Errorf("%d, %v", n, err)
	}
	if u := usage(l); u.Spent != 40*30+20 || u.Uncertain != 0 {
		t.Errorf("after a restart: %+v", u)
	}
	if _, err := Open(filepath.Join(t.TempDir(), "x.db"), Options{Retention: time.Hour}); err == nil {
		t.Error("a retention shorter than a window was accepted")
	}
}

// History adds up, and shows who spent.
func TestHistory(t *testing.T) {
	clock := newTestClock(noon)
	l := openAt(t, filepath.Join(t.TempDir(), "ledger.db"), clock, Account{})
	for range 6 {
		spend(t, l, 2, ask(Manual))
		spend(t, l, 3, ask(Playbook))
		clock.add(30 * time.Minute)
	}
	points, err := l.History(src, noon, noon.Add(4*time.Hour), time.Hour)
	if err != nil || len(points) != 4 {
		t.Fatalf("%+v, %v", points, err)
	}
	for i, p := range points {
		want := fmt.Sprint(map[string]int64{"manual": 4, "playbook": 6})
		if i == 3 {
			want = fmt.Sprint(map[string]int64{})
		}
		if fmt.Sprint(p.Units) != want || !p.Start.Equal(noon.Add(time.Duration(i)*time.Hour)) {
			t.Errorf("%+v, want %s", p, want)
		}
	}
	for _, step := range []time.Duration{0, time.Second, 90 * time.Second} {
		if _, err := l.History(src, noon, noon.Add(time.Hour), step); err == nil {
			t.Errorf("steps of %s", step)
		}
	}
	if _, err := l.History(src, noon.AddDate(-1, 0, 0), noon, time.Minute); err == nil {
		t.Error("half a million steps")
	}
}
