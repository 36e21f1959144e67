package httpapi_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/legacy"

	"github.com/enrichgate/enrichgate/enrich/httpapi"
)

// document is openapi.json, loaded once for all tests.
var document = sync.OnceValues(func() (routers.Router, error) {
	doc, err := openapi3.NewLoader().LoadFromFile("openapi.json")
	if err != nil {
		return nil, err
	}
	if err := doc.Validate(context.Background()); err != nil {
		return nil, err
	}
	doc.Servers = nil // wherever it is served
	return legacy.NewRouter(doc)
})

func TestMain(m *testing.M) {
	for _, text := range []string{"application/x-ndjson", "text/csv", "text/event-stream"} {
		openapi3filter.RegisterBodyDecoder(text, openapi3filter.PlainBodyDecoder)
	}
	for _, object := range []string{"application/stix+json", "application/openapi+json"} {
		openapi3filter.RegisterBodyDecoder(object, openapi3filter.JSONBodyDecoder)
	}
	os.Exit(m.Run())
}

// checked holds every exchange with the API against the document: a request
// that the API accepts must be one that it describes, and so must every answer.
type checked struct {
	t       testing.TB
	answers io.Writer
	base    http.RoundTripper
}

func (c *checked) RoundTrip(req *http.Request) (*http.Response, error) {
	var sent []byte
	if req.Body != nil {
		sent, _ = io.ReadAll(req.Body)
		req.Body = io.NopCloser(bytes.NewReader(sent))
	}
	resp, err := c.base.RoundTrip(req)
	if err != nil || strings.HasPrefix(resp.Header.Get("Content-Type"), "text/event-stream") {
		return resp, err
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	resp.Body = io.NopCloser(bytes.NewReader(body))
	_ = resp.Header.Write(c.answers)
	_, _ = c.answers.Write(body)
	if strings.HasPrefix(req.URL.Path, "/api/v1/") {
		req.Body = io.NopCloser(bytes.NewReader(sent))
		c.check(req, resp, body)
	}
	return resp, nil
}

func (c *checked) check(req *http.Request, resp *http.Response, body []byte) {
	c.t.Helper()
	router, err := document()
	if err != nil {
		c.t.Fatal(err)
	}
	route, params, err := router.FindRoute(req)
	if err != nil {
		if resp.StatusCode != http.StatusNotFound && resp.StatusCode != http.StatusMethodNotAllowed && resp.StatusCode != http.StatusUnauthorized {
			c.t.Errorf("%s %s is answered with %d and not described: %v", req.Method, req.URL.Path, resp.StatusCode, err)
		}
		return
	}
	in := &openapi3filter.RequestValidationInput{Request: req, PathParams: params, Route: route,
		Options: &openapi3filter.Options{AuthenticationFunc: openapi3filter.NoopAuthenticationFunc, IncludeResponseStatus: true}}
	if err := openapi3filter.ValidateRequest(c.t.Context(), in); err != nil && resp.StatusCode < 300 {
		c.t.Errorf("%s %s was accepted and is not what the document describes: %v", req.Method, req.URL, err)
	}
	out := &openapi3filter.ResponseValidationInput{RequestValidationInput: in, Status: resp.StatusCode, Header: resp.Header, Options: in.Options}
	out.SetBodyBytes(body)
	if err := openapi3filter.ValidateResponse(c.t.Context(), out); err != nil {
		c.t.Errorf("%s %s: the answer %d %.300s is not what the document describes: %v", req.Method, req.URL, resp.StatusCode, body, err)
	}
	if resp.StatusCode == http.StatusOK && strings.HasPrefix(resp.Header.Get("Content-Type"), "application/x-ndjson") {
		line := map[string]string{"/api/v1/lookups": "BatchLine", "/api/v1/ledger": "LedgerEntry"}[req.URL.Path]
		for text := range strings.Lines(string(body)) {
			matches(c.t, route.Spec, line, text)
		}
	}
}

// matches holds a piece of JSON against one of the document's schemas.
func matches(t testing.TB, doc *openapi3.T, schema, text string) {
	t.Helper()
	var v any
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Errorf("%.200s: %v", text, err)
		return
	}
	if err := doc.Components.Schemas[schema].Value.VisitJSON(v, openapi3.EnableJSONSchema2020()); err != nil {
		t.Errorf("%.300s is no %s: %v", text, schema, err)
	}
}

