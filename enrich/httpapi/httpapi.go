// Package httpapi answers over HTTP what an analyst's shell or another tool
// asks of the gateway: what an entity is known for, and what quota is left. A
// lookup goes the same way as a message of the platform: policy, cache, flight,
// ledger, source.
//
// Who may ask: on a TCP listener, whoever has the bearer token; without a token
// the listener is on loopback only, and then nothing that could spend is
// answered. On the data directory's own socket, whoever may open that file.
//
// Errors are problem details (RFC 9457).
package httpapi

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/enrichgate/enrichgate/enrich"
	"github.com/enrichgate/enrichgate/quota"
)

// Config of an API.
type Config struct {
	// Gateways by the name of their source.
	Gateways map[string]*enrich.Gateway
	Usage    func() []quota.Usage
	// Token that clients present; empty means that there is none.
	Token string
	// Local marks the data directory's own socket: no token is needed, and a
	// lookup counts as manual work.
	Local bool
	Log   *slog.Logger
}

// API is the handler of /api/v1.
type API struct {
	cfg Config
	mux *http.ServeMux
}

// New builds an API.
func New(c Config) *API {
	a := &API{cfg: c, mux: http.NewServeMux()}
	a.mux.HandleFunc("GET /api/v1/quota", a.quota)
	a.mux.HandleFunc("GET /api/v1/lookup", a.lookup)
	return a
}

// ServeHTTP implements http.Handler.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !a.authorized(r) {
		w.Header().Set("WWW-Authenticate", `Bearer realm="enrichgate"`)
		Problem(w, Details{Status: http.StatusUnauthorized, Type: "unauthorized", Title: "a bearer token is needed: Authorization: Bearer $ENRICHGATE_HTTP_TOKEN"})
		return
	}
	a.mux.ServeHTTP(w, r)
}

// authorized compares in constant time, lengths included.
func (a *API) authorized(r *http.Request) bool {
	if a.cfg.Local || a.cfg.Token == "" {
		return true
	}
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	got, want := sha256.Sum256([]byte(strings.TrimSpace(token))), sha256.Sum256([]byte(a.cfg.Token))
	return strings.EqualFold(scheme, "Bearer") && subtle.ConstantTimeCompare(got[:], want[:]) == 1
}

// QuotaAnswer is the body of GET /api/v1/quota, and what `enrichgate quota` prints.
type QuotaAnswer struct {
	Sources []quota.Usage `json:"sources"`
}

func (a *API) quota(w http.ResponseWriter, _ *http.Request) {
	write(w, http.StatusOK, "application/json", QuotaAnswer{Sources: a.cfg.Usage()})
}

// lookup: ?type=ipv4-addr&value=198.51.100.7[&source=NAME][&tlp=TLP:GREEN]. Accept decides
// between the answer in short and the STIX bundle alone.
func (a *API) lookup(w http.ResponseWriter, r *http.Request) {
	if !a.cfg.Local && a.cfg.Token == "" {
		Problem(w, Details{Status: http.StatusForbidden, Type: "forbidden", Title: "lookups over HTTP spend quota and need a token: set ENRICHGATE_HTTP_TOKEN"})
		return
	}
	q := r.URL.Query()
	entity, err := enrich.NewEntity(q.Get("type"), q.Get("value"))
	if err != nil {
		Problem(w, Details{Status: http.StatusBadRequest, Type: "invalid-input", Title: err.Error()})
		return
	}
	if tlp := q.Get("tlp"); tlp != "" {
		entity.TLP = []string{tlp}
	}
	req := enrich.Request{Entity: entity, Trigger: quota.API, Client: "http", Patience: patience(r)}
	if a.cfg.Local {
		req.Trigger, req.Client = quota.Manual, "cli"
	}
	gateway, err := enrich.Choose(a.cfg.Gateways, q.Get("source"), entity)
	if err != nil {
		Problem(w, problemOf(err))
		return
	}
	res, err := gateway.Enrich(r.Context(), req)
	if r.Context().Err() != nil {
		return // nobody is left to answer
	}
	if err != nil {
		Problem(w, problemOf(err))
		return
	}
	answer := NewLookupAnswer(entity, res, time.Now())
	h := w.Header()
	h.Set("Enrichgate-Units", strconv.FormatInt(answer.Units, 10))
	h.Set("Cache-Status", cacheStatus(answer))
	h.Set("Vary", "Accept")
	if !answer.answered() {
		Problem(w, a.unanswered(answer, res))
		return
	}
	if strings.Contains(r.Header.Get("Accept"), "application/stix+json") {
		body, err := res.Bundle.Encode()
		if err != nil {
			a.cfg.Log.Error("a bundle could not be encoded", "error", err)
			Problem(w, Details{Status: http.StatusInternalServerError, Type: "internal", Title: "the bundle could not be encoded"})
			return
		}
		h.Set("Content-Type", "application/stix+json;version=2.1")
		_, _ = w.Write(body) // the client may be gone
		return
	}
	write(w, http.StatusOK, "application/json", answer)
}

