package httpapi

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/enrichgate/enrichgate/enrich"
	"github.com/enrichgate/enrichgate/quota"
)

// rateLimits says what the windows of a source leave, as the draft
// draft-ietf-httpapi-ratelimit-headers has it (still a draft).
func rateLimits(h http.Header, windows []quota.WindowUsage, now time.Time) {
	if len(windows) == 0 {
		return
	}
	policies, states := make([]string, len(windows)), make([]string, len(windows))
	for i, w := range windows {
		length := w.ResetsAt.Sub(w.StartsAt)
		if w.Rolling {
			length = now.Sub(w.StartsAt)
		}
		policies[i] = fmt.Sprintf("%q;q=%d;w=%d", w.Window, w.Limit, int64(length.Round(time.Second).Seconds()))
		states[i] = fmt.Sprintf("%q;r=%d;t=%d", w.Window, w.Remaining, max(0, int64(w.ResetsAt.Sub(now).Seconds())))
	}
	h.Set("RateLimit-Policy", strings.Join(policies, ", "))
	h.Set("RateLimit", strings.Join(states, ", "))
}

// provenance says of parts where they came from and what they cost: Age (of the
// oldest), Cache-Status (RFC 9211) and X-Enrichgate-Units.
func provenance(h http.Header, parts []enrich.Part, now time.Time) {
	var units int64
	kept, stale := 0, false
	var oldest time.Duration
	var ttl time.Duration
	for _, p := range parts {
		units += p.Units
		if !p.Cached() {
			continue
		}
		left := p.Entry.FreshUntil.Sub(now)
		if kept == 0 || left < ttl {
			ttl = left
		}
		kept++
		stale = stale || p.Stale
		oldest = max(oldest, now.Sub(p.Entry.StoredAt))
	}
	h.Set("X-Enrichgate-Units", formatUnits(units))
	status := "enrichgate; "
	switch {
	case kept == 0:
		status += "fwd=miss"
	case kept < len(parts):
		status += "fwd=partial"
	default:
		status += fmt.Sprintf("hit; ttl=%d", int64(ttl.Seconds()))
	}
	if stale {
		status += "; detail=stale"
	}
	h.Set("Cache-Status", status)
	if kept > 0 {
		h.Set("Age", strconv.FormatInt(max(0, int64(oldest.Seconds())), 10))
	}
}

func formatUnits(n int64) string { return strconv.FormatInt(n, 10) }
