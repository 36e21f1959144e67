package httpapi

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/enrichgate/enrichgate/enrich"
	"github.com/enrichgate/enrichgate/enrich/httpapi/clients"
	"github.com/enrichgate/enrichgate/quota"
)

// ClientsAnswer is the body of GET /api/v1/clients. Tokens are not in it.
type ClientsAnswer struct {
	Clients []clients.Client `json:"clients"`
}

// NewClient is the body of POST /api/v1/clients.
type NewClient struct {
	Name    string            `json:"name"`
	Sources []string          `json:"sources,omitempty"`
	Budgets map[string]string `json:"budgets,omitempty"`
	MaxTLP  string            `json:"max_tlp,omitempty"`
	// ExpiresAt is when the token ends; nil means never.
	ExpiresAt *time.Time `json:"expires_at,omitempty"`
}

// AddedClient is a client with its token, which is told this once.
type AddedClient struct {
	clients.Client
	Token string `json:"token"`
}

func (a *API) clientList(w http.ResponseWriter, _ *http.Request, _ caller) {
	if a.noClients(w) {
		return
	}
	write(w, http.StatusOK, "application/json", ClientsAnswer{a.cfg.Clients.List()})
}

func (a *API) clientAdd(w http.ResponseWriter, r *http.Request, who caller) {
	if a.noClients(w) {
		return
	}
	body, err := readBody(w, r)
	var n NewClient
	if err == nil {
		if err = strict(body, &n); err != nil {
			err = bad("the body: %v", err)
		}
	}
	if err == nil {
		err = a.known(append(slices.Clone(n.Sources), slices.Collect(maps.Keys(n.Budgets))...))
	}
	if err != nil {
		Problem(w, problemOf(err))
		return
	}
	c := clients.Client{Name: n.Name, Sources: n.Sources, Budgets: n.Budgets, MaxTLP: n.MaxTLP, ExpiresAt: n.ExpiresAt}
	if err := c.Check(); err != nil {
		Problem(w, problemOf(bad("%v", err)))
		return
	}
	if c.Expired(a.cfg.Now()) {
		Problem(w, problemOf(bad("expires_at: it would have expired already")))
		return
	}
	token, err := a.cfg.Clients.Add(c)
	if err != nil {
		Problem(w, clientProblem(err))
		return
	}
	a.changed(who, c.Name, c.Sources, "added")
	for _, kept := range a.cfg.Clients.List() {
		if kept.Name == c.Name {
			c = kept
		}
	}
	write(w, http.StatusCreated, "application/json", AddedClient{c, token})
}

func (a *API) clientRevoke(w http.ResponseWriter, r *http.Request, who caller) {
	if a.noClients(w) {
		return
	}
	name := r.PathValue("client")
	var sources []string
	for _, c := range a.cfg.Clients.List() {
		if c.Name == name {
			sources = c.Sources
		}
	}
	if err := a.cfg.Clients.Revoke(name); err != nil {
		Problem(w, clientProblem(err))
		return
	}
	a.changed(who, name, sources, "revoked")
	w.WriteHeader(http.StatusNoContent)
}

// Budget is the body of PUT /api/v1/clients/{client}/budgets/{source}.
type Budget struct {
	// Limits as an operator writes them, such as "10/day,100/month"; empty takes
	// the budget away.
	Limits string `json:"limits"`
}

func (a *API) clientBudget(w http.ResponseWriter, r *http.Request, who caller) {
	if a.noClients(w) {
		return
	}
	body, err := readBody(w, r)
	var b Budget
	if err == nil {
		if err = strict(body, &b); err != nil {
			err = bad("the body: %v", err)
		}
	}
	name, source := r.PathValue("client"), r.PathValue("source")
	if err == nil {
		err = a.known([]string{source})
	}
	if err == nil && b.Limits != "" {
		if _, limitErr := quota.ParseBudget(b.Limits); limitErr != nil {
			err = bad("limits: %v", limitErr)
		}
	}
	if err != nil {
		Problem(w, problemOf(err))
		return
	}
	c, err := a.cfg.Clients.SetBudget(name, source, b.Limits)
	if err != nil {
		Problem(w, clientProblem(err))
		return
	}
	what := "given no budget of its own"
	if b.Limits != "" {
		what = "given a budget of " + c.Budgets[source]
	}
	a.changed(who, name, []string{source}, what)
	write(w, http.StatusOK, "application/json", c)
}

// changed hands the clients' budgets to the ledger, and writes who did it into
// its audit log, at each source that the client may use; none named are all.
func (a *API) changed(who caller, name string, sources []string, what string) {
	a.cfg.ClientsChanged()
	a.cfg.Log.Info("a client was "+what, "client", name, "by", who.name)
	if len(sources) == 0 {
		for _, u := range a.cfg.Ledger.Usage() {
			sources = append(sources, u.Source)
		}
	}
	for _, source := range sources {
		o := quota.Order{By: who.name, Reason: fmt.Sprintf("client %s was %s", name, what)}
		if err := a.cfg.Ledger.Note(source, "", o); err != nil {
			// The change is made; it cannot be taken back for want of a line.
			a.cfg.Log.Error("what was done to a client is not in the audit log", "client", name, "source", source, "error", err)
		}
	}
}

// known refuses names of sources that there are not.
func (a *API) known(names []string) error {
	for _, n := range names {
		// Also those that have no key now: budgets may be set before it comes.
		if !slices.ContainsFunc(a.cfg.Ledger.Usage(), func(u quota.Usage) bool { return u.Source == n }) {
			return &enrich.InputError{Reason: enrich.Shown(n) + " is not a source"}
		}
	}
	return nil
}

func (a *API) noClients(w http.ResponseWriter) bool {
	if a.cfg.Clients != nil {
		return false
	}
	Problem(w, notFound("no clients are kept here"))
	return true
}

func clientProblem(err error) Details {
	var invalid *clients.InvalidError
	switch {
	case errors.As(err, &invalid):
		return problemOf(bad("%v", err))
	case errors.Is(err, clients.ErrUnknown):
		return notFound(err.Error())
	case errors.Is(err, clients.ErrExists):
		return Details{Status: http.StatusConflict, Type: typeConflict, Title: err.Error()}
	}
	return Details{Status: http.StatusInternalServerError, Type: typeInternal, Title: "the change was not kept", Detail: err.Error()}
}