// patience is how long the client lets a rate limit delay its answer:
// "Prefer: wait=20" (RFC 7240), half a minute otherwise.
func patience(r *http.Request) time.Duration {
	for pref := range strings.SplitSeq(r.Header.Get("Prefer"), ",") {
		if v, ok := strings.CutPrefix(strings.TrimSpace(pref), "wait="); ok {
			if n, err := strconv.Atoi(v); err == nil && n >= 0 {
				return max(time.Millisecond, min(time.Duration(n)*time.Second, enrich.DefaultPatience))
			}
		}
	}
	return 30 * time.Second
}

// cacheStatus is RFC 9211's header.
func cacheStatus(a LookupAnswer) string {
	switch {
	case a.Cached:
		return "enrichgate; hit"
	case a.UnitsSaved > 0:
		return "enrichgate; fwd=partial"
	default:
		return "enrichgate; fwd=miss"
	}
}

// unanswered says why not one part of a lookup has an answer.
func (a *API) unanswered(answer LookupAnswer, res enrich.Result) Details {
	d := Details{Status: http.StatusBadGateway, Type: "provider-unavailable", Title: "the provider gave no answer", Detail: answer.Summary}
	for _, p := range res.Failed() {
		refused, ok := enrich.IsRefused(p.Err)
		if !ok {
			d.Detail = p.Err.Error()
			continue
		}
		d = Details{Status: http.StatusTooManyRequests, Type: "quota-exceeded", Title: refused.Reason(), Source: answer.Source, Window: refused.Limit.Per.String()}
		if refused.Limit.Units == 0 {
			d.Window = ""
		}
		if !refused.RetryAt.IsZero() {
			at := refused.RetryAt.UTC()
			d.ResetAt, d.RetryAfter = &at, int64(math.Ceil(time.Until(at).Seconds()))
		}
		return d
	}
	return d
}

func problemOf(err error) Details {
	var policy *enrich.PolicyError
	var input *enrich.InputError
	switch {
	case errors.As(err, &policy):
		return Details{Status: http.StatusForbidden, Type: policy.Kind + "-denied", Title: policy.Reason}
	case errors.As(err, &input):
		return Details{Status: http.StatusBadRequest, Type: "invalid-input", Title: input.Reason}
	default:
		return Details{Status: http.StatusInternalServerError, Type: "internal", Title: "the lookup failed", Detail: err.Error()}
	}
}

// Details is a problem (RFC 9457).
type Details struct {
	Type       string     `json:"type"`
	Title      string     `json:"title"`
	Status     int        `json:"status"`
	Detail     string     `json:"detail,omitempty"`
	Source     string     `json:"source,omitempty"`
	Window     string     `json:"window,omitempty"`
	ResetAt    *time.Time `json:"reset_at,omitempty"`
	RetryAfter int64      `json:"retry_after,omitempty"`
}

// Error makes a Details what a client of this API returns.
func (d Details) Error() string {
	if d.Detail != "" && d.Detail != d.Title {
		return fmt.Sprintf("%s: %s", d.Title, d.Detail)
	}
	return d.Title
}

// Problem writes a problem as the answer.
func Problem(w http.ResponseWriter, d Details) {
	d.Type = "urn:enrichgate:" + d.Type
	if d.RetryAfter > 0 {
		w.Header().Set("Retry-After", strconv.FormatInt(d.RetryAfter, 10))
	}
	write(w, d.Status, "application/problem+json", d)
}

func write(w http.ResponseWriter, status int, contentType string, v any) {
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(v) // the client may be gone
}
