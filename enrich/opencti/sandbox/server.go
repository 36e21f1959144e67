package sandbox

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// maxBody is the platform's default limit of a request.
const maxBody = 50 << 20

// Call is one GraphQL request.
type Call struct {
	// Operation is the root field, one of the Op… values, such as "about" or
	// "workEdit.toReceived"; empty when the document cannot be read.
	Operation string
	Query     string
	Variables map[string]any
	Header    http.Header
	At        time.Time
	// Status is the HTTP status of the answer, 0 while there is none or when the
	// connection was cut. Code is the error code of the answer, if any.
	Status int
	Code   string
}

// Draft is the call's draft header; sent is false when there was none at all.
func (c Call) Draft() (id string, sent bool) {
	v, ok := c.Header["Opencti-Draft-Id"]
	if !ok || len(v) == 0 {
		return "", false
	}
	return v[0], true
}

// Fault tells the server to misbehave on one call. The zero Fault is good behaviour.
type Fault struct {
	// Status and Body are sent instead of the answer (Status 200 when only Body is set).
	Status int
	Body   string
	// Hang holds the answer back until the channel is closed or the client is gone.
	Hang <-chan struct{}
	// Drop cuts the connection without an answer.
	Drop bool
	// After lets the call have its effect first. Without it a call that is
	// answered by Status, Body or Drop has none; one that only hangs has its
	// effect when it goes on.
	After bool
}

// Intercept has fn called with each operation before it runs. The op is a Call's
// Operation. fn may run on several goroutines at once. Nil ends it.
func (p *Platform) Intercept(fn func(op string, variables map[string]any) Fault) {
	p.update(func() { p.intercept = fn })
}

// Calls returns every GraphQL call in order of arrival, refused ones included.
func (p *Platform) Calls() []Call {
	p.mu.Lock()
	defer p.mu.Unlock()
	calls := slices.Clone(p.calls)
	for i := range calls {
		calls[i].Header = calls[i].Header.Clone()
		calls[i].Variables = maps.Clone(calls[i].Variables)
	}
	return calls
}

// Count is the number of calls of an operation. "workEdit" counts all of its kind.
func (p *Platform) Count(op string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := 0
	for i := range p.calls {
		if got := p.calls[i].Operation; got == op || strings.HasPrefix(got, op+".") {
			n++
		}
	}
	return n
}

type request struct {
	Query         string         `json:"query"`
	Variables     map[string]any `json:"variables"`
	OperationName string         `json:"operationName"`

	op     *operation
	header http.Header
	file   Upload // of a multipart request
	// lost, if set, takes note that the connector was not told what became of it.
	lost func()
}

type answer struct {
	status int
	code   string // of the first error
	body   []byte
}

func failed(status int, e *gqlError) answer {
	return answer{status, e.code, encode(map[string]any{"errors": []any{e.body("")}})}
}

func (p *Platform) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /graphql", p.serveGraphQL)
	return mux
}

func (p *Platform) serveGraphQL(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		http.Error(w, err.Error(), http.StatusRequestEntityTooLarge)
		return
	}
	req, err := readRequest(r.Header.Get("Content-Type"), bytes.NewReader(body))
	if err != nil || req.Query == "" {
		badRequest(w)
		return
	}
	req.header = r.Header.Clone()
	var syntax error
	req.op, syntax = parseQuery(req.Query, req.OperationName)

	call, intercept := p.record(&req)
	var fault Fault
	if intercept != nil {
		fault = intercept(operationName(req.op), req.Variables)
	}
	replaced := fault.Drop || fault.Status != 0 || fault.Body != ""
	var ans answer
	if fault.After {
		ans = p.answer(&req, syntax)
	}
	heard := false
	defer func() {
		if !heard && req.lost != nil {
			p.update(req.lost)
		}
	}()
	if fault.Hang != nil {
		select {
		case <-fault.Hang:
		case <-r.Context().Done():
			return
		}
	}
	switch {
	case fault.Drop:
		panic(http.ErrAbortHandler)
	case replaced:
		ans = answer{status: fault.Status, body: []byte(fault.Body)}
		if ans.status == 0 {
			ans.status = http.StatusOK
		}
	case !fault.After:
		ans = p.answer(&req, syntax)
	}
	p.update(func() { p.calls[call].Status, p.calls[call].Code = ans.status, ans.code })
	heard = write(w, ans) == nil && !replaced
}

// write returns an error when the connection was gone before all was on it.
func write(w http.ResponseWriter, a answer) error {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("Content-Length", strconv.Itoa(len(a.body))) // so that nothing follows the body
	w.WriteHeader(a.status)
	if _, err := w.Write(a.body); err != nil {
		return err
	}
	return http.NewResponseController(w).Flush()
}

// record notes the call and returns its place in p.calls.
func (p *Platform) record(req *request) (int, func(string, map[string]any) Fault) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.calls = append(p.calls, Call{
		Operation: operationName(req.op),
		Query:     req.Query,
		Variables: req.Variables,
		Header:    req.header,
		At:        p.opt.Now(),
	})
	p.wakeLocked()
	return len(p.calls) - 1, p.intercept
}

// answer does what the call asks for: the request's context first (who, which
// draft), then the schema, then the fields.
func (p *Platform) answer(req *request, syntax error) answer {
	auth, bearer := strings.CutPrefix(req.header.Get("Authorization"), "Bearer ")
	known := bearer && auth == p.opt.Token
	if draft := req.header.Get("Opencti-Draft-Id"); known && draft != "" && p.draftLocked(draft) {
		return failed(http.StatusInternalServerError, errDraft)
	}
	if syntax != nil {
		return p.refuse(syntax, true)
	}
	vars, err := req.op.variables(req.Variables)
	if err != nil {
		return p.refuse(err, true)
	}
	req.op.resolveArgs(vars)
	if err := p.gate(req.op, req.Variables); err != nil {
		return p.refuse(err, false)
	}
	if p.opt.Check != nil {
		if err := p.opt.Check(req.Query, req.Variables); err != nil {
			return p.refuse(err, true)
		}
	}
	data := map[string]any{}
	var errs []any
	code := ""
	for _, f := range req.op.sel {
		value, err := p.run(req, f, known)
		data[f.alias] = value
		if err != nil {
			errs = append(errs, err.body(f.alias))
			if code == "" {
				code = err.code
			}
		}
	}
	body := map[string]any{"data": data}
	if errs != nil {
		body["errors"] = errs
	}
	return answer{http.StatusOK, code, encode(body)}
}

// refuse answers a document that does not fit the schema. A field that this
// version merely lacks is no problem: a connector may find out that way.
func (p *Platform) refuse(err error, problem bool) answer {
	if problem {
		p.update(func() { p.problemLocked(ErrSchema, "%v", err) })
	}
	var e *gqlError
	if !errors.As(err, &e) {
		e = invalid("%v", err)
	}
	return failed(http.StatusOK, e)
}

// encode writes JSON as the platform does, without escaping HTML.
func encode(v any) []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		panic("sandbox: " + err.Error()) // only our own types come here
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}
