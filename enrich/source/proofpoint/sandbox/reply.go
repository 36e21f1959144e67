package sandbox

import (
	"cmp"
	"net/http"
	"time"
)

// Reply is how a request is answered. The zero value is an empty 200.
type Reply struct {
	// Status is the HTTP status; 0 means 200.
	Status int
	// Header is added to the answer's. Content-Type is application/json unless
	// it is here.
	Header http.Header
	// Body is sent as it is.
	Body []byte
	// Wait holds the answer back until it is closed; nil does not.
	Wait <-chan struct{}
	// Hang keeps the client waiting for the rest, after the head and Body were
	// sent (or, with Status 0, before anything was), until it goes away.
	Hang bool
	// Drop cuts the connection, after the head and Body were sent (or, with
	// Status 0, before anything was).
	Drop bool
}

// reply is a plain answer.
func reply(status int, body []byte) Reply { return Reply{Status: status, Body: body} }

// status is the status that counts.
func (r Reply) status() int { return cmp.Or(r.Status, http.StatusOK) }

// send writes the answer, or as much of it as there shall be.
func (r Reply) send(w http.ResponseWriter, req *http.Request) {
	if r.Wait != nil {
		select {
		case <-r.Wait:
		case <-req.Context().Done():
			return
		}
	}
	if r.Status != 0 || !r.Hang && !r.Drop {
		w.Header().Set("Content-Type", "application/json")
		for name, values := range r.Header {
			w.Header()[http.CanonicalHeaderKey(name)] = values
		}
		w.WriteHeader(r.status())
		_, _ = w.Write(r.Body) // a client that has gone is no fault of ours
	}
	if r.Hang || r.Drop {
		_ = http.NewResponseController(w).Flush()
	}
	if r.Hang {
		<-req.Context().Done()
	}
	if r.Hang || r.Drop {
		panic(http.ErrAbortHandler) // net/http's way to cut the connection, without a log line
	}
}

// wait takes the time that an answer takes. It is false if the client left.
func wait(req *http.Request, d time.Duration) bool {
	if d <= 0 {
		return true
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-req.Context().Done():
		return false
	}
}
