package main

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"
)

// remote is the way to a daemon on another host: its public API, with a token.
// What only the daemon's own host may do is said so, and not tried.
type remote struct {
	base  string
	token string
	next  http.RoundTripper
}

// remoteTimeout bounds one request: a lookup may wait for a limit.
const remoteTimeout = 5 * time.Minute

// remote opens the way that --server names, nil when it names none.
func (c *cli) remote() (*access, error) {
	usage := func(format string, args ...any) error { return &exitError{exitUsage, fmt.Errorf(format, args...)} }
	if c.Server == "" {
		if c.TokenFile != "" {
			return nil, usage("--token-file is for --server")
		}
		return nil, nil
	}
	u, err := url.Parse(c.Server)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.User != nil || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" {
		return nil, usage("--server is the address of a daemon such as https://enrichgate.example.com:8080")
	}
	if c.TokenFile == "" {
		return nil, usage("--server needs --token-file, a file with the token of a client, or the read or admin token")
	}
	b, err := os.ReadFile(c.TokenFile)
	if err != nil {
		return nil, usage("--token-file: %w", err)
	}
	token := strings.TrimSpace(string(b))
	if token == "" || strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return nil, usage("--token-file: %s holds no token, which is one word", c.TokenFile)
	}
	transport := http.DefaultTransport.(*http.Transport).Clone() // the proxy of the environment, SSL_CERT_FILE
	r := &remote{base: u.Scheme + "://" + u.Host, token: token, next: transport}
	return &access{server: r.base, client: &http.Client{Transport: r, Timeout: remoteTimeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}, nil
}

var errHere = errors.New("this is done on the daemon's own host, or on its page")

// RoundTrip sends a request of the local socket to the public API.
func (r *remote) RoundTrip(req *http.Request) (*http.Response, error) {
	to, err := url.Parse(r.base + req.URL.RequestURI())
	if err != nil {
		return nil, err
	}
	req = req.Clone(req.Context())
	if rest, local := strings.CutPrefix(to.Path, "/local/v1/"); local {
		if rest != "ledger" || req.Method != http.MethodGet {
			return nil, &exitError{exitUsage, errHere}
		}
		to.Path = "/api/v1/ledger"
		q := to.Query()
		if q.Get("newest") == "true" {
			q.Set("order", "newest")
		}
		q.Del("newest")
		if q.Get("limit") == "0" {
			q.Del("limit")
		}
		to.RawQuery = q.Encode()
		if req.Header.Get("Accept") == "" {
			req.Header.Set("Accept", "application/x-ndjson")
		}
	}
	req.URL, req.Host = to, to.Host
	req.Header.Set("Authorization", "Bearer "+r.token)
	return r.next.RoundTrip(req)
}
