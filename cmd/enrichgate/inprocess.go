package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"
)

// inProcess is a transport that calls a handler instead of a server. Answers
// are streamed, so that what comes line by line is seen line by line.
type inProcess struct {
	handler http.Handler
	running sync.WaitGroup // handlers
}

// RoundTrip implements http.RoundTripper.
func (t *inProcess) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.Body == nil {
		req.Body = http.NoBody
	}
	body, out := io.Pipe()
	w := &answerWriter{header: http.Header{}, out: out, begun: make(chan *http.Response, 1)}
	var once sync.Once
	w.begin = func(status int) {
		once.Do(func() {
			w.begun <- &http.Response{
				StatusCode: status, Status: http.StatusText(status), Header: w.header.Clone(), Body: body, Request: req,
				Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, ContentLength: -1,
			}
		})
	}
	t.running.Go(func() { w.serve(t.handler, req) })
	select {
	case resp := <-w.begun:
		return resp, nil
	case <-req.Context().Done():
		return nil, errors.Join(context.Cause(req.Context()), body.Close())
	}
}

// answerWriter is the handler's end of the answer.
type answerWriter struct {
	header http.Header
	out    *io.PipeWriter
	begun  chan *http.Response // the answer's head, once
	begin  func(status int)
}

func (w *answerWriter) serve(h http.Handler, req *http.Request) {
	defer func() {
		cut := recover()
		if cut != nil && cut != any(http.ErrAbortHandler) {
			panic(cut)
		}
		w.begin(http.StatusOK)
		var err error
		if cut != nil {
			err = fmt.Errorf("the answer was cut off")
		}
		w.out.CloseWithError(err)
	}()
	h.ServeHTTP(w, req)
}

func (w *answerWriter) Header() http.Header { return w.header }

func (w *answerWriter) WriteHeader(status int) { w.begin(status) }

func (w *answerWriter) Write(b []byte) (int, error) {
	w.begin(http.StatusOK)
	return w.out.Write(b)
}

// Flush and SetWriteDeadline have nothing to do: nothing is held back, and
// nobody is slow.
func (w *answerWriter) Flush() {}

func (w *answerWriter) SetWriteDeadline(time.Time) error { return nil }
