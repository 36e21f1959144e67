package httpapi

import (
	"cmp"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/enrichgate/enrichgate/cache"
	"github.com/enrichgate/enrichgate/enrich"
	"github.com/enrichgate/enrichgate/enrich/httpapi/clients"
	"github.com/enrichgate/enrichgate/quota"
)

// Config of an API. Sources, Ledger, Cache and Log are required.
type Config struct {
	Sources []Source
	Ledger  *quota.Ledger
	Cache   *cache.Cache
	// Clients that may spend; nil means that there are none and that none can
	// be made.
	Clients *clients.Store
	// ClientsChanged, if set, is called after a client was added, changed or
	// revoked, so that the ledger learns of its budgets.
	ClientsChanged func()
	// Reload, if set, has the settings read again for by.
	Reload func(by string) (Reloaded, error)
	// AdminToken may do everything, ReadToken everything that spends and changes
	// nothing. Without either, whoever reaches the listener may read.
	AdminToken, ReadToken string
	// Local marks the data directory's own socket: no token is needed, and a
	// lookup counts as manual work.
	Local bool
	// Recent are the enrichments of the last while; nil means that nothing is
	// told of them.
	Recent *Recent
	// Repeats remembers answers by their Idempotency-Key; nil means that the
	// header is refused.
	Repeats *Repeats
	// Metrics, if set, count the requests.
	Metrics *Metrics
	Log     *slog.Logger
	// Now is the clock of the books; nil means time.Now.
	Now func() time.Time
	// Clock is what wrong tokens are counted by, however fast the books' clock
	// runs; nil means time.Now.
	Clock func() time.Time
}

// Source is one source as the API sees it.
type Source struct {
	Name    string
	Gateway *enrich.Gateway
	// Policy is the gateway's own: it is applied where a lookup is not an entity's.
	Policy enrich.Policy
	// Proxy is how the source's API is called through the gateway; nil means
	// that it is not.
	Proxy Proxied
}

// API is the handler of /api/v1 and /proxy.
type API struct {
	cfg   Config
	doors *doors
	mux   *http.ServeMux
}

// New builds an API.
func New(c Config) *API {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Clock == nil {
		c.Clock = time.Now
	}
	if c.ClientsChanged == nil {
		c.ClientsChanged = func() {}
	}
	slices.SortFunc(c.Sources, func(a, b Source) int { return cmp.Compare(a.Name, b.Name) })
	a := &API{cfg: c, doors: newDoors(c), mux: http.NewServeMux()}
	known := parameters()
	for _, r := range a.routes() {
		a.mux.HandleFunc(r.method+" "+r.path, a.guarded(r, known[r.name]))
	}
	a.mux.HandleFunc(apiPrefix, a.elsewhere)
	return a
}

const apiPrefix = "/api/v1/"

// elsewhere answers what no route does: a path that there is not, or one that
// is not for this method.
func (a *API) elsewhere(w http.ResponseWriter, r *http.Request) {
	var allowed []string
	for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete} {
		other := *r
		other.Method = method
		if _, pattern := a.mux.Handler(&other); pattern != apiPrefix {
			allowed = append(allowed, method)
		}
	}
	if len(allowed) == 0 {
		Problem(w, notFound("there is no such path; see /api/v1/openapi.json"))
		return
	}
	w.Header().Set("Allow", strings.Join(allowed, ", "))
	Problem(w, Details{Status: http.StatusMethodNotAllowed, Type: typeMethod, Title: "this path is for " + strings.Join(allowed, ", ")})
}

// route is one operation: who may call it and what it does.
type route struct {
	method, path string
	// name is the operation's in openapi.json, and among the metrics' handlers.
	name string
	// roles that may call it; 0 means that nobody is asked for a token.
	roles role
	do    func(http.ResponseWriter, *http.Request, caller)
}

