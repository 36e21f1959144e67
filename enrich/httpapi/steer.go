package httpapi

import (
	"errors"
	"net/http"
	"time"

	"github.com/enrichgate/enrichgate/enrich"
	"github.com/enrichgate/enrichgate/quota"
)

// PauseOrder is the body of POST /api/v1/sources/{source}/pause.
type PauseOrder struct {
	// Until is when the pause ends by itself, For how long it lasts ("30m");
	// neither: until it is resumed.
	Until  *time.Time `json:"until,omitempty"`
	For    string     `json:"for,omitempty"`
	Reason string     `json:"reason"`
}

// ResumeOrder is the body of POST /api/v1/sources/{source}/resume.
type ResumeOrder struct {
	Reason string `json:"reason"`
}

// LimitOrder is the body of PATCH /api/v1/sources/{source}/limits: what of one
// window is to be otherwise until its next reset.
type LimitOrder struct {
	Window string `json:"window"`
	// Limit replaces the window's limit; nil leaves it.
	Limit *int64 `json:"limit,omitempty"`
	// Used says how much is used, whatever was counted; nil leaves it.
	Used *int64 `json:"used,omitempty"`
	// Floors are the units that a trigger must leave, by trigger.
	Floors map[string]int64 `json:"floors,omitempty"`
	Reason string           `json:"reason"`
}

func (a *API) pause(w http.ResponseWriter, r *http.Request, who caller) {
	var o PauseOrder
	a.steer(w, r, &o, func(source string) error {
		var until time.Time
		switch {
		case o.Until != nil && o.For != "":
			return bad("both until and for are given; one is enough")
		case o.Until != nil:
			until = *o.Until
		case o.For != "":
			d, err := time.ParseDuration(o.For)
			if err != nil || d <= 0 {
				return bad("for: %.80q is not a duration such as 30m", o.For)
			}
			until = a.cfg.Now().Add(d)
		}
		return a.cfg.Ledger.Pause(source, until, quota.Order{By: who.name, Reason: o.Reason})
	})
}

func (a *API) resume(w http.ResponseWriter, r *http.Request, who caller) {
	var o ResumeOrder
	a.steer(w, r, &o, func(source string) error {
		return a.cfg.Ledger.Resume(source, quota.Order{By: who.name, Reason: o.Reason})
	})
}

func (a *API) limits(w http.ResponseWriter, r *http.Request, who caller) {
	var o LimitOrder
	a.steer(w, r, &o, func(source string) error {
		floors := map[quota.Trigger]int64{}
		for name, units := range o.Floors {
			t, err := quota.ParseTrigger(name)
			if err != nil {
				return bad("floors: %v", err)
			}
			floors[t] = units
		}
		change := quota.Adjustment{Limit: o.Limit, Used: o.Used, Floors: floors}
		return a.cfg.Ledger.Adjust(source, o.Window, change, quota.Order{By: who.name, Reason: o.Reason})
	})
}

// steer follows an order of an admin, who gives a reason: it is in the audit
// log, which is where it is kept. It answers with the source's books after it.
func (a *API) steer(w http.ResponseWriter, r *http.Request, order any, follow func(source string) error) {
	source := r.PathValue("source")
	if a.known([]string{source}) != nil {
		Problem(w, notFound("there is no source of that name"))
		return
	}
	body, err := readBody(w, r)
	if err == nil {
		if err = strict(body, order); err != nil {
			err = bad("the body: %v", err)
		}
	}
	if err == nil {
		err = follow(source)
	}
	if errors.Is(err, quota.ErrOrder) {
		err = &enrich.InputError{Reason: err.Error()}
	}
	if err != nil {
		Problem(w, problemOf(err))
		return
	}
	a.quotaOf(w, r, caller{role: admin})
}
