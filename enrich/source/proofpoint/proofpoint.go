// Package proofpoint asks Proofpoint ET Intelligence about IPv4 addresses,
// domains and files.
//
// The life of one lookup: Plan turns an entity into calls, one for each part
// that is known of it (five for an address, three for a domain, one for a
// file); Fetch makes one of the calls and says how it ended; Facts reads what a
// call brought, as often as it is asked to, without the network. Calls are
// planned, made and kept one by one, so that a refusal of one part does not
// cost the others.
//
// A Fetch puts at most one request on the wire: it repeats nothing, follows no
// redirect, and hinders net/http from repeating behind its back (package wire).
//
// What counts as an answer is decided from status and body together, and
// strictly: only the API's own envelope, {"success": true, "response": …}, of
// the kind that the endpoint documents, is one. All else, the login page of a
// proxy under status 200 included, is an error that nobody keeps (classify.go).
//
// Not promised: IPv6 (the API has none), and the parts of the API that the plan
// does not name (urls, events, whois, nameservers, sids).
package proofpoint

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/enrichgate/enrichgate/enrich"
	"github.com/enrichgate/enrichgate/enrich/source/wire"
	"github.com/enrichgate/enrichgate/stixconv"
)

// Name is the source's id.
const Name = "proofpoint_et_intelligence"

// DefaultBaseURL is where the vendor serves the API.
const DefaultBaseURL = "https://api.emergingthreats.net/v1/"

// Config is all that can be set. Only APIKey has no default.
type Config struct {
	// BaseURL is the API's address with its version, http or https, with or
	// without the slash at its end; empty means DefaultBaseURL.
	BaseURL string
	// APIKey is sent as it is in the header Authorization. Required.
	APIKey wire.Secret
	// SeenWithin leaves out domains, addresses and samples that were last seen
	// earlier than this before now; 0 means 30 days. It is counted from now,
	// not from the day of the answer, so that kept answers age too.
	SeenWithin time.Duration
	// TTL says how long a found answer of any endpoint is fresh; 0 means what
	// suits the endpoint, from 6 hours (reputation) to 365 days (a sample).
	// A TTL shorter than what suits "not found" shortens that too; a longer
	// one does not lengthen it.
	TTL time.Duration
	// Stale is how much longer an answer may be served, marked as stale, while
	// quota or provider refuse; 0 means 7 days: long enough for a weekend with
	// an exhausted contract, short enough that a reputation still says something.
	Stale time.Duration
	// AuthorName names the identity that signs the facts; empty means
	// "Proofpoint ET Intelligence".
	AuthorName string
	// Timeout bounds a call from start to the last byte; 0 means 20 s.
	Timeout time.Duration
	// MaxBody bounds an answer in bytes, as sent and as unpacked; 0 means 8 MiB.
	MaxBody int64
	// SkipPrivate refuses to plan calls for addresses that are nobody's on the
	// internet (private, loopback, multicast, …): they cost units and bring nothing.
	SkipPrivate bool
	// UserAgent is sent with each call; empty means "enrichgate/" and the
	// version that the binary was built as.
	UserAgent string
	// Transport makes the calls; nil means an own one (HTTP/1.1, the proxy of
	// the environment). One that repeats requests by itself breaks the promise
	// of one request a call.
	Transport http.RoundTripper
	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

// Source is ET Intelligence behind one API key. It is safe for concurrent use.
type Source struct {
	base string
	// vary keeps the answers of another address apart from the vendor's.
	vary string
	// key is a function so that no way to print the source shows it.
	key         func() string
	userAgent   string
	seenWithin  time.Duration
	client      wire.Client
	skipPrivate bool
	author      stixconv.Author
	endpoints   map[string]endpoint
	now         func() time.Time
}

var _ enrich.Source = (*Source)(nil)

// New checks the configuration and makes a source of it. It makes no call.
func New(c Config) (*Source, error) {
	base, err := baseURL(cmp.Or(c.BaseURL, DefaultBaseURL))
	if err != nil {
		return nil, err
	}
	err = c.check()
	if err != nil {
		return nil, err
	}
	s := &Source{
		base:        base,
		vary:        varyOf(base),
		key:         func() string { return string(c.APIKey) },
		userAgent:   cmp.Or(c.UserAgent, wire.UserAgent()),
		seenWithin:  cmp.Or(c.SeenWithin, 30*day),
		client:      wire.New(c.Transport, cmp.Or(c.Timeout, 20*time.Second), cmp.Or(c.MaxBody, 8<<20)),
		skipPrivate: c.SkipPrivate,
		author: stixconv.Author{
			Name: cmp.Or(c.AuthorName, "Proofpoint ET Intelligence"),
			TLP:  "TLP:AMBER+STRICT",
		},
		endpoints: endpoints(c.TTL, cmp.Or(c.Stale, 7*day)),
		now:       c.Now,
	}
	if s.now == nil {
		s.now = time.Now
	}
	return s, nil
}

// check refuses what no call can be made with.
func (c Config) check() error {
	if c.APIKey == "" {
		return errors.New("proofpoint: no API key")
	}
	// A key with a line break would be refused by net/http on every call; a
	// space is the mark of a key that was pasted with its header.
	if strings.ContainsFunc(string(c.APIKey), func(r rune) bool { return r <= ' ' || r > '~' }) {
		return errors.New("proofpoint: the API key has a character that no key has (a space or a line break?)")
	}
	if strings.ContainsFunc(c.UserAgent, func(r rune) bool { return r < ' ' || r > '~' }) {
		return errors.New("proofpoint: the user agent has a character that a header cannot hold")
	}
	for name, d := range map[string]time.Duration{"SeenWithin": c.SeenWithin, "TTL": c.TTL, "Stale": c.Stale, "Timeout": c.Timeout} {
		if d < 0 {
			return fmt.Errorf("proofpoint: %s is negative: %s", name, d)
		}
	}
	if c.MaxBody < 0 {
		return fmt.Errorf("proofpoint: MaxBody is negative: %d", c.MaxBody)
	}
	return nil
}

// varyOf is empty for the vendor's own address and the address otherwise: what
// a sandbox or a mirror answered must never be served as the vendor's word.
func varyOf(base string) string {
	if base == DefaultBaseURL {
		return ""
	}
	return base
}

// baseURL checks the API's address and ends it with a slash. Its errors do not
// repeat the address, for it may hold a password.
func baseURL(raw string) (string, error) {
	u, err := url.Parse(raw)
	if err != nil {
		return "", errors.New("proofpoint: the base URL is not a URL")
	}
	if u.Scheme != "http" && u.Scheme != "https" {
		return "", errors.New("proofpoint: the base URL must start with https:// or http://")
	}
	if u.Hostname() == "" {
		return "", errors.New("proofpoint: the base URL names no host")
	}
	if u.User != nil || u.RawQuery != "" || u.ForceQuery || u.Fragment != "" {
		return "", errors.New("proofpoint: the base URL must have no user, query or fragment")
	}
	return strings.TrimRight(u.String(), "/") + "/", nil
}

// Name is the source's id in the ledger, the cache, the metrics and the API.
func (s *Source) Name() string { return Name }

// Author is Proofpoint, with the marking that its contract asks for.
func (s *Source) Author() stixconv.Author { return s.author }

// Close lets go of idle connections. The source can be used again afterwards.
func (s *Source) Close() {
	if t, ok := s.client.Transport.(interface{ CloseIdleConnections() }); ok {
		t.CloseIdleConnections()
	}
}

// Format prints the name, whatever the verb, so that no dump shows the key.
func (Source) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, Name) }
