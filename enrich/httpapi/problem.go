package httpapi

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/enrichgate/enrichgate/enrich"
	"github.com/enrichgate/enrichgate/quota"
)

// The types of problems, each behind "urn:enrichgate:". A new one needs its
// name in openapi.json.
const (
	typeUnauthorized     = "unauthorized"
	typeForbidden        = "forbidden"
	typeTooManyTries     = "too-many-attempts"
	typeInvalid          = "invalid-input"
	typeTooLarge         = "too-large"
	typeMethod           = "method-not-allowed"
	typeNotFound         = "not-found"
	typeNotOffered       = "not-offered"
	typeConflict         = "conflict"
	typeKeyReused        = "idempotency-key-reused"
	typeKeyInUse         = "idempotency-key-in-use"
	typeKeyTooLarge      = "idempotency-answer-too-large"
	typeQuota            = "quota-exceeded"
	typePaused           = "source-paused"
	typeMaxUnits         = "max-units-reached"
	typeNotCached        = "not-cached"
	typeProvider         = "provider-unavailable"
	typeTooManyListeners = "too-many-listeners"
	typeInternal         = "internal"
)

// Details is a problem (RFC 9457).
type Details struct {
	Type   string `json:"type"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail,omitempty"`
	// Source and Window say whose quota refused.
	Source string `json:"source,omitempty"`
	Window string `json:"window,omitempty"`
	// Budget says whose limit it was when it was not the source's: "client soar".
	Budget string `json:"budget,omitempty"`
	// ResetAt is when the same request may do, RetryAfter the seconds until then.
	ResetAt    *time.Time `json:"reset_at,omitempty"`
	RetryAfter int64      `json:"retry_after,omitempty"`
	// Units that were spent all the same.
	Units int64 `json:"units,omitempty"`
}

// Error makes a Details what a client of this API returns.
func (d Details) Error() string {
	if d.Detail != "" && d.Detail != d.Title {
		return fmt.Sprintf("%s: %s", d.Title, d.Detail)
	}
	return d.Title
}

// retryAt sets when the request may be repeated; the zero time sets nothing.
func (d *Details) retryAt(at, now time.Time) {
	if at.IsZero() {
		return
	}
	at = at.UTC()
	d.ResetAt, d.RetryAfter = &at, max(1, int64(math.Ceil(at.Sub(now).Seconds())))
}

// Problem writes a problem as the answer.
func Problem(w http.ResponseWriter, d Details) {
	d.Type = urn(d.Type)
	if d.RetryAfter > 0 {
		w.Header().Set("Retry-After", strconv.FormatInt(d.RetryAfter, 10))
	}
	write(w, d.Status, "application/problem+json", d)
}

func urn(name string) string { return "urn:enrichgate:" + name }

// problemOf says why nothing was looked up at all.
func problemOf(err error) Details {
	var policy *enrich.PolicyError
	var input *enrich.InputError
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &policy):
		return Details{Status: http.StatusForbidden, Type: policy.Kind + "-denied", Title: policy.Reason}
	case errors.As(err, &input):
		return Details{Status: http.StatusBadRequest, Type: typeInvalid, Title: input.Reason}
	case errors.As(err, &large):
		return Details{Status: http.StatusRequestEntityTooLarge, Type: typeTooLarge, Title: fmt.Sprintf("the request's body has more than %d bytes", large.Limit)}
	default:
		return Details{Status: http.StatusInternalServerError, Type: typeInternal, Title: "the request failed", Detail: err.Error()}
	}
}

// refusal is the ledger's no.
func refusal(source string, d quota.Decision, now time.Time) Details {
	p := Details{Status: http.StatusTooManyRequests, Type: typeQuota, Title: d.Reason(), Source: source}
	if d.Limit.Units > 0 {
		p.Window = d.Limit.Window()
		if d.Owner.Kind != quota.OfSource {
			p.Budget = d.Owner.String()
		}
	}
	if d.Paused {
		p.Status, p.Type = http.StatusServiceUnavailable, typePaused
	}
	p.retryAt(d.RetryAt, now)
	return p
}

// failure says why a lookup has no answer.
func failure(source string, p enrich.Part, now time.Time) Details {
	if d, refused := enrich.IsRefused(p.Err); refused {
		return refusal(source, d, now)
	}
	d := Details{Status: http.StatusBadGateway, Type: typeProvider, Title: "the provider gave no answer", Source: source}
	if p.Err != nil {
		d.Detail = p.Err.Error()
	}
	d.retryAt(p.RetryAfter, now)
	return d
}

func write(w http.ResponseWriter, status int, contentType string, v any) {
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(v) // the client may be gone
}
