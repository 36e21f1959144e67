package httpapi

import (
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/enrichgate/enrichgate/enrich"
	"github.com/enrichgate/enrichgate/stixconv"
)

// question is one value that somebody asks about.
type question struct {
	Value string `json:"value"`
	// Type as OpenCTI or STIX names it; empty means what the value looks like.
	Type string `json:"type,omitempty"`
	// TLP is its marking, such as "TLP:GREEN"; empty means unmarked.
	TLP string `json:"tlp,omitempty"`
}

// entity is what the gateway is asked about.
func (q question) entity() (enrich.Entity, error) {
	e, err := enrich.NewEntity(q.Type, q.Value)
	if err == nil && q.TLP != "" {
		e.TLP, err = []string{q.TLP}, knownTLP(q.TLP)
	}
	return e, err
}

// knownTLP is about a marking that a caller gives, or leaves out. One that
// nobody knows is their slip, not the refusal that it is on the platform's entity.
func knownTLP(name string) error {
	if name == "" {
		return nil
	}
	if _, err := stixconv.ParseTLP(name); err != nil {
		return bad("tlp: %v", err)
	}
	return nil
}

// asking is how a caller wants to be answered.
type asking struct {
	api     *API
	who     caller
	source  string // empty: the one that looks such a value up
	request enrich.Request
}

// asking reads what all operations that look something up have in common.
func (a *API) asking(w http.ResponseWriter, r *http.Request, who caller, source string) (asking, *Details) {
	directives, err := cacheDirectives(r.Header)
	if err != nil {
		d := problemOf(err)
		return asking{}, &d
	}
	if who.role == reader && !directives.OnlyIfCached {
		return asking{}, &Details{Status: http.StatusForbidden, Type: typeForbidden,
			Title: "this would spend quota and needs an admin's or a client's token; Cache-Control: only-if-cached asks for what is kept"}
	}
	return asking{api: a, who: who, source: source, request: enrich.Request{
		Trigger: who.trigger, Client: who.name, Patience: patience(w, r), Cache: directives,
	}}, nil
}

// pick makes an entity of a question, and says which source is asked. Its error
// says why none is.
func (s asking) pick(q question) (enrich.Entity, Source, error) {
	e, err := q.entity()
	if err != nil {
		return e, Source{}, err
	}
	src, err := s.api.source(s.who, s.source, e)
	if err == nil {
		err = s.who.checkTLP(e, src.Policy)
	}
	return e, src, err
}

// ask looks an entity up.
func (s asking) ask(ctx context.Context, src Source, e enrich.Entity) (enrich.Result, error) {
	req := s.request
	req.Entity = e
	return src.Gateway.Enrich(ctx, req)
}

// lookup: ?value=198.51.100.7[&type=ipv4-addr][&source=…][&tlp=TLP:GREEN].
// Accept decides between the answer in short and the STIX bundle alone.
func (a *API) lookup(w http.ResponseWriter, r *http.Request, who caller) {
	q := r.URL.Query()
	s, refused := a.asking(w, r, who, q.Get("source"))
	if refused != nil {
		Problem(w, *refused)
		return
	}
	entity, src, err := s.pick(question{Value: q.Get("value"), Type: q.Get("type"), TLP: q.Get("tlp")})
	var res enrich.Result
	if err == nil {
		res, err = s.ask(r.Context(), src, entity)
	}
	if r.Context().Err() != nil {
		return // nobody is left to answer
	}
	if err != nil {
		d := problemOf(err)
		d.Units = res.Units()
		Problem(w, d)
		return
	}
	now := a.cfg.Now()
	h := w.Header()
	provenance(h, res.Parts, now)
	rateLimits(h, a.rooms(who, who.trigger, src.Name, now))
	h.Set("Vary", "Accept")
	switch {
	case !answers(res, s.request.Cache):
		h.Del("Age") // of what is kept and not given
		h.Set("Cache-Status", "enrichgate; fwd=miss")
		d := unanswered(src.Name, res, s.request.Cache, now)
		d.Units = res.Units()
		Problem(w, d)
	case accepts(r, "application/stix+json"):
		a.writeBundle(w, res)
	default:
		write(w, http.StatusOK, "application/json", NewLookupAnswer(entity, res, now))
	}
}

func (a *API) writeBundle(w http.ResponseWriter, res enrich.Result) {
	body, err := res.Bundle.Encode()
	if err != nil {
		a.cfg.Log.Error("a bundle could not be encoded", "error", err)
		Problem(w, Details{Status: http.StatusInternalServerError, Type: typeInternal, Title: "the bundle could not be encoded"})
		return
	}
	w.Header().Set("Content-Type", "application/stix+json;version=2.1")
	w.Header().Set("Cache-Control", "no-store")
	_, _ = w.Write(body) // the client may be gone
}

// answers says that at least one part has an answer that the caller may have.
// One that is too old for it is none when nothing else was to be asked for; one
// past its time is, marked, unless the caller said what is too old.
func answers(res enrich.Result, d enrich.Directives) bool {
	strict := d.OnlyIfCached && (d.NoCache || d.MaxAge > 0)
	return slices.ContainsFunc(res.Parts, func(p enrich.Part) bool {
		return p.Entry != nil && (p.Err == nil || !strict)
	})
}

// unanswered says why not one part of a lookup has an answer.
func unanswered(source string, res enrich.Result, d enrich.Directives, now time.Time) Details {
	if d.OnlyIfCached {
		return notCached(source)
	}
	failed := res.Failed()
	for _, p := range failed {
		if _, refused := enrich.IsRefused(p.Err); refused {
			return failure(source, p, now)
		}
	}
	if len(failed) == 0 {
		return Details{Status: http.StatusBadGateway, Type: typeProvider, Title: "there was nothing to ask", Source: source}
	}
	why := failure(source, failed[0], now)
	for _, p := range failed {
		if why.ResetAt == nil { // that of another part is as good
			why.retryAt(p.RetryAfter, now)
		}
	}
	return why
}

// notCached is RFC 9111's answer to only-if-cached.
func notCached(source string) Details {
	return Details{Status: http.StatusGatewayTimeout, Type: typeNotCached, Title: "no answer is kept, and none was to be asked for", Source: source}
}
