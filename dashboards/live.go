package dashboards

import (
	"fmt"
	"net/http"
	"time"
)

const (
	// lookEvery is how often an open page asks whether something changed, and
	// tellEvery how often it is told at least, because ages go on by themselves.
	lookEvery = time.Second
	tellEvery = 15 * time.Second
	// maxStreams bounds the open pages that are told.
	maxStreams = 64
)

// live is a stream of server-sent events, one "change" whenever the page should
// fetch itself again. It carries no data: what a visitor may see is decided
// where pages are rendered.
func (p *Page) live(w http.ResponseWriter, r *http.Request, who visitor) {
	if p.streams.Add(1) > maxStreams {
		p.streams.Add(-1)
		w.Header().Set("Retry-After", "60")
		http.Error(w, "too many pages are open; this one does not follow", http.StatusServiceUnavailable)
		return
	}
	defer p.streams.Add(-1)
	c := http.NewResponseController(w)
	// The server's deadlines are for requests, not for a stream. A server that
	// knows no deadlines has none to lift.
	_ = c.SetReadDeadline(time.Time{})
	_ = c.SetWriteDeadline(time.Time{})
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("X-Accel-Buffering", "no")
	version, told := p.cfg.Reader.Version(), p.cfg.Now()
	if _, err := fmt.Fprint(w, "retry: 3000\n: hello\n\n"); err != nil || c.Flush() != nil {
		return
	}
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-p.closed:
			return
		case <-r.Context().Done():
			return
		}
		if who.id != "" {
			if _, ok := p.sessions.find(who.id); !ok {
				return // signed out
			}
		}
		now, v := p.cfg.Now(), p.cfg.Reader.Version()
		if v == version && now.Sub(told) < tellEvery {
			continue
		}
		version, told = v, now
		if _, err := fmt.Fprintf(w, "event: change\ndata: %d\n\n", v); err != nil || c.Flush() != nil {
			return
		}
	}
}
