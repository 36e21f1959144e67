package httpapi

import (
	"errors"
	"net/http"

	"github.com/enrichgate/enrichgate/enrich"
	"github.com/enrichgate/enrichgate/quota"
)

// Reloaded is the answer of POST /api/v1/config/reload: the settings that are
// otherwise than before, by their names.
type Reloaded struct {
	// Taken are those that hold from now on.
	Taken []string `json:"taken"`
	// NeedsRestart are those that hold from the next start.
	NeedsRestart []string `json:"needs_restart"`
}

func (a *API) configReload(w http.ResponseWriter, _ *http.Request, who caller) {
	if a.cfg.Reload == nil {
		Problem(w, notFound("this daemon's settings cannot be read again"))
		return
	}
	done, err := a.cfg.Reload(who.name)
	if errors.Is(err, quota.ErrOrder) {
		err = &enrich.InputError{Reason: err.Error()}
	}
	if err != nil {
		Problem(w, problemOf(err))
		return
	}
	write(w, http.StatusOK, "application/json", done)
}
