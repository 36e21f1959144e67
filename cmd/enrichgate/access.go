package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/enrichgate/enrichgate/cmd/enrichgate/internal/settings"
	"github.com/enrichgate/enrichgate/enrich/httpapi"
)

// access is a command's way to the books: the API of the daemon that holds the
// data directory, over its socket, or, when nobody holds it, the same API in
// this process. So a command says and does the same either way.
type access struct {
	client *http.Client
	// daemon is the process that answers; 0 when it is this one.
	daemon int
	// server is the address of a daemon elsewhere, "" for those of this host.
	server string
	// app and inside answer otherwise.
	app    *app
	inside *inProcess
}

// What a command needs of the settings: the books, or the keys too, in case it
// has to ask the provider itself.
const (
	needBooks = settings.NeedData
	needKeys  = settings.NeedLookup
)

// access opens the way. It must be closed.
func (c *cli) access(env *environment, need settings.Need, command string) (*access, error) {
	if way, err := c.remote(); way != nil || err != nil {
		return way, err
	}
	s, err := c.load(env, settings.NeedData)
	if err != nil {
		return nil, err
	}
	return c.open(env, s, need, command)
}

// reading is access for commands that only read. Where no ledger is they find a
// mistyped path rather than an empty one, and make nothing.
func (c *cli) reading(env *environment, command string) (*access, error) {
	if way, err := c.remote(); way != nil || err != nil {
		return way, err
	}
	s, err := c.load(env, settings.NeedData)
	if err == nil {
		err = checkLedger(s.DataDir)
	}
	if err != nil {
		return nil, err
	}
	return c.open(env, s, needBooks, command)
}

func (c *cli) open(env *environment, s settings.Settings, need settings.Need, command string) (*access, error) {
	a, err := openApp(s, newLog(env.stderr, s, s.LogLevel), command, nil)
	var held *heldError
	switch {
	case errors.As(err, &held):
		d, err := daemonOf(held)
		if err != nil {
			return nil, &exitError{exitUnreachable, err}
		}
		return &access{client: d.client, daemon: d.holder.PID}, nil
	case err != nil:
		return nil, err
	}
	if need == needKeys && len(a.gateways) == 0 {
		// Straight on the data directory we ask the provider ourselves.
		_, err := c.load(env, need)
		return nil, errors.Join(err, a.close())
	}
	inside := &inProcess{handler: a.handler(true, nil)}
	return &access{client: &http.Client{Transport: inside}, app: a, inside: inside}, nil
}

func (a *access) close() error {
	if a.app != nil {
		a.inside.running.Wait() // whoever was interrupted may still be on the way out
		return a.app.close()
	}
	a.client.CloseIdleConnections()
	return nil
}

// request is one call of the API. The body, when there is one, is sent as JSON.
type request struct {
	method, path string
	header       http.Header
	body         any
	// raw is a body that is sent as it is.
	raw []byte
}

// do sends a request; the caller closes the answer's body. A problem comes
// back as an error with the exit code that it has everywhere.
func (a *access) do(ctx context.Context, r request) (*http.Response, error) {
	body := io.Reader(bytes.NewReader(r.raw))
	if r.body != nil {
		b, err := json.Marshal(r.body)
		if err != nil {
			return nil, err
		}
		body = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, r.method, "http://enrichgate"+r.path, body)
	if err != nil {
		return nil, err
	}
	if r.header != nil {
		req.Header = r.header.Clone()
	}
	if r.body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := a.client.Do(req)
	if err != nil {
		return nil, a.unanswered(ctx, err)
	}
	if resp.StatusCode < http.StatusBadRequest {
		return resp, nil
	}
	b, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err = errors.Join(err, resp.Body.Close()); err != nil {
		return nil, a.unanswered(ctx, err)
	}
	var p httpapi.Details
	if err := json.Unmarshal(b, &p); err != nil || p.Title == "" {
		return nil, fmt.Errorf("enrichgate answered HTTP %d", resp.StatusCode)
	}
	return nil, coded(p)
}

// withoutAddress is an error of net/http without the address that it names, which
// is none: the transport puts in the real one.
func withoutAddress(err error) error {
	if of, ok := errors.AsType[*url.Error](err); ok {
		return of.Err
	}
	return err
}

// unanswered says why there was no answer.
func (a *access) unanswered(ctx context.Context, err error) error {
	err = withoutAddress(err)
	switch {
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return errors.New("no answer within --timeout")
	case ctx.Err() != nil:
		return &exitError{exitInterrupted, errors.New("interrupted")}
	case errors.Is(err, errHere):
		return &exitError{exitUsage, errHere}
	case a.server != "":
		return &exitError{exitUnreachable, fmt.Errorf("asking %s: %w", a.server, err)}
	case a.daemon != 0:
		return &exitError{exitUnreachable, fmt.Errorf("asking the running enrichgate (process %d): %w", a.daemon, err)}
	}
	return err
}

// now is the time by the clock that dates the books.
func (a *access) now(ctx context.Context) (now time.Time, err error) {
	if a.server != "" {
		return time.Now(), nil
	}
	err = a.call(ctx, request{method: http.MethodGet, path: "/local/v1/clock"}, &now)
	return now, err
}

// call sends a request and decodes its answer.
func (a *access) call(ctx context.Context, r request, answer any) error {
	resp, err := a.do(ctx, r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(answer); err != nil {
		return a.unanswered(ctx, fmt.Errorf("the answer cannot be read: %w", err))
	}
	return nil
}
