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
// reading is let go, and notes the status.
type patientWriter struct {
	http.ResponseWriter
	status int
}

// Patient gives every write of a handler's answers its own deadline.
func Patient(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next.ServeHTTP(&patientWriter{ResponseWriter: w}, r)
	})
}

// WriteHeader notes the first status; the ones before it are not final.
func (p *patientWriter) WriteHeader(status int) {
	if p.status == 0 && status >= http.StatusOK {
		p.status = status
	}
	p.ResponseWriter.WriteHeader(status)
}

// Write writes within the deadline.
func (p *patientWriter) Write(b []byte) (int, error) {
	if p.status == 0 {
		p.status = http.StatusOK
	}
	// Not every writer of a test has a connection below it.
	_ = http.NewResponseController(p.ResponseWriter).SetWriteDeadline(time.Now().Add(writePatience))
	return p.ResponseWriter.Write(b)
}

// Unwrap lets http.ResponseController flush.
func (p *patientWriter) Unwrap() http.ResponseWriter { return p.ResponseWriter }
