package httpapi

import (
	"net/http"
	"strings"
	"time"

	"github.com/enrichgate/enrichgate/cache"
	"github.com/enrichgate/enrichgate/enrich"
	"github.com/enrichgate/enrichgate/quota"
)

// CacheStats is the body of GET /api/v1/cache: what is stored, and counts since
// the start.
type CacheStats struct {
	// Entries, and their bytes as stored; SizeBytes is the file's size and
	// MaxBytes the limit of what is stored, 0 without one.
	Entries   int64 `json:"entries"`
	Bytes     int64 `json:"bytes"`
	SizeBytes int64 `json:"size_bytes"`
	MaxBytes  int64 `json:"max_bytes"`
	Encrypted bool  `json:"encrypted"`

	MemoryHits  uint64             `json:"memory_hits"`
	DiskHits    uint64             `json:"disk_hits"`
	Misses      uint64             `json:"misses"`
	Shared      uint64             `json:"shared"`
	Swept       uint64             `json:"swept"`
	Damaged     uint64             `json:"damaged"`
	WriteErrors uint64             `json:"write_errors"`
	Sources     []CacheSourceStats `json:"sources"`
}

// CacheSourceStats is one source's share of it.
type CacheSourceStats struct {
	Source  string `json:"source"`
	Entries int64  `json:"entries"`
	Bytes   int64  `json:"bytes"`
	Expired uint64 `json:"expired"`
	Evicted uint64 `json:"evicted"`
	Purged  uint64 `json:"purged"`
}

func (a *API) cacheStats(w http.ResponseWriter, _ *http.Request, _ caller) {
	s := a.cfg.Cache.Stats()
	answer := CacheStats{
		Entries: s.Entries, Bytes: s.LiveBytes, SizeBytes: s.SizeBytes, MaxBytes: s.MaxDisk, Encrypted: s.Encrypted,
		MemoryHits: s.MemoryHits, DiskHits: s.DiskHits, Misses: s.Misses, Shared: s.Shared,
		Swept: s.Swept, Damaged: s.Damaged, WriteErrors: s.WriteErrors, Sources: []CacheSourceStats{},
	}
	for _, one := range s.Sources {
		answer.Sources = append(answer.Sources, CacheSourceStats{
			Source: one.Source, Entries: one.Entries, Bytes: one.Bytes, Expired: one.Expired, Evicted: one.Evicted, Purged: one.Purged,
		})
	}
	write(w, http.StatusOK, "application/json", answer)
}

// cachePurge removes what the query chooses: of a source, an endpoint, stored
// before a time. To choose everything has to be said.
func (a *API) cachePurge(w http.ResponseWriter, r *http.Request, who caller) {
	q := r.URL.Query()
	f := cache.Filter{Source: q.Get("source"), Endpoint: q.Get("endpoint")}
	var err error
	if f.StoredBefore, err = a.moment(q.Get("before")); err != nil {
		err = bad("before: %v", err)
	}
	if err == nil && f == (cache.Filter{}) && q.Get("all") != "true" {
		err = bad("nothing chooses what to remove: give source, endpoint or before, or all=true")
	}
	if err == nil && f.Source != "" {
		err = a.known([]string{f.Source})
	}
	if err == nil {
		err = a.noteRemoval(r, who, f.Source, "")
	}
	n := 0
	if err == nil {
		n, err = a.cfg.Cache.Purge(r.Context(), f)
	}
	if err != nil {
		Problem(w, problemOf(err))
		return
	}
	a.cfg.Log.Info("kept answers were removed over HTTP", "by", who.name, "source", f.Source, "endpoint", f.Endpoint, "stored_before", f.StoredBefore, "answers", n)
	write(w, http.StatusOK, "application/json", Removed{n})
}

// noteRemoval writes into the audit log of a source, or of each, that answers are
// removed and why. It comes first: what cannot be audited is not done.
func (a *API) noteRemoval(r *http.Request, who caller, source, subject string) error {
	reason := strings.TrimSpace(r.URL.Query().Get("reason"))
	if reason == "" {
		return bad("reason: a reason is needed; it is kept in the audit log")
	}
	order := quota.Order{By: who.name, Reason: "answers removed from the cache: " + reason}
	for _, u := range a.cfg.Ledger.Usage() {
		if source != "" && source != u.Source {
			continue
		}
		if err := a.cfg.Ledger.Note(u.Source, subject, order); err != nil {
			return err
		}
	}
	return nil
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
	answer := KeptAnswer{Source: src.Name, Type: e.Type, Value: e.Subject(), Lookups: []KeptLookup{}}
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

// Removed is the answer to a removal: of how many answers.
type Removed struct {
	Removed int `json:"removed"`
}

func (a *API) cacheDelete(w http.ResponseWriter, r *http.Request, who caller) {
	src, e, err := a.cacheEntity(r, who)
	if err == nil {
		err = a.noteRemoval(r, who, src.Name, e.Subject())
	}
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
