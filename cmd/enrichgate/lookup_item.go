package main

import (
	"net/http"
	"slices"
	"strings"

	"github.com/enrichgate/enrichgate/enrich"
	"github.com/enrichgate/enrichgate/enrich/httpapi"
)

// lookupItem is what became of one value.
type lookupItem struct {
	Index   int                   `json:"index"`
	Value   string                `json:"value"`
	Status  int                   `json:"status"`
	Answer  *httpapi.LookupAnswer `json:"answer"`
	Problem *httpapi.Details      `json:"problem"`
	// Units that it cost, an answer or not. Daemons of before say only what
	// answers cost.
	Units int64 `json:"units"`
}

func (i lookupItem) units() int64 {
	if i.Answer == nil {
		return i.Units
	}
	return max(i.Units, i.Answer.Units)
}

// verdict is an item's end in a word, and the exit code that goes with it.
func (i lookupItem) verdict() (word string, code int) {
	if i.Answer == nil {
		return i.refusal()
	}
	stale, missing, quotaOut := false, false, false
	for _, p := range i.Answer.Lookups {
		stale = stale || p.Stale
		missing = missing || p.From == ""
		quotaOut = quotaOut || p.From == "" && p.Class == enrich.QuotaExhausted.String()
	}
	switch {
	case quotaOut:
		return "incomplete", exitQuota
	case missing:
		return "incomplete", exitUnavailable
	case stale:
		return "stale", exitStale
	case !i.Answer.Known:
		return "no_record", exitNotFound
	}
	return "found", 0
}

// maxUnits says that the item was left out for its price.
func (i lookupItem) maxUnits() bool {
	return i.Problem != nil && strings.HasSuffix(i.Problem.Type, ":max-units-reached")
}

func (i lookupItem) code() int {
	_, code := i.verdict()
	return code
}

// refusal is the verdict on an item without an answer.
func (i lookupItem) refusal() (word string, code int) {
	if i.maxUnits() {
		return "max_units", exitQuota
	}
	code = exitOf(httpapi.Details{Status: i.Status})
	if i.Problem != nil {
		code = exitOf(httpapi.Details{Status: i.Status, Type: i.Problem.Type})
	}
	return map[int]string{
		exitUsage: "invalid", exitAuth: "unauthorized", exitDenied: "denied", exitQuota: "quota",
		exitNotFound: "not_kept", exitUnavailable: "unavailable", 1: "error",
	}[code], code
}

// exitOf is the exit code that a problem of the API has: its status's, but for
// what is about a token and not about a policy or a quota.
func exitOf(p httpapi.Details) int {
	switch strings.TrimPrefix(p.Type, "urn:enrichgate:") {
	case "forbidden", "too-many-attempts":
		return exitAuth
	}
	switch p.Status {
	case http.StatusBadRequest, http.StatusRequestEntityTooLarge, http.StatusConflict, http.StatusUnprocessableEntity:
		return exitUsage
	case http.StatusUnauthorized:
		return exitAuth
	case http.StatusForbidden:
		return exitDenied
	case http.StatusNotFound, http.StatusGatewayTimeout: // nothing is known, or kept
		return exitNotFound
	case http.StatusTooManyRequests:
		return exitQuota
	case http.StatusBadGateway, http.StatusServiceUnavailable:
		return exitUnavailable
	}
	return 1
}

// worse is the graver of two exit codes of a list's values.
func worse(a, b int) int {
	order := []int{0, exitNotFound, exitStale, exitDenied, exitUsage, exitUnavailable, exitQuota}
	rank := func(code int) int {
		if i := slices.Index(order, code); i >= 0 {
			return i
		}
		return len(order)
	}
	if rank(b) > rank(a) {
		return b
	}
	return a
}

// coded gives a problem of the API its exit code.
func coded(p httpapi.Details) error { return &exitError{exitOf(p), p} }
