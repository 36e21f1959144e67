package httpapi

import (
	"errors"
	"maps"
	"net/http"
	"slices"
	"strings"
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
		if err := a.checkLimits(source, o); err != nil {
			return err
		}
		by := quota.Order{By: who.name, Reason: o.Reason}
		var err error
		if o.Limit != nil {
			err = a.cfg.Ledger.SetLimit(source, o.Window, *o.Limit, by)
		}
		if err == nil && o.Used != nil {
			err = a.cfg.Ledger.SetUsed(source, o.Window, *o.Used, by)
		}
		for _, t := range quota.Triggers() {
			if units, ok := floors[t]; ok && err == nil {
				err = a.cfg.Ledger.SetFloor(source, o.Window, t, units, by)
			}
		}
		return err
	})
}

// checkLimits says why an order could not be followed to its end. The ledger
// refuses the same, but one change at a time, with those before it made.
func (a *API) checkLimits(source string, o LimitOrder) error {
	const mostUnits = 1 << 50 // the ledger's
	if o.Limit == nil && o.Used == nil && len(o.Floors) == 0 {
		return bad("nothing to change: give limit, used or floors")
	}
	if strings.TrimSpace(o.Reason) == "" {
		return bad("a reason is needed")
	}
	if windows := windowNames(a.windows(source)); !slices.Contains(windows, o.Window) {
		return bad("no window %.80q; there are: %s", o.Window, strings.Join(windows, ", "))
	}
	if o.Limit != nil && (*o.Limit < 1 || *o.Limit > mostUnits) {
		return bad("limit: %d units: a limit is at least 1 and at most %d; to stop a source, pause it", *o.Limit, int64(mostUnits))
	}
	if o.Used != nil && (*o.Used < 0 || *o.Used > mostUnits) {
		return bad("used: %d is not between 0 and %d units", *o.Used, int64(mostUnits))
	}
	for _, name := range slices.Sorted(maps.Keys(o.Floors)) {
		if units := o.Floors[name]; units < 0 || units > mostUnits {
			return bad("floors: %s: %d is not between 0 and %d units", name, units, int64(mostUnits))
		}
	}
	return nil
}

func windowNames(windows []quota.WindowUsage) (names []string) {
	for _, w := range windows {
		names = append(names, w.Window)
	}
	return names
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
