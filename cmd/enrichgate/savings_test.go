package main

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/enrichgate/enrichgate/cache"
	"github.com/enrichgate/enrichgate/enrich"
)

// What was saved outlives a restart, and all but the last minute of it a kill; a
// new month begins at nothing, and a file that cannot be read costs the past only.
func TestSavings(t *testing.T) {
	path := filepath.Join(t.TempDir(), "savings.json")
	synctest.Test(t, func(t *testing.T) {
		log := slog.New(slog.DiscardHandler)
		parts := []enrich.Part{
			{Entry: &cache.Entry{}, Class: enrich.Found, Origin: cache.Disk, Lookup: enrich.Lookup{Units: 5}},
			{Entry: &cache.Entry{}, Class: enrich.NotFound, Origin: cache.Memory, Lookup: enrich.Lookup{Units: 1}},
			{Entry: &cache.Entry{}, Class: enrich.Found, Origin: cache.Shared, Lookup: enrich.Lookup{Units: 2}},
			{Entry: &cache.Entry{}, Class: enrich.Found, Origin: cache.Loaded, Lookup: enrich.Lookup{Units: 7}},
		}
		check := func(s *savings, what string, units, hits, lookups int64) {
			t.Helper()
			if got := s.of("et"); got.Units() != units || got.Hits != hits || got.Lookups != lookups {
				t.Errorf("%s: %+v", what, got)
			}
		}
		s := openSavings(path, time.Now, log)
		s.add("et", parts)
		check(s, "at once", 8, 3, 4)
		<-time.After(saveEvery + time.Second)
		killed := openSavings(path, time.Now, log)
		check(killed, "after a kill", 8, 3, 4)
		if err := killed.close(); err != nil {
			t.Error(err)
		}
		s.add("et", parts)
		if err := s.close(); err != nil {
			t.Error(err)
		}
		s = openSavings(path, time.Now, log)
		check(s, "after a restart", 16, 6, 8)
		for range monthsKept + 2 {
			<-time.After(31 * 24 * time.Hour)
			check(s, "a new month", 0, 0, 0)
			s.add("et", parts)
		}
		if err := s.close(); err != nil {
			t.Error(err)
		}
		b, err := os.ReadFile(path)
		if n := strings.Count(string(b), `"et"`); err != nil || n != monthsKept {
			t.Errorf("%d months are kept, %v", n, err)
		}
		for _, damage := range []string{"{", "null", `{"2026-11": null}`} {
			if err := os.WriteFile(path, []byte(damage), 0o600); err != nil {
				t.Error(err)
			}
			s = openSavings(path, time.Now, log)
			check(s, "after damage", 0, 0, 0)
			s.add("et", parts)
			if err := s.close(); err != nil {
				t.Error(err)
			}
			s = openSavings(path, time.Now, log)
			check(s, "begun anew", 8, 3, 4)
			if err := s.close(); err != nil {
				t.Error(err)
			}
		}
		s = openSavings(path, time.Now, log)
		if err := os.RemoveAll(filepath.Dir(path)); err != nil {
			t.Error(err)
		}
		s.add("et", parts)
		if err := s.close(); err == nil || strings.Contains(fmt.Sprint(err), "\n") {
			t.Errorf("a directory that is gone: %v", err)
		}
		if err := os.Mkdir(filepath.Dir(path), 0o700); err != nil {
			t.Error(err)
		}
		if err := s.save(); err != nil {
			t.Error(err)
		}
		s = openSavings(path, time.Now, log)
		check(s, "the directory is back", 16, 6, 8)
		if err := s.close(); err != nil {
			t.Error(err)
		}
	})
}
