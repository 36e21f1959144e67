package opencti

import (
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// What was put is there after a restart; what was put soon as well, if nobody crashed.
func TestJournalKeeps(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal.db")
	var later atomic.Int64 // read by the journal's own writer
	clock := func() time.Time { return time.Now().Add(time.Duration(later.Load())) }
	j, err := OpenJournal(path, clock)
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for i := range 200 {
		all.Go(func() {
			key := fmt.Sprint("work/", i)
			if err := j.put(key, record{Expected: i}); err != nil {
				t.Error(err)
			}
			j.putSoon(key, record{Expected: i, Processed: true})
			if r, err := j.get(key); err != nil || !r.Processed {
				t.Errorf("%s: %+v, %v", key, r, err)
			}
		})
	}
	all.Wait()
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	if err := j.put("work/late", record{}); err == nil {
		t.Error("a closed journal takes records")
	}
	if j, err = OpenJournal(path, clock); err != nil {
		t.Fatal(err)
	}
	for i := range 200 {
		if r, err := j.get(fmt.Sprint("work/", i)); err != nil || r.Expected != i || !r.Processed {
			t.Errorf("work/%d: %+v, %v", i, r, err)
		}
	}
	// What no message can come back to is dropped, in small steps.
	later.Store(int64(journalKeeps + time.Hour))
	for i := range 2 * forgetStep {
		j.putSoon(fmt.Sprint("work/young", i), record{Expected: 1})
	}
	j.commit(nil)
	j.forget()
	for key, want := range map[string]int{"work/7": 0, "work/young7": 1} {
		if r, err := j.get(key); err != nil || r.Expected != want {
			t.Errorf("%s: %+v, %v", key, r, err)
		}
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
}
