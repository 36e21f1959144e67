package opencti

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"strings"
	"sync/atomic"
	"time"

	"github.com/enrichgate/enrichgate/enrich"
)

// Client speaks GraphQL with the platform. Safe for concurrent use.
type Client struct {
	url     string
	token   string
	headers http.Header
	http    *http.Client
	observe func(operation string, took time.Duration, err error)
}

// ClientConfig of a Client.
type ClientConfig struct {
	// URL of the platform, without /graphql.
	URL   string
	Token string
	// Headers are added to every request and may replace our own.
	Headers http.Header
	// HTTP makes the requests, which have a deadline without it; nil means one
	// with the proxy of the environment.
	HTTP *http.Client
	// Observe, if set, is told of every request.
	Observe func(operation string, took time.Duration, err error)
}

const (
	requestTimeout = 60 * time.Second
	// heldTimeout is the Python client's. OpenCTI answers a playbook step when the
	// rest of the playbook has run, and one that is given up is asked again.
	heldTimeout = 300 * time.Second
	// maxResponse bounds what the platform may make us read: an entity with its STIX form.
	maxResponse = 64 << 20
)

// NewClient builds a Client.
func NewClient(c ClientConfig) *Client {
	if c.HTTP == nil {
		c.HTTP = &http.Client{}
	}
	if c.Observe == nil {
		c.Observe = func(string, time.Duration, error) {}
	}
	return &Client{url: strings.TrimRight(c.URL, "/") + "/graphql", token: c.Token, headers: c.Headers, http: c.HTTP, observe: c.Observe}
}

// APIError is an answer of the platform that says no.
type APIError struct {
	Operation string
	Code      string // extensions.code: "AUTH_REQUIRED", "FUNCTIONAL_ERROR", …
	Genre     string // extensions.data.genre: "TECHNICAL" or "BUSINESS", or empty
	Message   string
	// Field is the first field of the document that failed, "" when the
	// document as a whole did.
	Field string
}

// Codes of our own, for what the platform has no GraphQL answer for.
const (
	codeTooLarge   = "TOO_LARGE"
	codeUnexpected = "UNEXPECTED_ANSWER"
)

func (e *APIError) Error() string {
	return fmt.Sprintf("OpenCTI refused %s: %s (%s)", e.Operation, e.Message, e.Code)
}

// unavailableError means that the platform gave no answer of its own.
type unavailableError struct {
	operation string
	err       error
	// sent is false when no byte of the request was written: the operation was
	// certainly not performed.
	sent bool
	// answered says that something in between answered for the platform.
	answered bool
	// late says that the platform may be at work on it still: the time was up, ours
	// or that of something in between.
	late bool
}

func (e *unavailableError) Error() string {
	return fmt.Sprintf("OpenCTI did not answer %s: %v", e.operation, e.err)
}
func (e *unavailableError) Unwrap() error { return e.err }

// userAgent is what OpenCTI's own clients send; operators match on it.
const userAgent = "pycti/7.260817.0 enrichgate"

// draft header: present and empty means "no draft"; absent would mean the
// user's own current draft.
const draftHeader = "opencti-draft-id"

// Do performs one operation, without retrying. draft is the draft that it runs in, or empty.
func (c *Client) Do(ctx context.Context, op operation, variables map[string]any, draft string, out any) error {
	body, err := op.body(variables)
	if err != nil {
		return err
	}
	return c.post(ctx, op, "application/json", body, draft, out)
}

// DoHeld is Do, but the request leaves whole only when release, called once all
// but its last byte is under way, has returned nil. released says that it did:
// otherwise the operation was certainly not performed.
func (c *Client) DoHeld(ctx context.Context, op operation, variables map[string]any, release func() error) (released bool, err error) {
	body, err := op.body(variables)
	if err != nil {
		return false, err
	}
	held := &heldBody{rest: body, release: release}
	began := time.Now()
	ctx, cancel := enrich.WithPatience(ctx, heldTimeout)
	defer cancel()
	err = c.send(ctx, op, "application/json", held, int64(len(body)), "", nil)
	c.observe(op.name, time.Since(began), err)
	released, refused := held.giveUp()
	var down *unavailableError
	if errors.As(err, &down) {
		down.sent = down.sent && released
		down.late = down.late || ctx.Err() != nil
	}
	switch {
	case refused != nil:
		err = refused
	case !released && err == nil:
		err = &unavailableError{operation: op.name, answered: true, err: errors.New("it was answered before it was asked")}
	}
	return released, err
}

func (o operation) body(variables map[string]any) ([]byte, error) {
	body, err := json.Marshal(map[string]any{"query": o.document, "variables": variables})
	if err != nil {
		return nil, fmt.Errorf("encoding %s: %w", o.name, err)
	}
	return body, nil
}

// post sends one request and reads its answer.
func (c *Client) post(ctx context.Context, op operation, contentType string, body []byte, draft string, out any) error {
	began := time.Now()
	ctx, cancel := enrich.WithPatience(ctx, requestTimeout)
	defer cancel()
	err := c.send(ctx, op, contentType, bytes.NewReader(body), int64(len(body)), draft, out)
	c.observe(op.name, time.Since(began), err)
	return err
}

