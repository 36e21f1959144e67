package quota

import (
	"encoding/json"
	"path/filepath"
	"testing"
)

func FuzzMinute(f *testing.F) {
	m := minute{Spent: [numTriggers]int64{1, 0, 300}, Uncertain: [numTriggers]int64{2}}
	f.Add(m.encode())
	f.Add([]byte{0})
	f.Add([]byte{5, 0x80})
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := decodeMinute(b)
		if err != nil {
			return
		}
		again, err := decodeMinute(m.encode())
		if err != nil || again != m {
			t.Errorf("%x is %+v, and then %+v, %v", b, m, again, err)
		}
	})
}

// Whatever the platform keeps for a checkpoint, taking it over lowers nothing,
// and the books balance.
func FuzzRestore(f *testing.F) {
	l := openWith(f, filepath.Join(f.TempDir(), "ledger.db"), Options{Accounts: map[string]Account{src: {Limits: limits(f, "10/minute,100/day,1000/rolling month,1000/month")}}})
	spend(f, l, 3, ask(Manual))
	own, err := json.Marshal(l.Checkpoint())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(own)
	f.Add([]byte(`{"ledger":"x","seq":9,"at":"2026-11-20T12:00:00Z","sources":{"` + src + `":{"spent":5,"windows":{"month":12,"day":1,"minute":7}}}}`))
	f.Add([]byte(`{"ledger":"x","at":"9999-01-01T00:00:00Z","sources":{"` + src + `":{"spent":-1}}}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		var c Checkpoint
		if json.Unmarshal(b, &c) != nil {
			return
		}
		before := usage(l)
		_, err := l.Restore(c)
		after := usage(l)
		if after.Spent < before.Spent || after.Uncertain < before.Uncertain || err != nil && after.Spent != before.Spent {
			t.Errorf("%s, %v: %+v, then %+v", b, err, before, after)
		}
		for i, w := range after.Windows {
			if !w.Rolling && w.Used < before.Windows[i].Used && w.StartsAt.Equal(before.Windows[i].StartsAt) {
				t.Errorf("%s: %+v, then %+v", b, before.Windows[i], w)
			}
		}
		if _, err := l.Verify(); err != nil {
			t.Error(err)
		}
	})
}
