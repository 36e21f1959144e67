// Package sandbox is a provider to practise with: it answers like Proofpoint ET
// Intelligence, from invented data, and keeps its own bill.
//
// The bill is the point. What a client believes to have spent can be held
// against what arrived here, counted as each request is seen and before it is
// answered, so that an answer that never reached the client is on it too.
//
// Answers depend on the value and the day only: the same address has the same
// reputation in every run. All names, addresses and networks in them are from
// the ranges that are set aside for documentation; files and places do not
// exist.
package sandbox

import (
	"crypto/subtle"
	"encoding/json"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Options say how the provider behaves. The zero value answers everything at
// once to everybody who brings a key.
type Options struct {
	// Key is the API key that requests must bring; empty takes any, but not none.
	Key string
	// Now is the clock; nil means time.Now.
	Now func() time.Time
	// Latency is how long each answer takes.
	Latency time.Duration
	// NotFoundShare is the share of values, 0 to 1, that nothing is known of.
	NotFoundShare float64
	// PerMinute is how many requests a minute are answered before the others
	// get 429, by the minutes of the clock; 0 means no limit.
	PerMinute int
}

// Hook may replace the answer to the n-th request that was seen, counted from
// 1. It returns false to leave the usual answer.
type Hook func(req *http.Request, n int) (Reply, bool)

// Provider is an http.Handler that serves the API below /v1/. It is safe for
// concurrent use.
type Provider struct {
	opts Options

	mu     sync.Mutex // protects what follows
	hook   Hook
	bill   Bill
	file   *os.File
	minute time.Time // the clock's minute that inMinute counts
	inMin  int
}

// New makes a provider with an empty bill.
func New(opts Options) *Provider {
	if opts.Now == nil {
		opts.Now = time.Now
	}
	return &Provider{opts: opts, bill: newBill()}
}

// Handle sets the hook that may replace answers; nil takes it away. It is
// called for every request, one that would be refused included, and may be
// called by several requests at once.
func (p *Provider) Handle(hook func(req *http.Request, n int) (Reply, bool)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.hook = hook
}

// ServeHTTP sees a request, puts it on the bill and answers it.
func (p *Provider) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	call, known := parseCall(req.URL)
	n, hook, busy, err := p.see(call, known)
	if err != nil {
		// A bill that cannot be kept must not look like a quiet provider.
		reply(http.StatusInternalServerError, failure("the bill cannot be written")).send(w, req)
		return
	}
	answer, replaced := Reply{}, false
	if hook != nil {
		answer, replaced = hook(req, n)
	}
	if !replaced {
		answer = p.usual(req, call, known, busy)
	}
	p.settle(answer)
	if wait(req, p.opts.Latency) {
		answer.send(w, req)
	}
}

// usual is the answer that no hook replaced.
func (p *Provider) usual(req *http.Request, c call, known, busy bool) Reply {
	key := req.Header.Get("Authorization")
	switch {
	case key == "" || p.opts.Key != "" && subtle.ConstantTimeCompare([]byte(key), []byte(p.opts.Key)) != 1:
		return reply(http.StatusUnauthorized, failure("Unauthorized"))
	case busy:
		return reply(http.StatusTooManyRequests, failure("Rate limit exceeded"))
	case req.Method != http.MethodGet:
		return reply(http.StatusMethodNotAllowed, failure("Method not allowed"))
	case !known:
		return reply(http.StatusNotFound, failure("Not found"))
	}
	return reply(http.StatusOK, success(c.answer(p.opts.Now(), p.opts.NotFoundShare)))
}

// call is what a request asks for.
type call struct{ endpoint, value string }

// String is the call's line on the bill.
func (c call) String() string { return c.endpoint + " " + c.value }

// parseCall reads the path, such as /v1/ips/192.0.2.1/reputation.
func parseCall(u *url.URL) (call, bool) {
	parts := strings.Split(strings.TrimPrefix(u.EscapedPath(), "/"), "/")
	for i := range parts {
		part, err := url.PathUnescape(parts[i])
		if err != nil {
			return call{}, false
		}
		parts[i] = part
	}
	if len(parts) < 3 || parts[0] != "v1" || parts[2] == "" || strings.ContainsAny(parts[2], " \r\n") {
		return call{}, false
	}
	c := call{value: parts[2]}
	switch {
	case len(parts) == 3 && parts[1] == "samples":
		c.endpoint = "sample"
	case len(parts) == 4 && parts[1] == "ips":
		c.endpoint = "ip." + parts[3]
	case len(parts) == 4 && parts[1] == "domains":
		c.endpoint = "domain." + parts[3]
	}
	switch c.endpoint {
	case "ip.reputation", "ip.domains", "ip.samples", "ip.geoloc", "ip.asn",
		"domain.reputation", "domain.ips", "domain.samples", "sample":
		return c, true
	}
	return call{}, false
}

// success wraps a response in the API's envelope.
func success(response any) []byte {
	body, err := json.Marshal(map[string]any{"success": true, "response": response})
	if err != nil {
		panic("sandbox: an invented answer does not encode: " + err.Error())
	}
	return body
}

// failure is the API's envelope for a refusal.
func failure(message string) []byte {
	return []byte(`{"success":false,"message":` + strconv.Quote(message) + `,"response":{}}`)
}
