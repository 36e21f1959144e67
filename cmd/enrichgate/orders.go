package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os/user"
	"time"

	"github.com/enrichgate/enrichgate/enrich/httpapi"
	"github.com/enrichgate/enrichgate/quota"
)

// order is an operator's command about a source, as the command line gives it
// over the data directory's socket. Who may open that file may give orders.
type order struct {
	Source string `json:"source"`
	Window string `json:"window,omitempty"`
	// Units that count as used, the limit, or the floor.
	Units   int64  `json:"units,omitempty"`
	Trigger string `json:"trigger,omitempty"`
	// Outcome is what became of uncertain units, ID of which reservation; 0 means all.
	Outcome string `json:"outcome,omitempty"`
	ID      uint64 `json:"id,omitempty"`
	// For is how long a pause lasts; 0 means until it is ended.
	For    time.Duration `json:"for,omitempty"`
	By     string        `json:"by"`
	Reason string        `json:"reason"`
}

// done is the answer to an order.
type done struct {
	// Units that were resolved.
	Units int64 `json:"units"`
}

// local is what only the socket answers: what changes the books, and what
// reads more of them than a remote client may have at once.
func (a *app) local() http.Handler {
	mux := http.NewServeMux()
	for kind, follow := range map[string]func(order, quota.Order) (int64, error){
		"set-used": func(o order, who quota.Order) (int64, error) {
			return 0, a.ledger.SetUsed(o.Source, o.Window, o.Units, who)
		},
		"set-limit": func(o order, who quota.Order) (int64, error) {
			return 0, a.ledger.SetLimit(o.Source, o.Window, o.Units, who)
		},
		"set-floor": func(o order, who quota.Order) (int64, error) {
			of, err := quota.ParseTrigger(o.Trigger)
			if err != nil {
				return 0, fmt.Errorf("%w: %w", quota.ErrOrder, err)
			}
			return 0, a.ledger.SetFloor(o.Source, o.Window, of, o.Units, who)
		},
		"pause": func(o order, who quota.Order) (int64, error) {
			until := time.Time{}
			if o.For > 0 {
				until = a.now().Add(o.For)
			}
			return 0, a.ledger.Pause(o.Source, until, who)
		},
		"resume": func(o order, who quota.Order) (int64, error) { return 0, a.ledger.Resume(o.Source, who) },
		"resolve": func(o order, who quota.Order) (int64, error) {
			outcome := map[string]quota.Outcome{quota.Spent.String(): quota.Spent, quota.Void.String(): quota.Void}[o.Outcome]
			return a.ledger.Resolve(o.Source, o.ID, outcome, who)
		},
	} {
		mux.HandleFunc("POST /local/v1/orders/"+kind, func(w http.ResponseWriter, r *http.Request) {
			var o order
			if err := json.NewDecoder(r.Body).Decode(&o); err != nil {
				refuse(w, http.StatusBadRequest, err)
				return
			}
			units, err := follow(o, quota.Order{By: o.By, Reason: o.Reason})
			if err != nil {
				refuse(w, statusOf(err), err)
				return
			}
			answer(w, done{Units: units})
		})
	}
	a.localBooks(mux)
	a.localCache(mux)
	return mux
}

func statusOf(err error) int {
	if errors.Is(err, quota.ErrOrder) {
		return http.StatusBadRequest
	}
	return http.StatusInternalServerError
}

func refuse(w http.ResponseWriter, status int, err error) {
	httpapi.Problem(w, httpapi.Details{Type: "local", Title: err.Error(), Status: status})
}

func answer(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v) // the client may be gone
}

// whoami is who runs the command.
func whoami() string {
	if u, err := user.Current(); err == nil {
		return u.Username
	}
	return "command line"
}

// give sends an order in the name of whoever runs the command.
func (c *cli) give(env *environment, kind string, o order) (answer done, err error) {
	way, err := c.access(env, needBooks, kind)
	if err != nil {
		return answer, err
	}
	defer func() { err = errors.Join(err, way.close()) }()
	o.By = whoami()
	return answer, way.call(env.ctx, request{method: http.MethodPost, path: "/local/v1/orders/" + kind, body: o}, &answer)
}
