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

// room is what a caller may still spend in one window.
type room struct {
	name        string
	limit, left int64
	length      time.Duration
	// opens is how long until the window is empty again.
	opens time.Duration
}

// rooms are the windows that bind a caller at a source: the source's own, less
// what the caller's trigger must leave, and those of its own budget there.
func (a *API) rooms(who caller, trigger quota.Trigger, source string, now time.Time) (all []room) {
	add := func(prefix string, windows []quota.WindowUsage) {
		for _, w := range windows {
			length := w.ResetsAt.Sub(w.StartsAt)
			if w.Rolling {
				length = now.Sub(w.StartsAt)
			}
			all = append(all, room{
				name: prefix + w.Window, limit: w.Limit, left: max(0, w.Remaining-w.Floors[trigger.String()]),
				length: length.Round(time.Second), opens: max(0, w.ResetsAt.Sub(now)),
			})
		}
	}
	for _, u := range a.cfg.Ledger.Usage() {
		if u.Source != source {
			continue
		}
		add("", u.Windows)
		for _, b := range u.Clients {
			if b.Name == who.name && who.role == client {
				add("budget_", b.Windows)
			}
		}
	}
	return all
}

// rateLimits says what a caller's windows leave, as the draft
// draft-ietf-httpapi-ratelimit-headers has it (still a draft).
func rateLimits(h http.Header, rooms []room) {
	if len(rooms) == 0 {
		return
	}
	policies, states := make([]string, len(rooms)), make([]string, len(rooms))
	for i, r := range rooms {
		policies[i] = fmt.Sprintf("%q;q=%d;w=%d", r.name, r.limit, int64(r.length.Seconds()))
		states[i] = fmt.Sprintf("%q;r=%d;t=%d", r.name, r.left, int64(r.opens.Seconds()))
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
