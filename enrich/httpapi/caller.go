package httpapi

import (
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"strings"

	"github.com/enrichgate/enrichgate/enrich"
	"github.com/enrichgate/enrichgate/enrich/httpapi/clients"
	"github.com/enrichgate/enrichgate/quota"
	"github.com/enrichgate/enrichgate/stixconv"
)

// role is what a caller may do.
type role uint8

const (
	// reader may see everything and spend nothing.
	reader role = 1 << iota
	// client may spend at its sources, within its budgets, and sees only them.
	client
	// admin may do everything.
	admin

	anybody = reader | client | admin
)

// caller is who asks.
type caller struct {
	role role
	// name stands in the audit log and in the ledger's budgets.
	name    string
	trigger quota.Trigger
	// client is set for the role client.
	client clients.Client
	// owner is whose the requests are that are remembered: one that gets its name
	// or its rights anew must not be told what was told before.
	owner string
}

// may says whether the caller may ask the source at all.
func (c caller) may(source string) bool { return c.role != client || c.client.May(source) }

// checkTLP holds an entity against the client's own maximum. What an unmarked
// entity counts as is the source's setting.
func (c caller) checkTLP(e enrich.Entity, source enrich.Policy) error {
	if c.client.MaxTLP == "" {
		return nil
	}
	most, err := stixconv.ParseTLP(c.client.MaxTLP)
	if err != nil {
		return err
	}
	_, err = enrich.Policy{MaxTLP: min(most, source.MaxTLP), Unmarked: source.Unmarked}.CheckTLP(e)
	return err
}

// doors are the tokens of the configuration.
type doors struct {
	admin, read [sha256.Size]byte
	hasAdmin    bool
	hasRead     bool
	local       bool
	clients     *clients.Store
	failures    *failures
	log         *slog.Logger
}

func newDoors(c Config) *doors {
	return &doors{
		admin: sha256.Sum256([]byte(c.AdminToken)), hasAdmin: c.AdminToken != "",
		read: sha256.Sum256([]byte(c.ReadToken)), hasRead: c.ReadToken != "",
		local: c.Local, clients: c.Clients, failures: newFailures(c.Clock), log: c.Log,
	}
}

// open says that no token is configured: then everybody may read. Clients
// that exist have tokens of their own and change nothing about that.
func (d *doors) open() bool { return !d.hasAdmin && !d.hasRead }

// bearer takes the token of Authorization: Bearer.
func bearer(r *http.Request) string {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return ""
	}
	return strings.TrimSpace(token)
}

// judge says who presents a token. Tokens of the configuration were chosen by a
// person and might be guessed: after too many failures from one address they
// are not looked at for a while. A client's cannot, and always are, so that one
// broken script does not lock its neighbours out.
func (d *doors) judge(r *http.Request, token string) (caller, *Details) {
	if d.local {
		return caller{role: admin, name: "cli", trigger: quota.Manual}, nil
	}
	if token == "" && d.open() {
		if !loopbackName(r.Host) {
			// A page on another site can make a name of its own point here.
			return caller{}, &Details{Status: http.StatusForbidden, Type: typeForbidden, Title: "without a token this is answered on this host only, under its address or as localhost"}
		}
		return caller{role: reader, name: "anonymous", trigger: quota.API}, nil
	}
	if clients.LooksLikeToken(token) && d.clients != nil {
		return d.judgeClient(token, addressOf(r))
	}
	from := addressOf(r)
	if wait := d.failures.wait(from); wait > 0 {
		return caller{}, tooMany(wait)
	}
	got := sha256.Sum256([]byte(token))
	isAdmin := subtle.ConstantTimeCompare(got[:], d.admin[:]) == 1
	isReader := subtle.ConstantTimeCompare(got[:], d.read[:]) == 1
	switch {
	case token == "":
		return caller{}, unauthorized("a token is needed: Authorization: Bearer …")
	case isAdmin && d.hasAdmin:
		return caller{role: admin, name: "admin", trigger: quota.API}, nil
	case isReader && d.hasRead:
		return caller{role: reader, name: "read", trigger: quota.API}, nil
	}
	d.failed(from)
	return caller{}, unauthorized("nobody has this token")
}

// failed counts a wrong token. Only the last one that is listened to is logged,
// so that whoever guesses does not fill the log.
func (d *doors) failed(from string) {
	if d.failures.note(from) {
		d.log.Warn("an address presents wrong tokens and is not listened to for a while", "address", from)
	}
}

func (d *doors) judgeClient(token, from string) (caller, *Details) {
	c, err := d.clients.Authenticate(token)
	if err == nil {
		rights := digest(token, c.MaxTLP, strings.Join(c.Sources, ","))
		return caller{role: client, name: c.Name, trigger: quota.API, client: c, owner: c.Name + string(rights[:])}, nil
	}
	if wait := d.failures.wait(from); wait > 0 {
		return caller{}, tooMany(wait)
	}
	d.failed(from)
	if errors.Is(err, clients.ErrExpired) {
		return caller{}, unauthorized("this client's token has expired")
	}
	return caller{}, unauthorized("nobody has this token")
}

func tooMany(wait int64) *Details {
	return &Details{Status: http.StatusTooManyRequests, Type: typeTooManyTries, Title: "too many wrong tokens from this address", RetryAfter: wait}
}

func unauthorized(title string) *Details {
	return &Details{Status: http.StatusUnauthorized, Type: typeUnauthorized, Title: title}
}

// loopbackName says that a Host header names this machine to itself.
func loopbackName(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.Trim(host, "[]")
	ip := net.ParseIP(host)
	return strings.EqualFold(host, "localhost") || ip != nil && ip.IsLoopback()
}

// addressOf is the peer's address without its port.
func addressOf(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}