func (c *Client) send(ctx context.Context, op operation, contentType string, body io.Reader, length int64, draft string, out any) error {
	var sent atomic.Bool // a request that was given up may still be on its way
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{WroteHeaders: func() { sent.Store(true) }})
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url, body)
	if err != nil {
		return fmt.Errorf("preparing %s: %w", op.name, err)
	}
	req.ContentLength = length
	req.Header.Set("Authorization", "Bearer "+c.token)
	req.Header.Set("Content-Type", contentType)
	req.Header.Set("User-Agent", userAgent)
	req.Header.Set(draftHeader, draft)
	for k, v := range c.headers {
		req.Header[k] = v
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return &unavailableError{operation: op.name, err: plain(err), sent: sent.Load()}
	}
	defer func() { _ = resp.Body.Close() }() // read to its end or given up; nothing to learn from Close
	raw, err := io.ReadAll(io.LimitReader(resp.Body, maxResponse+1))
	if err != nil {
		return &unavailableError{operation: op.name, err: plain(err), sent: true}
	}
	if len(raw) > maxResponse {
		return &APIError{Operation: op.name, Code: codeTooLarge, Message: fmt.Sprintf("the answer is larger than %d MiB", maxResponse>>20)}
	}
	return decodeAnswer(op.name, resp.StatusCode, raw, out)
}

// decodeAnswer: GraphQL errors come with 200, or with 500 when the request's
// context could not be built. Anything without the GraphQL envelope is not the platform.
func decodeAnswer(operation string, status int, raw []byte, out any) error {
	var envelope struct {
		Data   json.RawMessage `json:"data"`
		Errors []struct {
			Message    string `json:"message"`
			Name       string `json:"name"`
			Path       []any  `json:"path"`
			Extensions struct {
				Code string `json:"code"`
				Data struct {
					Genre string `json:"genre"`
				} `json:"data"`
			} `json:"extensions"`
		} `json:"errors"`
	}
	err := json.Unmarshal(raw, &envelope)
	if err != nil && status == http.StatusRequestEntityTooLarge {
		return &APIError{Operation: operation, Code: codeTooLarge, Message: "the request is larger than the platform takes"}
	}
	// Where nothing is read of it, an empty object will do, as for the Python client.
	empty := len(envelope.Data) == 0 || string(envelope.Data) == "null" || out != nil && string(envelope.Data) == "{}"
	if err != nil || empty && len(envelope.Errors) == 0 || isAway(status) {
		return &unavailableError{operation: operation, sent: true, answered: true, late: status == http.StatusGatewayTimeout,
			err: fmt.Errorf("HTTP status %d without a GraphQL answer", status)}
	}
	if len(envelope.Errors) > 0 {
		e := envelope.Errors[0]
		code := e.Extensions.Code
		if code == "" {
			code = e.Name
		}
		refusal := &APIError{Operation: operation, Code: code, Genre: e.Extensions.Data.Genre, Message: e.Message}
		if len(e.Path) > 0 {
			refusal.Field, _ = e.Path[0].(string)
		}
		// What the other fields answered is still good.
		if out != nil && len(envelope.Data) > 0 {
			_ = json.Unmarshal(envelope.Data, out)
		}
		return refusal
	}
	if out == nil {
		return nil
	}
	if err := json.Unmarshal(envelope.Data, out); err != nil {
		return &APIError{Operation: operation, Code: codeUnexpected, Message: err.Error()}
	}
	return nil
}

// plain strips the method and URL that net/http puts before its errors.
func plain(err error) error {
	var u interface{ Unwrap() error }
	if errors.As(err, &u) && strings.HasPrefix(err.Error(), "Post ") {
		return u.Unwrap()
	}
	return err
}

// isAway says that a status is none of the platform's own: GraphQL answers come
// with 200, or with 400 or 500 when the request's context could not be built.
func isAway(status int) bool {
	return status == http.StatusTooManyRequests || status > http.StatusInternalServerError
}

// transient says that the same request may succeed later: the platform did not
// answer, or it does not let us in for now, or it fails for reasons of its own.
func transient(err error) bool {
	var down *unavailableError
	var api *APIError
	switch {
	case errors.As(err, &down):
		return true
	case errors.As(err, &api):
		return !api.permanent()
	}
	var n net.Error
	return errors.As(err, &n)
}

// permanent says that the platform means what it says. What is not known is not
// taken for that: a message would be lost by it.
func (e *APIError) permanent() bool {
	switch e.Code {
	case "LOCK_ERROR": // of genre BUSINESS, and over in a moment
		return false
	case "FUNCTIONAL_ERROR", "UNSUPPORTED_ERROR", "VALIDATION_ERROR", "MISSING_REFERENCE_ERROR", "ALREADY_DELETED_ERROR", "RESOURCE_NOT_FOUND_ERROR",
		"DRAFT_LOCKED", "WORK_NOT_ALIVE", "BAD_USER_INPUT", "BAD_REQUEST", "GRAPHQL_VALIDATION_FAILED", "GRAPHQL_PARSE_FAILED", "OPERATION_RESOLUTION_FAILURE",
		codeTooLarge, codeUnexpected:
		return true
	}
	return e.Genre == "BUSINESS" && !refusesUs(e)
}

// refusesUs says that the platform does not take our token.
func refusesUs(err error) bool {
	var api *APIError
	if !errors.As(err, &api) {
		return false
	}
	switch api.Code {
	case "AUTH_REQUIRED", "FORBIDDEN_ACCESS", "OTP_REQUIRED", "PASSWORD_CHANGE_REQUIRED":
		return true
	}
	return false
}

// isUnknownConnector: the platform answered a ping that it does not know us.
func isUnknownConnector(err error) bool {
	var api *APIError
	return errors.As(err, &api) && api.Code == "FUNCTIONAL_ERROR"
}

// notPerformed says that the operation was certainly not carried out.
func notPerformed(err error) bool {
	var down *unavailableError
	if errors.As(err, &down) {
		return !down.sent || down.answered
	}
	var api *APIError
	return errors.As(err, &api)
}