// spec is the document itself.
func spec(t *testing.T) *openapi3.T {
	t.Helper()
	doc, err := openapi3.NewLoader().LoadFromFile("openapi.json")
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

// What is served and what is described are one list, both ways.
func TestEveryRouteIsDescribed(t *testing.T) {
	described := map[string]bool{}
	for path, item := range spec(t).Paths.Map() {
		for method, op := range item.Operations() {
			described[method+" "+path] = false
			if name := httpapi.Names()[method+" "+path]; name != op.OperationID {
				t.Errorf("%s %s is %q in openapi.json and %q in the metrics", method, path, op.OperationID, name)
			}
		}
	}
	for _, route := range httpapi.Routes() {
		if _, ok := described[route]; !ok {
			t.Errorf("%s is not in openapi.json", route)
		}
		described[route] = true
	}
	for route, served := range described {
		if !served {
			t.Errorf("openapi.json has %s, which is not served", route)
		}
	}
}

// Every operation does what its examples say that it does.
func TestEveryExampleWorks(t *testing.T) {
	w := newWorld(t, options{change: func(c *httpapi.Config) {
		c.Reload = func(string) (httpapi.Reloaded, error) {
			return httpapi.Reloaded{Taken: []string{}, NeedsRestart: []string{}}, nil
		}
	}})
	doc := spec(t)
	ran := 0
	// In this order, so that what one needs is there: a client before its budget.
	for _, method := range []string{"POST", "PUT", "PATCH", "GET", "DELETE"} {
		for _, path := range slices.Sorted(maps.Keys(doc.Paths.Map())) {
			op := doc.Paths.Value(path).Operations()[method]
			if op == nil || op.OperationID == "events" { // a stream of its own, see TestEvents
				continue
			}
			for _, r := range exampleRequests(t, path, op) {
				resp, body := w.call(method, r.path, adminToken, r.body, r.headers...)
				if resp.StatusCode/100 != 2 {
					t.Errorf("the example of %s %s: %d %.300s", method, r.path, resp.StatusCode, body)
				}
				ran++
			}
		}
	}
	if ran < len(httpapi.Routes()) {
		t.Errorf("%d examples of %d routes", ran, len(httpapi.Routes()))
	}
	w.noSecrets()
}

// example is one request that the document shows.
type example struct {
	path, body string
	headers    []string
}

// exampleRequests makes of an operation's examples the requests that they are.
func exampleRequests(t *testing.T, path string, op *openapi3.Operation) (all []example) {
	t.Helper()
	base := example{path: path}
	query := ""
	for _, p := range op.Parameters {
		v, ok := p.Value.Example.(string)
		if n, number := p.Value.Example.(float64); number {
			v, ok = json.Number(jsonText(t, n)).String(), true
		}
		if !ok {
			continue
		}
		switch p.Value.In {
		case "path":
			base.path = strings.ReplaceAll(base.path, "{"+p.Value.Name+"}", v)
		case "query":
			query += "&" + p.Value.Name + "=" + url.QueryEscape(v)
		case "header":
			base.headers = append(base.headers, p.Value.Name+": "+v)
		}
	}
	if query != "" {
		base.path += "?" + query[1:]
	}
	if op.RequestBody == nil {
		return []example{base}
	}
	for mediaType, content := range op.RequestBody.Value.Content {
		for _, ex := range content.Examples {
			one := base
			one.headers = append(slices.Clone(one.headers), "Content-Type: "+mediaType)
			if text, ok := ex.Value.Value.(string); ok {
				one.body = text
			} else {
				one.body = jsonText(t, ex.Value.Value)
			}
			all = append(all, one)
		}
	}
	return all
}

func jsonText(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
