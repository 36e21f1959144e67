package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/enrichgate/enrichgate/cmd/enrichgate/internal/output"
	"github.com/enrichgate/enrichgate/enrich"
	"github.com/enrichgate/enrichgate/enrich/httpapi"
)

type cacheCmd struct {
	Stats   cacheStatsCmd   `cmd:"" help:"Show how much is kept of each source, and how often it was used."`
	Get     cacheGetCmd     `cmd:"" help:"Show what is kept of a value."`
	Purge   cachePurgeCmd   `cmd:"" help:"Remove answers; they will be paid for again."`
	Warm    cacheWarmCmd    `cmd:"" help:"Look a list up in advance, after telling its price."`
	Compact cacheCompactCmd `cmd:"" help:"Give unused space of the file back; the daemon works on meanwhile."`
	Export  cacheExportCmd  `cmd:"" help:"Write the answers as JSON Lines, without encryption."`
	Import  cacheImportCmd  `cmd:"" help:"Read answers that 'cache export' wrote; newer ones are kept."`
}

type cacheStatsCmd struct{ output.Options }

// Run shows the cache's counts.
func (s cacheStatsCmd) Run(env *environment, c *cli) (err error) {
	way, err := c.reading(env, "cache stats")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, way.close()) }()
	var n httpapi.CacheStats
	if err := way.call(env.ctx, request{method: http.MethodGet, path: "/api/v1/cache"}, &n); err != nil {
		return err
	}
	w, err := env.rows(s.Options,
		output.Column{Name: "source", Title: "SOURCE"}, output.Column{Name: "entries", Title: "ANSWERS", Right: true},
		output.Column{Name: "bytes", Title: "BYTES", Right: true}, output.Column{Name: "expired", Title: "EXPIRED", Right: true},
		output.Column{Name: "evicted", Title: "EVICTED", Right: true}, output.Column{Name: "purged", Title: "PURGED", Right: true},
		output.Column{Name: "file_bytes", Title: "FILE", Right: true}, output.Column{Name: "max_bytes", Title: "LIMIT", Right: true},
		output.Column{Name: "memory_hits"}, output.Column{Name: "disk_hits"}, output.Column{Name: "shared"}, output.Column{Name: "misses"},
		output.Column{Name: "damaged"}, output.Column{Name: "write_errors"}, output.Column{Name: "encrypted"})
	if err != nil {
		return err
	}
	var expired, evicted, purged uint64
	for _, o := range n.Sources {
		expired, evicted, purged = expired+o.Expired, evicted+o.Evicted, purged+o.Purged
		err := w.Row(o.Source, units64(o.Entries), units64(o.Bytes), o.Expired, o.Evicted, o.Purged, nil, nil, nil, nil, nil, nil, nil, nil, nil)
		if err != nil {
			return err
		}
	}
	err = w.Row("all", units64(n.Entries), units64(n.Bytes), expired, evicted, purged, units64(n.SizeBytes), units64(n.MaxBytes),
		n.MemoryHits, n.DiskHits, n.Shared, n.Misses, n.Damaged, n.WriteErrors, n.Encrypted)
	return errors.Join(err, w.Close())
}

// keptLine is an entry as 'cache export' writes it.
type keptLine struct {
	Source     string          `json:"source"`
	Endpoint   string          `json:"endpoint"`
	Value      string          `json:"value"`
	Kind       uint8           `json:"kind"`
	Status     int             `json:"status"`
	StoredAt   time.Time       `json:"stored_at"`
	FreshUntil time.Time       `json:"fresh_until"`
	StaleUntil time.Time       `json:"stale_until"`
	Body       json.RawMessage `json:"body"`
}

type cacheGetCmd struct {
	Value  string `arg:"" help:"The value; defanged is fine."`
	Type   string `help:"Its type, as OpenCTI or STIX names it (default: what it looks like)." placeholder:"TYPE"`
	Source string `help:"Only of this source." placeholder:"NAME"`
	output.Options
}

// Run shows what is kept of a value; JSON has the answers themselves.
func (g cacheGetCmd) Run(env *environment, c *cli) (err error) {
	entity, err := enrich.NewEntity(g.Type, g.Value)
	if err != nil {
		return &exitError{exitUsage, err}
	}
	way, err := c.reading(env, "cache get")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, way.close()) }()
	now, err := way.now(env.ctx)
	if err != nil {
		return err
	}
	w, err := env.rows(g.Options,
		output.Column{Name: "source", Title: "SOURCE"}, output.Column{Name: "endpoint", Title: "LOOKUP"}, output.Column{Name: "class", Title: "ANSWER"},
		output.Column{Name: "state", Title: "STATE"}, output.Column{Name: "stored_at", Title: "STORED"}, output.Column{Name: "fresh_until", Title: "FRESH UNTIL"},
		output.Column{Name: "stale_until", Title: "KEPT UNTIL"}, output.Column{Name: "status"}, output.Column{Name: "bytes", Title: "BYTES", Right: true},
		output.Column{Name: "body", Document: true})
	if err != nil {
		return err
	}
	resp, err := way.do(env.ctx, request{method: http.MethodGet, path: "/local/v1/cache" + selection{Source: g.Source, Value: entity.Subject()}.query()})
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	found := 0
	for dec := json.NewDecoder(resp.Body); ; found++ {
		var l keptLine
		if err := dec.Decode(&l); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return way.unanswered(env.ctx, errors.New("the cache cannot be read"))
		}
		err := w.Row(l.Source, l.Endpoint, enrich.Class(l.Kind).String(), l.state(now), l.StoredAt, l.FreshUntil, l.StaleUntil, l.Status, units64(int64(len(l.Body))), l.Body)
		if err != nil {
			return err
		}
	}
	if err := w.Close(); err != nil || found > 0 {
		return err
	}
	return &exitError{exitNotFound, fmt.Errorf("nothing is kept of %s", entity.Subject())}
}

func (l keptLine) state(now time.Time) string {
	switch {
	case now.Before(l.FreshUntil):
		return "fresh"
	case now.Before(l.StaleUntil):
		return "stale"
	}
	return "gone"
}

type cacheCompactCmd struct{}

// Run compacts the file.
func (cacheCompactCmd) Run(env *environment, c *cli) (err error) {
	way, err := c.reading(env, "cache compact")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, way.close()) }()
	var before, after httpapi.CacheStats
	size := func(into *httpapi.CacheStats) error {
		return way.call(env.ctx, request{method: http.MethodGet, path: "/api/v1/cache"}, into)
	}
	if err := size(&before); err != nil {
		return err
	}
	if err := way.call(env.ctx, request{method: http.MethodPost, path: "/local/v1/cache/compact"}, &done{}); err != nil {
		return err
	}
	if err := size(&after); err != nil {
		return err
	}
	env.say("%s bytes before, %s now", grouped(before.SizeBytes), grouped(after.SizeBytes))
	return nil
}