// routes are all operations of /api/v1. Each is described in openapi.json.
func (a *API) routes() []route {
	return []route{
		{"GET", "/api/v1/openapi.json", "openapi", 0, a.openapi},
		{"GET", "/api/v1/lookup", "lookup", anybody, a.lookup},
		{"POST", "/api/v1/lookups", "lookups", anybody, a.lookups},
		{"POST", "/api/v1/estimate", "estimate", anybody, a.estimate},
		{"GET", "/api/v1/quota", "quota", anybody, a.quota},
		{"GET", "/api/v1/quota/{source}", "quotaOf", anybody, a.quotaOf},
		{"GET", "/api/v1/ledger", "ledger", reader | admin, a.ledger},
		{"GET", "/api/v1/cache", "cacheStats", reader | admin, a.cacheStats},
		{"DELETE", "/api/v1/cache", "cachePurge", admin, a.cachePurge},
		{"GET", "/api/v1/cache/{source}/{type}/{value}", "cacheGet", reader | admin, a.cacheGet},
		{"DELETE", "/api/v1/cache/{source}/{type}/{value}", "cacheDelete", admin, a.cacheDelete},
		{"GET", "/api/v1/sources", "sources", anybody, a.sources},
		{"POST", "/api/v1/sources/{source}/pause", "sourcePause", admin, a.pause},
		{"POST", "/api/v1/sources/{source}/resume", "sourceResume", admin, a.resume},
		{"PATCH", "/api/v1/sources/{source}/limits", "sourceLimits", admin, a.limits},
		{"GET", "/api/v1/clients", "clientList", reader | admin, a.clientList},
		{"POST", "/api/v1/clients", "clientAdd", admin, a.clientAdd},
		{"DELETE", "/api/v1/clients/{client}", "clientRevoke", admin, a.clientRevoke},
		{"PUT", "/api/v1/clients/{client}/budgets/{source}", "clientBudget", admin, a.clientBudget},
		{"POST", "/api/v1/config/reload", "configReload", admin, a.configReload},
		{"GET", "/api/v1/enrichments", "enrichments", reader | admin, a.enrichments},
		{"GET", "/api/v1/events", "events", reader | admin, a.events},
	}
}

// Proxies says that a request is one to a mirror of a source's API. Such a one
// must not pass an http.ServeMux, which answers "//" with a redirect that a tool
// need not follow with its token.
func (a *API) Proxies(r *http.Request) bool { return strings.HasPrefix(r.URL.Path, proxyPrefix) }

// ServeHTTP implements http.Handler.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	out := &patientWriter{ResponseWriter: w}
	out.Header().Set("X-Content-Type-Options", "nosniff")
	if !a.Proxies(r) {
		a.mux.ServeHTTP(out, r)
		return
	}
	began := time.Now()
	defer func() { a.cfg.Metrics.answered(proxyHandler, r.Method, out.status, time.Since(began)) }()
	a.proxy(out, r)
}

// guarded asks who calls, and whether the query has only known parameters,
// before it lets an operation run.
func (a *API) guarded(op route, known []string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if out, ok := w.(*patientWriter); ok {
			began := time.Now()
			defer func() { a.cfg.Metrics.answered(op.name, r.Method, out.status, time.Since(began)) }()
		}
		if op.roles == 0 {
			op.do(w, r, caller{})
			return
		}
		who, ok := a.enter(w, r, op.roles)
		if !ok {
			return
		}
		if err := knownQuery(r.URL.RawQuery, known); err != nil {
			Problem(w, problemOf(err))
			return
		}
		op.do(w, r, who)
	}
}

// Readers lets those through to next who may read everything here: what else
// the listener answers is kept as the API's own answers are.
func (a *API) Readers(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, ok := a.enter(w, r, reader|admin); ok {
			next.ServeHTTP(w, r)
		}
	})
}

// enter says who calls, or answers that they may not.
func (a *API) enter(w http.ResponseWriter, r *http.Request, roles role) (caller, bool) {
	who, refused := a.doors.judge(r, bearer(r))
	switch {
	case refused != nil:
		a.deny(w, refused)
	case who.role&roles == 0:
		Problem(w, Details{Status: http.StatusForbidden, Type: typeForbidden, Title: "this token may not do that"})
	default:
		return who, true
	}
	return caller{}, false
}

func (a *API) deny(w http.ResponseWriter, d *Details) {
	if d.Status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", `Bearer realm="enrichgate"`)
	}
	Problem(w, *d)
}

// source finds a source that the caller may ask about an entity. An empty name
// means the only one that looks such an entity up.
func (a *API) source(who caller, name string, e enrich.Entity) (Source, error) {
	gateways := map[string]*enrich.Gateway{}
	for _, s := range a.cfg.Sources {
		if who.may(s.Name) {
			gateways[s.Name] = s.Gateway
		}
	}
	if len(gateways) == 0 {
		return Source{}, &enrich.InputError{Reason: "there is no source that this token may ask"}
	}
	chosen, err := enrich.Choose(gateways, name, e)
	if err != nil {
		return Source{}, err
	}
	i := slices.IndexFunc(a.cfg.Sources, func(s Source) bool { return s.Gateway == chosen })
	return a.cfg.Sources[i], nil
}

// windows are a source's limits now.
func (a *API) windows(source string) []quota.WindowUsage {
	for _, u := range a.cfg.Ledger.Usage() {
		if u.Source == source {
			return u.Windows
		}
	}
	return nil
}
