package httpapi

import (
	"net/http"
	"time"

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
	// LeftAlone says that it is not asked for a while.
	LeftAlone *LeftAlone `json:"left_alone,omitempty"`
}

// LeftAlone is why a source is not asked for a while, and until when.
type LeftAlone struct {
	Reason string    `json:"reason"`
	Until  time.Time `json:"until"`
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
		if why, until := s.Gateway.Circuit(); why != "" {
			state.LeftAlone = &LeftAlone{why, until.UTC()}
		}
		answer.Sources = append(answer.Sources, state)
	}
	write(w, http.StatusOK, "application/json", answer)
}
