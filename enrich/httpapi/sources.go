package httpapi

import (
	"net/http"

	"github.com/enrichgate/enrichgate/quota"
)

// SourcesAnswer is the body of GET /api/v1/sources.
type SourcesAnswer struct {
	Sources []SourceState `json:"sources"`
}

// SourceState is one source now.
type SourceState struct {
	Source string `json:"source"`
	// Proxy is where its API is mirrored; empty when it is not.
	Proxy   string              `json:"proxy,omitempty"`
	Windows []quota.WindowUsage `json:"windows"`
}

func (a *API) sources(w http.ResponseWriter, _ *http.Request, who caller) {
	answer := SourcesAnswer{Sources: []SourceState{}}
	for _, s := range a.cfg.Sources {
		if !who.may(s.Name) {
			continue
		}
		state := SourceState{Source: s.Name, Windows: []quota.WindowUsage{}}
		if s.Proxy != nil {
			state.Proxy = proxyPrefix + s.Name + "/"
		}
		if windows := a.windows(s.Name); windows != nil {
			state.Windows = windows
		}
		answer.Sources = append(answer.Sources, state)
	}
	write(w, http.StatusOK, "application/json", answer)
}
