package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
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
// definition costs that one source, and an own one takes no name of one that
// ships.
func sourcesIn(dir string) (specs []settings.SourceSpec, problems []error) {
	shipped, bad := source.Catalogue()
	names := takenBy(shipped)
	all := shipped
	if dir != "" {
		own, badOwn := source.Own(os.DirFS(dir))
		all, bad = append(source.Kept(shipped, os.DirFS(dir)), own...), append(bad, badOwn...)
	}
	for _, d := range all {
		spec := declaredSpec(d)
		if p := names.check(d, spec); p != nil {
			bad = append(bad, *p)
			continue
		}
		names.take(spec, spec.Name)
		specs = append(specs, spec)
	}
	for _, p := range bad {
		problems = append(problems, fmt.Errorf("a source was not loaded: %w", p))
	}
	slices.SortFunc(specs, func(a, b settings.SourceSpec) int { return strings.Compare(a.Name, b.Name) })
	return append([]settings.SourceSpec{proofpointSpec()}, specs...), problems
}

// taken says whose the names of settings are.
type taken map[string]string

// takenBy are the names of the platform, of the native source and of those that
// ship, also of those that the operator replaced: nobody else is to read a key
// that was given for them.
func takenBy(shipped []*source.Definition) taken {
	t := taken{"opencti": "OpenCTI", "connector": "OpenCTI", "mq": "OpenCTI", "s3": "OpenCTI", "connectors": "OpenCTI", "enrichgate": "enrichgate"}
	t.take(proofpointSpec(), proofpoint.Name+", which is written in Go")
	for _, d := range shipped {
		t.take(declaredSpec(d), d.Name())
	}
	return t
}

// take gives the names that are free to an owner.
func (t taken) take(spec settings.SourceSpec, owner string) {
	for _, name := range spec.Names() {
		if _, is := t[name]; !is {
			t[name] = owner
		}
	}
}

// check says why a definition cannot be used beside the others, nil when it can.
func (t taken) check(d *source.Definition, spec settings.SourceSpec) *source.Problem {
	blame := func(name, reason string) *source.Problem {
		p := d.Blame(name, reason)
		return &p
	}
	if stray := spec.Stray(); stray != "" {
		return blame(stray, stray+" is another name of nothing that it has")
	}
	if err := spec.Check(); err != nil {
		return &source.Problem{File: d.Name() + "/source.yaml", Reason: err.Error()}
	}
	for _, name := range spec.Names() {
		if owner, is := t[name]; is && owner != spec.Name {
			return blame(name, name+" is already a name of "+owner)
		}
	}
	return nil
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
