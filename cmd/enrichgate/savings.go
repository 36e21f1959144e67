package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/enrichgate/enrichgate/dashboards"
	"github.com/enrichgate/enrichgate/enrich"
)

// savings count what was answered without a call, by month (in UTC) and source,
// and outlive the process. They are for people and decide nothing: the file is
// written now and then, so that a crash may cost the last minute of it, and one
// that cannot be read is begun anew. Safe for concurrent use.
type savings struct {
	path string
	now  func() time.Time
	log  *slog.Logger

	mu      sync.Mutex
	months  map[string]map[string]dashboards.Saved
	changed bool
	quit    chan struct{} // closed by close
	writer  sync.WaitGroup
}

const (
	saveEvery = time.Minute
	// monthsKept bounds the file.
	monthsKept = 13
)

// openSavings goes on with those of before.
func openSavings(path string, now func() time.Time, log *slog.Logger) *savings {
	s := &savings{path: path, now: now, log: log, quit: make(chan struct{})}
	b, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(b, &s.months)
	}
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		log.Warn("what was saved before is not known any more", "error", err)
		s.months = nil
	}
	if s.months == nil { // or the file says null
		s.months = map[string]map[string]dashboards.Saved{}
	}
	s.writer.Go(s.write)
	return s
}

func (s *savings) month() string { return s.now().UTC().Format("2006-01") }

// add counts the lookups of a request.
func (s *savings) add(source string, parts []enrich.Part) {
	s.mu.Lock()
	defer s.mu.Unlock()
	month := s.month()
	if s.months[month] == nil {
		s.months[month] = map[string]dashboards.Saved{}
	}
	sum := s.months[month][source]
	for _, p := range parts {
		sum.Lookups++
		if !p.Cached() || p.Err != nil {
			continue
		}
		sum.Hits++
		switch {
		case p.Origin.String() == "shared":
			sum.Shared += p.Lookup.Units
		case p.Class == enrich.NotFound || p.Class == enrich.InvalidInput:
			sum.Negative += p.Lookup.Units
		default:
			sum.Cache += p.Lookup.Units
		}
	}
	s.months[month][source] = sum
	s.changed = true
}

// of is what was saved at a source this month.
func (s *savings) of(source string) dashboards.Saved {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.months[s.month()][source]
}

func (s *savings) write() {
	tick := time.NewTicker(saveEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			if err := s.save(); err != nil {
				s.log.Warn("what was saved could not be kept", "error", err)
			}
		case <-s.quit:
			return
		}
	}
}

// save replaces the file, if there is anything new.
func (s *savings) save() error {
	s.mu.Lock()
	if !s.changed {
		s.mu.Unlock()
		return nil
	}
	s.changed = false
	for _, old := range slices.Sorted(maps.Keys(s.months))[:max(0, len(s.months)-monthsKept)] {
		delete(s.months, old)
	}
	b, err := json.Marshal(s.months)
	s.mu.Unlock()
	if err == nil {
		err = os.WriteFile(s.path+".new", b, 0o600)
	}
	if err == nil {
		err = os.Rename(s.path+".new", s.path)
	}
	if err != nil {
		s.mu.Lock()
		s.changed = true // and is tried again
		s.mu.Unlock()
		return fmt.Errorf("savings: %w", err)
	}
	return nil
}

// close writes what is left to write.
func (s *savings) close() error {
	close(s.quit)
	s.writer.Wait()
	return s.save()
}
