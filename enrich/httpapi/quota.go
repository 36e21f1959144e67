package httpapi

import (
	"net/http"
	"slices"

	"github.com/enrichgate/enrichgate/quota"
)

// QuotaAnswer is the body of GET /api/v1/quota, and what `enrichgate quota` prints.
type QuotaAnswer struct {
	Sources []quota.Usage `json:"sources"`
}

// quota is the state of every source that the caller may ask.
func (a *API) quota(w http.ResponseWriter, _ *http.Request, who caller) {
	answer := QuotaAnswer{Sources: []quota.Usage{}}
	for _, u := range a.cfg.Ledger.Usage() {
		if who.may(u.Source) {
			answer.Sources = append(answer.Sources, who.own(u))
		}
	}
	write(w, http.StatusOK, "application/json", answer)
}

// quotaOf is the state of one.
func (a *API) quotaOf(w http.ResponseWriter, r *http.Request, who caller) {
	name := r.PathValue("source")
	for _, u := range a.cfg.Ledger.Usage() {
		if u.Source == name && who.may(name) {
			rateLimits(w.Header(), a.rooms(who, who.trigger, name, a.cfg.Now()))
			write(w, http.StatusOK, "application/json", who.own(u))
			return
		}
	}
	Problem(w, notFound("there is no source of that name that this token may ask"))
}

// own leaves a client nobody's budget but its own.
func (c caller) own(u quota.Usage) quota.Usage {
	if c.role == client {
		u.Playbooks = nil
		u.Clients = slices.DeleteFunc(slices.Clone(u.Clients), func(b quota.BudgetUsage) bool { return b.Name != c.name })
	}
	return u
}

func notFound(title string) Details {
	return Details{Status: http.StatusNotFound, Type: typeNotFound, Title: title}
}
