package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"time"

	"github.com/enrichgate/enrichgate/cmd/enrichgate/internal/settings"
	"github.com/enrichgate/enrichgate/enrich"
	"github.com/enrichgate/enrichgate/enrich/httpapi"
	"github.com/enrichgate/enrichgate/enrich/source"
	"github.com/enrichgate/enrichgate/enrich/source/proofpoint"
	"github.com/enrichgate/enrichgate/enrich/source/wire"
)

// sourceSpecs are the sources that ship.
func sourceSpecs() []settings.SourceSpec {
	specs, _ := sourcesIn("") // a test sees to it that all of them load
	return specs
}

// sourcesIn are the sources that ship, the native one first, with those of the
// operator's own directory; empty means that there is none. What is wrong with a
// definition costs that one source.
func sourcesIn(dir string) (specs []settings.SourceSpec, problems []error) {
	definitions, bad := source.Catalogue()
	if dir != "" {
		definitions, bad = source.WithOwn(os.DirFS(dir))
	}
	for _, p := range bad {
		problems = append(problems, fmt.Errorf("a source was not loaded: %w", p))
	}
	taken := map[string]string{"opencti": "OpenCTI", "connector": "OpenCTI", "mq": "OpenCTI", "connectors": "OpenCTI", "enrichgate": "enrichgate"}
	add := func(spec settings.SourceSpec) {
		if stray := spec.Stray(); stray != "" {
			problems = append(problems, fmt.Errorf("the source %s was not loaded: %s is another name of nothing that it has", spec.Name, stray))
			return
		}
		if err := spec.Check(); err != nil {
			problems = append(problems, fmt.Errorf("the source %s was not loaded: %w", spec.Name, err))
			return
		}
		for _, name := range spec.Names() {
			if other, is := taken[name]; is {
				problems = append(problems, fmt.Errorf("the source %s was not loaded: %s is already a name of %s", spec.Name, name, other))
				return
			}
		}
		for _, name := range spec.Names() {
			taken[name] = spec.Name
		}
		specs = append(specs, spec)
	}
	add(proofpointSpec())
	for _, d := range definitions {
		add(declaredSpec(d))
	}
	return specs, problems
}

// proofpointSpec has the names of the public connector, so that moving over is
// a change of image.
func proofpointSpec() settings.SourceSpec {
	spec := settings.SourceSpec{
		Name: proofpoint.Name, Title: "Proofpoint ET Intelligence", BaseURL: proofpoint.DefaultBaseURL,
		Secrets: []settings.SecretSpec{{Name: "api_key", Help: "Key of the provider's API."}},
		Params: []settings.ParamSpec{{Name: "import_last_seen_time_window", Title: "last-seen window", Kind: settings.KindDuration, Default: "P30D",
			Help: "How long ago a related domain, address or sample may have been seen last to be imported."}},
		Quota: "200/minute", Scope: []string{"IPv4-Addr", "Domain-Name", "StixFile"}, Types: proofpoint.Types(),
		Family: "PROOFPOINT_", Ghost: "PROOFPOINT_ET_", Open: openProofpoint,
	}
	for _, name := range proofpoint.Endpoints() {
		spec.Endpoints = append(spec.Endpoints, settings.EndpointSpec{Name: name, Units: 1})
	}
	return spec
}

func openProofpoint(s *settings.Source) (enrich.Source, error) {
	return proofpoint.New(proofpoint.Config{
		BaseURL: s.BaseURL, APIKey: wire.Secret(s.Secrets["api_key"].Reveal()), SeenWithin: s.Duration("import_last_seen_time_window"),
		Timeout: s.Timeout, SkipPrivate: s.SkipPrivate, UserAgent: "enrichgate/" + version(),
	})
}

// tunedSource is a source whose lookups cost and last what the operator says.
type tunedSource struct {
	enrich.Source
	policy enrich.Policy
	// settings are the source's that hold now.
	settings func() *settings.Source
}

// Plan leaves out the calls that are switched off, and prices the others.
func (t tunedSource) Plan(e enrich.Entity) ([]enrich.Lookup, error) {
	plan, err := t.Source.Plan(e)
	if err != nil {
		return nil, err
	}
	tuned := make([]enrich.Lookup, 0, len(plan))
	for _, l := range plan {
		if l, on := t.tune(l); on {
			tuned = append(tuned, l)
		}
	}
	if len(tuned) == 0 {
		return nil, &enrich.InputError{Reason: "not looked up: every call for such an entity is switched off (ENDPOINTS of " + t.Name() + ")"}
	}
	return tuned, nil
}

// tune prices one call; it may be switched off.
func (t tunedSource) tune(l enrich.Lookup) (tuned enrich.Lookup, on bool) {
	s := t.settings()
	if set := s.Endpoints[l.Endpoint]; set != nil {
		l.Units = int64(set.Units)
		l.TTL = tunedTTL(l.TTL, s, set.TTL)
		return l, !set.Off
	}
	return l, true
}

// tunedProxy mirrors the source's API at the operator's prices.
type tunedProxy struct {
	httpapi.Proxied
	source tunedSource
}

// Match offers what an enrichment may ask, and nothing else.
func (t tunedProxy) Match(r *http.Request) (enrich.Lookup, error) {
	l, err := t.Proxied.Match(r)
	if err != nil {
		return l, err
	}
	l, on := t.source.tune(l)
	if !on {
		return l, enrich.ErrNotOffered
	}
	return l, nil
}

// tunedTTL overrides what suits the endpoint. A shorter time for what was found
// shortens that of "no record" too; a longer one does not lengthen it.
func tunedTTL(ttl enrich.TTL, s *settings.Source, endpoint time.Duration) enrich.TTL {
	if endpoint == 0 {
		endpoint = s.CacheTTL
	}
	if endpoint > 0 {
		ttl.Set, ttl.Found, ttl.NotFound = endpoint, endpoint, min(ttl.NotFound, endpoint)
	}
	if s.CacheNegativeTTL > 0 {
		ttl.NotFound = s.CacheNegativeTTL
	}
	ttl.Stale = s.CacheStale
	return ttl
}

// Batch implements enrich.BatchFetcher for the sources whose provider takes
// several values at once; FetchMany is asked of no others.
func (t tunedSource) Batch(l enrich.Lookup) enrich.Batch {
	if b, ok := t.Source.(enrich.BatchFetcher); ok {
		return b.Batch(l)
	}
	return enrich.Batch{}
}

// FetchMany implements enrich.BatchFetcher.
func (t tunedSource) FetchMany(ctx context.Context, ls []enrich.Lookup) []enrich.Answer {
	return t.Source.(enrich.BatchFetcher).FetchMany(ctx, ls)
}

// Usage implements enrich.UsageReporter for the sources whose provider can be asked.
func (t tunedSource) Usage(ctx context.Context) ([]enrich.Usage, error) {
	if r, ok := t.Source.(enrich.UsageReporter); ok {
		return r.Usage(ctx)
	}
	return nil, nil
}

// Close lets go of the source's idle connections.
func (t tunedSource) Close() {
	if c, ok := t.Source.(interface{ Close() }); ok {
		c.Close()
	}
}
