package opencti

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// shelf answers readings after a second each, and counts them.
type shelf struct {
	mu      sync.Mutex
	singles int
	pairs   int
	// refuse says what a document is refused with.
	refuse func(variables map[string]any) error
}

func (s *shelf) ask(_ context.Context, op operation, variables map[string]any, _ string, out any) error {
	<-time.After(time.Second)
	s.mu.Lock()
	defer s.mu.Unlock()
	if variables["id2"] == nil {
		s.singles++
	} else {
		s.pairs++
	}
	if s.refuse != nil {
		if err := s.refuse(variables); err != nil {
			return err
		}
	}
	answer := map[string]any{}
	for _, suffix := range []string{"", "2"} {
		if id := variables["id"+suffix]; id != nil && id != "gone" {
			answer["stixCoreObject"+suffix] = map[string]any{"standard_id": id}
			answer["work"+suffix] = map[string]any{"user": map[string]any{"name": fmt.Sprint(variables["work"+suffix])}}
		}
	}
	raw, err := json.Marshal(answer)
	if err != nil {
		return err
	}
	return json.Unmarshal(raw, out)
}

// readMany reads n entities at once and checks that each got what it asked for.
func readMany(t *testing.T, r *reader, n int) {
	t.Helper()
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() {
			id, work := fmt.Sprint("entity-", i), fmt.Sprint("work-", i)
			a, err := r.read(t.Context(), &reading{form: form{work: true}, entity: id, workID: work})
			if err != nil || a.StixCoreObject == nil || a.StixCoreObject.StandardID != id || a.person() != work {
				t.Errorf("%s: %+v, %v", id, a, err)
			}
		})
	}
	all.Wait()
}

// Few wait for nobody; of many, two share a request, and nobody waits longer
// than a request takes.
func TestReadingsShareRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &shelf{}
		r := &reader{ask: s.ask}
		began := time.Now()
		readMany(t, r, companyFrom)
		if s.pairs > 0 || time.Since(began) > time.Second {
			t.Errorf("%d pairs, %v", s.pairs, time.Since(began))
		}
		s.singles, began = 0, time.Now()
		readMany(t, r, companyFrom+40)
		if s.singles != companyFrom || s.pairs != 20 || time.Since(began) > time.Second {
			t.Errorf("%d alone, %d pairs, %v", s.singles, s.pairs, time.Since(began))
		}
		s.singles, s.pairs, began = 0, 0, time.Now()
		readMany(t, r, companyFrom+1)
		if s.singles != companyFrom+1 || s.pairs != 0 || time.Since(began) != 2*time.Second {
			t.Errorf("%d alone, %d pairs, %v", s.singles, s.pairs, time.Since(began))
		}
		if r.under != 0 || r.half != nil {
			t.Errorf("%d under way, %v waits", r.under, r.half)
		}
	})
}

// A refusal in a pair is asked about again by each of the two; only a platform
// that refuses pairs as such is sent none any more.
func TestRefusedPairs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &shelf{refuse: func(v map[string]any) error {
			if v["id"] == "secret" || v["id2"] == "secret" {
				return &APIError{Code: "FORBIDDEN_ACCESS", Field: "stixCoreObject"}
			}
			return nil
		}}
		r := &reader{ask: s.ask}
		var all sync.WaitGroup
		all.Go(func() { readMany(t, r, companyFrom) })
		synctest.Wait()
		all.Go(func() {
			if _, err := r.read(t.Context(), &reading{form: form{work: true}, entity: "secret"}); err == nil {
				t.Error("was read")
			}
		})
		synctest.Wait()
		readMany(t, r, 1)
		all.Wait()
		if s.pairs != 1 || s.singles != companyFrom+2 || r.single {
			t.Errorf("%d pairs, %d alone, %v", s.pairs, s.singles, r.single)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		s := &shelf{refuse: func(v map[string]any) error {
			if v["id2"] != nil {
				return &APIError{Code: "GRAPHQL_VALIDATION_FAILED"}
			}
			return nil
		}}
		r := &reader{ask: s.ask}
		readMany(t, r, 20)
		readMany(t, r, 20)
		if s.pairs != (20-companyFrom)/2 || s.singles != 40 {
			t.Errorf("%d pairs, %d alone", s.pairs, s.singles)
		}
	})
}

// Whoever is called away while it waits for company leaves no one waiting.
func TestReadingCalledAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &shelf{}
		r := &reader{ask: s.ask}
		var all sync.WaitGroup
		all.Go(func() { readMany(t, r, companyFrom) })
		synctest.Wait()
		ctx, cancel := context.WithCancel(t.Context())
		all.Go(func() { _, _ = r.read(ctx, &reading{form: form{work: true}, entity: "x"}) })
		synctest.Wait()
		cancel()
		all.Wait()
		readMany(t, r, companyFrom+2)
		if r.under != 0 || r.half != nil || s.pairs != 1 {
			t.Errorf("%d under way, %v waits, %d pairs", r.under, r.half, s.pairs)
		}
	})
}

// No document repeats a field more often than the platform allows.
func TestFieldsOfAPair(t *testing.T) {
	document := opReadPair(true, true).document
	for _, field := range []string{"stixCoreObject(", "work(", "playbook("} {
		if n := strings.Count(document, field); n != 2 {
			t.Errorf("%s is asked for %d times", field, n)
		}
	}
}
