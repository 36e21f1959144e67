package httpapi

import (
	"net/http"
	"time"

	"github.com/enrichgate/enrichgate/enrich"
)

// CacheStats is the body of GET /api/v1/cache: counts since the start.
type CacheStats struct {
	MemoryHits  uint64 `json:"memory_hits"`
	DiskHits    uint64 `json:"disk_hits"`
	Misses      uint64 `json:"misses"`
	Shared      uint64 `json:"shared"`
	Swept       uint64 `json:"swept"`
	Damaged     uint64 `json:"damaged"`
	WriteErrors uint64 `json:"write_errors"`
	SizeBytes   int64  `json:"size_bytes"`
}

func (a *API) cacheStats(w http.ResponseWriter, _ *http.Request, _ caller) {
	s := a.cfg.Cache.Stats()
	write(w, http.StatusOK, "application/json", CacheStats{
		MemoryHits: s.MemoryHits, DiskHits: s.DiskHits, Misses: s.Misses, Shared: s.Shared,
		Swept: s.Swept, Damaged: s.Damaged, WriteErrors: s.WriteErrors, SizeBytes: s.SizeBytes,
	})
}

// KeptAnswer is the body of GET /api/v1/cache/{source}/{type}/{value}.
type KeptAnswer struct {
	Source  string       `json:"source"`
	Type    string       `json:"type"`
	Value   string       `json:"value"`
	Lookups []KeptLookup `json:"lookups"`
}

// KeptLookup is what is kept of one lookup.
type KeptLookup struct {
	Endpoint string `json:"endpoint"`
	// State is fresh, stale, or gone: nothing is kept.
	State      string     `json:"state"`
	Class      string     `json:"class,omitempty"`
	Status     int        `json:"status,omitempty"`
	Bytes      int        `json:"bytes"`
	StoredAt   *time.Time `json:"stored_at,omitempty"`
	FreshUntil *time.Time `json:"fresh_until,omitempty"`
	StaleUntil *time.Time `json:"stale_until,omitempty"`
}

// cacheEntity reads which entity of which source the path names.
func (a *API) cacheEntity(r *http.Request, who caller) (Source, enrich.Entity, error) {
	e, err := enrich.NewEntity(r.PathValue("type"), r.PathValue("value"))
	if err != nil {
		return Source{}, e, err
	}
	src, err := a.source(who, r.PathValue("source"), e)
	return src, e, err
}

func (a *API) cacheGet(w http.ResponseWriter, r *http.Request, who caller) {
	src, e, err := a.cacheEntity(r, who)
	var kept []enrich.Kept
	if err == nil {
		kept, err = src.Gateway.Kept(e)
	}
	if err != nil {
		Problem(w, problemOf(err))
		return
	}
	answer := KeptAnswer{Source: src.Name, Type: e.Type, Value: shownValue(e), Lookups: []KeptLookup{}}
	for _, k := range kept {
		l := KeptLookup{Endpoint: k.Lookup.Endpoint, State: k.State.String()}
		if k.Entry != nil {
			l.Class, l.Status, l.Bytes = enrich.Class(k.Entry.Kind).String(), k.Entry.Status, len(k.Entry.Body)
			stored, fresh, stale := k.Entry.StoredAt.UTC(), k.Entry.FreshUntil.UTC(), k.Entry.StaleUntil.UTC()
			l.StoredAt, l.FreshUntil, l.StaleUntil = &stored, &fresh, &stale
		}
		answer.Lookups = append(answer.Lookups, l)
	}
	write(w, http.StatusOK, "application/json", answer)
}

// Removed is the answer to a removal: of how many lookups.
type Removed struct {
	Removed int `json:"removed"`
}

func (a *API) cacheDelete(w http.ResponseWriter, r *http.Request, who caller) {
	src, e, err := a.cacheEntity(r, who)
	n := 0
	if err == nil {
		n, err = src.Gateway.Forget(e)
	}
	if err != nil {
		Problem(w, problemOf(err))
		return
	}
	a.cfg.Log.Info("kept answers were removed over HTTP", "by", who.name, "source", src.Name, "entity", e.ID, "answers", n)
	write(w, http.StatusOK, "application/json", Removed{n})
}
