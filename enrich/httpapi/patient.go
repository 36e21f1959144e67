package httpapi

import (
	"net/http"
	"time"
)

// writePatience is how long a client may take to take one piece of an answer.
// The server has no time-out for whole answers: a lookup may wait for its rate
// limit, a stream lasts.
const writePatience = 30 * time.Second

// patientWriter gives each write its own deadline, so that a client that stops
// reading is let go.
type patientWriter struct{ http.ResponseWriter }

// Write writes within the deadline.
func (p patientWriter) Write(b []byte) (int, error) {
	// Not every writer of a test has a connection below it.
	_ = http.NewResponseController(p.ResponseWriter).SetWriteDeadline(time.Now().Add(writePatience))
	return p.ResponseWriter.Write(b)
}

// Unwrap lets http.ResponseController flush.
func (p patientWriter) Unwrap() http.ResponseWriter { return p.ResponseWriter }
