package source

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/enrichgate/enrichgate/enrich"
	"github.com/enrichgate/enrichgate/enrich/source/wire"
	"github.com/enrichgate/enrichgate/stixconv"
)

// Config joins a definition with a key.
type Config struct {
	// BaseURL replaces the definition's; empty means that.
	BaseURL string
	// Secrets by name; all that are not optional are required.
	Secrets map[string]wire.Secret
	// Params by name, as Param.Parse gives them; what is missing has its default.
	Params map[string]any
	// TTL says how long a found answer of any lookup is fresh; 0 means what the
	// definition says. A shorter one shortens that of "not found", too. The
	// definition's maximum, if it has one, stays the maximum.
	TTL time.Duration
	// Stale is how much longer an answer may be served, marked as stale, while
	// quota or provider refuse; nil means what the definition says.
	Stale *time.Duration
	// Timeout bounds a call from start to the last byte; 0 means what the
	// definition says.
	Timeout time.Duration
	// AuthorName names the identity that signs the facts; empty means the title.
	AuthorName string
	// SkipPrivate refuses to plan calls for addresses that are nobody's on the internet.
	SkipPrivate bool
	// UserAgent is sent with each call; empty means "enrichgate/" and its version.
	UserAgent string
	// Transport makes the calls; nil means an own one (HTTP/1.1, the proxy of
	// the environment).
	Transport http.RoundTripper
	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

// Source is a definition with a key. It is safe for concurrent use.
type Source struct {
	d       *Definition
	base    string
	vary    string // the address, when it is not the vendor's
	secrets func(name string) string
	redact  *strings.Replacer
	params  map[string]any // durations in seconds
	agent   string
	ttl     time.Duration
	stale   time.Duration
	private bool
	author  stixconv.Author
	client  wire.Client
	memo    memo
	now     func() time.Time
}

var _ enrich.Source = (*Source)(nil)

// Open checks the configuration and makes a source of it. It makes no call.
func (d *Definition) Open(c Config) (*Source, error) {
	base, err := baseURL(cmp.Or(c.BaseURL, d.def.HTTP.BaseURL))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", d.Name(), err)
	}
	s := &Source{
		d: d, base: base, agent: cmp.Or(c.UserAgent, wire.UserAgent()), ttl: c.TTL, stale: d.stale, private: c.SkipPrivate,
		author: stixconv.Author{Name: cmp.Or(c.AuthorName, d.def.Title), TLP: d.def.TLP},
		client: wire.New(c.Transport, cmp.Or(c.Timeout, d.timeout), d.maxBody),
		now:    c.Now,
	}
	if own, _ := baseURL(d.def.HTTP.BaseURL); base != own {
		s.vary = base
	}
	if c.Stale != nil {
		s.stale = *c.Stale
	}
	if s.now == nil {
		s.now = time.Now
	}
	if err := errors.Join(s.takeSecrets(c.Secrets), s.takeParams(c.Params)); err != nil {
		return nil, fmt.Errorf("%s: %w", d.Name(), err)
	}
	return s, nil
}

// takeSecrets checks the secrets and hides them behind a function, so that no
// way to print the source shows them.
func (s *Source) takeSecrets(given map[string]wire.Secret) error {
	own := map[string]string{}
	var hide []string
	for _, name := range slices.Sorted(maps.Keys(s.d.def.Settings.Secrets)) {
		secret := string(given[name])
		if secret == "" && !s.d.def.Settings.Secrets[name].Optional {
			return fmt.Errorf("no %s", name)
		}
		// One with a line break would be refused by net/http on every call; a
		// space is the mark of a key that was pasted with its header.
		if strings.ContainsFunc(secret, func(r rune) bool { return r <= ' ' || r > '~' }) {
			return fmt.Errorf("%s has a character that no key has (a space or a line break?)", name)
		}
		own[name] = secret
		if secret != "" {
			hide = append(hide, secret, wire.Redacted)
			if escaped := url.QueryEscape(secret); escaped != secret {
				hide = append(hide, escaped, wire.Redacted)
			}
		}
	}
	s.secrets = func(name string) string { return own[name] }
	s.redact = strings.NewReplacer(hide...)
	return nil
}

// takeParams fills in defaults. Durations are seconds to requests and programs.
func (s *Source) takeParams(given map[string]any) error {
	s.params = map[string]any{}
	for name := range given {
		if _, known := s.d.def.Settings.Params[name]; !known {
			return fmt.Errorf("no parameter is called %s", name)
		}
	}
	for _, p := range s.d.Settings().Params {
		v, set := given[p.Name]
		if !set {
			v = p.Default
		}
		if v == nil && !p.Optional {
			return fmt.Errorf("no %s", p.Name)
		}
		if d, ok := v.(time.Duration); ok {
			v = int(d.Seconds())
		} else if v != nil {
			checked, err := p.Parse(fmt.Sprint(v))
			if err != nil {
				return fmt.Errorf("%s: %w", p.Name, err)
			}
			v = checked
		}
		s.params[p.Name] = v
	}
	return nil
}

// baseURL checks an API's address and drops the slash at its end. Its errors do
// not repeat the address, for it may hold a password.
func baseURL(raw string) (string, error) {
	u, err := url.Parse(raw)
	if err != nil {
		return "", errors.New("the base URL is not a URL")
	}
	if u.Scheme != "http" && u.Scheme != "https" {
		return "", errors.New("the base URL must start with https:// or http://")
	}
	if u.Hostname() == "" {
		return "", errors.New("the base URL names no host")
	}
	if u.User != nil || u.RawQuery != "" || u.ForceQuery || u.Fragment != "" {
		return "", errors.New("the base URL must have no user, query or fragment")
	}
	return strings.TrimRight(u.String(), "/"), nil
}

// Name is the source's id in the ledger, the cache, the metrics and the API.
func (d *Definition) Name() string { return d.def.Source }

// Title is what people call the source.
func (d *Definition) Title() string { return d.def.Title }

// About is one sentence on what it knows.
func (d *Definition) About() string { return d.def.About }

// Own says that the definition is the operator's and not one that ships.
func (d *Definition) Own() bool { return d.own }

// Text is the definition's file.
func (d *Definition) Text() []byte { return slices.Clone(d.text) }

// Name is the source's id in the ledger, the cache, the metrics and the API.
func (s *Source) Name() string { return s.d.Name() }

// Author is the vendor, with the marking that the definition gives what it says.
func (s *Source) Author() stixconv.Author { return s.author }

// Close lets go of idle connections. The source can be used again afterwards.
func (s *Source) Close() {
	if t, ok := s.client.Transport.(interface{ CloseIdleConnections() }); ok {
		t.CloseIdleConnections()
	}
}

// Format prints the name, whatever the verb, so that no dump shows a key.
func (s *Source) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.d.Name()) }
