package httpapi

import (
	"cmp"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/enrichgate/enrichgate/enrich"
	"github.com/enrichgate/enrichgate/quota"
)

// proxyPrefix is where the sources' APIs are mirrored.
const proxyPrefix = "/proxy/"

// Proxied is a source whose API can be called through the gateway. The request
// that it is shown has the path below the mirror, as the provider would see it.
type Proxied interface {
	// Match says which lookup a request is: the same that an enrichment would
	// make, so that both share answer, flight and price. For everything else it
	// returns enrich.ErrNotOffered; for a value that cannot be looked up an
	// *enrich.InputError or *enrich.PolicyError.
	Match(*http.Request) (enrich.Lookup, error)
	// Token is what stands where the provider's key would be.
	Token(*http.Request) string
}

// proxy answers a request in the provider's own form with the provider's own
// bytes. Nothing of the request reaches the provider but the value that was
// recognized in it: no header, no parameter, no address.
func (a *API) proxy(w http.ResponseWriter, r *http.Request) {
	name, mirrored, ok := mirror(r)
	var src Source
	for _, s := range a.cfg.Sources {
		if ok && s.Name == name && s.Proxy != nil {
			src = s
		}
	}
	if src.Proxy == nil {
		Problem(w, notFound("there is no source of that name that can be called through /proxy/{source}/"))
		return
	}
	token := cmp.Or(src.Proxy.Token(mirrored), src.Proxy.Token(slashTwin(mirrored)))
	if token == "" {
		token = bearer(r) // for providers that want no key
	}
	who, refused := a.doors.judge(r, token)
	if refused != nil {
		Problem(w, *refused)
		return
	}
	lookup, denied := a.admit(src, who, mirrored)
	if denied != nil {
		Problem(w, *denied)
		return
	}
	directives, err := cacheDirectives(r.Header)
	if err != nil {
		Problem(w, problemOf(err))
		return
	}
	// Only this one counts here: HTTP libraries send no-cache and max-age=0
	// unasked, and that would be paid for.
	directives = enrich.Directives{OnlyIfCached: directives.OnlyIfCached}
	if who.role == reader && !directives.OnlyIfCached {
		Problem(w, Details{Status: http.StatusForbidden, Type: typeForbidden, Title: "this would spend quota and needs a client's token in the place of the provider's key"})
		return
	}
	part := src.Gateway.Lookup(r.Context(), enrich.Request{
		Entity: enrich.Entity{Value: lookup.Value}, Trigger: quota.Proxy, Client: who.name, Patience: patience(w, r), Cache: directives, Verbatim: true,
	}, lookup)
	if r.Context().Err() != nil {
		return // nobody is left to answer
	}
	a.passOn(w, who, src, part, directives.OnlyIfCached)
}

// admit says which lookup a caller may make.
func (a *API) admit(src Source, who caller, mirrored *http.Request) (enrich.Lookup, *Details) {
	if !who.may(src.Name) {
		return enrich.Lookup{}, &Details{Status: http.StatusForbidden, Type: typeForbidden, Title: "this client may not ask " + src.Name, Source: src.Name}
	}
	lookup, err := match(src.Proxy, mirrored)
	if errors.Is(err, enrich.ErrNotOffered) {
		return lookup, &Details{Status: http.StatusForbidden, Type: typeNotOffered, Source: src.Name,
			Title: "this request is none of the lookups that can be made through enrichgate; nothing was sent", Detail: err.Error()}
	}
	// A request in the provider's form carries no marking.
	if err == nil {
		_, err = src.Policy.CheckTLP(enrich.Entity{})
	}
	if err == nil {
		err = who.checkTLP(enrich.Entity{}, src.Policy)
	}
	if err != nil {
		d := problemOf(err)
		d.Source = src.Name
		return lookup, &d
	}
	return lookup, nil
}

// match takes a path with or without a slash at its end, whichever of them the
// provider itself has: what comes of glueing a base URL and a path is either.
func match(p Proxied, r *http.Request) (enrich.Lookup, error) {
	lookup, err := p.Match(r)
	if err != enrich.ErrNotOffered { // found, or it says why not
		return lookup, err
	}
	return p.Match(slashTwin(r))
}

// slashTwin is the request with a slash at the end of its path if it has none,
// and without one if it has. An escaped slash is part of a segment.
func slashTwin(r *http.Request) *http.Request {
	u, m := *r.URL, *r
	if strings.HasSuffix(u.EscapedPath(), "/") {
		u.Path, u.RawPath = strings.TrimSuffix(u.Path, "/"), strings.TrimSuffix(u.RawPath, "/")
	} else {
		u.Path, u.RawPath = u.Path+"/", u.RawPath+"/"
	}
	m.URL = &u
	return &m
}

// passOn writes the provider's answer as it was, or says why there is none.
func (a *API) passOn(w http.ResponseWriter, who caller, src Source, part enrich.Part, onlyIfCached bool) {
	now := a.cfg.Now()
	h := w.Header()
	provenance(h, []enrich.Part{part}, now)
	rateLimits(h, a.rooms(who, quota.Proxy, src.Name, now))
	if part.Entry == nil {
		d := proxyProblem(src.Name, part, onlyIfCached, now)
		d.Units = part.Units
		Problem(w, d)
		return
	}
	if part.Err != nil { // past its time, for want of another
		h.Set("X-Enrichgate-Stale", headerText(part.Err.Error()))
	}
	if t := part.Entry.ContentType; t != "" {
		h.Set("Content-Type", t)
	} else {
		h["Content-Type"] = nil // the provider sent none; do not let one be guessed
	}
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(part.Entry.Status)
	_, _ = w.Write(part.Entry.Body) // the client may be gone
}

// proxyProblem is a failure under the provider's own status, if it gave one
// that says that something failed.
func proxyProblem(source string, part enrich.Part, onlyIfCached bool, now time.Time) Details {
	if onlyIfCached {
		return notCached(source)
	}
	d := failure(source, part, now)
	if d.Type != typeProvider {
		return d
	}
	switch {
	case part.Status >= 400:
		d.Status = part.Status
	case part.Class == enrich.RateLimited:
		d.Status = http.StatusTooManyRequests
	case part.Class == enrich.TimedOut:
		d.Status = http.StatusGatewayTimeout
	}
	return d
}

// headerText makes a text fit for a header.
func headerText(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, s)
}

// mirror takes the source off the path and gives the request as the provider
// would see it. Empty segments, which a base URL with and one without a slash
// at its end make, are dropped, but for the slash at the very end; a path with
// dots for segments is nobody's.
func mirror(r *http.Request) (source string, mirrored *http.Request, ok bool) {
	rest, ok := strings.CutPrefix(r.URL.EscapedPath(), proxyPrefix)
	if !ok {
		return "", nil, false
	}
	source, rest, _ = strings.Cut(rest, "/")
	path, raw := "", ""
	for segment := range strings.SplitSeq(rest, "/") {
		plain, err := url.PathUnescape(segment)
		if err != nil || plain == "." || plain == ".." {
			return "", nil, false
		}
		if segment == "" {
			continue
		}
		path, raw = path+"/"+plain, raw+"/"+segment
	}
	if path != "" && strings.HasSuffix(rest, "/") { // some providers' own paths end so
		path, raw = path+"/", raw+"/"
	}
	u := *r.URL
	u.Path, u.RawPath = path, raw
	m := *r
	m.URL = &u
	return source, &m, true
}
