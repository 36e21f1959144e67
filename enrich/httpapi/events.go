package httpapi

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/enrichgate/enrichgate/enrich"
	"github.com/enrichgate/enrichgate/quota"
)

// EnrichmentsAnswer is the body of GET /api/v1/enrichments.
type EnrichmentsAnswer struct {
	Enrichments []Enrichment `json:"enrichments"`
}

// enrichments lists the last ones, the newest first.
func (a *API) enrichments(w http.ResponseWriter, r *http.Request, _ caller) {
	if a.cfg.Recent == nil {
		Problem(w, notFound("recent enrichments are not kept"))
		return
	}
	q := r.URL.Query()
	limit, before := usualEntries, uint64(0)
	var err error
	if s := q.Get("limit"); s != "" {
		if limit, err = strconv.Atoi(s); err != nil || limit < 1 || limit > mostRecent {
			Problem(w, problemOf(bad("limit: %.80q is not a number from 1 to %d", s, mostRecent)))
			return
		}
	}
	if s := q.Get("before"); s != "" {
		if before, err = strconv.ParseUint(s, 10, 64); err != nil || before == 0 {
			Problem(w, problemOf(bad("before: %.80q is not the id of an enrichment", s)))
			return
		}
	}
	if s := q.Get("trigger"); s != "" {
		if _, err := quota.ParseTrigger(s); err != nil {
			Problem(w, problemOf(bad("%v", err)))
			return
		}
	}
	if s := q.Get("fate"); s != "" {
		if _, err := enrich.ParseFate(s); err != nil {
			Problem(w, problemOf(bad("%v", err)))
			return
		}
	}
	if err := a.cfg.Ledger.Check(quota.Filter{Source: q.Get("source")}); err != nil {
		Problem(w, problemOf(bad("%v", err)))
		return
	}
	wanted := func(field, is string) bool { return q.Get(field) == "" || q.Get(field) == is }
	write(w, http.StatusOK, "application/json", EnrichmentsAnswer{a.cfg.Recent.list(before, limit, func(e Enrichment) bool {
		return wanted("source", e.Source) && wanted("trigger", e.Trigger) && wanted("client", e.Client) && wanted("fate", e.Fate)
	})})
}

// eventPause is how often the quota is told, which also keeps the connection.
const eventPause = 15 * time.Second

// events are server-sent events: "enrichment" for each as it is decided, and
// "quota" at the start and every now and then. Last-Event-ID brings those that
// were missed, as far as they are kept.
func (a *API) events(w http.ResponseWriter, r *http.Request, _ caller) {
	if a.cfg.Recent == nil {
		Problem(w, notFound("recent enrichments are not kept"))
		return
	}
	after, _ := strconv.ParseUint(r.Header.Get("Last-Event-ID"), 10, 64) // what is no number is none of ours
	missed, next, leave, ok := a.cfg.Recent.listen(after)
	if !ok {
		Problem(w, Details{Status: http.StatusServiceUnavailable, Type: typeTooManyListeners, Title: "too many listen already", RetryAfter: 30})
		return
	}
	defer leave()
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusOK)
	out := eventWriter{w: w, flush: http.NewResponseController(w)}
	for _, e := range missed {
		out.send("enrichment", strconv.FormatUint(e.ID, 10), e)
	}
	ticks := time.NewTicker(eventPause)
	defer ticks.Stop()
	out.send("quota", "", a.quotaNow())
	for out.err == nil {
		select {
		case <-r.Context().Done():
			return
		case <-ticks.C:
			out.send("quota", "", a.quotaNow())
		case e, ok := <-next:
			if !ok {
				return
			}
			out.send("enrichment", strconv.FormatUint(e.ID, 10), e)
		}
	}
}

func (a *API) quotaNow() QuotaAnswer {
	answer := QuotaAnswer{Sources: a.cfg.Ledger.Usage()}
	if answer.Sources == nil {
		answer.Sources = []quota.Usage{}
	}
	return answer
}

// eventWriter writes events until one cannot be written.
type eventWriter struct {
	w     http.ResponseWriter
	flush *http.ResponseController
	err   error
}

func (o *eventWriter) send(name, id string, v any) {
	if o.err != nil {
		return
	}
	data, err := json.Marshal(v) // one line: JSON escapes line breaks
	if err == nil && id != "" {
		_, err = fmt.Fprintf(o.w, "id: %s\n", id)
	}
	if err == nil {
		_, err = fmt.Fprintf(o.w, "event: %s\ndata: %s\n\n", name, data)
	}
	if err == nil {
		err = o.flush.Flush()
	}
	o.err = err
}
